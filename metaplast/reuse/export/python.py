"""A rule as one Python module that needs NumPy alone."""

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np

from metaplast.language.grammar import SIGNALS
from metaplast.reuse.export._expressions import Name, Side, Sum, side_of
from metaplast.reuse.export._header import header
from metaplast.reuse.export._names import comment
from metaplast.reuse.export._print import Language, show
from metaplast.reuse.export._program import Constant, Program, State
from metaplast.reuse.export._sums import SUMS, needed
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program

WIDTH = 96
REASON = "NumPy computes the same equations, in float64."
_AXES = {"pre": "axis=1", "post": "axis=0", "all": ""}
_SIZES = {"pre": "n_pre", "post": "n_post", "all": "n_post * n_pre", "synapse": ""}
_SHAPES = {"pre": "n_pre", "post": "n_post", "synapse": "(n_post, n_pre)"}


def export(subject: Subject) -> Exported:
    """The module of a rule, with `init` and `update`.

    Args:
        subject: the rule.
    """
    equations = program(subject.rule)
    arguments = signals_of(equations)
    shown = ", ".join(f"{name}={name}" for name, _ in arguments)
    usage = [
        "Use, with this file saved as rule.py:",
        "    import rule",
        "    state = rule.init(weights)             # weights [n_post, n_pre]",
        "    state, delta_w = rule.update(",
        *textwrap.wrap(
            f"{shown}, state=state, dt=dt",
            WIDTH - 16,
            initial_indent="        ",
            subsequent_indent="        ",
        ),
        "    )",
        "    weights = weights + delta_w            # bound them as you need",
        "Signals of presynaptic neurons are [n_pre], of postsynaptic neurons [n_post]; dt is in",
        "seconds. A sum over synapses that is left out is computed.",
    ]
    lines = header(subject, "python", "faithful", (REASON,), usage)
    times = []
    for constant in equations.constants:
        if constant.name.startswith("tau") and not isinstance(constant.value, np.ndarray):
            times.append(constant.name)
    if times:
        lines += ["", "import warnings"]
    lines += ["", "import numpy as np", "", *functions(equations, times)]
    return Exported("\n".join(lines) + "\n", "faithful", (REASON,))


def functions(equations: Program, times: Sequence[str] = ()) -> list[str]:
    """The lines of the constants, `init` and `update`, where `np` is NumPy or `jax.numpy`.

    Args:
        equations: the equations of a rule.
        times: names of time constants in seconds; a step above half of one warns.
    """
    lines = []
    for constant in equations.constants:
        lines += _constant(constant)
    update = _update(equations, signals_of(equations), times)
    return [*lines, "", "", *_init(equations), "", "", *update]


def _constant(constant: Constant) -> list[str]:
    """The lines of a number, or of a matrix of numbers."""
    if isinstance(constant.value, np.ndarray):
        return matrix(constant)
    note = f"  # {comment(constant.note)}" if constant.note else ""
    return [f"{constant.name} = {_number(float(constant.value))}{note}"]


def matrix(constant: Constant) -> list[str]:
    """The lines of a matrix of numbers.

    Args:
        constant: one number a synapse.
    """
    lines = [f"{constant.name} = np.array(  # one number a synapse", "    ["]
    for row in np.asarray(constant.value).tolist():
        numbers = ", ".join(map(_number, row))
        lines += _wrapped(f"[{numbers}],", " " * 8)
    return [*lines, "    ]", ")"]


def _init(equations: Program) -> list[str]:
    """The function `init`."""
    lines = [
        "def init(weights):",
        '    """The state at birth, for weights [n_post, n_pre]."""',
        "    n_post, n_pre = np.shape(weights)",
        "    return {",
    ]
    for state in equations.states:
        lines.append(f'        "{state.name}": {_at_birth(state)},')
    lines.append("    }")
    if not equations.states:
        lines[2:] = ["    return {}"]
    return lines


def _at_birth(state: State) -> str:
    start = show(state.start, _LANGUAGE)
    if state.side == "scalar":
        return f"np.asarray({start}, float)"
    return f"np.full({_SHAPES[state.side]}, {start})"


