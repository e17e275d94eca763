"""The life of a page, lived in stretches, against the same life lived at once."""

from typing import Any

import jax
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast import search_loop
from metaplast.inspection import spiking_life as module
from metaplast.inspection.lived import LEVELS
from metaplast.inspection.spiking_life import spiking_life
from metaplast.inspection.subject import Subject
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.problem.meta_problem import MetaProblem
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode
from metaplast.testing.base import quick_jit


def test_a_life_in_stretches_is_the_first_held_out_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "N_POINTS", 10)
    network: Any = decode(
        "network",
        {"name": "feedforward", "hidden": [], "output": {"name": "lif", "threshold": 0.02}},
    )
    rule = Polynomial(terms=("pre",), initial=(0.1,), rate=1.0)
    task = TeacherStudent(n_in=5, n_out=14, n_steps=60)
    lifetime = Lifetime(
        task=task, network=network, slots=(Slot(rule=rule),), record=("activity", "potential")
    )
    problem = MetaProblem(lifetime)
    theta = problem.init(jax.random.key(0))
    found = spiking_life(Subject(problem, theta, 3, "loss", False, RuleFile({}, {})))

    batch = search_loop.sample(task, search_loop.stream(3, "heldout"), 1, "heldout")
    first = jax.tree.map(lambda leaf: leaf[0], batch.tasks)
    life = lifetime.begin(theta, first, batch.keys[0])
    lived, trace = quick_jit(lambda life: lifetime.advance(theta, first, life, 60))(life)
    spikes = np.asarray(trace.recorded["activity"]["output"])
    assert spikes.any() and not spikes.all()
    np.testing.assert_array_equal(found.spikes["output"], spikes)
    watched = found.watched["output"]
    assert len(watched) == module.N_WATCHED and (watched[0], watched[-1]) == (0, 13)
    potentials = np.asarray(trace.recorded["potential"]["output"])
    np.testing.assert_allclose(found.potentials["output"], potentials[:, watched], atol=1e-6)
    (edge,) = found.quantiles
    for place, state in ((0, life), (-1, lived)):
        weights = np.asarray(state.synapses[edge].weight, np.float64).ravel()
        known = np.quantile(weights, LEVELS)
        np.testing.assert_allclose(found.quantiles[edge][place], known, atol=1e-6)
        single = weights[module.spread(70, module.N_SINGLE)]
        np.testing.assert_allclose(found.single[edge][place], single, atol=1e-6)
    assert not np.allclose(found.quantiles[edge][0], found.quantiles[edge][-1])
    assert found.times[-1] == pytest.approx(0.06) and found.n_synapses == {edge: 70}
    assert found.thresholds == {"output": 0.02} and (found.n_steps, found.n_whole) == (60, 60)
