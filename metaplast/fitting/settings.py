"""How a fit is done."""

from typing import Annotated

from annotated_types import Le, MinLen

from metaplast.spec import MANY, Count, Natural, NonNegative, Positive, Probability, Some, spec


@spec
class Fit:
    """starts: random starts of theta, of which the best on training trials counts. strengths: of the L1 penalty on a
    rule with more than `few` terms, in units of the loss per value of the same network without plasticity; each gives a
    support, the terms whose |coefficient| is at least `support` of the largest, that is refitted without penalty, and
    validation trials choose among them (the sparsest within one standard error of the best). A fit stops when, over
    `window` outer steps, no number of theta moved by more than `tolerance` times the largest (or at the end of
    outer.steps, and then says so). A start that repeats an earlier one is scattered. Intervals of the numbers are Student's t over
    subjects (`fitting.intervals`); bootstrap: refits, from scattered starts, to data simulated from the fitted rule,
    that widen them where they reach further (200 or more, or none). lags: steps of the past that the generalised linear
    null sees. chunk: members per program call (0: as many as fit a core's cache)."""

    starts: Some = 3
    strengths: Annotated[tuple[NonNegative, ...], MinLen(1)] = (1e-3, 1e-2, 1e-1)
    few: Natural = 6
    support: Probability = 0.05
    window: Count = 30
    tolerance: Positive = 1e-3
    bootstrap: Annotated[Natural, Le(MANY)] = 0
    lags: Natural = 3
    chunk: Natural = 0
