"""Checkpoints: whole or absent. <folder>/checkpoints/000120/{state.safetensors, manifest.json}."""

import errno
import hashlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from metaplast.registry import BadInput
from metaplast.runs.folder import named, sync

log = logging.getLogger(__name__)
KEEP = 3
FORM = 2  # of what a state holds; 2: a watch over the search, candidates from its whole course


class NoCheckpoint(RuntimeError):
    """Checkpoints exist, but none of them is usable (exit code 4)."""


def write(folder: Path, step: int, state: Any, digest: str) -> None:
    """Save a state: temporary folder, fsync, manifest last, rename; read it back; then drop all but
    the newest three.

    A state with a non-finite leaf is not written, so the last good one stays the newest; that of
    step 0 always is.
    Raises: OSError for what the disk refuses, or for a file that does not read back as it was
    written.
    """
    arrays = _arrays(state)
    if step and not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f"):
        log.warning("step %d: the state is not finite and was not saved", step)
        return
    payload = save(arrays)
    root = folder / "checkpoints"
    root.mkdir(exist_ok=True)
    temporary, final = root / f".{step:06d}.{os.getpid()}", root / f"{step:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _durable(temporary / "state.safetensors", payload)
    digests = {"sha256": hashlib.sha256(payload).hexdigest(), "config": digest}
    manifest = {"step": step, "form": FORM, **digests, "backend": jax.default_backend()}
    _durable(temporary / "manifest.json", json.dumps(manifest).encode())
    sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(root)
    if (final / "state.safetensors").read_bytes() != payload:
        raise OSError(errno.EIO, "not what was written", str(final))
    for old in _steps(root)[:-KEEP]:
        shutil.rmtree(root / f"{old:06d}")


def restore(folder: Path, forms: Sequence[Any], digest: str, logged: int) -> tuple[int, Any] | None:
    """The newest usable (step, state), or None where nothing was ever saved.

    forms: trees of arrays, or of shapes and dtypes, one of which the state must have. logged: outer
    steps that metrics.jsonl holds; a later state is of no use. The order is that of the steps,
    never of file times. Each rejected checkpoint is named and set aside as `.damaged`; what a kill
    left half written goes.
    Raises: NoCheckpoint where all are unusable, or where steps were logged and no checkpoint is
    left; BadInput, with nothing set aside, where all are of another config or were made by a
    version whose states held something else.
    """
    root = folder / "checkpoints"
    steps = _steps(root) if root.is_dir() else []
    manifests = [_manifest(root / f"{step:06d}") for step in steps]
    said = [manifest for manifest in manifests if manifest]
    if said and all(manifest.get("form") != FORM for manifest in said):
        what = f"{folder}: checkpoints of another version of metaplast"
        fix = (
            f"finish the run with the version that began it, or: metaplast train --config "
            f"{folder}/config.yaml"
        )
        raise BadInput(what, f"checkpoints of form {FORM}", fix)
    if steps and all(manifest and manifest.get("config") != digest for manifest in manifests):
        what = f"{folder}: a config.yaml other than the one its checkpoints were made with"
        raise BadInput(
            what,
            "the config of the run",
            "put it back, or start a new run with metaplast train --config",
        )
    for half in root.glob(".*"):
        shutil.rmtree(half, ignore_errors=True)
    for step in reversed(steps):
        path = root / f"{step:06d}"
        try:
            if step > logged:
                raise ValueError(f"metrics.jsonl ends at step {logged}")
            return step, _read(path, step, forms, digest)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
            log.warning("checkpoint %s rejected: %s", path, error)
            path.rename(_free(path))
    if logged or any(
        root.glob("*.damaged*")
    ):  # also those of an earlier attempt: never a silent start from zero
        raise NoCheckpoint(
            f"{root} - expected at least one whole checkpoint - start a new run from the "
            f"config.yaml"
        )
    return None


def _manifest(path: Path) -> dict[str, Any] | None:
    """What a checkpoint says of itself; None where it cannot be read."""
    try:
        said = json.loads((path / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and "config" in said else None


def _free(path: Path) -> Path:
    """A name for a damaged checkpoint that no earlier one has."""
    names = (path.with_name(f"{path.name}.damaged{n or ''}") for n in itertools.count())
    return next(name for name in names if not name.is_symlink() and not name.exists())


def _read(path: Path, step: int, forms: Sequence[Any], digest: str) -> Any:
    files = {name: path / name for name in ("manifest.json", "state.safetensors")}
    if path.is_symlink() or any(file.is_symlink() for file in files.values()):
        raise ValueError("a symbolic link")
    manifest, payload = (
        json.loads(files["manifest.json"].read_bytes()),
        files["state.safetensors"].read_bytes(),
    )
    if hashlib.sha256(payload).hexdigest() != manifest["sha256"]:
        raise ValueError("checksum differs")
    if manifest["step"] != step or manifest["config"] != digest:
        raise ValueError("step or config differs")
    arrays = load(payload)
    found = [(arrays[name].shape, arrays[name].dtype) for name in sorted(arrays)]
    like = next(
        (form for form in forms if [(x.shape, x.dtype) for x in jax.tree.leaves(form)] == found),
        None,
    )
    if like is None:
        raise ValueError("tree, shapes or dtypes differ")
    backend = jax.default_backend()
    if manifest.get("backend") != backend:
        log.warning(
            "%s: from %s to %s, the last bits may differ", path, manifest.get("backend"), backend
        )
    leaves, tree = jax.tree.flatten(like)
    return jax.tree.unflatten(
        tree, [jax.numpy.asarray(arrays[f"{i:05d}"]) for i in range(len(leaves))]
    )


def _arrays(state: Any) -> dict[str, np.ndarray]:
    return {
        f"{i:05d}": np.asarray(leaf, order="C") for i, leaf in enumerate(jax.tree.leaves(state))
    }


def _steps(root: Path) -> list[int]:
    return sorted(int(entry.name) for entry in root.iterdir() if entry.name.isdigit())


def _durable(path: Path, content: bytes) -> None:
    with named(path), path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
