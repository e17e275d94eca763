"""Terms of rules as mathematics, for labels of figures."""

import re

_RAISED = str.maketrans(
    "0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
_POWER = re.compile(r"\^(\d+)")


def in_words(term: str) -> str:
    """`post^2*weight` as `post² × weight`, `modulator.reward*pre` as `reward × pre`."""
    text = term.replace("modulator.", "").replace("_", " ")
    text = _POWER.sub(lambda power: power.group(1).translate(_RAISED), text)
    return text.replace("*", " \u00d7 ")
