"""Changes that would help a fit, by its residuals.

The changes are a constant input, a bounded output, and first weights for every subject.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import fdtrc

from metaplast.fitting.data import recording_of
from metaplast.fitting.judgement import only_columns
from metaplast.fitting.result import FIXED_SETTINGS, ModelAdvice
from metaplast.genomes.given import Given
from metaplast.genomes.per_subject import PerSubject
from metaplast.life.lifetime import Lifetime
from metaplast.likelihoods.base import Part
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.neurons.linear import Linear
from metaplast.recording import Session

SHARE = 0.01  # of the residual variance: a change that would explain less is not advised
CHANCE = 1e-6  # a change whose F test gives a larger p is not advised either
EARLY = 20  # rows, at least, of a session in which its weights are still near the first ones


class UnitRows(NamedTuple):
    """The recorded rows of one unit.

    value [n]: recorded.
    expected [n]: by the fit.
    stimulus [n, n_in].
    subject [n].
    step [n]: within the session.
    """

    value: np.ndarray
    expected: np.ndarray
    stimulus: np.ndarray
    subject: np.ndarray
    step: np.ndarray


def advice(lifetime: Lifetime, predicted: np.ndarray, sessions: Session) -> list[ModelAdvice]:
    """The changes that the training residuals of a fitted row ask for, the largest share first.

    Each change is a linear regression of the residuals r = y - E y, pooled over recorded units. It
    is advised where it explains more than SHARE of their variance (adjusted R2) and an F test gives
    p < CHANCE. The p is a threshold and not a claim, for residuals of one session depend on each
    other.

    constant: r = c_j, for a network that has no bias and no constant input.
    bounded: r = a_j + b_j E y + c_j (E y)^2 + d_j (E y)^3 against a_j + b_j E y, for a linear
        output.
    first_weights: r = B_s x against B x for every subject s, in the first rows of its sessions, for
        first weights that all subjects share.

    Args:
        lifetime: of the row.
        predicted: activity under the fitted theta [n_sessions, n_steps, n_seen].
        sessions: stacked, of the training split.
    """
    family = recording_of(lifetime)
    changes = []
    for part in family.parts():
        units = _units(part, predicted, sessions)
        for change, test in _tests(lifetime, part, units).items():
            gain = _pooled([test(unit) for unit in units])
            if gain.share > SHARE and gain.p < CHANCE:
                words = _words(change, gain.share, part, units)
                settings = _settings(change, units)
                changes.append(ModelAdvice(change, gain.share, words, settings))
    return sorted(changes, key=lambda change: -(change.share or 0.0))


def _tests(lifetime: Lifetime, part: Part, units: list[UnitRows]) -> dict[str, Any]:
    """The regressions that can be asked of this network and this data."""
    if not units:
        return {}
    tests: dict[str, Any] = {}
    network: Any = lifetime.network
    steady = any((np.ptp(unit.stimulus, axis=0) == 0).any() for unit in units)
    if not steady and not getattr(network, "bias", False):
        tests["constant"] = _constant
    output: Any = getattr(network, "output", None)
    if isinstance(part.likelihood, Gaussian) and isinstance(output, Linear):
        tests["bounded"] = _bounded
    subjects = np.unique(np.concatenate([unit.subject for unit in units]))
    if len(subjects) > 1 and not isinstance(lifetime.genome, PerSubject | Given):
        tests["first_weights"] = _first_weights
    return tests


def _units(part: Part, predicted: np.ndarray, sessions: Session) -> list[UnitRows]:
    """The recorded rows of every unit of a part."""
    seen = only_columns(sessions, part.columns)
    expected = np.asarray(
        part.likelihood.mean(jnp.asarray(predicted[..., part.columns], float)), np.float64
    )
    target = np.asarray(seen.target, np.float64)
    if expected.shape != target.shape:
        return []
    observed = np.asarray(seen.observed) > 0
    stimulus = np.asarray(sessions.stimulus, np.float64)
    subject = np.broadcast_to(np.asarray(sessions.subject)[:, None], observed.shape[:2])
    step = np.broadcast_to(np.arange(observed.shape[1]), observed.shape[:2])
    units = []
    for unit in range(observed.shape[2]):
        here = observed[..., unit] & np.isfinite(expected[..., unit])
        if here.sum() > EARLY:
            rows = UnitRows(
                value=target[..., unit][here],
                expected=expected[..., unit][here],
                stimulus=stimulus[here],
                subject=subject[here],
                step=step[here],
            )
            units.append(rows)
    return units


class _Test(NamedTuple):
    """A regression without and with a change.

    without, with_it: sums of squares that they leave.
    few, many: numbers that they fit.
    n: values.
    """

    without: float
    with_it: float
    few: int
    many: int
    n: int


class _Gain(NamedTuple):
    """The share of variance that a change explains, adjusted for its numbers; p of its F test."""

    share: float
    p: float


def _pooled(tests: list[_Test]) -> _Gain:
    """The gain of a change over all units."""
    without, with_it, few, many, n = (float(sum(column)) for column in zip(*tests, strict=True))
    if n <= many or many <= few or without <= 0:
        return _Gain(0.0, 1.0)
    share = 1.0 - (with_it / (n - many)) / (without / (n - few))
    if with_it <= 0:
        return _Gain(share, 0.0)
    f = ((without - with_it) / (many - few)) / (with_it / (n - many))
    return _Gain(share, float(fdtrc(many - few, n - many, f)))


def _constant(unit: UnitRows) -> _Test:
    """A constant beside the stimulus, for every subject.

    The weights of the stimulus may have taken over some of it.
    """
    r = unit.value - unit.expected
    few = 0
    many = 0
    without = 0.0
    with_it = 0.0
    for subject in np.unique(unit.subject):
        rows = unit.subject == subject
        x = unit.stimulus[rows]
        more = np.concatenate([np.ones((len(x), 1)), x], axis=1)
        few += int(np.linalg.matrix_rank(x))
        many += int(np.linalg.matrix_rank(more))
        without += _left(x, r[rows])
        with_it += _left(more, r[rows])
    return _Test(without, with_it, few, many, len(r))


def _bounded(unit: UnitRows) -> _Test:
    """A cubic in the expectation against a line.

    The expectation is standardised, so that its powers stay of one size.
    """
    r = unit.value - unit.expected
    spread = unit.expected.std()
    if spread == 0:
        return _Test(0.0, 0.0, 0, 0, 0)
    e = (unit.expected - unit.expected.mean()) / spread
    line = np.stack([np.ones_like(e), e], axis=1)
    cubic = np.concatenate([line, e[:, None] ** 2, e[:, None] ** 3], axis=1)
    return _Test(_left(line, r), _left(cubic, r), 2, 4, len(r))


def _first_weights(unit: UnitRows) -> _Test:
    """Weights for every subject against shared ones, in the first rows of every session.

    A constant stands beside the stimulus, so that an offset does not count.
    """
    early = unit.step < max(EARLY, 3 * (unit.stimulus.shape[1] + 1))
    r = (unit.value - unit.expected)[early]
    x = np.concatenate([np.ones((early.sum(), 1)), unit.stimulus[early]], axis=1)
    subject = unit.subject[early]
    apart = 0.0
    many = 0
    for each in np.unique(subject):
        rows = subject == each
        apart += _left(x[rows], r[rows])
        many += int(np.linalg.matrix_rank(x[rows]))
    return _Test(_left(x, r), apart, int(np.linalg.matrix_rank(x)), many, len(r))


def _left(x: np.ndarray, y: np.ndarray) -> float:
    """The sum of squares that a linear regression of y [n] on x [n, k] leaves."""
    return float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2))


def _words(change: str, share: float, part: Part, units: list[UnitRows]) -> str:
    """An advised change as a sentence."""
    of = ""
    if part.name != "unit":
        of = f" of {part.name}"
    part_of = f"{100 * share:.0f} % of the residual variance{of}"
    if change == "constant":
        return (
            f"A constant input would explain {part_of}: add a column of ones to `stimulus`, or say "
            "network.bias=true (rules.NAME.edges=input_to_* keeps that bias fixed)."
        )
    if change == "first_weights":
        return (
            "Subjects differ in the first rows of their sessions: regressions of each subject's "
            f"own explain {part_of} there. Own first weights may be what is missing: say "
            "genome=per_subject, and task.held.subjects=0, for a subject that is held out has "
            "none. So may a rule that learns within few rows."
        )
    extent = _extent(units)
    neuron = _bounded_neuron(extent)
    scaled = ""
    if not _is_within(extent, neuron):
        scaled = f"scale them to {BOUNDS[neuron][0]} to {BOUNDS[neuron][1]} and "
    return (
        f"A bounded output would explain {part_of}: recorded values lie between "
        f"{extent.lowest:.3g} and {extent.highest:.3g}, and level off where more is expected: "
        f"{scaled}say network.output={neuron}."
    )


class _Extent(NamedTuple):
    """The least and the largest recorded value."""

    lowest: float
    highest: float


BOUNDS = {"sigmoid": (0, 1), "tanh": (-1, 1)}
"""{bounded neuron: the ends of its output}"""
SLACK = 0.05  # noise carries recorded values so far beyond the ends


def _extent(units: list[UnitRows]) -> _Extent:
    lowest = min(float(unit.value.min()) for unit in units)
    highest = max(float(unit.value.max()) for unit in units)
    return _Extent(lowest, highest)


def _bounded_neuron(extent: _Extent) -> str:
    """The bounded neuron whose output has the sign of the values."""
    if extent.lowest >= -SLACK:
        return "sigmoid"
    return "tanh"


def _is_within(extent: _Extent, neuron: str) -> bool:
    """Whether the output of a neuron reaches all values."""
    low, high = BOUNDS[neuron]
    return low - SLACK <= extent.lowest and extent.highest <= high + SLACK


def _settings(change: str, units: list[UnitRows]) -> list[str]:
    """The words of a config that make an advised change; none where the data have to change too."""
    if change in FIXED_SETTINGS:
        return list(FIXED_SETTINGS[change])
    extent = _extent(units)
    neuron = _bounded_neuron(extent)
    if _is_within(extent, neuron):
        return [f"network.output={neuron}"]
    return []
