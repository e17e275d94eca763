"""The outer loop to trust on a problem, by its measurements; all thresholds are in this file.

An outer loop is of the class `gradient` where it needs d loss / d theta. It is of the class
`evolution` where it reads losses alone. A gradient is advised where nothing speaks against it: a
life then tells about every number of theta at once.
"""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Literal, NamedTuple

import numpy as np

from metaplast.diagnosis.measure import Diagnosis
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import name_of

Kind = Literal["gradient", "evolution"]

# A gradient exactly zero in at least this share of lives moves nothing there: spikes without a
# surrogate, draws.
ZERO_LIVES = 0.5
# Lives without a finite gradient are left out of a step: with more than this share the rest is a
# biased sample.
BROKEN_LIVES = 0.25
# (loss above - loss below) / (what the gradient says), a tenth of a standard deviation away: 1 for
# a right gradient. Half of it missing is no rounding and hardly curvature, but a surrogate, or a
# path that the derivative does not see.
LEAST_AGREEMENT = 0.5
# The same one standard deviation away, where steps of training lead: below it the gradient follows
# ripples.
LEAST_REACH = 0.1
# Growth of the gradient's norm between an eighth of a life and the whole: a sum over steps grows by
# a factor of 8, one whose terms grow as well by 64; more than this is exponential, and few lives
# then carry the mean.
LARGEST_GROWTH = 1e3
# exp(exponent * steps): by how much a disturbance grows in half a life. Above it the end of a life
# is forgotten chaos.
LARGEST_SPREAD = 1e3
# Signal over noise of the mean over one outer step: at 0.1 a hundred steps average to a signal as
# large as the noise.
LEAST_SIGNAL = 0.1
# ... and by how much the differences that evolution goes by must be clearer before it is worth the
# members it needs.
CLEARER = 3.0
# Lives that blow up at theta are left out of a gradient, while evolution ranks them by how long
# they lasted.
DIVERGING_LIVES = 0.5
# Evolution through windows of a life pays where lives are long; the noise of pes stays small with
# few numbers.
LONG_LIFE, FEW_NUMBERS = 400, 64
# Forward mode takes numbers / chunk times as long as a life: with more than this many, windows are
# cheaper.
FORWARD_NUMBERS = 64
# What a run's own first outer step is warned for. Standard errors by which a short step its way
# raises the loss:
UPHILL = 3.0
# ... and the change of loss along it as a share of the lives' gradient norms, below which these are
# an explosion. A first step of Adam is as long in every number: the share is divided by the square
# root of how many there are.
LEAST_SHARE = 0.01

GRADIENT = ("bptt", "forward", "truncated_bptt", "lbfgs")
EVOLUTION = ("es", "pes", "nres", "random_search", "genetic_programming")


class Advice(NamedTuple):
    """The advised outer loop.

    outer: its name
    kind: its class
    reason: one sentence
    second: (outer loop, when) to try next
    """

    outer: str
    kind: Kind
    reason: str
    second: tuple[tuple[str, str], ...]


class First(NamedTuple):
    """A run's first outer step.

    lives, diverged: counts
    norm, grad_norm: mean norm of the gradients of its lives, and the norm of what became of them;
        both not numbers where the outer loop takes none
    n_numbers: of theta
    slope: of the loss per length of theta, on other lives, the way the step went
    error: its standard error
    resolution: the smallest slope of a life that the digits of its loss can show
    """

    lives: float
    diverged: float
    norm: float
    grad_norm: float
    n_numbers: int
    slope: float
    error: float
    resolution: float = 0.0


def first_objection(first: First) -> str:
    """The objection of its first outer step to an outer loop of the class `gradient`.

    Empty where there is none.
    """
    if first.diverged >= DIVERGING_LIVES * first.lives:
        return f"{first.diverged:.3g} of {first.lives:.3g} lives blew up"
    if first.grad_norm == 0.0:
        return "the gradient is exactly zero"
    if first.slope > UPHILL * first.error:
        return "the loss rises the way the first step goes"
    if first.norm < first.resolution:
        return _vanished(first.norm)
    least = LEAST_SHARE * first.norm / math.sqrt(first.n_numbers)
    if abs(first.slope) + UPHILL * first.error < least:
        change = f"the loss changes by {abs(first.slope):.2g}"
        return f"the gradient of a life is {first.norm:.2g}, {change}: it has exploded"
    return ""


def advise(found: Diagnosis, memory: float = 0.0) -> Advice:
    """The outer loop to begin with.

    Args:
        found: the measurements.
        memory: the forecast for a gradient through whole lives, as a share of the free memory.
    """
    against = objection(found)
    if against:
        return _evolution(found, against)
    good = _praise(found)
    if memory <= 1.0:
        return Advice("bptt", "gradient", good, _after_bptt(found))
    short = f"{good}, but whole lives take {memory:.1f} times the memory there is"
    forward = ("forward", "exact; memory does not grow with the life")
    windows = ("truncated_bptt", "faster, but blind to what theta did in earlier windows")
    evolution = ("es", "needs no memory for a gradient")
    if found.n_numbers <= FORWARD_NUMBERS or not found.summable:
        second = (windows, evolution) if found.summable else (evolution,)
        return Advice("forward", "gradient", short, second)
    return Advice("truncated_bptt", "gradient", short, (forward, evolution))


