"""Checkpoints: whole or absent. <folder>/checkpoints/000120/{state.safetensors, manifest.json}."""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from metaplast.launch.folder import sync

log = logging.getLogger(__name__)
KEEP = 3


class NoCheckpoint(RuntimeError):
    """Checkpoints exist, but none of them is usable (exit code 4)."""


def write(folder: Path, step: int, state: Any, digest: str) -> None:
    """Save a state: temporary folder, fsync, manifest last, rename; then drop all but the newest three.

    A state with a non-finite leaf is not written, so the last good one stays the newest.
    """
    arrays = _arrays(state)
    if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
        log.warning("step %d: the state is not finite and was not saved", step)
        return
    payload = save(arrays)
    root = folder / "checkpoints"
    root.mkdir(exist_ok=True)
    temporary, final = root / f".{step:06d}.{os.getpid()}", root / f"{step:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _durable(temporary / "state.safetensors", payload)
    manifest = {"step": step, "sha256": hashlib.sha256(payload).hexdigest(), "config": digest}
    _durable(temporary / "manifest.json", json.dumps(manifest).encode())
    sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(root)
    for old in _steps(root)[:-KEEP]:
        shutil.rmtree(root / f"{old:06d}")


def restore(folder: Path, like: Any, digest: str) -> tuple[int, Any] | None:
    """The newest usable (step, state), or None where nothing was ever saved.

    Each rejected checkpoint is named and set aside as `.damaged`. Raises: NoCheckpoint where all are unusable.
    """
    root = folder / "checkpoints"
    steps = _steps(root) if root.is_dir() else []
    for step in reversed(steps):
        try:
            return step, _read(root / f"{step:06d}", step, like, digest)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            log.warning("checkpoint %s rejected: %s", root / f"{step:06d}", error)
            (root / f"{step:06d}").rename(root / f"{step:06d}.damaged")
    if any(root.glob("*.damaged")):  # also those of an earlier attempt: never a silent start from zero
        raise NoCheckpoint(f"{root} - expected at least one whole checkpoint - start a new run from the config.yaml")
    return None


def _read(path: Path, step: int, like: Any, digest: str) -> Any:
    manifest = json.loads((path / "manifest.json").read_text())
    payload = (path / "state.safetensors").read_bytes()
    if hashlib.sha256(payload).hexdigest() != manifest["sha256"]:
        raise ValueError("checksum differs")
    if manifest["step"] != step or manifest["config"] != digest:
        raise ValueError("step or config differs")
    arrays = load(payload)
    wanted = _arrays(like)
    if {k: (a.shape, a.dtype) for k, a in arrays.items()} != {k: (a.shape, a.dtype) for k, a in wanted.items()}:
        raise ValueError("tree, shapes or dtypes differ")
    leaves, tree = jax.tree.flatten(like)
    return jax.tree.unflatten(tree, [jax.numpy.asarray(arrays[f"{i:05d}"]) for i in range(len(leaves))])


def _arrays(state: Any) -> dict[str, np.ndarray]:
    return {f"{i:05d}": np.asarray(leaf, order="C") for i, leaf in enumerate(jax.tree.leaves(state))}


def _steps(root: Path) -> list[int]:
    return sorted(int(entry.name) for entry in root.iterdir() if entry.name.isdigit())


def _durable(path: Path, content: bytes) -> None:
    with path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
