"""An exchange with another process by files in one folder: a question, an answer, its scores."""

import logging
import time
from pathlib import Path

from metaplast.registry import BadInput
from metaplast.runs.config import Plain
from metaplast.runs.folder import read_json, write_json

log = logging.getLogger(__name__)
ASKED = "asked.json"
POLL = 0.05
"""Seconds between two looks at the folder."""
LARGEST = 1 << 20
"""The bytes of an answer that are read."""


def answer_name(generation: int) -> str:
    """The name of the file that answers a generation."""
    return f"proposals_{generation}.txt"


def ask(folder: str, question: Plain) -> None:
    """Write the question of a search, in place of its earlier one.

    Args:
        folder: the folder of the exchange; it is made where it is missing.
        question: plain data. Its entry `search` tells the searches of a folder apart.

    Raises: BadInput where the folder belongs to another search; OSError.
    """
    path = Path(folder) / ASKED
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and read_json(path).get("search") != question["search"]:
        raise BadInput(
            f"outer.folder={folder}, the folder of another search",
            "a folder of its own for every seed",
            "name an empty folder",
        )
    write_json(path, question)


def score(folder: str, generation: int, scores: Plain) -> None:
    """Write the scores of an answer. Raises: OSError."""
    write_json(Path(folder) / f"scores_{generation}.json", scores)


def answer(folder: str, generation: int, timeout: float) -> bytes:
    """Wait for the answer of a generation.

    Args:
        folder: the folder of the exchange.
        generation: the number of the generation.
        timeout: the seconds of waiting.

    Raises: BadInput where no answer comes in time; OSError.
    """
    path = Path(folder) / answer_name(generation)
    end = time.monotonic() + timeout
    if not path.is_file():
        log.info("generation %d: waiting for %s", generation, path)
    while not path.is_file():
        if time.monotonic() > end:
            raise BadInput(
                f"{path}: no answer within outer.timeout={timeout:g} seconds",
                "the file of a process that proposes expressions",
                "start that process, then go on with: metaplast resume RUN_DIR",
            )
        time.sleep(POLL)
    with path.open("rb") as handle:
        return handle.read(LARGEST)
