"""Sums over many synapses that a rule may read, as equations.

They are those of language/aggregates.py, on a full matrix of synapses.
"""

from metaplast.language.grammar import SIGNALS
from metaplast.reuse.export._expressions import (
    ONE,
    WEIGHT,
    Expression,
    Name,
    Sum,
    call,
    walk,
)

_PRE = Name("pre", "pre", "signal")
_POST = Name("post", "post", "signal")
_ERROR = Name("error", "post", "signal")
_PRE_ERROR = Name("pre_error", "pre", "signal")
_SMALLEST = 1e-30
SUMS: dict[str, Expression] = {
    "predicted": Sum("post", WEIGHT * _POST),
    "pre_weight_sum": Sum("post", WEIGHT),
    "post_weight_sum": Sum("pre", WEIGHT),
    "pre_weight_norm": call("sqrt", call("maximum", Sum("post", WEIGHT**2), _SMALLEST)),
    "post_weight_norm": call("sqrt", call("maximum", Sum("pre", WEIGHT**2), _SMALLEST)),
    "input_gain": ONE / (ONE + Sum("all", _PRE**2)),
    "layer_power": Sum("all", _POST**2),
    "layer_backward": Sum("all", WEIGHT * _POST * _PRE_ERROR),
    "layer_forward": Sum("all", WEIGHT * _PRE * _ERROR),
}
"""signal -> its value from the other signals."""


def needed(signal: str) -> tuple[str, ...]:
    """The signals from which a sum is computed.

    Args:
        signal: one of SUMS.
    """
    names = []
    for part in walk(SUMS[signal]):
        if isinstance(part, Name) and part.name not in names:
            names.append(part.name)
    return tuple(sorted(names, key=list(SIGNALS).index))
