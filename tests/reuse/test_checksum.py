"""A rule file with one flipped bit is refused, or holds the same content."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.reuse.rule_file import CHECKSUM, checksum, read_rule, save_rule
from metaplast.reuse.schema import SCHEMA
from tests.system._commands import here


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def _start_of_tensors(data: bytes) -> int:
    return 8 + struct.unpack("<Q", data[:8])[0]


def test_every_bit_of_every_tensor_counts(files: dict[str, Path], tmp_path: Path) -> None:
    data, path = files["shared"].read_bytes(), tmp_path / "r.safetensors"
    start = _start_of_tensors(data)
    assert len(data) > start
    for at in range(start, len(data)):
        for bit in range(8):
            path.write_bytes(_flipped(data, at, bit))
            with pytest.raises(BadInput, match=r"checksum|not finite"):
                read_rule(path)


def test_a_flipped_bit_before_the_tensors_is_refused_or_changes_nothing(
    files: dict[str, Path], tmp_path: Path
) -> None:
    data, path = files["shared"].read_bytes(), tmp_path / "r.safetensors"
    whole = read_rule(files["shared"])
    generator = np.random.default_rng(0)
    refused = 0
    for at in generator.choice(_start_of_tensors(data), 300, replace=False):
        path.write_bytes(_flipped(data, int(at), int(generator.integers(8))))
        try:
            read = read_rule(path)
        except BadInput:
            refused += 1
            continue
        assert read.document == whole.document
        assert {name: value.tobytes() for name, value in read.tensors.items()} == {
            name: value.tobytes() for name, value in whole.tensors.items()
        }
    assert refused > 250


def test_show_notices_a_flipped_bit(files: dict[str, Path], tmp_path: Path) -> None:
    data, path = files["shared"].read_bytes(), tmp_path / "r.safetensors"
    path.write_bytes(_flipped(data, len(data) - 4, 0))  # the last digits of a number
    code, out, error = here("show", str(path), cwd=tmp_path)
    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert "other content than its checksum says" in error
    path.write_bytes(data)
    assert here("show", str(path), cwd=tmp_path)[0] == 0


def test_the_checksum_is_in_the_document_and_not_in_what_is_read(
    made, files: dict[str, Path]
) -> None:
    data = files["two_slots"].read_bytes()
    header = json.loads(data[8 : _start_of_tensors(data)])
    document = json.loads(header["__metadata__"][SCHEMA])
    assert document[CHECKSUM] == checksum(*made["two_slots"])
    assert CHECKSUM not in read_rule(files["two_slots"]).document


@pytest.mark.parametrize("checksum_in_file", [None, 1234, [], "", "0" * 64])
def test_a_checksum_of_another_kind_is_refused(
    checksum_in_file: object, files: dict[str, Path], tmp_path: Path
) -> None:
    data, path = files["shared"].read_bytes(), tmp_path / "r.safetensors"
    start = _start_of_tensors(data)
    header = json.loads(data[8:start])
    document = json.loads(header["__metadata__"][SCHEMA]) | {CHECKSUM: checksum_in_file}
    header["__metadata__"][SCHEMA] = json.dumps(document)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[start:])
    with pytest.raises(BadInput, match="checksum"):
        read_rule(path)


def test_the_order_of_tensors_does_not_matter(made, tmp_path: Path) -> None:
    document, tensors = made["per_edge"]
    turned = dict(reversed(tensors.items()))
    assert checksum(document, turned) == checksum(document, tensors)
    save_rule(tmp_path / "r.safetensors", document, turned)
    assert read_rule(tmp_path / "r.safetensors").document == json.loads(json.dumps(document))
