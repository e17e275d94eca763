"""The settings of a fit."""

from typing import Annotated

from annotated_types import Le, MinLen

from metaplast.spec import MANY, Count, Natural, NonNegative, Positive, Probability, Some, spec


@spec
class Fit:
    """The starts, penalties, end of the search and intervals of a fit.

    A rule with more than `few` terms is fitted with an L1 penalty of every strength. Each gives a
    support: the terms whose |coefficient| is at least `support` of the largest. The support is
    refitted without penalty. Validation trials choose among the supports: the sparsest within one
    standard error of the best.

    starts: random starts of theta, of which the best on training trials counts. One that repeats
        an earlier one is scattered around it.
    strengths: of the penalty, in units of the loss per value of the same network without
        plasticity.
    few: terms up to which a rule is fitted without penalty.
    support: share of the largest |coefficient| from which on a term is kept.
    window: outer steps over which no number of theta may move for a fit to be at rest. A fit that
        is not at rest at the end of outer.steps says so.
    tolerance: the largest move at rest, as a share of the largest number.
    bootstrap: refits, from scattered starts, to data simulated from the fitted rule: 200 or more,
        or none. They widen the intervals of the numbers, which are Student's t over subjects
        (`fitting.intervals`), where they reach further.
    lags: steps of the past that the generalised linear null sees.
    chunk: members per program call; 0: one on a CPU, 16 on an accelerator.
    """

    starts: Some = 3
    strengths: Annotated[tuple[NonNegative, ...], MinLen(1)] = (1e-3, 1e-2, 1e-1)
    few: Natural = 6
    support: Probability = 0.05
    window: Count = 30
    tolerance: Positive = 1e-3
    bootstrap: Annotated[Natural, Le(MANY)] = 0
    lags: Natural = 3
    chunk: Natural = 0
