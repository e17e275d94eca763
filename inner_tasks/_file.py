"""A file of recordings before it is read: its kind, and whether it is there and has not changed."""

import hashlib
import os
import stat
from typing import NamedTuple

from inner_tasks._notes import listed
from metaplast.registry import BadInput


class FileKind(NamedTuple):
    """The kind that a file seems to be, and the way to mend it; empty where neither is known."""

    name: str
    fix: str


UNKNOWN = FileKind("", "")
EMPTY = FileKind("an empty file", "write it again")
TEXT = FileKind(
    "text, such as a CSV file",
    "docs/guides/fit.md, section 1, makes arrays of a CSV file",
)
ZIP = FileKind(
    "a zip archive, as .npz files are",
    "name it .npz if it is one; else save its arrays with numpy.savez",
)
DAMAGED = FileKind(
    "a zip archive, but no whole one", "write it again with numpy.savez, or copy it again"
)
HDF5 = FileKind(
    "an HDF5 file, as .nwb files are",
    "name it .nwb if it is one; else save its arrays with numpy.savez",
)
ARRAY = FileKind(
    "one array (.npy)", "save all arrays in one file: numpy.savez(path, stimulus=..., choice=...)"
)
MATLAB = FileKind("a MATLAB file", "scipy.io.loadmat reads it; save its arrays with numpy.savez")
KINDS = {  # by the first bytes of a file
    b"PK": ZIP,
    b"\x1f\x8b": FileKind("a gzip file", "unpack it first: gunzip FILE"),
    b"\xff\xfe": TEXT,  # UTF-16, as Excel writes it
    b"\xfe\xff": TEXT,
    b"\x89HDF": HDF5,
    b"\x93NUMPY": ARRAY,
    b"MATLAB": MATLAB,
}
ENDS = (".npz", ".nwb")


def stamp(path: str) -> tuple[int, int]:
    """(time of the last change in ns, size in bytes) of a regular file.

    Raises: BadInput for anything but a regular file; the opening of a pipe would wait for ever.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        what = f"recordings {path!r}: {getattr(error, 'strerror', None) or error}"
        raise BadInput(what, "a file that can be read", "correct task.path") from None
    if stat.S_ISDIR(status.st_mode):
        what = f"recordings {path!r}: a folder"
        raise BadInput(what, "one .npz or .nwb file", f"correct task.path{_inside(path)}")
    if not stat.S_ISREG(status.st_mode):
        expected = "a file, not a folder or a device"
        raise BadInput(f"recordings {path!r}", expected, "correct task.path")
    return status.st_mtime_ns, status.st_size


def _inside(path: str) -> str:
    """The files of recordings in a folder, as the end of an error; empty where there are none."""
    try:
        names = os.listdir(path)
    except OSError:
        return ""
    files = []
    for name in sorted(names):
        if name.lower().endswith(ENDS):
            files.append(os.path.join(path, name))
    if not files:
        return ""
    return f": it holds {listed(files)}"


def looks(path: str) -> FileKind:
    """The kind of a file by its first bytes."""
    with open(path, "rb") as file:
        start = file.read(512)
    if not start:
        return EMPTY
    for magic, kind in KINDS.items():
        if start.startswith(magic):
            if kind == ZIP and path.lower().endswith(".npz"):
                return DAMAGED
            return kind
    # Umlauts and a byte order mark are text too.
    signs = set(start) - set(b"\t\n\f\r")
    if min(signs, default=32) < 32:
        return UNKNOWN
    return TEXT


def fingerprint(path: str) -> str:
    """SHA-256 of a file, in hex."""
    stamp(path)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = f"recordings {path!r}: {error.strerror}"
        raise BadInput(what, "a file that can be read", "correct task.path") from None
