"""`rule.safetensors`: one learned rule in a file to share.

The numbers are tensors. Everything else is one JSON document.

Reading a file never runs code. There is no pickle and no JAX, and no name in the file is imported.
Sizes are limited before anything is read. Only known dtypes and known forms of rules pass. Every
string stays text. The document holds a checksum of itself and of the tensors, so that a reader
notices a flipped bit. A file of version 0.1.0 has no checksum.
"""

import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as pack_tensors

from metaplast.registry import BadInput, Plain
from metaplast.reuse import shelf
from metaplast.reuse.document import check
from metaplast.reuse.schema import SCHEMA, migrated, version_of
from metaplast.reuse.text import quote

MAX_BYTES = 64 * 2**20
MAX_HEADER = 4 * 2**20
"""Bytes of names, shapes and the document."""
MAX_TENSORS = 10_000
MAX_DEPTH = 24
CHECKSUM = "sha256"
"""The key of the checksum in a document."""
DTYPES = {"F32": np.dtype(np.float32), "F64": np.dtype(np.float64), "I32": np.dtype(np.int32)}


@dataclass(frozen=True, eq=False)
class RuleFile:
    """The content of a rule file.

    document: plain data, see document.py.
    tensors: {dotted name: leaf} of theta.
    """

    document: Plain
    tensors: dict[str, np.ndarray]


def flatten(prefix: str, theta: Any) -> dict[str, np.ndarray]:
    """{dotted name: leaf} of a tree of dicts and sequences, such as `prefix.key.0.key`.

    Args:
        prefix: the first part of the names.
        theta: the tree.

    Raises: BadInput for a key with a dot, or a leaf that is no array of numbers.
    """
    if isinstance(theta, Mapping):
        items = theta.items()
    elif isinstance(theta, list | tuple):
        items = enumerate(theta)
    else:
        leaf = np.asarray(theta)
        if leaf.dtype not in DTYPES.values():
            raise BadInput(
                f"theta {quote(prefix)} of dtype {leaf.dtype}",
                "float32, float64 or int32",
                "convert it",
            )
        return {prefix: leaf}
    flat: dict[str, np.ndarray] = {}
    for key, value in items:
        name = str(key)
        if not name or "." in name:
            raise BadInput(
                f"theta key {quote(name)} in {quote(prefix)}", "a name without dots", "rename it"
            )
        flat.update(flatten(f"{prefix}.{name}", value))
    return flat


def subtree(prefix: str, tensors: Mapping[str, np.ndarray]) -> Any:
    """The tensors whose names begin with a prefix, as nested dicts.

    A sequence comes back as a dict of indices.

    Args:
        prefix: the first part of the names.
        tensors: {dotted name: array}.
    """
    if prefix in tensors:
        return tensors[prefix]
    tree: Plain = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "."):
            *path, last = name.removeprefix(prefix + ".").split(".")
            node = tree
            for part in path:
                node = node.setdefault(part, {})
            node[last] = value
    return tree


def save_rule(
    path: str | os.PathLike[str], document: Plain, tensors: Mapping[str, np.ndarray]
) -> None:
    """Write a rule file, whole or not at all. Equal content gives equal bytes.

    Args:
        path: the path of the file. An existing file is replaced.
        document: the document, from `describe_rule`.
        tensors: {dotted name: leaf} of theta, from `describe_rule`.

    Raises: BadInput for content that `read_rule` would refuse; OSError where the disk refuses.
    """
    packed = _pack(document, tensors)
    _parse(packed, "rule to save")
    target = Path(path)
    if target.is_dir():
        raise BadInput(
            f"{quote(str(path))}: a folder",
            "the path of a file",
            "add a file name, e.g. rule.safetensors",
        )
    if not target.parent.is_dir():
        raise BadInput(
            f"{quote(str(target.parent))}: no such folder", "an existing folder", "create it first"
        )
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def read_rule(path: str | os.PathLike[str]) -> RuleFile:
    """Read and check a rule file. No rule runs.

    `load_rule` runs the rule and checks its reference vector.

    Args:
        path: the path of the rule file, or the name of a rule of the zoo, such as `zoo/oja`.

    Returns: the document and the tensors of the file.
    Raises: BadInput, one line, for anything but a whole and sane rule file.
    """
    where = f"rule file {quote(str(path), 200)}"
    if shelf.is_shelved(path):
        path = shelf.file_of(str(path))
    return _parse(_read_bytes(path, where), where)


