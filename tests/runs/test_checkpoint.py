"""Checkpoints are whole or absent. A damaged one is renamed and never used."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.runs import checkpoint

STATE = {"a": jnp.arange(6.0).reshape(2, 3).T, "b": jnp.float32(2.5), "n": jnp.int32(7)}


def equal(a: object, b: object) -> bool:
    return all(
        np.array_equal(x, y) and x.shape == y.shape
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_round_trip_keeps_bits_and_shapes(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 5, STATE, "d")
    step, state = checkpoint.restore(tmp_path, [jax.tree.map(jnp.zeros_like, STATE)], "d", 99) or (
        0,
        None,
    )
    assert step == 5
    assert equal(state, STATE)


def test_a_state_may_have_one_of_several_forms(tmp_path: Path) -> None:
    other = {**STATE, "a": jax.ShapeDtypeStruct((4, 2), jnp.float32)}
    grown = {**STATE, "a": jnp.ones((4, 2))}
    checkpoint.write(tmp_path, 5, grown, "d")
    _, state = checkpoint.restore(tmp_path, [STATE, other], "d", 99) or (0, None)
    assert equal(state, grown)
    with pytest.raises(checkpoint.NoCheckpoint):
        checkpoint.restore(tmp_path, [STATE], "d", 99)


def test_nothing_saved_is_no_error(tmp_path: Path) -> None:
    assert checkpoint.restore(tmp_path, [STATE], "d", 0) is None


def test_steps_without_a_checkpoint_are_no_new_start(tmp_path: Path) -> None:
    with pytest.raises(checkpoint.NoCheckpoint, match="whole checkpoint"):
        checkpoint.restore(tmp_path, [STATE], "d", 99)


def test_checkpoints_of_another_version_are_refused_in_one_line_and_left_alone(
    tmp_path: Path,
) -> None:
    checkpoint.write(tmp_path, 5, STATE, "d")
    manifest = tmp_path / "checkpoints" / "000005" / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["form"]  # as before the searches were watched
    manifest.write_text(json.dumps(content))
    with pytest.raises(
        BadInput, match=r"another version of metaplast - expected .* - finish the run"
    ):
        checkpoint.restore(tmp_path, [STATE], "d", 99)
    assert [entry.name for entry in manifest.parent.parent.iterdir()] == ["000005"]


def test_keeps_three(tmp_path: Path) -> None:
    for step in range(1, 6):
        checkpoint.write(tmp_path, step, STATE, "d")
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "000003",
        "000004",
        "000005",
    ]


@pytest.mark.parametrize("harm", ["truncate", "flip", "missing", "config", "manifest"])
def test_falls_back_to_the_newest_whole_one(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint.write(tmp_path, 1, STATE, "d")
    checkpoint.write(
        tmp_path, 2, jax.tree.map(lambda x: x + 1, STATE), "other" if harm == "config" else "d"
    )
    newest = tmp_path / "checkpoints" / "000002"
    payload = (newest / "state.safetensors").read_bytes()
    if harm == "truncate":
        (newest / "state.safetensors").write_bytes(payload[:-3])
    elif harm == "flip":
        (newest / "state.safetensors").write_bytes(payload[:-1] + bytes([payload[-1] ^ 1]))
    elif harm == "missing":
        (newest / "state.safetensors").unlink()
    elif harm == "manifest":
        (newest / "manifest.json").write_text("{")
    step, state = checkpoint.restore(tmp_path, [STATE], "d", 99) or (0, None)
    assert step == 1
    assert equal(state, STATE)
    assert "000002" in caplog.text
    assert (tmp_path / "checkpoints" / "000002.damaged").is_dir()


def test_all_damaged_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 1, STATE, "d")
    (tmp_path / "checkpoints" / "000001" / "state.safetensors").write_bytes(b"")
    for _ in range(2):  # asking again must not start from zero either
        with pytest.raises(checkpoint.NoCheckpoint, match="whole checkpoint"):
            checkpoint.restore(tmp_path, [STATE], "d", 99)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    checkpoint.write(tmp_path, 1, STATE, "d")
    checkpoint.write(tmp_path, 2, {**STATE, "b": jnp.float32(jnp.nan)}, "d")
    assert (checkpoint.restore(tmp_path, [STATE], "d", 99) or (0,))[0] == 1
