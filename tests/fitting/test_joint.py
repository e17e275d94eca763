"""Activity and choices fitted together, against NumPy.

The values that the task sees, the count of a value, and the shares that are explained.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from inner_tasks.recordings import Recordings
from metaplast import search_loop
from metaplast.feedback.random import Random
from metaplast.fitting import row_files
from metaplast.fitting.data import Data, data_of
from metaplast.fitting.judgement import judge_activity, judged_nulls, only_columns
from metaplast.fitting.nulls import history_glm, mean_null
from metaplast.fitting.numbers import numbers
from metaplast.fitting.predict import activity
from metaplast.fitting.rows import fit_row, residual_sd
from metaplast.fitting.summary import compare_with_nulls, scores_of
from metaplast.genomes.constant import Constant
from metaplast.genomes.direct import Direct
from metaplast.genomes.given import Given
from metaplast.genomes.parts import Parts
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.joint import Joint
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from outer_loops.lbfgs import Lbfgs

S = 5  # sessions
T = 8  # rows of each
UNITS = 2  # recorded ones
SD = 0.7
RULE = Polynomial(terms=("post*pre", "weight"), rate=0.1)
COEFFICIENTS = (1.0, -0.5)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Two units and a choice of three, some of both missing; all first weights known."""
    rng = np.random.default_rng(0)
    n = S * T
    activity = rng.normal(size=(n, UNITS))
    choice = rng.integers(0, 3, n)
    activity[rng.random(activity.shape) < 0.2] = np.nan
    choice[rng.random(n) < 0.2] = -1
    weights = {
        "input_to_hidden_1": rng.normal(size=(S, UNITS, 3)),
        "hidden_1_to_output": rng.normal(size=(S, 3, UNITS)),
    }
    path = tmp_path_factory.mktemp("joint") / "a.npz"
    named: dict[str, Any] = {f"weights.{edge}": w for edge, w in weights.items()}
    session = np.repeat(np.arange(S), T)
    np.savez(
        path,
        stimulus=rng.normal(size=(n, 3)),
        activity=activity,
        choice=choice,
        session=session,
        **named,
    )
    likelihood = Joint(units=Gaussian(sd=SD), choices=Categorical(), n_choices=3)
    return Recordings(path=str(path), target="both", units="hidden_1", likelihood=likelihood)


def lifetime_of(family: Recordings, genome: Any, hidden: tuple[int, ...] = (UNITS,)) -> Lifetime:
    """A lifetime whose feedback is not read: its errors must have the size of the output alone."""
    network = Feedforward(hidden=hidden, neuron=Linear(), output=Linear())
    edges = "input_to_hidden_1" if hidden else "input_to_output"
    return Lifetime(family, network, Random(), genome, (Slot(edges=edges, rule=RULE),))


def by_hand(sessions: Any, coefficients: tuple[float, float]) -> np.ndarray:
    """Hidden activity, then the readout of it [n, T, UNITS + 3]."""
    out = np.zeros((len(sessions.subject), T, UNITS + 3))
    for s in range(len(out)):
        w = np.asarray(sessions.weights["input_to_hidden_1"][s], float)
        readout = np.asarray(sessions.weights["hidden_1_to_output"][s], float)
        for t in range(T):
            x = np.asarray(sessions.stimulus[s, t], float)
            y = w @ x
            out[s, t] = [*y, *(readout @ y)]
            w = w + 0.1 * (coefficients[0] * np.outer(y, x) + coefficients[1] * w)
    return out


