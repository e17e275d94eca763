"""The settings of a fit."""

from typing import Annotated

from annotated_types import Le, MinLen

from metaplast.spec import MANY, Count, Natural, NonNegative, Positive, Probability, Some, spec


@spec
class Fit:
    """The starts, the penalties, the end of the search and the intervals of a fit.

    A rule with more than `few` terms is searched under an L1 penalty of every strength in
    `strengths`. Each strength gives a support: the terms whose |coefficient| is at least `support`
    times the largest. The support is refitted without penalty. Validation trials choose among the
    supports: the sparsest within one standard error of the best.

    starts: random starts of theta. The best on training trials counts. A start that repeats an
        earlier one is scattered around it.
    strengths: strengths of the penalty, in units of the loss per value of the same network without
        plasticity.
    few: the largest number of terms without penalty.
    support: the smallest |coefficient| of a support, as a share of the largest.
    window: outer steps over which a fit is watched. It is at rest when no number of theta moves by
        more than `tolerance` times the largest number. A fit that is not at rest at the end of
        outer.steps says so.
    tolerance: the largest relative move of a fit at rest.
    bootstrap: refits to data that are simulated from the fitted rule, each from a scattered start:
        200 or more, or none. The intervals of the numbers are Student's t over subjects
        (`fitting.intervals`). Refits widen an interval where they reach further.
    lags: steps of the past that the generalised linear null sees.
    chunk: members per program call. 0: as many as fit a core's cache.
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
