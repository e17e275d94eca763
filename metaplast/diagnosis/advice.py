"""The outer loop to trust on a problem, by its measurements; all thresholds are in this file.

An outer loop of the class `gradient` needs d loss / d theta. An outer loop of the class `evolution`
reads losses alone. A gradient is advised where nothing speaks against it, because one life then
tells about every number of theta at once.
"""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, NamedTuple

import numpy as np

from metaplast.diagnosis.measure import Diagnosis
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import name_of

Kind = Literal["gradient", "evolution"]

# The share of lives with a gradient of exactly zero from which on a gradient moves too little. Such
# lives have spikes without a surrogate, or draws.
ZERO_LIVES = 0.5
# The share of lives without a finite gradient above which the other lives are a biased sample. A
# step leaves such lives out.
BROKEN_LIVES = 0.25
# The least ratio of the measured to the predicted change of loss, a tenth of a standard deviation
# away. The ratio is 1 for a right gradient. Rounding and curvature hardly take half of it away, but
# a surrogate does, or a path that the derivative does not see.
LEAST_AGREEMENT = 0.5
# The least such ratio one standard deviation away, where steps of training lead. Below it the
# gradient follows ripples.
LEAST_REACH = 0.1
# The largest growth of the gradient's norm from an eighth of a life to the whole life. A sum over
# steps grows 8-fold. A sum whose terms grow too grows 64-fold. Above this limit the growth is
# exponential, and few lives carry the mean.
LARGEST_GROWTH = 1e3
# The largest growth of a disturbance in half a life, exp(exponent * steps). Above it, chaos has
# wiped out the early life by the end.
LARGEST_SPREAD = 1e3
# The least signal over noise of the mean over one outer step. At 0.1, a hundred steps average to a
# signal as large as the noise.
LEAST_SIGNAL = 0.1
# The least ratio of the signal in differences of losses to the signal in gradients from which on
# evolution is worth its members.
CLEARER = 3.0
# The share of lives that blow up at theta from which on evolution is advised. A gradient leaves
# such lives out, while evolution ranks them by the steps that they lasted.
DIVERGING_LIVES = 0.5
# Evolution through windows pays for lives of at least this many steps.
LONG_LIFE = 400
# The noise of pes stays small for at most this many numbers of theta.
FEW_NUMBERS = 64
# Forward mode takes numbers / chunk times as long as a life. Windows are cheaper for more numbers
# than these.
FORWARD_NUMBERS = 64
# A run warns of its first outer step where a short step in its direction raises the loss by this
# many standard errors.
UPHILL = 3.0
# A run warns too where the slope of the loss along its first step is below this share of the norm
# of a life's gradient: the gradient has exploded. Adam's first step has the same length in every
# number, so the share is divided by the square root of the number of numbers.
LEAST_SHARE = 0.01

GRADIENT = ("bptt", "forward", "truncated_bptt", "lbfgs")
EVOLUTION = (
    "es",
    "cross_entropy",
    "pes",
    "nres",
    "random_search",
    "genetic_algorithm",
    "genetic_programming",
    "map_elites",
    "program_evolution",
    "proposals",
)


class Advice(NamedTuple):
    """The advised outer loop.

    outer: the name of the outer loop.
    kind: the class of the outer loop.
    reason: one sentence.
    second: (outer loop, the case in which it is the next to try).
    """

    outer: str
    kind: Kind
    reason: str
    second: tuple[tuple[str, str], ...]


class FirstStep(NamedTuple):
    """The first outer step of a run.

    `norm` and `grad_norm` are NaN where the outer loop takes no gradient.

    lives: lives of the step.
    diverged: lives of the step that blew up.
    norm: mean norm of the gradients of the lives.
    grad_norm: norm of the gradient by which theta moved.
    n_numbers: numbers in theta.
    slope: change of the loss per length of theta in the direction of the step, on other lives.
    error: standard error of `slope`.
    resolution: smallest slope of a life that the digits of its loss can show.
    """

    lives: float
    diverged: float
    norm: float
    grad_norm: float
    n_numbers: int
    slope: float
    error: float
    resolution: float = 0.0


