"""Before anything compiles: can these parts live together on this machine, and how much memory will
they take.
"""

import dataclasses
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import psutil

from metaplast.life.scan import segment_length
from metaplast.registry import BadInput, name_of
from metaplast.results.evaluate import PIECE
from metaplast.reuse.ask import check_parts
from metaplast.runs.job import Config, Job
from metaplast.runs.nesting import check_origins
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Key
from metaplast.tasks import SPLITS

log = logging.getLogger(__name__)
PROCESS = (
    700 * 2**20
)  # bytes of Python, JAX and one compilation (measured: 0.5 to 0.8 GB on the digits)
SHARE = 0.9  # of what is available
MOST_JOBS = 2  # rows at a time where nobody says how many


class Forecast(NamedTuple):
    """Bytes of one row: `lives`, those advanced in lockstep in a gradient; `outer`, theta and the
    outer loop's state; `tasks`, the sampled lives; `chunk`, how many run in lockstep."""

    lives: int
    outer: int
    tasks: int
    chunk: int

    def of(self, n: int, lockstep: bool | None) -> "Forecast":
        """Of n runs in one process: each has an outer state, in lockstep also lives and tasks of
        its own.
        """
        both = n if (jax.default_backend() != "cpu" if lockstep is None else lockstep) else 1
        return self._replace(lives=both * self.lives, outer=n * self.outer, tasks=both * self.tasks)

    @property
    def total(self) -> int:
        return PROCESS + self.lives + self.outer + self.tasks


def check(job: Job, jobs: int, together: int = 1, lockstep: bool | None = None) -> None:
    """Refuse, with the setting that would help, what fails only after minutes: tasks that a split
    cannot give, a row that starts from one it does not contain, a rule whose parts are not where it
    says, an outer loop that cannot work on the task, devices that are not there, more memory than
    this machine has.

    together: how many runs of the job train at the same time (lockstep: see `train.steps_many`).
    Shapes alone are
    computed (`jax.eval_shape`). Raises: BadInput.
    """
    job.main.logging.check()
    _check_devices(job.main)
    check_splits(job.main)
    for slot in (slot for _, config in job.rows for slot in config.slots()):
        check_parts(slot.rule)
    check_origins(job)
    for line in too_fast(job):
        log.warning(line)
    _check_memory(*_largest(job, together, lockstep), min(jobs, len(job.rows)))


def fitting_jobs(job: Job, together: int = 1, lockstep: bool | None = None) -> int:
    """How many rows train at a time where nobody says: two on a CPU with two cores and the memory
    for it, so that a first run is short; else one."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if jax.default_backend() != "cpu" or cores < MOST_JOBS:
        return 1
    _, need = _largest(job, together, lockstep)
    return MOST_JOBS if MOST_JOBS * need.total <= SHARE * available() else 1


def _largest(job: Job, together: int, lockstep: bool | None) -> tuple[str, Forecast]:
    """The row that takes the most memory."""
    found = [(name, forecast(config).of(together, lockstep)) for name, config in job.rows]
    return max(found, key=lambda pair: pair[1].total)


def forecast(config: Config) -> Forecast:
    """What a row will take, from the shapes of its parts.

    A gradient keeps the states between segments of about sqrt(T) steps, those within one, and the
    values of one step; without a gradient two states are alive.
    """
    problem, outer = config.meta_problem(), config.outer_loop()
    family = config.task.shape()
    key = jax.random.key(0)
    theta = jax.eval_shape(problem.init, key)
    task = jax.eval_shape(lambda k: config.task.sample(k, "train"), key)
    life = jax.eval_shape(problem.lifetime.begin, theta, task, key)
    state = 0
    if jax.tree.leaves(theta):
        state = _bytes(
            jax.eval_shape(lambda k: outer.init(problem, problem.init(k), k, outer.hyper()), key)
        )
    length = segment_length(family.n_steps)
    kept = length + -(-family.n_steps // length) + _STEP_VALUES
    chunk = min(problem.chunk_size(), problem.n_tasks)
    judged = min(problem.chunk_size(), PIECE)
    told = (
        2 * 4 * family.n_steps * sum(p.n for p in problem.lifetime.wiring().populations)
    )  # activity and gain
    lives = max(chunk * kept * _bytes(life), judged * (2 * _bytes(life) + told))
    return Forecast(
        lives, 3 * (state + _bytes(theta)), max(problem.n_tasks, PIECE) * _bytes(task), chunk
    )


_STEP_VALUES = 6  # copies of the weights that the backward pass of one step holds


def available() -> int:
    """Bytes that this process may still take: the machine's, or what its control group leaves."""
    found = psutil.virtual_memory().available
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            taken = int((_GROUP / used).read_text()) - _cached(_GROUP / used)
            found = min(found, int((_GROUP / limit).read_text()) - taken)
        except (OSError, ValueError):
            continue  # no such group, or "max"
    return max(0, found)


