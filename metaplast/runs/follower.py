"""A logger in its own process.

It reads the folder of a run while the run goes on. So the run does not wait for the logger, and
does not fail when the logger fails. The run starts `python -m metaplast.runs.follower RUN` and
closes the standard input of that process at the end.
"""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from metaplast.results import summary
from metaplast.runs.config import read_yaml, resolve
from metaplast.runs.folder import ROWS
from metaplast.runs.loggers.base import AbstractLogger, Sink
from metaplast.runs.metrics import METRICS, Tail
from metaplast.settings.names import CONFIG, DISCOVERED
from metaplast.spec import decode, encode

log = logging.getLogger(__name__)
PATIENCE = 30.0
"""Seconds that a logger has after the end of the run."""
POLL = 0.5
"""Seconds between two looks at the folder."""
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


@contextmanager
def followed(run: Path, logger: AbstractLogger, modules: Sequence[str] = ()) -> Iterator[None]:
    """Let a logger follow the folder of a run.

    An error of the logger becomes one warning.

    Args:
        run: the folder of the run.
        logger: the logger.
        modules: plug-ins that its process imports first.
    """
    if logger.off:
        yield
        return
    with tempfile.TemporaryFile() as words:
        command = [sys.executable, "-m", "metaplast.runs.follower", str(run.absolute()), *modules]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
        assert process.stdin
        try:
            yield
        except BaseException:
            # The logger ends by itself within PATIENCE seconds, and nobody waits for it.
            process.stdin.close()
            process.returncode = 0
            raise
        else:
            process.stdin.close()
            _end(process, encode(logger)["name"], words)


def _end(process: "subprocess.Popen[bytes]", name: str, words: IO[bytes]) -> None:
    """Wait for a logger, and warn where it did not end well.

    Args:
        process: the process of the logger.
        name: the name of the logger.
        words: the standard error of the process.
    """
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        log.warning(
            "logging=%s did not end within %g s and was stopped: the run is not affected",
            name,
            PATIENCE,
        )
        return
    if code:
        words.seek(0)
        lines = words.read()[-2000:].decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else ""
        log.warning("logging=%s failed, the run is not affected: %s", name, hide(last))


def hide(text: str) -> str:
    """The text without secrets and without control characters.

    A secret is the value of an environment variable whose name speaks of a key, a token, a
    password or a credential.
    """
    for name, value in os.environ.items():
        if len(value) > 3 and _SECRET.search(name):
            text = text.replace(value, "***")
    characters = []
    for character in text:
        characters.append(character if character.isprintable() else " ")
    return "".join(characters)[:300]


def main(run: Path, modules: Sequence[str] = ()) -> None:
    """Hand every new line of every row's metrics to the sink, until standard input ends.

    Args:
        run: the folder of the run.
        modules: plug-ins that are imported first.
    """
    for module in modules:
        import_module(module)
    config = resolve(read_yaml((run / CONFIG).read_text(), CONFIG))
    logger = decode("logging", config["logging"])
    ended = threading.Event()
    threading.Thread(target=_wait, args=(ended,), daemon=True).start()
    sink = logger.open(run, config)
    positions: dict[Path, Position] = {}
    while not ended.wait(POLL):
        _hand_over(run, logger.every, sink, positions)
    _hand_over(run, logger.every, sink, positions)
    file = run / summary.FILE
    result = None
    if file.is_file():
        result = json.loads(file.read_text())
    sink.finish(run, result)


class Position(NamedTuple):
    """The position in a file up to which lines were handed over.

    tail: the reader of the file.
    step: the last outer step that was handed over.
    """

    tail: Tail
    step: int


def _hand_over(run: Path, every: int, sink: Sink, positions: dict[Path, Position]) -> None:
    """Hand the new lines of all metrics to the sink, and move the positions.

    A resumed run replaces its file by a shorter one. Such a file is read anew, but no step is
    handed over twice.
    """
    for path in [run / METRICS, *sorted(run.glob(f"{ROWS}/*/{METRICS}"))]:
        tail, last = positions.get(path, Position(Tail(path), 0))
        row = DISCOVERED if path.parent == run else path.parent.name
        for line in map(json.loads, tail.read().lines):
            step = line["outer_step"]
            if step > last and step % every == 0:
                sink.log(row, step, _numbers(line))
            last = max(last, step)
        positions[path] = Position(tail, last)


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    """The scalars of a line; `nan` and `inf` become floats."""
    numbers = {}
    for name, value in line.items():
        if name != "outer_step" and not isinstance(value, list):
            numbers[name] = float(value)
    return numbers


def _wait(ended: threading.Event) -> None:
    """Wait for the end of standard input, and end this process PATIENCE seconds later.

    The input ends when the run closes it or is gone. The process ends even where the logger hangs.
    """
    sys.stdin.buffer.read()
    ended.set()
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
