"""Checkpoints of a search. Each is whole or absent.

A checkpoint is a folder such as <row>/checkpoints/000120. It holds state.safetensors and
manifest.json.
"""

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
from metaplast.runs.folder import CHECKPOINTS, naming_errors, sync

log = logging.getLogger(__name__)
STATE = "state.safetensors"
MANIFEST = "manifest.json"
KEEP = 3
"""Checkpoints that are kept, the newest ones."""
FORM = 2
"""The form of a state. Form 2 holds a watch over the search, and candidates of its whole course."""


class NoCheckpoint(RuntimeError):
    """Checkpoints exist, but none of them is usable (exit code 4)."""


def write(folder: Path, step: int, state: Any, digest: str) -> None:
    """Save a state, and drop all checkpoints but the newest three.

    The files are written to a temporary folder, the manifest last. The folder is made durable and
    renamed. Then the state is read back. A state with a non-finite leaf is not written, so the last
    good state stays the newest. The state of step 0 is always written.

    Args:
        folder: the folder of a row.
        step: the outer step after which the state was reached.
        state: a tree of arrays.
        digest: the digest of the config that the state belongs to.

    Raises: OSError where the disk refuses, or where a file does not read back as it was written.
    """
    arrays = _arrays(state)
    if step and not _is_finite(arrays):
        log.warning("step %d: the state is not finite and was not saved", step)
        return
    payload = save(arrays)
    root = folder / CHECKPOINTS
    root.mkdir(exist_ok=True)
    temporary = root / f".{step:06d}.{os.getpid()}"
    final = root / f"{step:06d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _durable(temporary / STATE, payload)
    manifest = {
        "step": step,
        "form": FORM,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "config": digest,
        "backend": jax.default_backend(),
    }
    _durable(temporary / MANIFEST, json.dumps(manifest).encode())
    sync(temporary)
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    sync(root)
    if (final / STATE).read_bytes() != payload:
        raise OSError(errno.EIO, "not what was written", str(final))
    for old in _steps(root)[:-KEEP]:
        shutil.rmtree(root / f"{old:06d}")


def restore(
    folder: Path, forms: Sequence[Any], digest: str, last_step: int
) -> tuple[int, Any] | None:
    """The newest usable (step, state), or None where nothing was ever saved.

    The number of the step decides which checkpoint is newer, never a file time. Each rejected
    checkpoint is named in a warning and renamed to `.damaged`. A checkpoint that a kill left half
    written is deleted.

    Args:
        folder: the folder of a row.
        forms: trees of arrays, or of shapes and dtypes. The state must have the form of one.
        digest: the digest of the config.
        last_step: the last outer step in metrics.jsonl. A later state is rejected.

    Raises:
        NoCheckpoint: all checkpoints are unusable, or steps were logged and no checkpoint is left.
        BadInput: all checkpoints belong to another config, or come from a version with other
            states. Nothing is renamed then.
    """
    root = folder / CHECKPOINTS
    steps = _steps(root) if root.is_dir() else []
    manifests = []
    for step in steps:
        manifests.append(_manifest(root / f"{step:06d}"))
    _check_manifests(folder, manifests, digest)
    for half in root.glob(".*"):
        shutil.rmtree(half, ignore_errors=True)
    for step in reversed(steps):
        path = root / f"{step:06d}"
        try:
            if step > last_step:
                raise ValueError(f"metrics.jsonl ends at step {last_step}")
            return step, _read(path, step, forms, digest)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
            log.warning("checkpoint %s rejected: %s", path, error)
            path.rename(_free(path))
    # Damaged checkpoints of an earlier attempt count too: a run never starts silently from zero.
    if last_step or any(root.glob("*.damaged*")):
        raise NoCheckpoint(
            f"{root} - expected at least one whole checkpoint - start a new run from the "
            f"config.yaml"
        )
    return None


Manifest = dict[str, Any]


