"""The numbers that a compiled program sends between devices, read from its text (HLO)."""

import re
from typing import NamedTuple

BYTES = {"pred": 1, "s8": 1, "u8": 1, "s32": 4, "u32": 4, "f32": 4, "f64": 8, "s64": 8, "u64": 8}
KINDS = ("all-gather", "all-reduce", "reduce-scatter", "collective-permute", "all-to-all")
_OPERATION = re.compile(rf"^\s*(?:ROOT )?%\S+ = (.*?) ({'|'.join(KINDS)})(?:-start)?\(")
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(ENTRY )?%?(\S+) \(.*\) -> .* \{$")
_CALLED = re.compile(r"(?:body|calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TIMES = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class Collective(NamedTuple):
    """An operation between devices.

    kind: its name.
    bytes: the size of its result on one device.
    times: how often a run of the program does it.
    """

    kind: str
    bytes: int
    times: int


def collectives(text: str) -> list[Collective]:
    """The operations between devices of a compiled program, in the order of its text.

    Args:
        text: `compiled.as_text()`.

    Raises:
        ValueError: one of them is in a loop of unknown length.
    """
    entry, lines = _computations(text)
    found: list[Collective] = []
    _collect(entry, 1, lines, found)
    return found


def _computations(text: str) -> tuple[str, dict[str, list[str]]]:
    """(The name of the main computation, the lines of every one)."""
    lines: dict[str, list[str]] = {}
    entry = name = ""
    for line in text.splitlines():
        heading = _COMPUTATION.match(line)
        if heading:
            name = heading[2]
            lines[name] = []
            if heading[1]:
                entry = name
        elif name:
            lines[name].append(line)
    return entry, lines


def _collect(name: str, times: int, lines: dict[str, list[str]], found: list[Collective]) -> None:
    for line in lines.get(name, []):
        operation = _OPERATION.match(line)
        if operation:
            found.append(Collective(operation[2], _size(operation[1]), times))
            continue
        called = _CALLED.findall(line)
        for branches in _BRANCHES.findall(line):
            called += [branch.strip().lstrip("%") for branch in branches.split(",")]
        is_loop = " while(" in line
        known = _TIMES.search(line)
        for inner in called:
            before = len(found)
            _collect(inner, times * int(known[1]) if known else times, lines, found)
            if is_loop and not known and len(found) > before:
                raise ValueError(f"{name}: {found[-1].kind} in a loop of unknown length")


def _size(shapes: str) -> int:
    """The bytes of the arrays of a result, such as `(f32[27]{0}, pred[])`."""
    size = 0
    for kind, axes in _ARRAY.findall(shapes):
        numbers = 1
        for axis in axes.split(","):
            numbers *= int(axis or 1)
        size += numbers * BYTES[kind]
    return size
