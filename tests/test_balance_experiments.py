"""Small forms of the experiments on balanced networks, under evolution and under a gradient."""

import pytest

from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.spec import decode
from tests._moves import demand_all_move

SMALL = {
    "istdp": (
        "task.n_in=6",
        "task.n_out=6",
        "task.rate=300",
        "task.n_steps=60",
        "task.window=20",
        "network.n_i=3",
    ),
    "coactive": (
        "task.earlier=[]",
        "task.n_cells=10",
        "task.n_patterns=1",
        "task.shots=1",
        "task.present=20",
        "task.pause=5",
        "task.recall=20",
        "task.rate=500",
        "task.background=200",
        "task.strength=1",
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
        ("coactive", "es"),
        pytest.param("coactive", "bptt", marks=pytest.mark.system),
    ],
)
def test_a_small_form_of_an_experiment_moves_every_number_of_its_rules(experiment, outer):
    words = (f"experiment={experiment}", "rows={}", "problem.n_tasks=2", *SMALL[experiment])
    plain = compose(words, Sources())
    for slot in plain["rules"].values():
        slot["rule"] = {**slot["rule"], **STARTED}
        slot["rule"].pop("initial", None)
    problem = parse(plain).main.meta_problem()
    demand_all_move(problem, decode("outer", OUTER[outer]))
