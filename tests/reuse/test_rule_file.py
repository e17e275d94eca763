"""Rule files: the same bits come back, and equal content gives equal bytes.

A failed write leaves no file behind.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from metaplast.registry import BadInput
from metaplast.reuse import rule_file
from metaplast.reuse.rule_file import flatten, read_rule, save_rule, subtree

KINDS = ("shared", "per_edge", "per_synapse", "two_slots")


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits(kind: str, made, files) -> None:
    document, tensors = made[kind]
    back = read_rule(files[kind])
    assert back.document == json.loads(json.dumps(document))
    assert set(back.tensors) == set(tensors)
    for name, value in tensors.items():
        assert back.tensors[name].dtype == value.dtype
        assert back.tensors[name].shape == value.shape
        assert back.tensors[name].tobytes() == np.ascontiguousarray(value).tobytes()


def test_safetensors_itself_reads_it(made, files) -> None:
    theirs = safetensors.numpy.load_file(files["per_synapse"])
    for name, value in made["per_synapse"][1].items():
        np.testing.assert_array_equal(theirs[name], value)


def test_transposed_arrays_are_not_scrambled(made, tmp_path: Path) -> None:
    """The writer of safetensors stores the memory of a transposed array as it lies."""
    document, tensors = made["per_synapse"]
    turned = {name: np.asfortranarray(value) for name, value in tensors.items()}
    assert any(not value.flags["C_CONTIGUOUS"] for value in turned.values())
    save_rule(tmp_path / "r.safetensors", document, turned)
    back = read_rule(tmp_path / "r.safetensors").tensors
    for name, value in tensors.items():
        np.testing.assert_array_equal(back[name], value)


def test_equal_content_gives_equal_bytes_in_any_process(files, tmp_path: Path) -> None:
    code = (
        "import sys; from metaplast.reuse.rule_file import read_rule, save_rule;"
        "file = read_rule(sys.argv[1]); save_rule(sys.argv[2], file.document, file.tensors)"
    )
    for index in range(3):
        again = tmp_path / f"{index}.safetensors"
        subprocess.run(
            [sys.executable, "-c", code, files["per_edge"], again], check=True, timeout=60
        )
        assert again.read_bytes() == files["per_edge"].read_bytes()


def test_tensors_cannot_be_changed_in_place(files) -> None:
    with pytest.raises(ValueError, match="read-only"):
        next(iter(read_rule(files["shared"]).tensors.values()))[...] = 0


def test_flatten_and_subtree() -> None:
    tree = {
        "layers": [{"w": np.ones((2, 3), np.float32)}, {"w": np.zeros(2, np.float32)}],
        "log_rate": np.float32(0.5),
    }
    flat = flatten("slot.edge", tree)
    assert sorted(flat) == ["slot.edge.layers.0.w", "slot.edge.layers.1.w", "slot.edge.log_rate"]
    back = subtree("slot.edge", flat)
    np.testing.assert_array_equal(back["layers"]["1"]["w"], tree["layers"][1]["w"])
    assert subtree("slot", flat)["edge"]["log_rate"] == np.float32(0.5)
    assert subtree("slot.ed", flat) == {}


@pytest.mark.parametrize(
    "leaf", [np.zeros(2, np.float16), np.zeros(2, np.int64), np.array(["a"]), None]
)
def test_leaves_of_other_dtypes_are_refused(leaf) -> None:
    with pytest.raises(BadInput, match="float32, float64 or int32"):
        flatten("slot", {"a": leaf})


def test_what_cannot_be_read_is_not_written(made, tmp_path: Path) -> None:
    document, tensors = made["shared"]
    poisoned = {name: np.full_like(value, np.nan) for name, value in tensors.items()}
    for bad_document, bad_tensors in (
        (document, poisoned),
        (document, {}),
        (document | {"dt": float("nan")}, tensors),
        (document | {"dt": -1.0}, tensors),
        (document | {"scores": [{"mean": {1, 2}}]}, tensors),
        (document, {name: value.astype(np.float16) for name, value in tensors.items()}),
    ):
        with pytest.raises(BadInput):
            save_rule(tmp_path / "r.safetensors", bad_document, bad_tensors)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(
    made, files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.safetensors"
    target.write_bytes(files["shared"].read_bytes())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rule_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_rule(target, *made["per_edge"])
    assert target.read_bytes() == files["shared"].read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["r.safetensors"]


def test_save_replaces_and_obeys_the_umask(made, tmp_path: Path) -> None:
    target = tmp_path / "r.safetensors"
    old = os.umask(0o027)
    try:
        save_rule(target, *made["shared"])
        save_rule(target, *made["per_edge"])
    finally:
        os.umask(old)
    assert "rule/input_to_hidden_1" in read_rule(target).document["reference"]
    assert target.stat().st_mode & 0o777 == 0o640


def test_save_refuses_a_folder_and_a_missing_folder(made, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a folder"):
        save_rule(tmp_path, *made["shared"])
    with pytest.raises(BadInput, match="no such folder"):
        save_rule(tmp_path / "nowhere" / "r.safetensors", *made["shared"])
