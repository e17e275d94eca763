"""The reference of errors: exit codes, and every line that refuses an input."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeGuard

from docs._build.docstrings import literal, summary
from docs._build.links import ROOT
from docs._build.tables import table
from metaplast.cli import main
from metaplast.registry import BadInput, NotInstalled
from metaplast.runs.checkpoint import NoCheckpoint
from metaplast.runs.folder import Busy
from metaplast.runs.processes import ProcessLost
from metaplast.runs.stopping import Interrupted
from metaplast.runs.workers import WorkerLost
from metaplast.sweeping.outcome import MembersFailed
from metaplast.training.diverged import Diverged

CODES_PAGE = "reference/errors.md"
LINES_PAGE = "reference/error_messages.md"
PACKAGES = ("metaplast", "inner_tasks", "outer_loops")
INPUTS = (BadInput.__name__, NotInstalled.__name__)
"""Errors of an input, whose lines are listed."""
ERRORS = (
    WorkerLost,
    MembersFailed,
    BadInput,
    Busy,
    NoCheckpoint,
    Diverged,
    ProcessLost,
    Interrupted,
)
CODES = """# Exit codes and errors

An error is one line on standard error. With `--debug` it is a traceback.

```text
error: WHAT - expected EXPECTED - FIX
```

WHAT is the input as it was given. EXPECTED describes the inputs that are right. FIX says how to
correct it. In Python the same error is an exception. [Error messages](error_messages.md) lists
every line.

"""
LINES = """# Error messages

Every line that refuses an input, by the room that writes it. `…` stands for a name or a number.
[Exit codes and errors](errors.md) says how a line is read.
"""
GAP = "…"


class Line(NamedTuple):
    """One line that refuses an input.

    what, expected, fix: its three parts.
    """

    what: str
    expected: str
    fix: str


def pages() -> dict[str, str]:
    """{address: Markdown} of the pages of exit codes and of messages."""
    return {CODES_PAGE: _codes(), LINES_PAGE: _messages()}


def _codes() -> str:
    """The page of exit codes."""
    assert {error.__name__ for error in ERRORS} == main.CODES.keys()
    rows = [["0", "", "The command did what it was asked to do."]]
    for error in ERRORS:
        words = re.sub(r" \(exit code \d+\)", "", summary(error.__doc__ or ""))
        rows.append([str(main.CODES[error.__name__]), f"`{error.__name__}`", literal(words)])
    disk = "The disk is full, or a path cannot be read or written."
    rows.append([str(main.EXIT_DISK), "`OSError`", disk])
    rows.sort(key=lambda row: int(row[0]))
    ends = [
        "",
        "An interruption has no EXPECTED: its line says where the finished steps are.",
        "A signal other than Ctrl-C gives 128 + its number, such as 143 for SIGTERM.",
        "A traceback without `--debug` is a fault of metaplast; its code is 1.",
    ]
    return CODES + "\n".join([*table(("code", "exception", "meaning"), rows), *ends]) + "\n"


def _messages() -> str:
    """The page of messages."""
    by_room: dict[str, dict[Line, None]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for line in _lines(path):
                by_room.setdefault(_room(path), {})[line] = None
    lines = [LINES]
    for room, refusals in by_room.items():
        cells = [[literal(part) for part in line] for line in refusals]
        lines += [f"## {room}", "", *table(("what", "expected", "fix"), cells), ""]
    return "\n".join(lines)


def _room(path: Path) -> str:
    """The package of a file, or the file itself where it lies beside the rooms."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:2] if parts[0] == "metaplast" else parts[:1])


def _lines(path: Path) -> Iterator[Line]:
    """The lines of the errors that a file makes."""
    source = path.read_text()
    if not any(f"{name}(" in source for name in INPUTS):
        return
    functions = []
    calls = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            functions.append(node)
        elif _is_refusal(node):
            calls.append(node)
    for function in functions:
        last = function.end_lineno or function.lineno
        within = [call for call in calls if function.lineno <= call.lineno <= last]
        texts = _texts(function) if within else {}
        for call in within:
            line = Line(*(_text(part, texts) for part in call.args))
            if any(part.strip(f"{GAP} :") for part in line[:2]):
                yield line


def _is_refusal(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether a node of a program makes an error with all three parts."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    return node.func.id in INPUTS and len(node.args) == 3


def _texts(function: ast.FunctionDef) -> dict[str, str]:
    """{variable: its text} for the variables of a function that hold texts."""
    texts: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            text = _text(node.value, {})
            if text != GAP:
                texts[name] = f"{texts[name]}, or: {text}" if name in texts else text
    return texts


def _text(node: ast.expr, texts: dict[str, str]) -> str:
    """The text of an expression, with a gap for every value that only a run knows."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return texts.get(node.id, GAP)
    if isinstance(node, ast.BinOp):
        return _text(node.left, texts) + _text(node.right, texts)
    if isinstance(node, ast.IfExp):
        both = [_text(node.body, texts), _text(node.orelse, texts)]
        return ", or: ".join(text for text in both if text != GAP) or GAP
    if isinstance(node, ast.JoinedStr):
        pieces = []
        for part in node.values:
            pieces.append(_text(part, texts) if isinstance(part, ast.Constant) else GAP)
        return "".join(pieces)
    return GAP
