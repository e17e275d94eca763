"""The folder of one run: its name, its lock, and files that are whole or absent."""

import fcntl
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from metaplast.registry import BadInput
from metaplast.runs.files import reader_of
from metaplast.settings.names import DISCOVERED

MAX_NAME = 255  # bytes, on the common file systems
MAX_SHOWN = 100  # characters of a path in an error


class Busy(RuntimeError):
    """The folder is in use by another process, or already holds a run (exit code 3)."""


def row_folder(run: Path, name: str) -> Path:
    """The discovered rule lives in the run folder itself, every other row under rows/<name>."""
    return run if name == DISCOVERED else run / "rows" / name


def fresh_path(experiment: str, seed: int | str) -> Path:
    """runs/<date>-<experiment>-<seed>-<id>, of a group with its first and last seed; the id keeps
    two runs of one second apart."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = re.sub(r"[^\w-]", "_", experiment)[:60] or "run"
    return Path("runs") / f"{stamp}-{name}-{seed}-{secrets.token_hex(2)}"


def check_free(path: Path) -> None:
    """Raises: Busy where a folder already holds something; BadInput where no folder can stand."""
    where = f"--run-dir {shown(path)}"
    if not str(path).isprintable():
        raise BadInput(where, "a name without control characters", "choose another path")
    try:
        links = [part for part in (path, *path.parents) if part.is_symlink() and not part.exists()]
        occupied = path.is_dir() and any(path.iterdir())
        above = next(parent for parent in path.absolute().parents if parent.exists())
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        fix = f"choose another path, of names of at most {MAX_NAME} bytes"
        raise BadInput(f"{where}: {reason}", "the path of a folder", fix) from None
    if links:
        what = (
            f"{where}: {links[0]} is a symbolic link to {os.readlink(links[0])}, which is not there"
        )
        raise BadInput(what, "the path of a folder", "remove the link, or make what it names")
    if not above.is_dir():
        raise BadInput(where, f"a folder in a folder: {above} is a file", "choose another path")
    if occupied:
        raise Busy(
            f"{path} - expected an empty or new folder - choose another --run-dir, or: metaplast "
            f"resume {path}"
        )
    if path.exists() and not path.is_dir():
        raise BadInput(where, "a folder", "choose another path")


def shown(path: Path | str) -> str:
    """A path in an error: of a long one both ends."""
    text, half = str(path), MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}...{text[-half:]}"


def check_idle(path: Path) -> None:
    """Raises: Busy where another process holds the lock of a run folder; BadInput where none is."""
    if not (path / "config.yaml").is_file():
        fix = reader_of(str(path)) or "give the folder that train printed"
        raise BadInput(f"{path}", "a run folder, with a config.yaml", fix)
    with locked(path):
        pass


def create(path: Path) -> Path:
    """Make an empty run folder. Raises: as `check_free`."""
    check_free(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on a run folder; it goes with the process, so a kill leaves nothing
    behind.

    Raises: Busy where another process holds it.
    """
    with named(path), (path / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{path} - expected a folder no other run is using - wait for it, or stop it"
            ) from None
        yield


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Within, an error of the disk that names no file names `path`: a write to an open file knows
    no name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Within, what the library warns of goes into log.txt too, from every process of a run, and
    there alone what it notes."""
    log = logging.getLogger("metaplast")
    level = log.level
    file = logging.FileHandler(path / "log.txt", delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    screen = (
        logging.lastResort if not log.handlers else None
    )  # a logger with a handler leaves the screen alone
    handlers = [handler for handler in (file, screen) if handler]
    for handler in handlers:
        log.addHandler(handler)
    log.setLevel(logging.INFO)  # the screen's handler begins at warnings
    try:
        yield
    finally:
        log.setLevel(level)
        for handler in handlers:
            log.removeHandler(handler)
        file.close()


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step: it holds the old content or the new one, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with named(path), temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
    sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
