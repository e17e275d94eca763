"""Terms and formulas of rules, and numbers, as mathematics, for labels of figures."""

import re

_RAISED = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
_TIMES = "\N{MULTIPLICATION SIGN}"
_NAMES = {"modulator.advantage": "reward prediction error"}
_POWER = re.compile(r"\^(\d+)")


def in_words(term: str) -> str:
    """`post^2*weight` as `post² × weight`, `modulator.reward*pre` as `reward × pre`."""
    for name, words in _NAMES.items():
        term = term.replace(name, words)
    text = term.replace("modulator.", "").replace("_", " ")
    text = _POWER.sub(lambda power: power.group(1).translate(_RAISED), text)
    return text.replace("*", f" {_TIMES} ").replace(f"  {_TIMES}  ", f" {_TIMES} ")


def formula(text: str) -> str:
    """`delta_w = 0.1 * (pre - weight)` as `Δw = 0.1 × (pre − weight)`, one equation a line."""
    signs = {
        "delta_w": "\N{GREEK CAPITAL LETTER DELTA}w",
        " - ": " \N{MINUS SIGN} ",
        "(-": "(\N{MINUS SIGN}",
        "<-": "\N{LEFTWARDS ARROW}",
        "; ": "\n",
    }
    written = text
    for plain, sign in signs.items():
        written = written.replace(plain, sign)
    return in_words(written)


def number(value: float, form: str) -> str:
    """`-1.5e-08` as `−1.5×10⁻⁸`.

    Args:
        value: finite.
        form: a format of Python, such as `.3g`.
    """
    factor, _, exponent = format(value, form).replace("e-0", "e-").partition("e")
    factor = factor.replace("-", "\N{MINUS SIGN}")
    if exponent:
        return f"{factor}{_TIMES}10{exponent.translate(_RAISED)}"
    return factor
