"""Several processes of one job: how they find each other, and what they are to each other.

All of them do the same work at the same time, and share the lives of every outer step. The first
one writes the run folder. The others write to a folder of their own, which is deleted at the end.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from metaplast.registry import BadInput

WORD = "distributed"
HEARTBEAT = 60
"""Seconds without a sign of life after which a process counts as lost."""
MEETING = 300
"""Seconds that a process waits for the others at the start."""
PARTING = 3600
"""Seconds that a process that is done waits for the others, such as one with a slower disk."""


WORDS_OF_JAX = "jax.log"
"""The file of a run folder with what JAX itself prints, such as why it gave a process up."""


class Meeting(NamedTuple):
    """The place where the processes of a job meet. With None the cluster tells.

    coordinator: address of the first process, HOST:PORT.
    processes: the number of processes.
    id: the number of this process, from 0 on.
    """

    coordinator: str | None = None
    processes: int | None = None
    id: int | None = None


class Place(NamedTuple):
    """The place of this process in its job.

    number: the number of this process, from 0 on.
    processes: the number of processes.
    devices: the number of devices of all processes.
    """

    number: int
    processes: int
    devices: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.number == 0


class ProcessLost(RuntimeError):
    """A process of the job ended, so that the others cannot go on (exit code 7)."""


def split(words: Sequence[str]) -> tuple[Meeting | None, tuple[str, ...]]:
    """(The meeting that words of a command name, the other words).

    `distributed=auto` leaves everything to the cluster. `distributed.coordinator=HOST:PORT`,
    `distributed.processes=N` and `distributed.id=I` name it. Without such words there is one
    process, and no meeting.

    Raises: BadInput for a wrong word, and where one of the three is missing.
    """
    named: dict[str, str] = {}
    others = []
    for word in words:
        name, _, value = word.partition("=")
        if name == WORD or name.startswith(f"{WORD}."):
            named[name.removeprefix(WORD).removeprefix(".")] = value
        else:
            others.append(word)
    if not named:
        return None, tuple(others)
    if named == {"": "auto"}:
        return Meeting(), tuple(others)
    return _by_name(named), tuple(others)


def _by_name(named: dict[str, str]) -> Meeting:
    fix = f"write {WORD}=auto, or all three"
    expected = ", ".join(f"{WORD}.{field}" for field in Meeting._fields)
    for name, value in named.items():
        if name not in Meeting._fields:
            given = f"{WORD}.{name}={value}" if name else f"{WORD}={value}"
            raise BadInput(given, f"{WORD}=auto, or {expected}", fix)
    for field in Meeting._fields:
        if field not in named:
            raise BadInput(f"no {WORD}.{field}", f"each of {expected}", fix)
    host, _, port = named["coordinator"].rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        given = f"{WORD}.coordinator={named['coordinator']}"
        raise BadInput(given, "HOST:PORT of the first process", "correct it, as in node1:12345")
    processes = _whole(named, "processes", at_least=1)
    index = _whole(named, "id", at_least=0)
    if index >= processes:
        raise BadInput(
            f"{WORD}.id={index}", f"0 to {processes - 1}", "number the processes from 0 on"
        )
    return Meeting(named["coordinator"], processes, index)


def _whole(named: dict[str, str], field: str, at_least: int) -> int:
    value = named[field]
    if not value.isdigit() or int(value) < at_least:
        raise BadInput(
            f"{WORD}.{field}={value}", f"a whole number of at least {at_least}", "correct it"
        )
    return int(value)


def meet(meeting: Meeting) -> Place:
    """Join the job. It must run before JAX starts its devices.

    Raises: BadInput where no cluster is found; ProcessLost where the others do not come.
    """
    # Gloo prints its connections on the standard output, where a result may be expected.
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    import jax

    # Its handler of SIGTERM would take the place of ours.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            meeting.coordinator,
            meeting.processes,
            meeting.id,
            initialization_timeout=MEETING,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=PARTING,
        )
    except ValueError:
        raise BadInput(
            f"{WORD}=auto, outside of a cluster that JAX knows",
            "a job of SLURM, Open MPI or a TPU, which tell their processes",
            f"name {', '.join(f'{WORD}.{field}' for field in Meeting._fields)}",
        ) from None
    except RuntimeError as error:
        raise ProcessLost(
            f"the processes did not meet: {_first_line(error)} - expected all of them within "
            f"{MEETING} s - start all of them again"
        ) from None
    agree()
    return Place(jax.process_index(), jax.process_count(), jax.device_count())


def part() -> None:
    """Leave the job, when the other processes are done too.

    The end of a process would otherwise count as its loss. Raises: ProcessLost.
    """
    import jax

    try:
        jax.distributed.shutdown()
    except RuntimeError as error:
        raise ProcessLost(_first_line(error)) from None


def agree() -> None:
    """Lay out lives in every process as the first one does, since all run one program.

    Processes on CPUs do so anyway.
    """
    from metaplast import tuning

    if tuning.other_kind() is None:
        return
    import numpy as np
    from jax.experimental import multihost_utils

    numbers = multihost_utils.broadcast_one_to_all(np.asarray(tuning.here(), np.int32))
    chunk_bytes, most_lives, lockstep = (int(x) for x in numbers)
    tuning.share(tuning.Tuning(chunk_bytes, most_lives, bool(lockstep)))


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