_GROUP = Path("/sys/fs/cgroup")


def _cached(used: Path) -> int:
    """Bytes of a control group that are copies of files: they give way."""
    lines = dict(
        line.split(maxsplit=1) for line in used.with_name("memory.stat").read_text().splitlines()
    )
    return int(lines.get("total_inactive_file", lines.get("inactive_file", "0")))


def _check_devices(config: Config) -> None:
    there = jax.local_device_count() if config.problem.n_devices > 1 else 1
    if config.problem.n_devices > there:
        fix = (
            f"set problem.n_devices={there}, or "
            f"XLA_FLAGS=--xla_force_host_platform_device_count=N on a CPU"
        )
        raise BadInput(
            f"problem.n_devices={config.problem.n_devices}",
            f"at most {there}, so many are here",
            fix,
        )


def check_splits(config: Config) -> None:
    """Raises: BadInput for tasks that a split cannot give."""

    def drawn(key: Key) -> list[Any]:
        return [config.task.sample(key, split) for split in SPLITS]

    jax.eval_shape(drawn, jax.random.key(0))


def too_fast(job: Job) -> list[str]:
    """A line for every time constant of a network or a rule that dt does not resolve, and for every
    neuron that is not stable at dt."""
    lines = {}
    for _, config in job.rows:
        for part in (config.network, *(slot.rule for slot in config.slots())):
            for name, tau in _time_constants(part, type(part).__name__):
                if config.dt > tau / 2:
                    lines[
                        f"{name}={tau:g} s is not resolved by dt={config.dt:g} s: expected dt of "
                        f"at most half of it"
                    ] = None
        lines |= dict.fromkeys(_unstable(config))
    return list(lines)


def _unstable(config: Config) -> Iterator[str]:
    """A line for every population whose neuron states a limit of stability below dt."""
    for population in config.meta_problem().lifetime.wiring().populations:
        neuron = population.neuron
        if config.dt > (limit := neuron.stable_dt()):
            low, high = neuron.drives
            yield (
                f"{population.name}: neuron {name_of(type(neuron)) or type(neuron).__name__} is "
                f"unstable at "
                f"dt={config.dt:g} s under drives of {low:g} to {high:g}: expected dt of at most "
                f"{limit:.3g} s, or "
                "another method of integration"
            )


def timed(config: Config) -> bool:
    """Whether a rule or a cell has a time constant, so that the length of a step may matter."""
    parts = (config.network, *(slot.rule for slot in config.slots()))
    if any(tau for part in parts for _, tau in _time_constants(part, "")):
        return True
    populations = config.meta_problem().lifetime.wiring().populations
    return any(
        population.neuron.spiking and population.neuron.stable_dt() < math.inf
        for population in populations
    )


def _time_constants(part: Any, where: str) -> Iterator[tuple[str, float]]:
    """(name, seconds) of every field or property `tau...` in use, of a spec and of the specs inside
    it.
    """
    if dataclasses.is_dataclass(part):
        properties = [
            name for name, member in vars(type(part)).items() if isinstance(member, property)
        ]
        every = (*(field.name for field in dataclasses.fields(part)), *properties)
        for name in (
            n for n in every if n.startswith("tau") and n not in getattr(part, "unused", ())
        ):
            if isinstance(tau := getattr(part, name), float | int) and tau > 0:
                yield f"{where}.{name}", float(tau)
        for field in dataclasses.fields(part):
            yield from _time_constants(getattr(part, field.name), f"{where}.{field.name}")
    elif isinstance(part, tuple):
        for item in part:
            yield from _time_constants(item, where)


def _check_memory(name: str, need: Forecast, jobs: int) -> None:
    have = int(SHARE * available())
    if jobs * need.total <= have:
        return
    where = "" if name == DISCOVERED else f"rows.{name}: "
    alone = need._replace(lives=need.lives // need.chunk)
    if jobs > 1 and need.total <= have:
        fix = f"give --jobs {max(1, have // need.total)}"
    elif alone.total <= have:
        room = have - alone.total + alone.lives
        fix = f"set problem.chunk={max(1, int(room // max(1, alone.lives)))}"
    else:
        fix = (
            "use a smaller network, shorter lives or another outer loop; nothing smaller than "
            "problem.chunk=1 helps"
        )
    what = f"{where}about {_human(jobs * need.total)} of memory for {jobs} row(s) at a time"
    raise BadInput(what, f"at most {_human(have)}, which this machine has free", fix)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * _width(leaf.dtype) for leaf in jax.tree.leaves(tree))


def _width(dtype: Any) -> int:
    return (
        8 if jax.dtypes.issubdtype(dtype, jax.dtypes.extended) else dtype.itemsize
    )  # a key is two words


def _human(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
