"""A rule as a LaTeX document: its equations, and a table of its numbers."""

import re
from collections.abc import Sequence

import numpy as np

from metaplast.language.grammar import SIGNALS, field_of
from metaplast.reuse._notation import escape, power_of_ten, symbol
from metaplast.reuse.export._expressions import (
    Expression,
    Function,
    Name,
    Number,
    Operation,
    Power,
    Sum,
    parts,
    walk,
)
from metaplast.reuse.export._header import header
from metaplast.reuse.export._meanings import meaning
from metaplast.reuse.export._names import comment
from metaplast.reuse.export._program import Constant, Program, Unsupported
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program
from metaplast.reuse.node import Node
from metaplast.reuse.signal_words import of_field

REASON = (
    "The equations of the rule. The table has six digits of a number, and behind a % all of them."
)
WIDTH = 54
"""The widest line of an equation, in characters as they are shown."""
DIGITS = 6
COLUMNS = 12
"""The most columns of a matrix of numbers."""
GREEK = frozenset(
    {"alpha", "beta", "theta", "tau", "eta", "phi", "lambda", "kappa", "rho", "psi", "mu", "eps"}
)
_INDEX = {"pre": "i", "post": "j", "synapse": "ji", "scalar": ""}
_RANK = {"+": 1, "-": 1, "*": 2, "/": 4}
_ATOM = 4
_HIDDEN = re.compile(r"\\(?:mathrm|bigl|bigr|text|operatorname|,)|[\\{}_^ ]")
"""What takes no room on the page."""
_PARTS = re.compile(r"(?<=[a-z])(?=[0-9])|_")


def export(subject: Subject) -> Exported:
    """The document of a rule.

    Args:
        subject: the rule.
    """
    equations = program(subject.rule)
    usage = ("Use: pdflatex FILE, or copy the equations and the table into your document.",)
    lines = header(subject, "latex", "faithful", (REASON,), usage, mark="%")
    lines += [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\usepackage{longtable}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        "",
        rf"\section*{{{escape(comment(subject.name))}}}",
        "In every step of $\\Delta t$ seconds, the weight $w_{ji}$ from neuron $i$ to neuron $j$",
        "changes by $\\Delta w_{ji}$. A prime marks a value after the step.",
        *_signals(equations),
        r"\begin{align*}",
        *rows(equations),
        r"\end{align*}",
    ]
    lines += _births(subject.rule, equations)
    lines += _numbers(equations)
    lines += ["", r"\end{document}"]
    return Exported("\n".join(lines) + "\n", "faithful", (REASON,))


def rows(equations: Program) -> list[str]:
    """The rows of the equations, for an environment such as align*.

    Args:
        equations: of one step of a rule.
    """
    primed = {value: state for state, value in equations.kept}
    lines: list[str] = []
    for let in equations.lets:
        left = _prime(primed[let.name]) if let.name in primed else _symbol(let.name, primed)
        lines += _row(left, let.value, primed)
    lines += _row(r"\Delta w_{ji}", equations.change, primed)
    lines[-1] = lines[-1].removesuffix(r" \\")
    return lines


def _row(left: str, value: Expression, primed: dict[Expression, Name]) -> list[str]:
    """An equation on one line or more, which ends at sums."""
    text = _show(value, primed)[0]
    rows = []
    for line in _broken(text, _width(left) + 1):
        mark = f"{left} &=" if not rows else r"&\quad"
        rows.append(rf"{mark} {line} \\")
    return rows


def _broken(text: str, indent: int) -> list[str]:
    """The text on lines that end before a sign or a factor, outside of braces.

    Args:
        text: the right side of an equation.
        indent: the width of its left side.
    """
    lines = []
    line = ""
    depth = 0
    part = ""
    for word in re.split(r"( (?=[+-] )|(?<=\\,) )", text):
        part += word
        depth += word.count("{") - word.count("}")
        if depth:
            continue
        if line.strip() and indent + _width(line + part) > WIDTH:
            is_product = line.rstrip().endswith(r"\,")
            lines.append(line.rstrip().removesuffix(r"\,"))
            line = r"\times " if is_product else ""
            part = part.lstrip()
        line += part
        part = ""
    return [*lines, line + part]


