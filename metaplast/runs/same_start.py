"""Whether all processes of a job begin with the same config at the same place."""

import hashlib
import json
from pathlib import Path

import numpy as np
from jax.experimental import multihost_utils

from metaplast.registry import BadInput
from metaplast.runs import checkpoint, environment, row_files
from metaplast.settings.names import CONFIG


def demand_same_start(run: Path) -> None:
    """Wait for the other processes of a job, and check that all of them begin at the same place.

    Otherwise each would wait for numbers that no other one sends, or their theta would differ.

    Args:
        run: the run folder of this process.

    Raises: BadInput in all processes where configs, versions, machines or checkpoints differ.
    """
    here = np.frombuffer(_digest(run), np.uint8)
    everywhere = np.reshape(multihost_utils.process_allgather(here), (-1, here.size))
    if np.any(everywhere != everywhere[0]):
        raise BadInput(
            "processes of one job that differ",
            "the same words, versions, kind of machine and checkpoints in all of them",
            "correct the commands, or give every host the same run folder",
        )


def _digest(run: Path) -> bytes:
    """The digest of the config, the versions, the checkpoints and the finished rows of a run."""
    parts = [(run / CONFIG).read_text(), json.dumps(environment.environment())]
    for path in sorted(run.rglob(checkpoint.MANIFEST)):
        parts += [str(path.relative_to(run)), path.read_text()]
    for path in sorted(run.rglob(row_files.RECORD)):
        parts.append(str(path.relative_to(run)))
    return hashlib.sha256("\n".join(parts).encode()).digest()
