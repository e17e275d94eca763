"""A rule as a LaTeX document: its equations, and a table of its numbers."""

import re
from collections.abc import Sequence

import numpy as np

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
)
from metaplast.reuse.export._header import header
from metaplast.reuse.export._names import comment
from metaplast.reuse.export._program import Constant, Program, Unsupported
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program

REASON = "The equations of the rule, with every number in full."
WIDTH = 70
"""Characters of a line of an equation, without its commands."""
_COMMAND = re.compile(r"\\[A-Za-z]+|\\.|[{}^_ ]")
COLUMNS = 12
"""The most columns of a matrix of numbers."""
GREEK = frozenset(
    {"alpha", "beta", "theta", "tau", "eta", "phi", "lambda", "kappa", "rho", "psi", "mu", "eps"}
)
_INDEX = {"pre": "i", "post": "j", "synapse": "ji", "scalar": ""}
_RANK = {"+": 1, "-": 1, "*": 2, "/": 4}
_ATOM = 4
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
        r"\usepackage[margin=2cm]{geometry}",
        r"\usepackage{amsmath}",
        r"\usepackage{longtable}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        "",
        rf"\section*{{Rule \texttt{{{escape(comment(subject.name))}}}}}",
        "In every step of $\\Delta t$ seconds, the weight $w_{ji}$ from neuron $i$ to neuron $j$",
        "changes by $\\Delta w_{ji}$. A prime marks a value after the step.",
        r"\begin{align*}",
        *rows(equations),
        r"\end{align*}",
    ]
    lines += _births(equations)
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
    for line in _broken(text):
        mark = f"{left} &=" if not rows else r"&\quad"
        rows.append(rf"{mark} {line} \\")
    return rows


def _broken(text: str) -> list[str]:
    """The text on lines that end before a sign between summands, outside of braces."""
    lines = []
    line = ""
    depth = 0
    for word in re.split(r"( (?=[+-] ))", text):
        if len(_COMMAND.sub("", line)) > WIDTH and depth == 0 and word == " ":
            lines.append(line)
            line = ""
            continue
        line += word
        depth += word.count("{") - word.count("}")
    return [*lines, line]


def _births(equations: Program) -> list[str]:
    """The values of the state at birth."""
    values = []
    for state in equations.states:
        name = Name(state.name, state.side, "state")
        values.append(f"${_symbol(name, {})} = {_show(state.start, {})[0]}$")
    if not values:
        return []
    return ["At birth, " + ", ".join(values) + "."]


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
            rows.append(rf"${left}$ & ${_number(float(number.value))}$ & {note} \\")
    if rows:
        top = [r"\begin{longtable}{lll}", r"number & value & meaning \\ \hline"]
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