def _width(text: str) -> int:
    """The characters of a line that are seen; a fraction counts both of its parts."""
    return len(_HIDDEN.sub("", text))


def _signals(equations: Program) -> list[str]:
    """The signals of the equations with their units, and the bracket, in words."""
    lines = []
    for name in equations.signals:
        words = _signal_words(name)
        if words:
            lines.append(f"${_signal(name)}$: {escape(words)}.")
    for value in [equations.change, *(let.value for let in equations.lets)]:
        if any(isinstance(part, Function) and part.function == "positive" for part in walk(value)):
            lines.append(r"$[a > 0]$: 1 where $a > 0$, and 0 elsewhere.")
            break
    return lines


def _signal_words(name: Name) -> str:
    """The meaning of a signal, and its unit."""
    if name.kind == "spikes":
        return f"spikes of the {name.name}synaptic neuron in this step (0, 1, ...)"
    if name.name in SIGNALS:
        words, unit = of_field(field_of(name.name))
        return f"{words} ({unit})" if unit else words
    words, unit = of_field(name.name)
    return f"{words} ({unit})" if words and unit else words


def _births(rule: Node, equations: Program) -> list[str]:
    """The values of the state at birth, with their meanings."""
    lines = []
    for state in equations.states:
        name = Name(state.name, state.side, "state")
        words = _state_words(rule, state.original)
        meant = f": {escape(words)}" if words else ""
        lines.append(f"At birth, ${_symbol(name, {})} = {_show(state.start, {})[0]}${meant}.")
        lines.append("")
    return lines


def _state_words(rule: Node, original: str) -> str:
    """The meaning of a value in the state of a rule, or of a rule inside it."""
    bare = original.rpartition(".")[2].partition("[")[0]
    words = ""
    if bare.startswith(f"{rule.name}_"):
        words = meaning(rule.name, bare.removeprefix(f"{rule.name}_"))
    for part in rule.parts.values():
        words = words or _state_words(part, original)
    return words


def _numbers(equations: Program) -> list[str]:
    """The table of the numbers, and matrices of numbers of synapses."""
    rows = []
    matrices = []
    for number in equations.constants:
        left = constant(number.name)
        if isinstance(number.value, np.ndarray):
            matrices += _matrix(number)
        else:
            note = escape(number.note)
            full = _number(float(number.value))
            shown = _number(float(f"{float(number.value):.{DIGITS}g}"))
            rest = "" if shown == full else f" % {full}"
            rows.append(rf"${left}$ & ${shown}$ & {note} \\{rest}")
    if rows:
        top = [r"\begin{longtable}{llp{0.55\textwidth}}", r"number & value & meaning \\ \hline"]
        rows = [*top, *rows, r"\end{longtable}"]
    return [*rows, *matrices]


def _matrix(number: Constant) -> list[str]:
    """A matrix of numbers, one a synapse."""
    values = np.asarray(number.value)
    if values.shape[1] > COLUMNS:
        raise Unsupported(f"{values.size} numbers of synapses are no equation")
    lines = [rf"\[ {constant(number.name)} = \left(\begin{{array}}{{{'r' * values.shape[1]}}}"]
    for row in values.tolist():
        lines.append(rf"{' & '.join(map(_number, row))} \\")
    return [*lines, r"\end{array}\right) \]"]


def _show(expression: Expression, primed: dict[Expression, Name]) -> tuple[str, int]:
    """The text of a tree, and the rank of its outermost operator."""
    if isinstance(expression, Number):
        return _number(expression.value), _ATOM if expression.value >= 0 else 1
    if isinstance(expression, Name):
        if expression in primed:
            return _prime(primed[expression]), _ATOM
        return _symbol(expression, primed), _ATOM
    shown = [_show(part, primed) for part in parts(expression)]
    texts = [text for text, _ in shown]
    if isinstance(expression, Sum):
        below = {"pre": "i", "post": "j", "all": "i, j"}[expression.over]
        if expression.inner == Number(1.0):
            return rf"n_{{{below}}}", _ATOM
        return rf"\sum_{{{below}}} {_within(shown[0], 2)}", 1
    if isinstance(expression, Function):
        return FUNCTIONS[expression.function](*texts), _ATOM
    if isinstance(expression, Power):
        return rf"{{{_within(shown[0], _ATOM)}}}^{{{_number(expression.exponent)}}}", _ATOM
    assert isinstance(expression, Operation)
    return _operation(expression, shown)


