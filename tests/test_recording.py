"""Recordings as lives: no value is in two splits, all values count alike, and none leaks."""

import dataclasses
import itertools
from functools import lru_cache
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.linear import Linear
from metaplast.objectives.base import weighted_mean
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.recording import (
    AbstractRecording,
    HeldOut,
    Recorded,
    Session,
    split_sessions,
    trials_of,
)
from metaplast.registry import BadInput, register
from metaplast.results import evaluate
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import neuron_view
from metaplast.spec import decode, nested, plugin, spec
from metaplast.tasks import SPLITS
from metaplast.testing.base import quick_jit
from tests._compiler import as_users_jit
from tests.contracts._enrolled import enrolled

DT = 1e-3
N_IN = 3
N_OUT = 2
N_STEPS = 24
TRIAL = 2


@register("task", "tape")
@spec
class Tape(AbstractRecording):
    """Made-up counts, in sessions of unequal length and trials of 2 steps.

    Some values are missing, plasticity is off in places, and there are two modulators.

    subjects: the subjects among whom the sessions are shared out
    sessions: the number of sessions
    """

    subjects: int = 6
    sessions: int = 9
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Gaussian(sd=0.5)
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut(subjects=0.34, trials=0.25, seed=0)
    clamp: bool = False

    def recorded(self) -> Recorded:
        return _recorded(self.subjects, self.sessions)

    def truth(self) -> None:
        return None


