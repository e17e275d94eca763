"""The numbers by which lives are laid out on a kind of device.

A CPU has fixed ones, so that a run has the same bits wherever it is repeated. The ones of any other
kind of device are measured once, by `metaplast doctor --measure`, and kept in the user's cache
folder (metaplast/runs/measuring.py).
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax

from metaplast.native import library


class Tuning(NamedTuple):
    """The layout of lives on a kind of device.

    chunk_bytes: bytes of the weights and rule states of the lives that advance in lockstep.
    most_lives: the largest number of lives in lockstep.
    lockstep: whether several runs of one program, or several copies of a large one, advance in
        lockstep where nobody says; otherwise they run one after the other.
    """

    chunk_bytes: int
    most_lives: int
    lockstep: bool

    def told(self) -> str:
        """The numbers in words."""
        way = "in lockstep" if self.lockstep else "in turn"
        return f"chunks of {self.chunk_bytes} bytes or {self.most_lives} lives, runs {way}"


# The weights and rule states of the lives that advance together stay within a core's cache.
# CPU ms of a gradient of 8 lives in chunks of 8, 4, 2, 1 on 6,600 synapses, by the numbers that
# each synapse keeps: one 78, 64, 75, 98; two (metaplastic) 227, 191, 158, 180; three (adam) 159,
# 120, 115, 129. On 23,400 synapses that keep one number: 201, 190, 164, 156.
CPU = Tuning(chunk_bytes=160 * 1024, most_lives=16, lockstep=False)
UNMEASURED = CPU._replace(lockstep=True)
"""The layout on another kind of device that nobody has measured."""

_shared: Tuning | None = None


def here() -> Tuning:
    """The layout on the device in use."""
    if _shared is not None:
        return _shared
    kind = other_kind()
    if kind is None:
        return CPU
    return kept(file_of(kind)) or UNMEASURED


def share(tuning: Tuning | None) -> None:
    """Use this layout in this process, whatever its device is; None: that of its device.

    All processes of a job must lay out lives alike, since they run one program.
    """
    global _shared
    _shared = tuning


def other_kind() -> str | None:
    """The kind of the device in use, such as "NVIDIA H200"; None on a CPU."""
    if jax.default_backend() == "cpu":
        return None
    return jax.local_devices()[0].device_kind


def is_measured() -> bool:
    """Whether the layout on the device in use rests on a measurement."""
    kind = other_kind()
    return kind is None or kept(file_of(kind)) is not None


def file_of(kind: str) -> Path:
    """The file with the measurement of a kind of device under this version of JAX."""
    words = re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")
    return library.folder().parent / "devices" / f"{words}-jax-{jax.__version__}.json"


@lru_cache(maxsize=8)
def kept(file: Path) -> Tuning | None:
    """The layout that a file keeps; None where it is not there or is damaged."""
    try:
        found = json.loads(file.read_bytes())
        return _read(found)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _read(found: dict[str, Any]) -> Tuning:
    tuning = Tuning(
        chunk_bytes=found["chunk_bytes"],
        most_lives=found["most_lives"],
        lockstep=found["lockstep"],
    )
    for number in (tuning.chunk_bytes, tuning.most_lives):
        if type(number) is not int or number < 1:
            raise ValueError(f"{number!r} is no count")
    if type(tuning.lockstep) is not bool:
        raise ValueError(f"{tuning.lockstep!r} is neither true nor false")
    return tuning
