"""A small form of the experiment istdp, under evolution and under a gradient."""

import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.spec import decode

SMALL = {
    "istdp": (
        "task.n_in=6",
        "task.n_out=6",
        "task.rate=300",
        "task.n_steps=60",
        "task.window=20",
        "network.n_i=3",
    ),
}
# from coefficients of 0 nothing would tell a time constant
STARTED = {"terms": ["pre", "pre*post_trace", "post", "post*pre_trace"], "scale": 0.1}
OUTER = {
    "es": {"name": "es", "strategy": "CMA_ES", "steps": 1, "population": 4},
    "bptt": {"name": "bptt", "steps": 1},
}


@pytest.mark.parametrize(
    ("experiment", "outer"),
    [
        ("istdp", "es"),
        pytest.param("istdp", "bptt", marks=pytest.mark.system),
    ],
)
def test_a_small_form_of_an_experiment_moves_every_number_of_its_rules(experiment, outer):
    words = (f"experiment={experiment}", "rows={}", "problem.n_tasks=2", *SMALL[experiment])
    plain = compose(words, Sources())
    for slot in plain["rules"].values():
        slot["rule"] = {**slot["rule"], **STARTED}
    problem = parse(plain).main.meta_problem()
    loop = decode("outer", OUTER[outer])
    born = search_loop.begin(problem, loop, 0)
    ((_, state, metrics),) = search_loop.steps(problem, loop, 0, born, 0, 1)
    assert np.isfinite(metrics["loss"])
    assert int(metrics["skipped"]) == 0
    pairs = zip(
        jax.tree.leaves_with_path(loop.theta(born)),
        jax.tree.leaves(loop.theta(state)),
        strict=True,
    )
    for (path, before), after in pairs:
        assert np.isfinite(after).all()
        assert np.any(before != after), jax.tree_util.keystr(path)