@lru_cache
def _recorded(n_subjects: int, n: int) -> Recorded:
    rng = np.random.default_rng(1)
    single = lambda x: np.asarray(x, np.float32)
    lengths = N_STEPS - 2 * rng.integers(0, 5, size=n)
    real = np.arange(N_STEPS) < lengths[:, None]
    target = single(rng.poisson(2.0, size=(n, N_STEPS, N_OUT)) * real[:, :, None])
    subject = np.arange(n) % n_subjects
    sessions = Session(
        stimulus=single(rng.normal(size=(n, N_STEPS, N_IN))) * real[:, :, None],
        target=target,
        observed=single((rng.random(target.shape) < 0.8) & real[:, :, None]),
        gate=single((rng.random((n, N_STEPS)) < 0.6) * real),
        reset=single((rng.random((n, N_STEPS)) < 0.3) * real),
        modulators={
            name: single(rng.normal(size=(n, N_STEPS))) for name in ("reward", "advantage")
        },
        weights={"input_to_output": single(rng.normal(size=(n, N_OUT, N_IN)))},
        final={},
        subject=subject.astype(np.int32),
        share=np.ones(n, np.float32),
    )
    trial = np.where(real, np.arange(N_STEPS) // TRIAL, -1)
    return Recorded(sessions, trial, subject, tuple(f"animal {i}" for i in range(n_subjects)))


TAPE = Tape()
SHARED = Tape(subjects=3)  # too few subjects to hold one out
TRIALS = (SHARED, Tape(subjects=1), Tape(held=HeldOut(subjects=0.0, trials=0.2, seed=5)))
HELD = [(tape, seed) for tape in (TAPE, Tape(subjects=9), *TRIALS) for seed in (0, 7)]


def _held(tape: Tape, seed: int) -> HeldOut:
    return dataclasses.replace(tape.held, seed=seed)


def _looked_at(recorded: Recorded, held: HeldOut) -> dict[str, np.ndarray]:
    """{split: whether it looks at a step of the recording [n_sessions, n_steps]}."""
    looked = {split: np.zeros(recorded.trial.shape, bool) for split in SPLITS}
    for split, chosen in split_sessions(recorded, held).items():
        looked[split][chosen] = trials_of(recorded, held, split)[chosen] > 0
    return looked


@pytest.mark.parametrize(("tape", "seed"), HELD)
def test_the_splits_are_disjoint_and_leave_nothing_out(tape, seed):
    recorded = tape.recorded()
    held = _held(tape, seed)
    looked = _looked_at(recorded, held)
    n_looks = sum(x.astype(int) for x in looked.values())
    np.testing.assert_array_equal(n_looks, recorded.trial >= 0)
    for row, trial in enumerate(recorded.trial):  # a trial is whole in its split
        for steps, k in itertools.product(looked.values(), np.unique(trial[trial >= 0])):
            assert len(set(steps[row][trial == k])) == 1
    once_more = _looked_at(recorded, held)
    of_other_seed = _looked_at(recorded, _held(tape, seed + 1))
    for split in SPLITS:
        np.testing.assert_array_equal(looked[split], once_more[split])
    assert any(np.any(looked[split] != of_other_seed[split]) for split in SPLITS)


@pytest.mark.parametrize("seed", range(5))
def test_whole_subjects_are_held_out_where_there_are_four(seed):
    for tape, n_held_out in ((TAPE, 2), (Tape(subjects=4), 1), (Tape(subjects=9), 3)):
        recorded = tape.recorded()
        chosen = split_sessions(recorded, _held(tape, seed))
        assert np.array_equal(chosen["train"], chosen["validation"])
        assert sorted([*chosen["train"], *chosen["heldout"]]) == list(range(tape.sessions))
        held_out = set(recorded.subject[chosen["heldout"]])
        assert held_out.isdisjoint(recorded.subject[chosen["train"]])
        assert len(held_out) == n_held_out
    assert len(split_sessions(TAPE.recorded(), HeldOut(subjects=1.0))["train"]) > 0


@pytest.mark.parametrize("tape", TRIALS)
def test_trials_are_held_out_where_no_subject_is(tape):
    recorded = tape.recorded()
    looked = _looked_at(recorded, tape.held)
    for row, trial in enumerate(recorded.trial):
        n_trials = len(np.unique(trial[trial >= 0]))
        expected = round(tape.held.trials * n_trials)
        for split in ("validation", "heldout"):
            assert len(set(trial[looked[split][row]])) == expected > 0


def test_validation_takes_its_share_of_the_trials_of_every_training_session():
    recorded = TAPE.recorded()
    looked = _looked_at(recorded, TAPE.held)["validation"]
    rows = split_sessions(recorded, TAPE.held)["train"]
    for row in rows:
        trial = recorded.trial[row]
        n_trials = len(np.unique(trial[trial >= 0]))
        n_looked = len(np.unique(trial[looked[row]]))
        assert n_looked > 0
        assert n_looked == round(TAPE.held.trials * n_trials)
    # Not the same trials in every session.
    assert len(np.unique(looked[rows], axis=0)) > 1


def test_training_subjects_are_numbered_and_others_are_strangers():
    recorded = TAPE.recorded()
    numbers = TAPE.whole("train").subject
    owners = recorded.subject[split_sessions(recorded, TAPE.held)["train"]]
    assert sorted(set(numbers)) == list(range(4))
    assert len(set(zip(numbers, owners, strict=True))) == 4  # one to one
    assert np.array_equal(TAPE.whole("validation").subject, numbers)
    assert set(TAPE.whole("heldout").subject) == {-1}
    assert min(SHARED.whole("heldout").subject) == 0


def _score(family: Tape, session: Any, activity: Any) -> Any:
    """The score of every step of a session in which `activity` [n_steps, n_out] is the output."""

    def step(state: Any, a: Any) -> tuple[Any, Any]:
        state, outcome = family.step(session, state, neuron_view(a, a, a), jax.random.key(0), DT)
        return state, outcome.score

    return jax.lax.scan(step, family.begin(session, jax.random.key(0), DT), activity)[1]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "tape", [TAPE, SHARED, Tape(likelihood=Poisson())], ids=["subjects", "trials", "counts"]
)
def test_the_mean_over_sessions_is_the_loss_per_recorded_value(tape, split):
    recorded = tape.recorded()
    mask = recorded.sessions.observed * _looked_at(recorded, tape.held)[split][:, :, None]
    activity = np.random.default_rng(3).uniform(0.5, 3.0, size=mask.shape)
    y = recorded.sessions.target.astype(float)
    if isinstance(tape.likelihood, Poisson):
        nll = activity - y * np.log(activity)
    else:
        nll = (y - activity) ** 2 / (2 * 0.5**2)
    chosen = split_sessions(recorded, tape.held)[split]
    sizes = mask[chosen].sum(axis=(1, 2))
    assert len(set(sizes)) > 1  # sessions of unequal weight

    @quick_jit
    def losses(sessions: Any, activity: Any) -> Any:
        return jax.vmap(lambda s, a: weighted_mean(_score(tape, s, a)))(sessions, activity)

    with jax.enable_x64(True):
        batch = search_loop.sample(tape, jax.random.key(0), tape.sessions, split)
        actual = np.asarray(losses(batch.tasks, activity[chosen]))
    np.testing.assert_allclose(actual.mean(), (mask * nll).sum() / mask.sum(), rtol=1e-6)
    expected = (mask * nll).sum(axis=(1, 2))[chosen] * len(chosen) / mask.sum()
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def _names(tape: Tape, split: Any, batch: Any) -> list[int]:
    """The sessions of the split that a batch holds, by their place."""
    whole = tape.whole(split)
    names = []
    for stimulus in np.asarray(batch.tasks.stimulus):
        is_same = (whole.stimulus == stimulus).all(axis=(1, 2))
        names.append(int(np.flatnonzero(is_same)[0]))
    return names