def first_objection(first: FirstStep) -> str:
    """The objection of a first step to an outer loop of the class `gradient`; may be empty."""
    if first.diverged >= DIVERGING_LIVES * first.lives:
        return f"{first.diverged:.3g} of {first.lives:.3g} lives blew up"
    if first.grad_norm == 0.0:
        return "the gradient is exactly zero"
    if first.slope > UPHILL * first.error:
        return "the loss rises in the direction of the first step"
    if first.norm < first.resolution:
        return _vanished(first.norm)
    least = LEAST_SHARE * first.norm / math.sqrt(first.n_numbers)
    if abs(first.slope) + UPHILL * first.error < least:
        change = f"the loss changes by {abs(first.slope):.2g}"
        return f"the gradient of a life is {first.norm:.2g}, {change}: it has exploded"
    return ""


def advise(diagnosis: Diagnosis, memory: float = 0.0) -> Advice:
    """The outer loop to begin with.

    Args:
        diagnosis: the measurements.
        memory: the forecast for a gradient through whole lives, as a share of the free memory.
    """
    against = objection(diagnosis)
    if against:
        return _evolution(diagnosis, against)
    praise = _praise(diagnosis)
    if memory <= 1.0:
        return Advice("bptt", "gradient", praise, _after_bptt(diagnosis))
    reason = f"{praise}, but whole lives take {memory:.1f} times the memory there is"
    forward = ("forward", "exact; memory does not grow with the life")
    windows = ("truncated_bptt", "faster, but blind to what theta did in earlier windows")
    evolution = ("es", "needs no memory for a gradient")
    if diagnosis.n_numbers <= FORWARD_NUMBERS or not diagnosis.summable:
        second = (evolution,)
        if diagnosis.summable:
            second = (windows, evolution)
        return Advice("forward", "gradient", reason, second)
    return Advice("truncated_bptt", "gradient", reason, (forward, evolution))


def objection(diagnosis: Diagnosis) -> str:
    """The gravest objection to a gradient in words; may be empty."""
    for check in _OBJECTIONS:
        words = check(diagnosis)
        if words:
            return words
    return ""


def _no_gradient(diagnosis: Diagnosis) -> str:
    if diagnosis.differentiable:
        return ""
    return "the task passes no gradient"


def _lives_blow_up(diagnosis: Diagnosis) -> str:
    if not diagnosis.diverged >= DIVERGING_LIVES:
        return ""
    return f"{diagnosis.diverged:.0%} of lives blow up at the start, and a gradient leaves them out"


def _gradients_not_finite(diagnosis: Diagnosis) -> str:
    broken = 1.0 - diagnosis.here.n / diagnosis.here.n_lives
    if not broken > BROKEN_LIVES:
        return ""
    return f"the gradient of {broken:.0%} of lives is not finite"


def _gradients_zero(diagnosis: Diagnosis) -> str:
    zero = diagnosis.here.zero
    if zero >= ZERO_LIVES:
        return f"the gradient of {zero:.0%} of lives is exactly zero"
    return ""


def _gradient_vanished(diagnosis: Diagnosis) -> str:
    if not diagnosis.here.typical < diagnosis.resolution:
        return ""
    words = _vanished(diagnosis.here.typical)
    if diagnosis.agreement.signal.typical < diagnosis.resolution:
        return f"{words}, and losses {diagnosis.std:g} away tell nothing either: begin elsewhere"
    return words


def _gradient_wrong(diagnosis: Diagnosis) -> str:
    agreement = diagnosis.agreement
    if not agreement.near + 2.0 * agreement.near_error < LEAST_AGREEMENT:
        return ""
    return (
        "a short step along the gradient changes the loss by "
        f"{agreement.near:.2g} of the predicted change"
    )


def _gradient_grows(diagnosis: Diagnosis) -> str:
    growth = growth_factor(diagnosis)
    if not growth > LARGEST_GROWTH:
        return ""
    return f"the gradient grows {growth:.2g}-fold from the shortest lives measured to the longest"


def _lives_chaotic(diagnosis: Diagnosis) -> str:
    growth = spread_factor(diagnosis)
    if not growth > LARGEST_SPREAD or diagnosis.agreement.along >= LEAST_REACH:
        return ""
    return f"lives are chaotic: a small disturbance grows {growth:.2g}-fold in half a life"