def _pack(document: Plain, tensors: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a rule file."""
    arrays = {}
    for name, value in tensors.items():
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        if array.dtype not in DTYPES.values():
            raise BadInput(
                f"tensor {quote(name)} of dtype {array.dtype}",
                "float32, float64 or int32",
                "convert it",
            )
        arrays[name] = array
    try:
        text = _text(document | {CHECKSUM: checksum(document, arrays)})
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            f"document: {quote(str(error))}", "plain data with finite numbers", "convert it"
        ) from None
    # safetensors writes several entries of metadata in an order that differs between processes, so
    # there is one entry.
    return pack_tensors(arrays, {SCHEMA: text})


def checksum(document: Plain, tensors: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of a document and of the names, dtypes, shapes and numbers of all tensors.

    Args:
        document: the document without a checksum.
        tensors: {dotted name: array}.
    """
    digest = hashlib.sha256(_text(document).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\n{name} {value.dtype.str} {list(value.shape)}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _text(document: Plain) -> str:
    return json.dumps(document, allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def _read_bytes(path: str | os.PathLike[str], where: str) -> bytes:
    """The bytes of a regular file of limited size."""
    # A pipe must not block.
    flags = os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(f"{where}: {reason}", "a readable file", "correct the path") from None
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise BadInput(f"{where}: a folder", "a file", "give the rule.safetensors inside it")
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{where}: not a regular file", "a regular file", "correct the path")
        if status.st_size > MAX_BYTES:
            raise BadInput(
                f"{where}: {status.st_size} bytes", f"at most {MAX_BYTES}", "this is no rule file"
            )
        with open(handle, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{where}: {error.strerror}", "a readable file", "check the disk") from None
    finally:
        os.close(handle)
    if len(data) > MAX_BYTES:
        raise BadInput(
            f"{where}: grows while it is read",
            f"at most {MAX_BYTES} bytes",
            "wait until it is written",
        )
    return data


def _is_text(data: bytes) -> bool:
    """Whether a file begins as a text. The first bytes of a rule file are a small number."""
    return len(data) > 0 and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:8])


def _parse(data: bytes, where: str) -> RuleFile:
    """The checked content of a rule file, from its bytes."""
    damaged = BadInput(
        f"{where}: cut off or damaged", "a safetensors file", "fetch or write it again"
    )
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        if _is_text(data):
            raise BadInput(
                f"{where}: a text and not a rule file",
                "a rule.safetensors",
                "give the file that a run or save_rule wrote",
            )
        raise damaged
    if length > MAX_HEADER:
        raise BadInput(
            f"{where}: header of {length} bytes", f"at most {MAX_HEADER}", "this is no rule file"
        )
    header = _json(data[8 : 8 + length], f"{where}: header")
    metadata = header.pop("__metadata__", None)
    for name, entry in header.items():
        _check_entry(name, entry, where)
    if len(header) > MAX_TENSORS:
        raise BadInput(
            f"{where}: {len(header)} tensors", f"at most {MAX_TENSORS}", "this is no rule file"
        )
    written, version = _document(metadata, where)
    try:
        tensors = parse_tensors(data)
    except (SafetensorError, ValueError, KeyError, OverflowError, MemoryError):
        raise damaged from None
    for name, value in tensors.items():
        value.setflags(write=False)
        if not np.isfinite(value).all():
            raise BadInput(
                f"{where}: {quote(name)} holds a number that is not finite",
                "finite numbers",
                "train again",
            )
    has_checksum = CHECKSUM in written
    stored = written.pop(CHECKSUM, None)
    document = migrated(written, version)
    check(document, tensors, where)
    if has_checksum and stored != checksum(written, tensors):
        raise BadInput(
            f"{where}: other content than its checksum says",
            "the file as written",
            "fetch it again",
        )
    return RuleFile(document=document, tensors=dict(sorted(tensors.items())))


def _document(metadata: Any, where: str) -> tuple[Plain, int]:
    """The document in the metadata of a file as it was written, and its version."""
    if not isinstance(metadata, dict):
        raise BadInput(
            f"{where}: no metadata", f"a {SCHEMA} file", "this is another kind of safetensors file"
        )
    if len(metadata) != 1 or not isinstance(next(iter(metadata.values())), str):
        raise BadInput(
            f"{where}: metadata {quote(list(metadata))}",
            f"one entry {SCHEMA}",
            "this is another kind of safetensors file",
        )
    ((key, text),) = metadata.items()
    version = version_of(key, where)
    return _json(text.encode("utf-8", "surrogatepass"), f"{where}: document"), version


def _check_entry(name: str, entry: Any, where: str) -> None:
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    # A tuple, because the dtype in a file may be a list, which has no hash.
    if dtype not in tuple(DTYPES):
        raise BadInput(
            f"{where}: {quote(name)} of dtype {quote(dtype)}",
            f"one of {', '.join(DTYPES)}",
            "convert it",
        )


def _json(data: bytes, where: str) -> Plain:
    """The JSON object in a text of limited depth."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_refuse
        )
        _check_depth(value, MAX_DEPTH)
    except BadInput as error:
        raise BadInput(f"{where}: {error.what}", error.expected, error.fix) from None
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{where}: {quote(str(error))}", "JSON text", "fetch or write it again"
        ) from None
    if not isinstance(value, dict):
        raise BadInput(
            f"{where}: a {type(value).__name__}", "a JSON object", "fetch or write it again"
        )
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> Plain:
    """The pairs of a JSON object as a dict. Raises: BadInput for a name that stands twice."""
    mapping: Plain = {}
    for name, value in pairs:
        if name in mapping:
            raise BadInput(f"{quote(name)} stands twice", "distinct names", "remove one")
        mapping[name] = value
    return mapping


def _refuse(constant: str) -> None:
    """Raises: BadInput for NaN, Infinity or -Infinity in a JSON text."""
    raise BadInput(constant, "finite numbers", "write null where there is none")


def _check_depth(value: Any, left: int) -> None:
    """Check the depth and the numbers of plain data.

    Args:
        value: the data.
        left: levels that may still come.
    """
    if left == 0:
        raise BadInput("nested too deep", f"at most {MAX_DEPTH} levels", "this is no rule file")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput("a number out of range", "finite numbers", "correct it")
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list):
        items = value
    for item in items:
        _check_depth(item, left - 1)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
