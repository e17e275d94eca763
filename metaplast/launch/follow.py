"""A logger in a process of its own: it reads the folder of a run as it grows, so the run neither waits for it nor
falls with it. The run starts `python -m metaplast.launch.follow RUN` and closes its standard input at the end."""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metaplast.launch.config import read_yaml, resolve
from metaplast.launch.folder import DISCOVERED
from metaplast.launch.loggers.base import AbstractLogger, Sink
from metaplast.spec import decode, encode

log = logging.getLogger(__name__)
PATIENCE = 30.0  # seconds a logger is given when the run has ended
POLL = 0.5
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


@contextmanager
def followed(run: Path, logger: AbstractLogger) -> Iterator[None]:
    """Within, the folder is followed by `logger`. What goes wrong there costs one line of warning."""
    if logger.off:
        yield
        return
    with tempfile.TemporaryFile() as words:
        command = [sys.executable, "-m", "metaplast.launch.follow", str(run.absolute())]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=pipe, stdout=null, stderr=words, start_new_session=True)
        try:
            yield
        finally:
            assert process.stdin
            process.stdin.close()
            name = encode(logger)["name"]
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                log.warning(
                    "logging=%s did not end within %g s and was stopped: the run is not affected", name, PATIENCE
                )
            else:
                if code:
                    words.seek(0)
                    last = words.read()[-2000:].decode(errors="replace").strip().splitlines()
                    log.warning("logging=%s failed, the run is not affected: %s", name, hide(last[-1] if last else ""))


def hide(text: str) -> str:
    """Without the values of environment variables whose name speaks of a secret, and without control characters."""
    for name, value in os.environ.items():
        if len(value) > 3 and _SECRET.search(name):
            text = text.replace(value, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def main(run: Path) -> None:
    """Until standard input ends: hand every new line of every row's metrics to the sink; then finish."""
    config = resolve(read_yaml((run / "config.yaml").read_text(), "config.yaml"))
    logger, ended = decode("logging", config["logging"]), threading.Event()
    threading.Thread(target=_wait, args=(ended,), daemon=True).start()
    sink = logger.open(run, config)
    seen: dict[Path, int] = {}
    while not ended.wait(POLL):
        _hand_over(run, logger.every, sink, seen)
    _hand_over(run, logger.every, sink, seen)
    summary = run / "summary.json"
    sink.finish(run, json.loads(summary.read_text()) if summary.is_file() else None)


def _hand_over(run: Path, every: int, sink: Sink, seen: dict[Path, int]) -> None:
    """seen: how many bytes of each file were handed over."""
    for path in [run / "metrics.jsonl", *sorted(run.glob("rows/*/metrics.jsonl"))]:
        if not path.is_file():
            continue
        with path.open("rb") as file:
            file.seek(seen.get(path, 0))
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        seen[path] = seen.get(path, 0) + len(whole)
        row = DISCOVERED if path.parent == run else path.parent.name
        for line in map(json.loads, whole.splitlines()):
            if line["outer_step"] % every == 0:
                sink.log(row, line["outer_step"], _numbers(line))


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    """The scalars; one that is not finite goes as such."""
    scalars = {k: v for k, v in line.items() if k != "outer_step" and not isinstance(v, list)}
    return {name: float(value) for name, value in scalars.items()}


def _wait(ended: threading.Event) -> None:
    """The run closes standard input, or is gone; after PATIENCE this process is too, whatever hangs."""
    sys.stdin.buffer.read()
    ended.set()
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
