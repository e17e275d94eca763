"""How a fit is done."""

from typing import Annotated

from annotated_types import Le, MinLen

from metaplast.spec import MANY, Count, Natural, NonNegative, Positive, Probability, Some, spec


@spec
class Fit:
    """How starts, penalties, the end of the search and intervals of a fit are chosen.

    starts: random starts of theta, of which the best on training trials counts. One that repeats an
    earlier one is
        scattered around it.
    strengths: of the L1 penalty on a rule with more than `few` terms, in units of the loss per
    value of the same
        network without plasticity. Each gives a support, the terms whose |coefficient| is at least
        `support` of the largest. The support is refitted without penalty. Validation trials choose
        among the
        supports: the sparsest within one standard error of the best.
    window: outer steps over which a fit is at rest when no number of theta moved by more than
    `tolerance` times the
        largest. A fit that is not at rest at the end of outer.steps says so.
    bootstrap: refits, from scattered starts, to data simulated from the fitted rule. They widen the
    intervals of the
        numbers, which are Student's t over subjects (`fitting.intervals`), where they reach
        further: 200 or more, or none.
    lags: steps of the past that the generalised linear null sees.
    chunk: members per program call; 0: as many as fit a core's cache.
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
