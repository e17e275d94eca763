"""Rule files with random changes are read and shown, or refused in one line."""

import copy
import json
import random
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from metaplast.registry import BadInput
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import CHECKSUM, read_rule
from metaplast.reuse.schema import SCHEMA

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 10**400, 1e308, 1e-320, 0.5),
    *(
        "",
        " ",
        "rule",
        "pre",
        "post*pre",
        "w^9",
        "../../x",
        "\x1b[2J",
        "\u202e",
        "<script>",
        "{{7*7}}",
        "a" * 5000,
    ),
    *("__import__('os')", "F64", "I64", "polynomial", "clip", "mlp", "synapse", "*"),
    *(
        [],
        {},
        [[]],
        {"": {}},
        {"name": "clip"},
        [1, "2", None],
        ["post*pre"] * 50,
        {"a": {"b": {"c": {}}}},
    ),
)
SECONDS = 10  # a file that takes longer hangs


@contextmanager
def _limited() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every place in a tree."""
    places, todo = [], [tree]
    while todo:
        node = todo.pop()
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        places += [(node, key) for key, _ in items]
        todo += [value for _, value in items if isinstance(value, dict | list)]
    return places


def _tree(chance: random.Random, tree: Any) -> None:
    """A tree in which a value is replaced, dropped, copied under another name, or swapped."""
    node, key = chance.choice(_places(tree))
    kind = chance.randrange(4)
    if kind == 0:
        node[key] = copy.deepcopy(chance.choice(HOSTILE))
    elif kind == 1:
        del node[key]
    elif kind == 2 and isinstance(node, dict):
        node[str(chance.choice(HOSTILE))] = node[key]
    else:
        other, place = chance.choice(_places(tree))
        node[key] = (
            json.loads(json.dumps(other[place])) if key in node or isinstance(node, list) else None
        )


def _split(data: bytes) -> tuple[Any, bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _join(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _without_checksum(data: bytes) -> bytes:
    """A file without a checksum, as an earlier version wrote it.

    A checksum would hide all later checks.
    """
    header, body = _split(data)
    document = json.loads(header["__metadata__"][SCHEMA])
    del document[CHECKSUM]
    header["__metadata__"][SCHEMA] = json.dumps(document)
    return _join(header, body)


def _in_document(chance: random.Random, data: bytes) -> bytes:
    header, body = _split(_without_checksum(data))
    document = json.loads(header["__metadata__"][SCHEMA])
    for _ in range(chance.randint(1, 3)):
        _tree(chance, document)
    header["__metadata__"][SCHEMA] = json.dumps(document)
    return _join(header, body)


def _in_header(chance: random.Random, data: bytes) -> bytes:
    header, body = _split(_without_checksum(data))
    _tree(chance, header)
    return _join(header, body)


def _in_bytes(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(chance.choice((data, _without_checksum(data))))
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        at = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            del changed[at : at + chance.choice((1, 4, 100))]
        elif kind == 2:
            changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 20))))
        else:
            changed[at:at] = changed[: chance.randrange(200)]
        changed = changed or bytearray(b"\0")
    return bytes(changed)


CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _in_document,
    _in_document,
    _in_header,
    _in_bytes,
)


def _fuzz(good: bytes, path: Path, seeds: range) -> tuple[int, int]:
    """(number of files that were read, number of files that were refused)."""
    read = refused = 0
    for seed in seeds:
        chance = random.Random(seed)
        with _limited():
            path.write_bytes(chance.choice(CHANGES)(chance, good))
            try:
                file = read_rule(path)
                assert formula(file.document, file.tensors).replace("\n", "").isprintable(), seed
                read += 1
            except BadInput as error:
                assert str(error).isprintable(), seed
                assert len(str(error)) < 1000, seed
                refused += 1
            except Exception as error:
                raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return read, refused


@pytest.mark.system
@pytest.mark.parametrize("kind", ["shared", "per_edge"])
def test_two_thousand_mutations(kind: str, files: dict[str, Path], tmp_path: Path) -> None:
    read, refused = _fuzz(files[kind].read_bytes(), tmp_path / "rule.safetensors", range(1000))
    assert refused > 300
    assert read > 10  # some mutations are harmless: the test reaches what comes after reading


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["shared", "per_edge"])
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_thousand_mutations(
    kind: str, part: int, files: dict[str, Path], tmp_path: Path
) -> None:
    seeds = range(1000 + 5000 * part, 6000 + 5000 * part)
    assert sum(_fuzz(files[kind].read_bytes(), tmp_path / "rule.safetensors", seeds)) == 5000