def _update(
    equations: Program, arguments: list[tuple[str, bool]], times: Sequence[str]
) -> list[str]:
    """The function `update`."""
    given = []
    for name, is_optional in arguments:
        given.append(f"{name}=None" if is_optional else name)
    first = f"def update(*, {', '.join(given)}, state, dt):"
    lines = [first]
    if len(first) > WIDTH:
        lines = ["def update("]
        lines += _wrapped(f"*, {', '.join(given)}, state, dt", "    ")
        lines.append("):")
    lines += [
        '    """One step: (new state, delta_w [n_post, n_pre])."""',
        "    n_post, n_pre = np.shape(weight)",
    ]
    for name in times:
        lines.append(f"    if dt > 0.5 * {name}:")
        words = f'f"dt {{dt:g}} s is above half of {name}, {{{name}:g}} s"'
        lines.append(f"        warnings.warn({words}, stacklevel=2)")
    for name, is_optional in arguments:
        if not is_optional:
            lines.append(f"    {name} = np.asarray({name}, float)")
            continue
        side = SIGNALS[name][0]
        total = show(SUMS[name], _LANGUAGE)
        lines.append(f"    if {name} is None:")
        lines += _statement(name, f"np.broadcast_to({total}, {_SHAPES[side]})", "        ")
        lines.append(f"    {name} = np.asarray({name}, float)")
    for state in equations.states:
        lines.append(f'    {state.name} = state["{state.name}"]')
    for let in equations.lets:
        lines += _statement(let.name.name, show(let.value, _LANGUAGE), "    ")
    change = show(equations.change, _LANGUAGE)
    if side_of(equations.change) == "post":
        change = f"({change})[:, None]"
    lines += _statement("delta_w", change, "    ")
    if side_of(equations.change) != "synapse":
        lines.append("    delta_w = delta_w + np.zeros((n_post, n_pre))")
    lines.append("    new = {")
    for state, value in equations.kept:
        lines.append(f'        "{state.name}": {show(value, _LANGUAGE)},')
    lines += ["    }", "    return new, delta_w"]
    if not equations.kept:
        lines[-3:] = ["    return {}, delta_w"]
    return lines


def signals_of(equations: Program) -> list[tuple[str, bool]]:
    """(name, whether it may be left out) of the signals that `update` takes.

    Args:
        equations: the equations of a rule.
    """
    read = {signal.name for signal in equations.signals}
    required = {"weight"} | {name for name in read if name not in SUMS}
    optional = [name for name in SUMS if name in read]
    for name in optional:
        required |= set(needed(name))
    ordered = [name for name in SIGNALS if name in required]
    ordered += sorted(required - set(SIGNALS))
    return [(name, False) for name in ordered] + [(name, True) for name in optional]


def _statement(name: str, value: str, indent: str) -> list[str]:
    """An assignment, on several lines where it is long."""
    line = f"{indent}{name} = {value}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}{name} = (", *_wrapped(value, indent + "    "), f"{indent})"]


def _wrapped(text: str, indent: str) -> list[str]:
    """A text on lines that end at its spaces. It stands within brackets."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _total(total: Sum) -> str:
    """The text of a sum."""
    inner_side = side_of(total.inner)
    if inner_side == "scalar":
        return f"{_SIZES[total.over]} * {show(total.inner, _LANGUAGE)}"
    inner = show(total.inner, _LANGUAGE)
    axis = _AXES[total.over]
    return f"np.sum({', '.join(_present((inner, axis)))})"


def _present(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if text]


def _lifted(text: str, side: Side, level: Side) -> str:
    """A value of the postsynaptic side is a column among values of synapses."""
    if side == "post" and level == "synapse":
        return f"{text}[:, None]"
    return text


def _name(name: Name) -> str:
    return name.name


def _number(value: float) -> str:
    return repr(float(value))


_LANGUAGE = Language(
    name=_name,
    functions={
        "exp": "np.exp({})".format,
        "expm1": "np.expm1({})".format,
        "log": "np.log({})".format,
        "sqrt": "np.sqrt({})".format,
        "tanh": "np.tanh({})".format,
        "abs": "np.abs({})".format,
        "sign": "np.sign({})".format,
        "maximum": "np.maximum({}, {})".format,
        "clip": "np.clip({}, {}, {})".format,
        "positive": "({} > 0.0)".format,
    },
    total=_total,
    lifted=_lifted,
    number=_number,
)