@pytest.mark.parametrize("split", SPLITS)
def test_a_batch_holds_every_session_once_or_none_twice(split):
    size = len(TAPE.whole(split).subject)
    key = search_loop.stream(0, "tasks", 3)
    every = search_loop.sample(TAPE, key, size, split)
    assert _names(TAPE, split, every) == list(range(size))
    assert _names(TAPE, split, search_loop.sample(TAPE, key, 256, split)) == list(range(size))
    for leaf, known in zip(
        jax.tree.leaves(every.tasks), jax.tree.leaves(TAPE.whole(split)), strict=True
    ):
        np.testing.assert_array_equal(leaf, known)
    seen: set[int] = set()
    for seed in range(8):
        part = search_loop.sample(TAPE, search_loop.stream(seed, "tasks"), size - 1, split)
        names = _names(TAPE, split, part)
        assert len(set(names)) == size - 1
        seen |= set(names)
    assert seen == set(range(size))
    # A life has its own noise, whichever others are drawn.
    some = search_loop.sample(TAPE, key, size - 1, split)
    keys = jax.random.key_data(some.keys)
    of_all = jax.random.key_data(every.keys)
    np.testing.assert_array_equal(keys, of_all[np.asarray(_names(TAPE, split, some))])
    assert len(set(map(bytes, np.asarray(of_all)))) == size


RULE = Polynomial(
    terms=("post*pre", "modulator.reward*pre"), initial=(-0.3, 0.2), rate=1.0, learn="none"
)
TAU = 2e-3
LIVES = Lifetime(
    task=TAPE,
    network=Feedforward(hidden=(), output=Leaky(tau=TAU, neuron=Linear())),
    genome=Given(),
    slots=(Slot(rule=RULE),),
    dt=DT,
    record=("weights", "activity"),
)
STILL = dataclasses.replace(
    LIVES, network=Feedforward(hidden=(), output=Linear()), slots=(), record=()
)


@pytest.mark.parametrize("n", [256, 3, 1])
def test_each_held_out_session_is_judged_just_once(n):
    problem = MetaProblem(STILL, MeanLoss())
    theta = problem.lifetime._init(jax.random.key(0))
    losses = evaluate.lives(problem, theta, 0, "heldout", n)["loss"]
    whole = TAPE.whole("heldout")
    a = np.einsum("sji,sti->stj", whole.weights["input_to_output"], whole.stimulus)
    nll = whole.observed * (whole.target - a) ** 2 / (2 * 0.5**2)
    expected = nll.sum(axis=(1, 2)) * len(a) / whole.observed.sum()
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