def _check_manifests(folder: Path, manifests: Sequence[Manifest | None], digest: str) -> None:
    """Check that the checkpoints of a row belong to this version and to this config.

    Raises: BadInput where none does.
    """
    readable = []
    for manifest in manifests:
        if manifest:
            readable.append(manifest)
    forms = [manifest.get("form") for manifest in readable]
    if readable and FORM not in forms:
        raise BadInput(
            f"{folder}: checkpoints of another version of metaplast",
            f"checkpoints of form {FORM}",
            f"finish the run with the version that began it, or: metaplast train --config "
            f"{folder}/config.yaml",
        )
    digests = [manifest.get("config") for manifest in readable]
    if manifests and len(readable) == len(manifests) and digest not in digests:
        raise BadInput(
            f"{folder}: a config.yaml other than the one its checkpoints were made with",
            "the config of the run",
            "put it back, or start a new run with metaplast train --config",
        )


def _manifest(path: Path) -> Manifest | None:
    """The manifest of a checkpoint; None where it cannot be read."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) and "config" in manifest else None


def _free(path: Path) -> Path:
    """A name for a damaged checkpoint; no earlier one has it."""
    for n in itertools.count():
        name = path.with_name(f"{path.name}.damaged{n or ''}")
        if not name.is_symlink() and not name.exists():
            return name
    raise AssertionError


def _read(path: Path, step: int, forms: Sequence[Any], digest: str) -> Any:
    """The state of a checkpoint. Raises: ValueError and other errors for a damaged one."""
    manifest_file = path / MANIFEST
    state_file = path / STATE
    if path.is_symlink() or manifest_file.is_symlink() or state_file.is_symlink():
        raise ValueError("a symbolic link")
    manifest = json.loads(manifest_file.read_bytes())
    payload = state_file.read_bytes()
    if hashlib.sha256(payload).hexdigest() != manifest["sha256"]:
        raise ValueError("checksum differs")
    if manifest["step"] != step or manifest["config"] != digest:
        raise ValueError("step or config differs")
    arrays = load(payload)
    form = _form_of(arrays, forms)
    backend = jax.default_backend()
    if manifest.get("backend") != backend:
        log.warning(
            "%s: from %s to %s, the last bits may differ", path, manifest.get("backend"), backend
        )
    leaves, tree = jax.tree.flatten(form)
    values = []
    for index in range(len(leaves)):
        values.append(jax.numpy.asarray(arrays[_name(index)]))
    return jax.tree.unflatten(tree, values)


def _form_of(arrays: dict[str, np.ndarray], forms: Sequence[Any]) -> Any:
    """The form that the arrays of a file have. Raises: ValueError where they have none."""
    stored = [arrays[name] for name in sorted(arrays)]
    for form in forms:
        if _shapes(jax.tree.leaves(form)) == _shapes(stored):
            return form
    raise ValueError("tree, shapes or dtypes differ")


def _shapes(leaves: Sequence[Any]) -> list[tuple[Any, Any]]:
    """(shape, dtype) of every leaf."""
    return [(leaf.shape, leaf.dtype) for leaf in leaves]


def _arrays(state: Any) -> dict[str, np.ndarray]:
    """The leaves of a state, under their names in a file."""
    arrays = {}
    for index, leaf in enumerate(jax.tree.leaves(state)):
        arrays[_name(index)] = np.asarray(leaf, order="C")
    return arrays


def _name(index: int) -> str:
    return f"{index:05d}"


def _is_finite(arrays: dict[str, np.ndarray]) -> bool:
    """Whether no floating-point array holds a NaN or an infinity."""
    for array in arrays.values():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return False
    return True


def _steps(root: Path) -> list[int]:
    """The steps of all checkpoints, the earliest first."""
    steps = []
    for entry in root.iterdir():
        if entry.name.isdigit():
            steps.append(int(entry.name))
    return sorted(steps)


def _durable(path: Path, content: bytes) -> None:
    with naming_errors(path), path.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
