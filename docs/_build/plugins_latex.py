"""Equations in the plain notation of docstrings, as LaTeX.

The notation is that of CONTRIBUTING.md, under "The docstring of a plug-in":

    delta_w_ji = rate post_j (pre_i - post_j w_ji)      names, indices behind `_`, products by space
    x_i <- exp(-dt/tau) x_i + z_i                       the value after the step
    m^, u+, V*, f'                                      hat, marks, prime
    a / b                                               a fraction; a/b stays on the line

A text that is no equation of this grammar is refused, so that no formula comes out wrong in
silence.
"""

import re
from typing import NamedTuple

GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "pi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
)
_SPECIAL = {
    "delta_w": r"\Delta w",
    "eps": r"\varepsilon",
    "infinity": r"\infty",
    "inf": r"\infty",
    "dt": "dt",
    "lambda_": r"\lambda",
}
_OPERATORS = {
    "log": r"\log",
    "ln": r"\ln",
    "exp": r"\exp",
    "tanh": r"\tanh",
    "sin": r"\sin",
    "sum": r"\sum",
    "mean": r"\operatorname{mean}",
    "max": r"\max",
    "min": r"\min",
}
PRIME = "\\text{\N{PRIME}}"
"""A prime as a letter of its own: as an index it is too small without a font for formulas."""
_CALLED = {"N": r"\mathcal{N}", "E": r"\mathbb{E}"}
_INDEX = re.compile(r"[ijklmncrst]|[ijks]{2,3}|\{.*\}")
_TALL = (r"\frac", r"\sum", r"\sqrt", r"\max_", r"\min_", r"\left")
_PROSE = frozenset(
    [
        "the",
        "of",
        "over",
        "by",
        "on",
        "in",
        "at",
        "under",
        "with",
        "where",
        "times",
        "this",
        "that",
        "these",
        "whole",
        "told",
        "after",
    ]
)
"""Words that stand in sentences and in no equation."""
_MARKS = {"+": "+", "-": "-", "*": r"\ast"}
_BELOW = {"plus": "+", "minus": "-", "max": r"\text{max}", "inf": r"\infty"}
_RELATIONS = {
    "=": "=",
    "<-": r"\leftarrow",
    "->": r"\to",
    "~": r"\sim",
    "<=": r"\le",
    ">=": r"\ge",
    "<": "<",
    ">": ">",
}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<dots>\.\.\.)
    |(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)
    |(?P<name>[A-Za-z][A-Za-z0-9]*
        (?P<before>[+\-*](?=_))?
        (?P<below>(?:_(?:\{[^}]*\}|[A-Za-z0-9]+|(?=\W|$)))*)
        (?P<hat>\^(?=[\s/)\],]|$))?
        (?P<mark>[+\-*](?=[\s)\],]|$))?
        (?P<prime>'*))
    |(?P<operator><-|->|<=|>=|\|\||[-+*/^=~<>()\[\],|;])
    |(?P<index>_\{[^}]*\}|_[A-Za-z0-9]+|_\+)
    """,
    re.VERBOSE,
)


class Unreadable(ValueError):
    """A text that is no equation of the plain notation."""


class _Token(NamedTuple):
    kind: str
    text: str
    match: re.Match[str]
    spaced: bool  # white space stands before it


class _Piece(NamedTuple):
    """A part of an equation.

    latex: its LaTeX.
    inner: its LaTeX without the round brackets around it; empty where there are none.
    operates: whether it acts on what follows, as a sum does.
    """

    latex: str
    inner: str = ""
    operates: bool = False


def equation(text: str, condition: str = "") -> str:
    """The LaTeX of an equation with the words behind it.

    Args:
        text: the equation in the plain notation; words and a colon may stand before it.
        condition: the words behind it; may be empty.

    Raises: Unreadable for a text that is no equation.
    """
    words, body = _prefix(text)
    latex = expression(body)
    if words:
        latex = rf"\text{{{words}:}}\quad {latex}"
    if condition:
        latex = rf"{latex}\qquad {_condition(condition)}"
    return latex


def expression(text: str) -> str:
    """The LaTeX of an equation or of any part of one.

    Raises: Unreadable for a text that is none.
    """
    reader = _Reader(text)
    latex = reader.relations()
    if reader.here:
        raise Unreadable(f"{text!r}: no place for {reader.here.text!r}")
    return latex


def name(text: str) -> str:
    """The LaTeX of one name, such as `delta_w_ji`, `tau_plus` or `target_rate`.

    Raises: Unreadable for a text that is no name.
    """
    match = _TOKEN.fullmatch(text)
    if match is None or match.lastgroup is None or not match["name"]:
        raise Unreadable(f"{text!r} is no name")
    return _name(match)


def _prefix(text: str) -> tuple[str, str]:
    """The words and the equation behind their colon."""
    match = re.match(r"([a-z]+(?: [a-z]+)*): +", text)
    if match is None:
        return "", text
    return match[1], text[match.end() :]


def _condition(words: str) -> str:
    """Words as text; what follows `where` is mathematics if it can be read."""
    start, where, rest = words.partition("where ")
    if where and not start and any(sign in rest for sign in _RELATIONS):
        try:
            return rf"\text{{where }}{expression(rest)}"
        except Unreadable:
            pass
    plain = words.replace("`", "")
    return rf"\text{{{plain}}}"


def _tokens(text: str) -> list[_Token]:
    tokens = []
    spaced = False
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Unreadable(f"{text!r}: {text[place:]!r} is no notation")
        place = match.end()
        if match["space"]:
            spaced = True
            continue
        for kind in ("dots", "number", "name", "operator", "index"):
            if match[kind]:
                tokens.append(_Token(kind, match[0], match, spaced))
        spaced = False
    return tokens


class _Reader:
    """A descent through relations, sums, products and factors."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.bars = 0

    @property
    def here(self) -> _Token | None:
        """The next token; None at the end."""
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these operators."""
        return self.here is not None and self.here.kind == "operator" and self.here.text in texts

    def take(self) -> _Token:
        """The next token, which is then behind. Raises: Unreadable at the end."""
        if self.here is None:
            raise Unreadable(f"{self.text!r} ends too early")
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, text: str) -> None:
        """Take this operator. Raises: Unreadable where another one stands."""
        if not self.sees(text):
            raise Unreadable(f"{self.text!r}: {text!r} is missing")
        self.take()

    def relations(self) -> str:
        """Sums with relations and commas between them."""
        latex = self.sum()
        while True:
            if self.sees(*_RELATIONS):
                latex += f" {_RELATIONS[self.take().text]} {self.sum()}"
            elif self.sees(",", ";"):
                latex += rf"{self.take().text}\; {self.sum()}"
            elif self.is_condition():
                self.take()
                latex += rf" \mid {self.sum()}"
            else:
                return latex

    def sum(self) -> str:
        """Products with signs between them."""
        latex = ""
        if self.sees("+", "-"):
            latex = self.take().text
        latex += self.product()
        while self.sees("+", "-"):
            latex += f" {self.take().text} {self.product()}"
        return latex

    def product(self) -> str:
        """Factors; a spaced `/` makes a fraction of the factors before it and the one behind it."""
        done: list[_Piece] = []
        while self.here is not None and not self.ends():
            if self.sees("*"):
                self.take()
                done.append(_Piece(r"\cdot"))
            elif self.sees("/"):
                self.divide(done)
            else:
                done.append(self.factor())
        if not done:
            raise Unreadable(f"{self.text!r}: a factor is missing")
        return _joined(done)

    def divide(self, done: list[_Piece]) -> None:
        """Put the fraction in place of the factors over it."""
        spaced = self.take().spaced
        below = self.factor()
        first = len(done) - 1
        if below.latex == "d" and _Piece("d") in done:
            below = _Piece(rf"d\, {self.factor().latex}")
            first = done.index(_Piece("d"))
        elif spaced:
            operators = [place for place, piece in enumerate(done) if piece.operates]
            first = operators[-1] + 1 if operators else 0
        above = done[first:]
        if not above:
            raise Unreadable(f"{self.text!r}: nothing stands over '/'")
        shown = _joined(above)
        if len(above) == 1 and above[0].inner:
            shown = above[0].inner
        numbers = shown.isdigit() and below.latex.isdigit()
        if spaced or numbers or _is_derivative(shown, below.latex):
            fraction = rf"\frac{{{shown}}}{{{below.inner or below.latex}}}"
        else:
            fraction = f"{_joined(above)} / {below.latex}"
        done[first:] = [_Piece(fraction)]

    def is_condition(self) -> bool:
        """Whether a bar with space on both sides comes, as in P(y | a)."""
        if not self.sees("|") or self.place + 1 == len(self.tokens):
            return False
        return self.tokens[self.place].spaced and self.tokens[self.place + 1].spaced

    def ends(self) -> bool:
        """Whether a product ends here. A bar without space before it closes one that is open."""
        if self.sees("+", "-", ")", "]", ",", ";", *_RELATIONS):
            return True
        closes = self.bars > 0 and self.sees("|", "||") and not self.tokens[self.place].spaced
        return closes or self.is_condition()

    def factor(self) -> _Piece:
        """A name, a number, a call or brackets, with powers and indices."""
        piece = self.base()
        while self.here is not None:
            if self.sees("^"):
                self.take()
                piece = _Piece(rf"{{{piece.latex}}}^{{{self.exponent()}}}")
            elif self.here.kind == "index" and not self.here.spaced:
                below = self.take().text
                shown = "+" if below == "_+" else _index(below.removeprefix("_"))
                piece = _Piece(rf"{{{piece.latex}}}_{{{shown}}}")
            else:
                break
        return piece

    def exponent(self) -> str:
        """What stands behind `^`."""
        sign = ""
        if self.sees("-"):
            sign = self.take().text
        token = self.here
        if token is not None and token.text == "T":
            self.take()
            return r"\top"
        piece = self.base()
        return sign + (piece.inner or piece.latex)

    def base(self) -> _Piece:
        """A factor without powers."""
        token = self.take()
        if token.kind == "dots":
            return _Piece(r"\dots")
        if token.kind == "number":
            digits, _, exponent = token.text.partition("e")
            return _Piece(rf"{digits} \times 10^{{{exponent}}}" if exponent else digits)
        if token.kind == "name":
            return self.named(token)
        if token.text == "(":
            inner = self.within(")")
            return _Piece(_bracketed("(", inner, ")"), inner)
        if token.text == "[":
            return _Piece(_bracketed("[", self.within("]"), "]"))
        if token.text in ("|", "||"):
            self.bars += 1
            inner = self.sum()
            self.bars -= 1
            self.expect(token.text)
            bar = r"\lVert {} \rVert" if token.text == "||" else r"\lvert {} \rvert"
            return _Piece(bar.format(inner))
        raise Unreadable(f"{self.text!r}: no place for {token.text!r}")

    def within(self, end: str) -> str:
        """What stands in brackets that are open. A bar in them is a condition."""
        bars, self.bars = self.bars, 0
        inner = self.relations()
        self.bars = bars
        self.expect(end)
        return inner

    def named(self, token: _Token) -> _Piece:
        """A name, or a call where a bracket follows at once."""
        if token.text in _PROSE:
            raise Unreadable(f"{self.text!r}: {token.text!r} belongs to a sentence")
        shown = _name(token.match)
        here = self.here
        if here is None or here.spaced or here.text not in ("(", "["):
            return _Piece(shown, operates=any(map(shown.startswith, _OPERATORS.values())))
        opening = self.take().text
        closing = ")" if opening == "(" else "]"
        start = self.place
        inner = self.within(closing)
        if token.text == "sqrt":
            return _Piece(rf"\sqrt{{{inner}}}")
        if token.text == "exp" and not _has_spaced_slash(self.tokens[start : self.place]):
            return _Piece(rf"e^{{{inner}}}")
        shown = _CALLED.get(token.text, shown)
        is_word = re.fullmatch(r"[a-z]{2,}", token.text) is not None
        if is_word and token.text not in _OPERATORS and token.text not in GREEK:
            shown = rf"\operatorname{{{token.text}}}"
        return _Piece(shown + _bracketed(opening, inner, closing))


def _bracketed(opening: str, inner: str, closing: str) -> str:
    """Brackets, which grow only around what is tall."""
    if any(command in inner for command in _TALL):
        return rf"\left{opening}{inner}\right{closing}"
    return f"{opening}{inner}{closing}"


def _has_spaced_slash(tokens: list[_Token]) -> bool:
    return any(token.text == "/" and token.spaced for token in tokens)


def _is_derivative(above: str, below: str) -> bool:
    return above.startswith("d") and below == "dt"


def _joined(factors: list[_Piece]) -> str:
    return r"\, ".join(piece.latex for piece in factors).replace(r"\, \cdot\, ", r" \cdot ")


def _name(match: re.Match[str]) -> str:
    """The LaTeX of a name with its indices, marks and primes."""
    head = re.match(r"[A-Za-z][A-Za-z0-9]*", match["name"])
    assert head is not None
    parts = re.findall(r"\{[^}]*\}|[A-Za-z0-9]+", match["below"] or "")
    shown, below = _head(head[0], parts)
    above = _MARKS.get(match["before"] or match["mark"] or "", "")
    if match["hat"]:
        shown = rf"\hat{{{shown}}}"
    if match["prime"]:
        shown += PRIME * len(match["prime"])
    if above:
        shown = rf"{shown}^{{{above}}}"
    return rf"{shown}_{{{below}}}" if below else shown


def _head(head: str, parts: list[str]) -> tuple[str, str]:
    """The LaTeX of a name without its indices, and that of its indices."""
    joined = "_".join([head, *parts])
    for special, shown in _SPECIAL.items():
        if joined == special or joined.startswith(f"{special}_"):
            rest = joined.removeprefix(special).removeprefix("_")
            return shown, ",".join(map(_index, rest.split("_"))) if rest else ""
    if head in GREEK:
        return rf"\{head}", ",".join(map(_index, parts))
    if head in _OPERATORS and all(map(_INDEX.fullmatch, parts)):
        return _OPERATORS[head], ",".join(map(_index, parts))
    letter = re.fullmatch(r"([A-Za-z])(\d*)", head)
    if letter:
        shown = letter[1]
        below = [letter[2]] if letter[2] else []
        if letter[2] and parts and parts[0] in ("plus", "minus"):
            shown = f"{shown}^{{{_BELOW[parts.pop(0)]}}}"
        below += map(_index, parts)
        return shown, ",".join(below)
    derivative = re.fullmatch(r"d([A-Za-z])", head)
    if derivative:
        return f"d{derivative[1]}", ",".join(map(_index, parts))
    barred = re.fullmatch(r"([A-Za-z])bar", head)
    if barred:
        return rf"\bar{{{barred[1]}}}", ",".join(map(_index, parts))
    below = ""
    if parts and _INDEX.fullmatch(parts[-1]):
        below = _index(parts.pop())
    word = "_".join([head, *parts])
    return rf"\text{{{word}}}", below


def _index(text: str) -> str:
    """The LaTeX of an index: letters are slanted, words upright."""
    text = text.strip("{}")
    if text in _BELOW:
        return _BELOW[text]
    if text in GREEK:
        return rf"\{text}"
    if re.fullmatch(r"[a-zA-Z]|[ijkls]{1,3}\d?|\w+[+-]\w+|\d+", text):
        return text
    try:
        return name(text) if "_" in text else rf"\text{{{text}}}"
    except Unreadable:
        return rf"\text{{{text}}}"
