"""Terms and formulas of rules as mathematics, for labels of figures."""

import re

_RAISED = str.maketrans(
    "0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
_TIMES = "\N{MULTIPLICATION SIGN}"
_POWER = re.compile(r"\^(\d+)")


def in_words(term: str) -> str:
    """`post^2*weight` as `post² × weight`, `modulator.reward*pre` as `reward × pre`."""
    text = term.replace("modulator.", "").replace("_", " ")
    text = _POWER.sub(lambda power: power.group(1).translate(_RAISED), text)
    return text.replace("*", f" {_TIMES} ").replace(f"  {_TIMES}  ", f" {_TIMES} ")


def formula(text: str) -> str:
    """`delta_w = 0.1 * (pre - weight)` as `Δw = 0.1 × (pre − weight)`."""
    return in_words(text.replace("delta_w", "\N{GREEK CAPITAL LETTER DELTA}w")).replace(
        " - ", " \N{MINUS SIGN} "
    )
