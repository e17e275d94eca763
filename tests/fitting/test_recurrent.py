"""The rule of recurrent synapses is found.

The recorded cells excite each other, and nothing else is recorded.
"""

from typing import Any

import numpy as np
import pytest

from inner_tasks.recordings import Recordings
from metaplast.feedback.none import None_
from metaplast.fitting.data import data_of
from metaplast.fitting.numbers import numbers
from metaplast.fitting.rows import fit_row
from metaplast.genomes.direct import Direct
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.recurrent import Recurrent
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from outer_loops.lbfgs import Lbfgs

TRUTH = {"post*pre": 0.05, "weight": -0.03}
NOISE = 0.1


def _simulated(path: Any) -> Recordings:
    """y(t) = tanh(V x(t) + W y(t - 1)), recorded with noise; W learns, and forgets."""
    rng = np.random.default_rng(0)
    stimulus = []
    activity = []
    sessions = []
    v = rng.normal(0, 0.7, (3, 4))
    first = rng.normal(0, 0.4, (3, 3))
    for session in range(8):
        w = first
        y = np.zeros(3)
        for _ in range(60):
            x = rng.normal(size=4)
            before = y
            y = np.tanh(v @ x + w @ before)
            stimulus.append(x)
            activity.append(y + NOISE * rng.normal(size=3))
            sessions.append(session)
            w = w + TRUTH["post*pre"] * np.outer(y, before) + TRUTH["weight"] * w
    np.savez(path, stimulus=stimulus, activity=activity, session=sessions)
    return Recordings(path=str(path))


@pytest.mark.system  # a program of many seconds
def test_a_fit_finds_the_rule_of_recurrent_synapses(tmp_path: Any) -> None:
    """Both matrices of first weights are fitted along."""
    family = _simulated(tmp_path / "a.npz")
    rule = Polynomial(terms=tuple(TRUTH), rate=0.1, scale=0.001)
    slots = (Slot(edges="output_to_output", rule=rule),)
    lifetime = Lifetime(family, Recurrent(readout=False), None_(), Direct(), slots)
    problem = MetaProblem(lifetime, MeanLoss(), n_tasks=99, life_clip=0.0)
    row = fit_row(problem, Lbfgs(steps=150), data_of(family, lifetime), Fit(starts=1), 0)
    assert numbers(lifetime, row.theta) == pytest.approx(TRUTH, abs=0.01)
    assert row.residual_sd == pytest.approx(NOISE, rel=0.1)
