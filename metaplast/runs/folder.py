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
from metaplast.settings.names import CONFIG, DISCOVERED

ROWS = "rows"
"""The folder of the rows beside the discovered one."""
CHECKPOINTS = "checkpoints"
"""The folder of the checkpoints of a row."""
RECORD = "row.json"
"""It marks a finished row."""
LOCK = ".lock"
LOCKS = Path("/proc/locks")
"""The list of all locks of a Linux host."""
LOG = "log.txt"
MAX_NAME = 255
"""Bytes of a name on the common file systems."""
MAX_SHOWN = 100
"""Characters of a path in an error."""


class Busy(RuntimeError):
    """The folder is in use by another process, or already holds a run (exit code 3)."""


def row_folder(run: Path, name: str) -> Path:
    """The folder of a row: the run folder for the discovered rule, else rows/<name> in it."""
    return run if name == DISCOVERED else run / ROWS / name


def fresh_path(experiment: str, seed: int | str) -> Path:
    """The path of a new folder, runs/<date>-<experiment>-<seed>-<id>.

    The random id keeps runs of the same second apart.

    Args:
        experiment: the name of the experiment.
        seed: the seed of the run, or the first and the last seed of a group.
    """
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = re.sub(r"[^\w-]", "_", experiment)[:60] or "run"
    return Path("runs") / f"{stamp}-{name}-{seed}-{secrets.token_hex(2)}"


def check_free(path: Path) -> None:
    """Check that a run folder can be made at a path.

    Raises:
        Busy: the folder already holds something.
        BadInput: no folder can be made there.
    """
    where = f"--run-dir {shown(path)}"
    if not str(path).isprintable():
        raise BadInput(where, "a name without control characters", "choose another path")
    try:
        parts = [path, *path.parents]
        broken_links = []
        for part in parts:
            if part.is_symlink() and not part.exists():
                broken_links.append(part)
        occupied = path.is_dir() and any(path.iterdir())
        above = next(parent for parent in path.absolute().parents if parent.exists())
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        fix = f"choose another path, of names of at most {MAX_NAME} bytes"
        raise BadInput(f"{where}: {reason}", "the path of a folder", fix) from None
    if broken_links:
        link = broken_links[0]
        raise BadInput(
            f"{where}: {link} is a symbolic link to {os.readlink(link)}, which is not there",
            "the path of a folder",
            "remove the link, or make the folder that it names",
        )
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
    """The text of a path for an error; the middle of a long path is left out."""
    text = str(path)
    half = MAX_SHOWN // 2
    return text if len(text) <= MAX_SHOWN else f"{text[:half]}...{text[-half:]}"


def check_idle(path: Path) -> None:
    """Check that no process uses a run folder.

    Raises:
        Busy: another process holds the lock.
        BadInput: there is no run folder.
    """
    if not (path / CONFIG).is_file():
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
    """Hold the lock of a run folder.

    The kernel drops the lock when the process ends, so a killed process leaves none behind.

    Raises: Busy where another process holds it.
    """
    with naming_errors(path), (path / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"{path} - expected a folder no other run is using - wait for it, or stop it"
            ) from None
        yield


def holder(path: Path) -> int | None:
    """The number of the process that holds the lock of a run folder, where it is seen from here.

    Nothing is opened in the folder and no lock is taken. The list of the kernel names processes of
    this host alone, so None says nothing about a process of another host.
    """
    try:
        status = (path / LOCK).stat()
        locks = LOCKS.read_text()
    except OSError:  # no lock yet, or a system without such a list
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in locks.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 4829 fe:00:5612873 0 EOF
        fields = line.split()
        if fields[1:2] == ["FLOCK"] and fields[5:6] == [f"{device}:{status.st_ino}"]:
            return int(fields[4])
    return None


@contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Put `path` into every error of the disk that names no file.

    A write to an open file raises an error without a name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write the library's log to log.txt of a run folder.

    Warnings go to the screen too. Messages of level INFO go to log.txt alone. Every process of a
    run enters this context.
    """
    log = logging.getLogger("metaplast")
    level = log.level
    file = logging.FileHandler(path / LOG, delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handlers: list[logging.Handler] = [file]
    # `lastResort` prints warnings, but not for a logger that has a handler.
    if not log.handlers and logging.lastResort:
        handlers.append(logging.lastResort)
    for handler in handlers:
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        for handler in handlers:
            log.removeHandler(handler)
        file.close()


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text in one step."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step. It holds the old or the new content at every moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with naming_errors(path), temporary.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
    sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace a file by plain data in one step, as JSON."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The plain data of a JSON file.

    Raises:
        BadInput: the file is not JSON.
        OSError: the file cannot be read.
    """
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise BadInput(
            f"{path}, damaged", "JSON as metaplast wrote it", "restore the file, or run again"
        ) from None


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
