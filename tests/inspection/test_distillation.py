"""Rules written as terms, against rules whose terms are known."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.inspection import along, library
from metaplast.inspection.distillation import (
    FITS,
    Entry,
    Samples,
    distil,
    explained,
    fitted_taus,
    form,
    numbers,
    regressed,
    samples,
)
from metaplast.inspection.second_opinion import by_pysindy
from metaplast.inspection.sparse_regression import fit
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.l1 import L1
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import RuleFile, save_rule
from metaplast.rules.abcd import Abcd
from metaplast.rules.bcm import Bcm
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.spec import decode

NAMES = ("pre", "post", "weight")
TERMS = library.products(NAMES)
N_LIVES = 12


def drawn(seed: int, n: int = 200) -> dict[str, np.ndarray]:
    """Signals [N_LIVES * n] of independent samples."""
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(-1, 1, N_LIVES * n) for name in NAMES}


def of_signals(signals: dict[str, np.ndarray], change: np.ndarray) -> Samples:
    n = len(change)
    lives = np.arange(n) % N_LIVES
    return Samples(library.values(TERMS, signals), change, lives, np.arange(n) // N_LIVES)


def rule(signals: dict[str, np.ndarray]) -> np.ndarray:
    pre, post, weight = (signals[name] for name in NAMES)
    return 0.3 * post * pre - 0.2 * post**2 * weight + 0.05 * pre**2 - 0.1


EXACT = {"post*pre": 0.3, "post^2*weight": -0.2, "pre^2": 0.05, "1": -0.1}


def coefficients(entry: Entry) -> dict[str, float]:
    return dict(zip(entry.terms, entry.coefficients, strict=True))


def test_the_terms_of_a_polynomial_are_found_with_their_coefficients() -> None:
    ours, new = drawn(0), drawn(1)
    entry = regressed(TERMS, of_signals(ours, rule(ours)), of_signals(new, rule(new)))
    assert coefficients(entry) == pytest.approx(EXACT, abs=1e-4)
    assert entry.heldout.mean == pytest.approx(1.0, abs=1e-9)
    assert entry.fits
    assert entry.shrinks == pytest.approx((1.0, 1.0), abs=1e-6)


def test_noise_adds_no_term_and_is_in_the_intervals() -> None:
    ours, new = drawn(0, 1000), drawn(1)
    change = rule(ours)
    noise = 0.2 * change.std() * np.random.default_rng(2).normal(size=len(change))
    entry = regressed(TERMS, of_signals(ours, change + noise), of_signals(new, rule(new)))
    assert set(entry.terms) == set(EXACT)
    for term, value, low, high in zip(
        entry.terms, entry.coefficients, entry.low, entry.high, strict=True
    ):
        assert low < value < high
        assert EXACT[term] == pytest.approx(value, abs=3 * (high - low))
    assert entry.fitted == pytest.approx(1 - 0.04 / 1.04, abs=0.005)


def test_signals_that_nearly_coincide_are_told_apart() -> None:
    ours, new = drawn(0), drawn(1)
    for signals in (ours, new):
        signals["post"] = signals["pre"] + 0.05 * signals["post"]
    entry = regressed(TERMS, of_signals(ours, rule(ours)), of_signals(new, rule(new)))
    assert entry.heldout.mean > 0.999
    assert len(entry.terms) <= len(EXACT)


def test_terms_that_are_one_on_these_signals_are_named() -> None:
    ours, new = drawn(0), drawn(1)
    for signals in (ours, new):
        signals["post"] = 2.0 * signals["pre"]
    entry = regressed(TERMS, of_signals(ours, rule(ours)), of_signals(new, rule(new)))
    assert {"pre^2", "post^2"} <= set(entry.same)
    assert coefficients(entry)["post*pre"] == pytest.approx(0.3 + 0.05 / 2, abs=1e-4)
    assert entry.heldout.mean == pytest.approx(1.0, abs=1e-9)


def test_steps_of_one_life_are_not_independent_samples() -> None:
    ours = drawn(0, 40)
    noise = np.random.default_rng(2).normal(size=N_LIVES * 40)
    once = of_signals(ours, rule(ours) + noise)
    columns = [np.tile(column, 10) for column in once.columns]
    many = fit(columns, np.tile(once.change, 10), np.tile(once.lives, 10))
    single = fit(once.columns, once.change, once.lives)
    assert many.terms == single.terms
    assert many.bic == pytest.approx(single.bic)


def test_a_rule_outside_the_library_does_not_fit() -> None:
    ours, new = drawn(0), drawn(1)

    def other(signals: dict[str, np.ndarray]) -> np.ndarray:
        return np.tanh(3 * signals["pre"]) * np.sign(signals["post"])

    entry = regressed(TERMS, of_signals(ours, other(ours)), of_signals(new, other(new)))
    assert entry.heldout.mean < FITS
    assert not entry.fits


def test_a_second_opinion_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysindy", None)
    monkeypatch.setitem(sys.modules, "pysindy.optimizers", None)
    with pytest.raises(BadInput, match="inspect"):
        by_pysindy(["pre"], [np.ones(3)], np.ones(3))


def test_a_change_of_nothing_has_no_share_explained() -> None:
    ours = drawn(0)
    still = of_signals(ours, np.zeros(len(ours["pre"])))
    entry = regressed(TERMS, still, still)
    assert entry.terms == ()
    assert np.isnan(entry.heldout.mean)
    assert not entry.fits


def test_the_share_explained_is_that_of_numpy() -> None:
    generator = np.random.default_rng(0)
    actual = generator.normal(size=3000)
    other = actual + 0.5 * generator.normal(size=3000)
    share = explained(actual, other, np.arange(3000) % 10)
    assert share.mean == pytest.approx(1 - np.mean((actual - other) ** 2) / np.var(actual))
    assert share.low < share.mean < share.high
    assert share.high - share.low < 0.1


def test_a_large_library_loses_its_highest_degrees() -> None:
    terms = library.products(("pre", "post", "weight", "error", "target"))
    assert len(terms) <= library.MOST
    assert {"1", "error*pre", "post^2*weight"} <= set(terms)
    assert "error^2*post^2*pre^2*target^2*weight^2" not in terms


def test_one_form_holds_the_terms_of_every_edge() -> None:
    ours = drawn(0)
    first = of_signals(ours, 0.02 * ours["post"] * ours["pre"])
    second = of_signals(ours, -0.5 * ours["weight"])
    entries = [regressed(TERMS, first, first), regressed(TERMS, second, second)]
    spec = form(entries)
    assert spec.terms == ("post*pre", "weight")
    of_first, of_second = (numbers(spec, entry)["coefficients"] for entry in entries)
    np.testing.assert_allclose(spec.rate * of_first, [0.02, 0.0], rtol=1e-5)
    np.testing.assert_allclose(spec.rate * of_second, [0.0, -0.5], rtol=1e-5)


@pytest.fixture(scope="module")
def subject() -> Subject:
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 12})
    oja = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0))
    lifetime = Lifetime(task=task, network=Feedforward(hidden=()), slots=(Slot(rule=oja),))
    problem = MetaProblem(lifetime, L1(objective=MeanLoss(), strength=1.0))
    return Subject(problem, problem.init(jax.random.key(3)), 5, "loss", False, RuleFile({}, {}))


@pytest.mark.system
def test_a_rule_is_distilled_in_its_task_and_into_a_file(subject: Subject, tmp_path: Path) -> None:
    found = distil(subject, n_heldout=64)
    entry = found.entries["rule"]
    assert coefficients(entry) == pytest.approx({"post*pre": 0.1, "post^2*weight": -0.1}, abs=1e-4)
    assert found.in_task is not None
    # the penalty of theta counts for neither rule
    assert found.in_task.better.mean == pytest.approx(0.0, abs=1e-5)
    assert found.in_task.original.mean == pytest.approx(found.in_task.distilled.mean, rel=1e-4)
    file = tmp_path / "rule.distilled.safetensors"
    save_rule(file, found.document, found.tensors)
    loaded = load_rule(file)
    assert loaded.reach == "synapse"
    assert "post*pre" in loaded.formula
    assert "post^2*weight" in loaded.formula


@pytest.mark.parametrize(
    ("rule", "state", "per_synapse"),
    [(Bcm(), ("bcm_threshold",), False), (Abcd(scale=0.1), (), True)],
    ids=["bcm", "abcd"],
)
def test_what_no_term_can_hold_is_told(
    subject: Subject, rule: Any, state: tuple[str, ...], per_synapse: bool
) -> None:
    lifetime = replace(subject.problem.lifetime, slots=(Slot(rule=rule),))
    problem = replace(subject.problem, lifetime=lifetime)
    other = replace(subject, problem=problem, theta=problem.init(jax.random.key(3)))
    entry = distil(other, n_heldout=0).entries["rule"]
    assert (entry.state, entry.per_synapse) == (state, per_synapse)
    if per_synapse:
        assert not entry.fits


def test_a_field_without_a_name_is_told() -> None:
    others = library.read_by({"weight_initial", "pre.activity", "key"}).others
    assert library.unnamed(others) == ["random numbers", "`weight_initial`"]


def spiking(seed: int, n_steps: int = 400) -> Visited:
    """Spikes of independent neurons, without a rule."""
    generator = np.random.default_rng(seed)
    shape = (4, n_steps, 3)
    signals = {
        "pre.activity": (generator.uniform(size=shape) < 0.05).astype(float),
        "post.activity": (generator.uniform(size=shape) < 0.05).astype(float),
        "weight": np.full(shape, 0.5),
    }
    return Visited(signals, np.ones(shape), np.zeros(shape), np.zeros((4, 3), int))


def test_pair_stdp_is_found_with_its_time_constants() -> None:
    spec = Stdp(potentiation=0.01, depression=0.006, tau_pre=0.03, tau_post=0.015)
    terms = library.of_traces(("pre", "post"))
    parts = []
    for seed in (0, 1):
        signals = spiking(seed)
        change = along.changes({"stdp": (spec, {})}, signals, 1e-3)["stdp"]
        parts.append(signals._replace(change=change))
    taus = fitted_taus(terms, [parts[0]], 1e-3)
    assert taus == pytest.approx((0.03, 0.015), rel=0.02)
    ours, new = (samples(terms, (), [part], taus, 1e-3) for part in parts)
    entry = regressed(terms, ours, new, taus=taus)
    assert coefficients(entry) == pytest.approx(
        {"post*pre_trace": 0.01, "pre*post_trace": -0.006}, rel=0.02
    )
    assert entry.heldout.mean > 0.999


def test_a_rule_along_a_life_has_its_state() -> None:
    generator = np.random.default_rng(0)
    shape = (2, 30, 3)
    signals = {name: generator.normal(size=shape) for name in ("pre.activity", "post.activity")}
    gate = (generator.uniform(size=shape) < 0.7).astype(float)
    followed = Visited(signals, gate, np.zeros(shape), np.zeros((2, 3), int))
    spec = Bcm(rate=10.0, tau=0.02)
    change = along.changes({"bcm": (spec, {})}, followed, 1e-3)["bcm"]
    threshold = np.zeros((2, 3))
    keep = np.exp(-1e-3 / 0.02)
    for step in range(30):
        pre, post = signals["pre.activity"][:, step], signals["post.activity"][:, step]
        expected = 1e-3 * 10.0 * pre * post * (post - threshold) * gate[:, step]
        np.testing.assert_allclose(change[:, step], expected, rtol=1e-4, atol=1e-7)
        threshold = keep * threshold + (1 - keep) * post**2