@as_users_jit
def _live(session: Any) -> Any:
    key = jax.random.key(1)
    theta = LIVES._init(key)
    return LIVES.advance(theta, session, LIVES.begin(theta, session, key), N_STEPS)[1].recorded


def test_a_life_is_a_plain_loop_over_gates_and_resets():
    """A closed gate keeps the weights; after a reset the leaky cells start from rest."""
    kept = np.exp(-DT / TAU)
    with jax.enable_x64(True):
        batch = search_loop.sample(TAPE, jax.random.key(0), 9, "train")
        for index in range(2):
            session = jax.tree.map(lambda x, index=index: x[index], batch.tasks)
            lived = jax.tree.map(np.asarray, _live(session))
            s = jax.tree.map(np.asarray, session)
            w = s.weights["input_to_output"]
            u = np.zeros(N_OUT)
            assert 0 < s.gate.sum() < N_STEPS
            assert s.reset.sum() > 1
            for t, x in enumerate(s.stimulus):
                u = kept * u + (1 - kept) * w @ x
                before = w
                reward = s.modulators["reward"][t]
                w = w + s.gate[t] * (-0.3 * np.outer(u, x) + 0.2 * reward * x[None, :])
                np.testing.assert_allclose(lived["activity"]["output"][t], u, atol=1e-12)
                np.testing.assert_allclose(lived["weights"]["input_to_output"][t], w, atol=1e-12)
                assert s.gate[t] or np.array_equal(w, before)
                u = np.zeros(N_OUT) if s.reset[t] else u


@pytest.mark.exact
def test_recorded_values_do_not_reach_the_weights():
    """Other recorded values, other masks: the same life to the bit."""
    session = jax.tree.map(
        lambda x: x[0], search_loop.sample(TAPE, jax.random.key(0), 9, "train").tasks
    )
    other = dataclasses.replace(
        session, target=session.target + 5.0, observed=1.0 - session.observed
    )
    for one, same in zip(
        jax.tree.leaves(_live(session)), jax.tree.leaves(_live(other)), strict=True
    ):
        np.testing.assert_array_equal(one, same)
    zeros = jnp.zeros(N_OUT)
    blank = neuron_view(zeros, zeros, zeros)
    _, outcome = TAPE.step(session, jnp.asarray(0), blank, jax.random.key(0), DT)
    assert not np.any(outcome.feedback.error)
    assert not np.any(outcome.feedback.target)
    assert {"error", "target"}.isdisjoint(TAPE.shape().offers)


@pytest.mark.parametrize("feedback", enrolled("feedback"))
def test_a_rule_that_reads_an_error_is_refused_by_name(feedback):
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,))
    lives = dataclasses.replace(
        LIVES, slots=(Slot(rule=rule),), feedback=decode("feedback", feedback)
    )
    words = r"rule at input_to_output reads post\.feedback; feedback .* - expected a signal"
    with pytest.raises(BadInput, match=words):
        lives.check()


def test_signals_that_a_recording_does_not_bring_are_missed_by_name():
    dopamine = Polynomial(terms=("modulator.dopamine*pre",), initial=(1.0,))
    lives = dataclasses.replace(LIVES, slots=(Slot(rule=dopamine),))
    words = r"reads modulator 'dopamine' - expected .* advantage, reward"
    with pytest.raises(BadInput, match=words):
        lives.check()
    problem = MetaProblem(LIVES, decode("objective", "final_weights"))
    words = r"objective: needs 'final_weights' .* gate, reset, reward, subject, weights"
    with pytest.raises(BadInput, match=words):
        problem.check()


def test_a_number_of_subjects_is_no_share():
    with pytest.raises(ValueError, match="a share from 0 to 1 of the subjects"):
        HeldOut(subjects=2)
    assert HeldOut(subjects=1.0).subjects == 1.0