def losses_by_hand(sessions: Any, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """-log P of every session, up to constants.

    Returns: of its activity [n_sessions], of its choices [n_sessions], and the number of values.
    """
    of_units = np.zeros(len(a))
    of_choices = np.zeros(len(a))
    n = 0.0
    for s, t in np.ndindex(*a.shape[:2]):
        for j in range(UNITS):
            if sessions.observed[s, t, j] > 0:
                of_units[s] += 0.5 * ((sessions.target[s, t, j] - a[s, t, j]) / SD) ** 2
                n += 1
        if sessions.observed[s, t, UNITS] > 0:
            chosen = int(np.argmax(sessions.target[s, t, UNITS:]))
            of_choices[s] -= log_softmax(a[s, t, UNITS:])[chosen]
            n += 1
    return of_units, of_choices, n


def test_a_life_is_judged_by_the_watched_layer_and_the_readout_together(family: Recordings) -> None:
    lifetime = lifetime_of(family, Given())
    shape = lifetime.task.shape()
    assert (shape.watched, shape.n_out, shape.n_seen) == ((("hidden_1", UNITS),), 3, UNITS + 3)
    rules = {"rule": {"coefficients": jnp.asarray(COEFFICIENTS)}}
    theta = {**lifetime.init(jax.random.key(0)), "rules": rules}
    sessions: Any = family.whole("train")
    expected = by_hand(sessions, COEFFICIENTS)
    predicted = activity(lifetime, theta, sessions, 0)
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    of_units, of_choices, n = losses_by_hand(sessions, expected)
    judgement = judge_activity(family, predicted, sessions)
    np.testing.assert_allclose(judgement.parts["activity"].deviance, 2 * of_units, rtol=1e-4)
    np.testing.assert_allclose(judgement.parts["choice"].deviance, 2 * of_choices, rtol=1e-4)
    np.testing.assert_allclose(judgement.deviance, 2 * (of_units + of_choices), rtol=1e-4)
    assert judgement.r2 == judgement.parts["activity"].r2 != judgement.parts["choice"].r2
    count = (sessions.observed[..., :UNITS] > 0).sum()
    sd = SD * np.sqrt(2 * of_units.sum() / count)
    assert residual_sd(family, judgement, sessions) == pytest.approx(sd, rel=1e-4)
    assert sessions.observed.sum() == pytest.approx(n)

    problem = MetaProblem(lifetime, MeanLoss(), n_tasks=len(sessions.subject), life_clip=0.0)
    batch = search_loop.draw_tasks(sessions, jax.random.key(0), len(sessions.subject))
    loss = search_loop.evaluate(
        problem, jax.tree.map(lambda x: jnp.asarray(x)[None], theta), batch
    )[0]
    per_value = (of_units.sum() + of_choices.sum()) / n  # every value counts alike
    np.testing.assert_allclose(loss, per_value, rtol=1e-4)


def test_nulls_are_those_of_each_part_side_by_side(family: Recordings) -> None:
    data = data_of(family, lifetime_of(family, Given()))
    judged_by_name = judged_nulls(family, data, 2)
    units, choices = family.parts()
    heldout = data.sessions["heldout"]
    for part in (units, choices):
        alone = {}
        seen = {}
        for split, sessions in data.sessions.items():
            alone[split] = only_columns(sessions, part.columns)
            seen[split] = data.seen[split][..., part.columns]
        mean = mean_null(part.likelihood, alone["train"])
        glm = history_glm(part.likelihood, alone["train"], alone["validation"], seen["train"], 2)
        for null in (mean, glm):
            judged = judged_by_name[null.name]
            assert f"Of {part.name}: {null.note}" in judged.note
            predicted = null.predict(alone["heldout"], seen["heldout"])
            of_units, of_choices, _ = losses_by_hand(heldout, _beside(predicted, part, heldout))
            expected = 2 * (of_choices if part is choices else of_units)
            deviance = judged.judgements["heldout"].parts[part.name].deviance
            np.testing.assert_allclose(deviance, expected, rtol=1e-4)
    rows = {"discovered": judged_by_name["glm_history"].judgements["heldout"]}
    mean = judged_by_name["mean"].judgements["heldout"]
    comparisons = compare_with_nulls(rows, {"mean": mean}, data.subject["heldout"])
    for part in ("activity", "choice"):
        model = rows["discovered"].parts[part].deviance.sum()
        null = mean.parts[part].deviance.sum()
        explained = comparisons.rows["discovered"].parts[part].explained["mean"].mean
        assert explained == pytest.approx(1 - model / null, rel=1e-4)
        assert comparisons.nulls["mean"].parts[part].explained["mean"].mean == 0
    assert set(scores_of({"heldout": mean})["heldout"].parts) == {"activity", "choice"}


def _beside(predicted: np.ndarray, part: Any, sessions: Any) -> np.ndarray:
    """Predictions of one part beside zeros for the other."""
    whole = np.zeros(sessions.target.shape)
    whole[..., part.columns] = predicted
    return whole


def _simulated(path: Any, noise: float) -> Recordings:
    """Three recorded units learn from the stimulus and forget; their sum makes a yes or no."""
    rng = np.random.default_rng(1)
    stimulus = []
    activity = []
    choices = []
    sessions = []
    first = rng.normal(0, 0.5, (3, 4))
    for session in range(8):
        w = first
        for _ in range(60):
            x = rng.normal(size=4)
            y = w @ x
            choices.append(int(rng.random() < 1 / (1 + np.exp(-y.sum()))))
            stimulus.append(x)
            activity.append(y + noise * rng.normal(size=3))
            sessions.append(session)
            w = w + 0.05 * np.outer(np.ones(3), x) - 0.03 * w
    np.savez(path, stimulus=stimulus, activity=activity, choice=choices, session=sessions)
    likelihood = Joint(Gaussian(sd=noise), Bernoulli())
    return Recordings(path=str(path), target="both", units="hidden_1", likelihood=likelihood)


@pytest.mark.system  # a program of many seconds
def test_a_joint_fit_finds_the_rule_and_its_files_give_the_row_back(tmp_path: Any) -> None:
    family = _simulated(tmp_path / "a.npz", 0.2)
    genome = Parts((("input_to_hidden_1", Direct()), ("hidden_1_to_output", Constant(3.0))))
    rule = Polynomial(terms=("pre", "weight"), rate=0.1, scale=0.001)
    network = Feedforward(hidden=(3,), neuron=Linear(), output=Linear())
    slots = (Slot(edges="input_to_hidden_1", rule=rule),)
    lifetime = Lifetime(family, network, Random(), genome, slots)
    problem = MetaProblem(lifetime, MeanLoss(), n_tasks=99, life_clip=0.0)
    data: Data = data_of(family, lifetime)
    row = fit_row(problem, Lbfgs(steps=150), data, Fit(starts=1), 0)
    fitted = numbers(lifetime, row.theta)
    assert fitted == pytest.approx({"pre": 0.05, "weight": -0.03}, abs=0.004)
    assert row.residual_sd == pytest.approx(0.2, rel=0.1)
    row_files.write(tmp_path, row)
    again = row_files.read(tmp_path, problem)
    assert scores_of(row.judgements) == scores_of(again.judgements)
    for judgement in again.judgements.values():
        assert judgement.parts.keys() == {"activity", "choice"}