def objection(found: Diagnosis) -> str:
    """The gravest objection to a gradient in words; empty where there is none."""
    for check in _OBJECTIONS:
        words = check(found)
        if words:
            return words
    return ""


def _no_gradient(found: Diagnosis) -> str:
    return "" if found.differentiable else "the task passes no gradient"


def _lives_blow_up(found: Diagnosis) -> str:
    if not found.diverged >= DIVERGING_LIVES:
        return ""
    return f"{found.diverged:.0%} of lives blow up at the start, and a gradient leaves them out"


def _gradients_not_finite(found: Diagnosis) -> str:
    broken = 1.0 - found.here.n / found.here.n_lives
    if not broken > BROKEN_LIVES:
        return ""
    return f"the gradient of {broken:.0%} of lives is not finite"


def _gradients_zero(found: Diagnosis) -> str:
    zero = found.here.zero
    return f"the gradient of {zero:.0%} of lives is exactly zero" if zero >= ZERO_LIVES else ""


def _gradient_vanished(found: Diagnosis) -> str:
    if not found.here.typical < found.resolution:
        return ""
    words = _vanished(found.here.typical)
    if found.agreement.signal.typical < found.resolution:
        return f"{words}, and losses {found.std:g} away tell nothing either: begin elsewhere"
    return words


def _gradient_wrong(found: Diagnosis) -> str:
    agreement = found.agreement
    if not agreement.near + 2.0 * agreement.near_error < LEAST_AGREEMENT:
        return ""
    return (
        f"a short step along the gradient changes the loss by {agreement.near:.2g} of what it says"
    )


def _gradient_grows(found: Diagnosis) -> str:
    growth = growth_factor(found)
    if not growth > LARGEST_GROWTH:
        return ""
    return f"the gradient grows {growth:.2g}-fold from the shortest lives measured to the longest"


def _lives_chaotic(found: Diagnosis) -> str:
    growth = spread_factor(found)
    if not growth > LARGEST_SPREAD or found.agreement.along >= LEAST_REACH:
        return ""
    return f"lives are chaotic: a small disturbance grows {growth:.2g}-fold in half a life"


def _gradient_drowns(found: Diagnosis) -> str:
    of_gradient = found.here.per_step
    of_losses = found.agreement.signal.per_step
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
"""The gravest first."""


def _vanished(norm: float) -> str:
    return f"the gradient of a life is {norm:.2g}, less than its loss can show: it has vanished"


def growth_factor(found: Diagnosis) -> float:
    """The growth of the gradient's norm from the shortest to the longest life that has a loss.

    1 where it is unknown.
    """
    steps = [n for n, norm in found.lengths if np.isfinite(norm)]
    return _power(found.growth * (steps[-1] - steps[0])) if steps else 1.0


def spread_factor(found: Diagnosis) -> float:
    """The growth of a disturbance in half a life; 1 where it is unknown.

    Measured by the derivative and by two lives; the lesser of both.
    """
    both = (found.exponents.life, found.exponents.perturbed)
    rates = [rate for rate in both if np.isfinite(rate)]
    return _power(min(rates) * found.n_steps / 2) if rates else 1.0


def _power(exponent: float) -> float:
    return float(np.exp(np.clip(exponent, -700.0, 700.0))) if np.isfinite(exponent) else 1.0


def _praise(found: Diagnosis) -> str:
    parts = [f"the gradient agrees with the loss ({found.agreement.near:.2f})"]
    if not np.isfinite(found.agreement.near):
        parts = ["nothing speaks against the gradient"]
    signal = found.here.per_step
    parts.append(f"its signal over {found.n_tasks} lives is {signal:.2g} times its noise")
    return " and ".join(parts) + (", though more tasks a step would help" if signal < 1.0 else "")


def _after_bptt(found: Diagnosis) -> tuple[tuple[str, str], ...]:
    ripples = found.agreement.along < LEAST_AGREEMENT
    second = [("es", "if training stalls in ripples" if ripples else "as a check")]
    if found.summable and found.n_steps >= LONG_LIFE:
        second.append(("truncated_bptt", "if a step takes too long"))
    return tuple(second)


def _evolution(found: Diagnosis, against: str) -> Advice:
    windows = found.summable and found.n_steps >= LONG_LIFE and found.n_numbers <= FEW_NUMBERS
    if windows:
        second = (
            ("pes", "updates after every window of a long life"),
            ("nres", "the same with less noise if smooth"),
        )
    else:
        second = (("random_search", "as a floor"),)
    if found.differentiable and found.here.n:
        second = (*second, ("hybrid", "evolution first, a gradient from its mean"))
    return Advice("es", "evolution", against, second)


def kind_of(outer: AbstractOuterLoop) -> Kind | None:
    """The class of an outer loop; of a loop around others, the class of the loops inside it.

    None for a loop with both classes inside, or an unknown loop.
    """
    inner = [getattr(outer, field.name) for field in fields(outer)]  # pyright: ignore[reportArgumentType]
    kinds: set[Kind | None] = {
        kind_of(loop) for loop in inner if isinstance(loop, AbstractOuterLoop)
    }
    if kinds:
        return kinds.pop() if len(kinds) == 1 else None
    name = name_of(type(outer))
    if name in GRADIENT:
        return "gradient"
    return "evolution" if name in EVOLUTION else None
