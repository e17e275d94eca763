"""A logger in a process of its own: it reads the folder of a run as it grows, so the run neither
waits for it nor falls with it. The run starts `python -m metaplast.runs.follower RUN` and closes
its standard input at the end.
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
from typing import Any, NamedTuple

from metaplast.runs.config import read_yaml, resolve
from metaplast.runs.loggers.base import AbstractLogger, Sink
from metaplast.settings.names import DISCOVERED
from metaplast.spec import decode, encode

log = logging.getLogger(__name__)
PATIENCE = 30.0  # seconds a logger is given when the run has ended
POLL = 0.5
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


@contextmanager
def followed(run: Path, logger: AbstractLogger, modules: Sequence[str] = ()) -> Iterator[None]:
    """Within, the folder is followed by `logger`. What goes wrong there costs one line of
    warning.
    """
    if logger.off:
        yield
        return
    with tempfile.TemporaryFile() as words:
        command = [sys.executable, "-m", "metaplast.runs.follower", str(run.absolute()), *modules]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        process = subprocess.Popen(
            command, stdin=pipe, stdout=null, stderr=words, start_new_session=True
        )
        assert process.stdin
        try:
            yield
        except BaseException:
            process.stdin.close()  # it ends by itself, PATIENCE seconds later at most
            process.returncode = 0  # and is not waited for
            raise
        else:
            process.stdin.close()
            name = encode(logger)["name"]
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
            else:
                if code:
                    words.seek(0)
                    last = words.read()[-2000:].decode(errors="replace").strip().splitlines()
                    log.warning(
                        "logging=%s failed, the run is not affected: %s",
                        name,
                        hide(last[-1] if last else ""),
                    )


def hide(text: str) -> str:
    """Without the values of environment variables whose name speaks of a secret, and without
    control characters.
    """
    for name, value in os.environ.items():
        if len(value) > 3 and _SECRET.search(name):
            text = text.replace(value, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def main(run: Path, modules: Sequence[str] = ()) -> None:
    """Until standard input ends: hand every new line of every row's metrics to the sink; then
    finish.
    """
    for module in modules:
        import_module(module)
    config = resolve(read_yaml((run / "config.yaml").read_text(), "config.yaml"))
    logger, ended = decode("logging", config["logging"]), threading.Event()
    threading.Thread(target=_wait, args=(ended,), daemon=True).start()
    sink = logger.open(run, config)
    seen: dict[Path, Seen] = {}
    while not ended.wait(POLL):
        _hand_over(run, logger.every, sink, seen)
    _hand_over(run, logger.every, sink, seen)
    summary = run / "summary.json"
    sink.finish(run, json.loads(summary.read_text()) if summary.is_file() else None)


class Seen(NamedTuple):
    """How much of a file was handed over: its inode, bytes, and the last outer step."""

    inode: int = -1
    size: int = 0
    step: int = 0


def _hand_over(run: Path, every: int, sink: Sink, seen: dict[Path, Seen]) -> None:
    """A file that was replaced (a resumed run cuts it back) is read anew; no step is handed over
    twice.
    """
    for path in [run / "metrics.jsonl", *sorted(run.glob("rows/*/metrics.jsonl"))]:
        if not path.is_file():
            continue
        inode, size, last = seen.get(path, Seen())
        with path.open("rb") as file:
            now = os.fstat(file.fileno())
            size = size if now.st_ino == inode and now.st_size >= size else 0
            file.seek(size)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        row = DISCOVERED if path.parent == run else path.parent.name
        for line in map(json.loads, whole.splitlines()):
            step = line["outer_step"]
            if step > last and step % every == 0:
                sink.log(row, step, _numbers(line))
            last = max(last, step)
        seen[path] = Seen(now.st_ino, size + len(whole), last)


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    """The scalars; one that is not finite goes as such."""
    scalars = {k: v for k, v in line.items() if k != "outer_step" and not isinstance(v, list)}
    return {name: float(value) for name, value in scalars.items()}


def _wait(ended: threading.Event) -> None:
    """The run closes standard input, or is gone; after PATIENCE this process is too, whatever
    hangs.
    """
    sys.stdin.buffer.read()
    ended.set()
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