def _operation(expression: Operation, shown: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """The text of an operator with its operands."""
    rank = _RANK[expression.operator]
    if expression.operator == "/":
        return rf"\frac{{{shown[0][0]}}}{{{shown[1][0]}}}", _ATOM
    if expression.operator == "*":
        if expression.left == Number(-1.0):
            return f"-{_within(shown[1], 2)}", 1
        return rf"{_within(shown[0], 2)}\, {_within(shown[1], 2)}", rank
    right = _within(shown[1], 1 if expression.operator == "+" else 2)
    if right.startswith("-"):
        if expression.operator == "+":
            return f"{shown[0][0]} - {right.removeprefix('-')}", rank
        right = rf"\bigl({right}\bigr)"
    return f"{shown[0][0]} {expression.operator} {right}", rank


def _within(shown: tuple[str, int], least: int) -> str:
    """The text, in brackets where its operator ranks below `least`."""
    text, rank = shown
    return text if rank >= least else rf"\bigl({text}\bigr)"


def _number(value: float) -> str:
    """The shortest text of a number from which the same number is read."""
    value = float(value)
    if not np.isfinite(value):
        raise Unsupported(f"a number of it is {value}")
    shortest = repr(value)
    if float(np.float32(value)) == value:
        shortest = str(np.float32(value))
    return power_of_ten(shortest.removesuffix(".0"))


def _symbol(name: Name, primed: dict[Expression, Name]) -> str:
    """The symbol of a value."""
    if name.kind == "step":
        return r"\Delta t"
    if name.kind == "constant":
        index = "_{ji}" if name.side == "synapse" else ""
        return f"{constant(name.name)}{index}"
    if name.kind in ("signal", "spikes"):
        return _signal(name)
    index = _INDEX[name.side]
    head = rf"\mathrm{{{escape(name.name)}}}"
    return f"{head}_{{{index}}}" if index else head


def _prime(state: Name) -> str:
    """The symbol of a state after the step."""
    index = _INDEX[state.side]
    head = rf"\mathrm{{{escape(state.name)}}}'"
    return f"{head}_{{{index}}}" if index else head


def _signal(name: Name) -> str:
    fixed = {"weight_initial": r"w^0_{ji}", "weight_max": r"w_{\max}"}
    if name.name in fixed:
        return fixed[name.name]
    if name.side == "scalar":
        return rf"M_{{\text{{{escape(name.name.removeprefix('modulator_'))}}}}}"
    if name.kind == "spikes":
        return f"z_{_INDEX[name.side]}"
    return symbol(name.name)


def constant(name: str) -> str:
    """The symbol of a number: its first part is a letter or a word, the rest stands below.

    Args:
        name: of the number, such as `tau_pre`.
    """
    head, *below = _PARTS.split(name)
    shown = rf"\mathrm{{{escape(head)}}}" if len(head) > 1 else head
    if head in GREEK:
        shown = r"\varepsilon" if head == "eps" else rf"\{head}"
    if not below:
        return shown
    separated = r"\,".join(map(escape, below))
    return rf"{shown}_{{\mathrm{{{separated}}}}}"


def _exponential(text: str) -> str:
    return rf"e^{{{text}}}"


FUNCTIONS = {
    "exp": _exponential,
    "expm1": r"\bigl(e^{{{}}} - 1\bigr)".format,
    "log": r"\ln\bigl({}\bigr)".format,
    "sqrt": r"\sqrt{{{}}}".format,
    "tanh": r"\tanh\bigl({}\bigr)".format,
    "abs": r"\bigl|{}\bigr|".format,
    "sign": r"\operatorname{{sgn}}\bigl({}\bigr)".format,
    "maximum": r"\max\bigl({}, {}\bigr)".format,
    "clip": r"\operatorname{{clip}}\bigl({}, {}, {}\bigr)".format,
    "positive": r"\bigl[{} > 0\bigr]".format,
}
"""function -> its LaTeX."""
