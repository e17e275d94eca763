"""A file of recordings before it is read: is it there, what is in it, has it changed."""

import hashlib
import os
import stat

from inner_tasks._notes import listed
from metaplast.registry import BadInput

TEXT = ("text, such as a CSV file", "docs/fit.md, section 1, makes arrays of a CSV file")
ZIP = "a zip archive, as .npz files are"
DAMAGED = ("a zip archive, but no whole one", "write it again with numpy.savez, or copy it again")
KINDS = {  # how a file begins -> (what it is, what to do with it)
    b"PK": (ZIP, "name it .npz if it is one; else save its arrays with numpy.savez"),
    b"\x1f\x8b": ("a gzip file", "unpack it first: gunzip FILE"),
    b"\xff\xfe": TEXT,  # UTF-16, as Excel writes it
    b"\xfe\xff": TEXT,
    b"\x89HDF": (
        "an HDF5 file, as .nwb files are",
        "name it .nwb if it is one; else save its arrays with numpy.savez",
    ),
    b"\x93NUMPY": (
        "one array (.npy)",
        "save all arrays in one file: numpy.savez(path, stimulus=..., choice=...)",
    ),
    b"MATLAB": ("a MATLAB file", "scipy.io.loadmat reads it; save its arrays with numpy.savez"),
}
ENDS = (".npz", ".nwb")


def stamp(path: str) -> tuple[int, int]:
    """(time of the last change in ns, size in bytes) of a regular file; opening a pipe would wait
    for ever.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(
            f"recordings {path!r}: {why}", "a file that can be read", "correct task.path"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(
            f"recordings {path!r}: a folder",
            "one .npz or .nwb file",
            f"correct task.path{_inside(path)}",
        )
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(
            f"recordings {path!r}", "a file, not a folder or a device", "correct task.path"
        )
    return status.st_mtime_ns, status.st_size


def _inside(path: str) -> str:
    try:
        files = sorted(
            os.path.join(path, name) for name in os.listdir(path) if name.lower().endswith(ENDS)
        )
    except OSError:
        files = []
    return f": it holds {listed(files)}" if files else ""


def looks(path: str) -> tuple[str, str]:
    """(what the file seems to be, what to do with it), by its first bytes; twice nothing where they
    tell nothing.
    """
    with open(path, "rb") as file:
        start = file.read(512)
    if not start:
        return "an empty file", "write it again"
    for magic, known in KINDS.items():
        if start.startswith(magic):
            return DAMAGED if known[0] == ZIP and path.lower().endswith(".npz") else known
    signs = set(start) - set(b"\t\n\f\r")
    return (
        TEXT if min(signs, default=32) >= 32 else ("", "")
    )  # umlauts and a byte order mark are text too


def fingerprint(path: str) -> str:
    """SHA-256 of a file, in hex."""
    stamp(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        given = f"recordings {path!r}: {error.strerror}"
        raise BadInput(given, "a file that can be read", "correct task.path") from None