def _gradient_drowns(diagnosis: Diagnosis) -> str:
    of_gradient = diagnosis.here.per_step
    of_losses = diagnosis.agreement.signal.per_step
    if not (of_gradient < LEAST_SIGNAL and of_losses > CLEARER * of_gradient):
        return ""
    return (
        "the gradient drowns in its noise over tasks where differences of losses do not "
        f"(signal {of_gradient:.2g} against {of_losses:.2g})"
    )


_OBJECTIONS: tuple[Callable[[Diagnosis], str], ...] = (
    _no_gradient,
    _lives_blow_up,
    _gradients_not_finite,
    _gradients_zero,
    _gradient_vanished,
    _gradient_wrong,
    _gradient_grows,
    _lives_chaotic,
    _gradient_drowns,
)
"""The checks for objections; the gravest stands first."""


def _vanished(norm: float) -> str:
    return f"the gradient of a life is {norm:.2g}, less than its loss can show: it has vanished"


def growth_factor(diagnosis: Diagnosis) -> float:
    """The growth of the gradient's norm from the shortest to the longest life with a loss.

    An unknown growth is 1.
    """
    steps = []
    for n, norm in diagnosis.lengths:
        if np.isfinite(norm):
            steps.append(n)
    if steps:
        return _power(diagnosis.growth * (steps[-1] - steps[0]))
    return 1.0


def spread_factor(diagnosis: Diagnosis) -> float:
    """The growth of a disturbance in half a life.

    It is measured by the derivative and by two lives; the lesser counts. An unknown growth is 1.
    """
    both = (diagnosis.exponents.life, diagnosis.exponents.perturbed)
    rates = []
    for rate in both:
        if np.isfinite(rate):
            rates.append(rate)
    if rates:
        return _power(min(rates) * diagnosis.n_steps / 2)
    return 1.0


def _power(exponent: float) -> float:
    if np.isfinite(exponent):
        return float(np.exp(np.clip(exponent, -700.0, 700.0)))
    return 1.0


def _praise(diagnosis: Diagnosis) -> str:
    parts = [f"the gradient agrees with the loss ({diagnosis.agreement.near:.2f})"]
    if not np.isfinite(diagnosis.agreement.near):
        parts = ["nothing speaks against the gradient"]
    signal = diagnosis.here.per_step
    parts.append(f"its signal over {diagnosis.n_tasks} lives is {signal:.2g} times its noise")
    words = " and ".join(parts)
    if signal < 1.0:
        words += ", though more tasks a step would help"
    return words


def _after_bptt(diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    has_ripples = diagnosis.agreement.along < LEAST_AGREEMENT
    case = "as a check"
    if has_ripples:
        case = "if training stalls in ripples"
    second = [("es", case)]
    if diagnosis.summable and diagnosis.n_steps >= LONG_LIFE:
        second.append(("truncated_bptt", "if a step takes too long"))
    return tuple(second)


def _evolution(diagnosis: Diagnosis, against: str) -> Advice:
    has_long_lives = diagnosis.summable and diagnosis.n_steps >= LONG_LIFE
    if has_long_lives and diagnosis.n_numbers <= FEW_NUMBERS:
        second = (
            ("pes", "updates after every window of a long life"),
            ("nres", "the same with less noise if smooth"),
        )
    else:
        second = (("random_search", "as a floor"),)
    if diagnosis.differentiable and diagnosis.here.n:
        second = (*second, ("hybrid", "evolution first, a gradient from its mean"))
    return Advice("es", "evolution", against, second)


def kind_of(outer: AbstractOuterLoop) -> Kind | None:
    """The class of an outer loop.

    A loop around others has the class of the loops inside it. A loop with both classes inside has
    no class, and so has an unknown loop.
    """
    kinds: set[Kind | None] = set()
    loop: Any = outer
    for field in fields(loop):
        value = getattr(loop, field.name)
        if isinstance(value, AbstractOuterLoop):
            kinds.add(kind_of(value))
    if kinds:
        if len(kinds) == 1:
            return kinds.pop()
        return None
    name = name_of(type(outer))
    if name in GRADIENT:
        return "gradient"
    if name in EVOLUTION:
        return "evolution"
    return None
