"""Checks before anything compiles: the parts of a job fit together and fit into the memory."""

import dataclasses
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import psutil

from metaplast import tuning
from metaplast.life.scan import segment_length
from metaplast.registry import BadInput, name_of
from metaplast.reuse.ask import check_parts
from metaplast.runs.job import Config, Job
from metaplast.runs.nesting import check_origins
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Key
from metaplast.tasks import SPLITS
from metaplast.testing.base import ContractBroken
from metaplast.testing.task_family import check_shapes

log = logging.getLogger(__name__)
PROCESS = 700 * 2**20
"""Bytes of Python, JAX and one compilation. Measured on the digits: 0.5 to 0.8 GB."""
SHARE = 0.9
"""The share of the available memory that a run may take."""
MOST_JOBS = 2
"""The largest number of rows at a time that is chosen without the user's word."""
STEP_VALUES = 6
"""Copies of the weights that the backward pass of one step holds."""


class Forecast(NamedTuple):
    """The memory of one row.

    lives: bytes of the lives that advance in lockstep in a gradient.
    outer: bytes of theta and of the state of the outer loop.
    tasks: bytes of the sampled tasks.
    chunk: lives that advance in lockstep.
    """

    lives: int
    outer: int
    tasks: int
    chunk: int

    def of(self, n: int, lockstep: bool | None) -> "Forecast":
        """The memory of n runs in one process.

        Each run has a state of the outer loop. In lockstep each also has lives and tasks.

        Args:
            n: the number of runs.
            lockstep: see `search_loop.steps_many`.
        """
        if lockstep is None:
            lockstep = tuning.here().lockstep
        n_lives = n if lockstep else 1
        return self._replace(
            lives=n_lives * self.lives, outer=n * self.outer, tasks=n_lives * self.tasks
        )

    @property
    def total(self) -> int:
        """All bytes of the process."""
        return PROCESS + self.lives + self.outer + self.tasks


def check(
    job: Job,
    jobs: int,
    together: int = 1,
    lockstep: bool | None = None,
    n_devices: int | None = None,
) -> None:
    """Check a job for errors that would show only after minutes.

    Such errors are tasks that a split cannot give or whose arrays have other shapes than they
    declare, a row whose origin it does not contain, a rule
    whose parts are not where it says, an outer loop that cannot work on the task, missing devices,
    and too little memory. Only shapes are computed (`jax.eval_shape`).

    Args:
        job: the rows.
        jobs: rows that train at a time.
        together: runs of the job that train at a time.
        lockstep: see `search_loop.steps_many`.
        n_devices: the devices that there are; None: those of this process.

    Raises: BadInput with the setting that would help.
    """
    job.main.logging.check()
    _check_devices(job.main, n_devices)
    check_splits(job.main)
    check_task(job.main)
    for _, config in job.rows:
        for slot in config.slots():
            check_parts(slot.rule)
    check_origins(job)
    for line in too_fast(job):
        log.warning(line)
    if not tuning.is_measured():
        log.warning(
            "%s was not measured, and lives are laid out as on a CPU: metaplast doctor --measure "
            "measures it once",
            tuning.other_kind(),
        )
    _check_memory(_largest(job, together, lockstep), min(jobs, len(job.rows)))


def fitting_jobs(job: Job, together: int = 1, lockstep: bool | None = None) -> int:
    """The number of rows that train at a time where the user does not say.

    Two rows train on a CPU with two cores and enough memory, so that a first run is short. Else one
    row trains.

    Args:
        job: the rows.
        together: runs of the job that train at a time.
        lockstep: see `search_loop.steps_many`.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    if jax.default_backend() != "cpu" or cores < MOST_JOBS:
        return 1
    need = _largest(job, together, lockstep).forecast
    return MOST_JOBS if MOST_JOBS * need.total <= SHARE * available() else 1


class _RowForecast(NamedTuple):
    """The memory of a row.

    name: the name of the row.
    forecast: the memory that it takes.
    """

    name: str
    forecast: Forecast


def _largest(job: Job, together: int, lockstep: bool | None) -> _RowForecast:
    """The row that takes the most memory."""
    rows = []
    for name, config in job.rows:
        rows.append(_RowForecast(name, forecast(config).of(together, lockstep)))
    return max(rows, key=lambda row: row.forecast.total)


def forecast(config: Config) -> Forecast:
    """The memory of a row, from the shapes of its parts.

    A gradient keeps the states between segments of about sqrt(T) steps, the states within one
    segment, and the values of one step. Without a gradient two states are alive.
    """
    problem = config.meta_problem()
    outer = config.outer_loop()
    family = config.task.shape()
    key = jax.eval_shape(jax.random.key, 0)
    theta = jax.eval_shape(problem.init, key)
    task = jax.eval_shape(lambda k: config.task.sample(k, "train"), key)
    life = jax.eval_shape(problem.lifetime.begin, theta, task, key)
    outer_bytes = 0
    if jax.tree.leaves(theta):
        init = lambda k: outer.init(problem, problem.init(k), k, outer.hyper())
        outer_bytes = _bytes(jax.eval_shape(init, key))
    length = segment_length(family.n_steps)
    n_segments = -(-family.n_steps // length)
    n_states = length + n_segments + STEP_VALUES
    chunk = min(problem.chunk_size(), problem.n_tasks)
    n_judged = min(problem.chunk_size(), config.evaluation.piece)
    n_neurons = sum(population.n for population in problem.lifetime.wiring().populations)
    # Every step of a judged life records the activity and the gain of each neuron.
    record = 2 * 4 * family.n_steps * n_neurons
    lives = max(chunk * n_states * _bytes(life), n_judged * (2 * _bytes(life) + record))
    return Forecast(
        lives=lives,
        outer=3 * (outer_bytes + _bytes(theta)),
        tasks=max(problem.n_tasks, config.evaluation.piece) * _bytes(task),
        chunk=chunk,
    )


def available() -> int:
    """Bytes that this process may still take, by the machine and by its control group."""
    free = psutil.virtual_memory().available
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            taken = int((_GROUP / used).read_text()) - _cached(_GROUP / used)
            free = min(free, int((_GROUP / limit).read_text()) - taken)
        except (OSError, ValueError):
            continue  # no such group, or "max"
    return max(0, free)


_GROUP = Path("/sys/fs/cgroup")


def _cached(used: Path) -> int:
    """Bytes of a control group that hold copies of files. The system frees them when it must."""
    lines = used.with_name("memory.stat").read_text().splitlines()
    sizes = dict(line.split(maxsplit=1) for line in lines)
    return int(sizes.get("total_inactive_file", sizes.get("inactive_file", "0")))


def _check_devices(config: Config, n_devices: int | None) -> None:
    """Raises: BadInput where a config asks for more devices than there are."""
    wanted = config.problem.n_devices
    if n_devices is None:
        n_devices = jax.local_device_count() if wanted > 1 else 1
    if wanted > n_devices:
        raise BadInput(
            f"problem.n_devices={wanted}",
            f"at most {n_devices}, so many are here",
            f"set problem.n_devices={n_devices}, or "
            f"XLA_FLAGS=--xla_force_host_platform_device_count=N on a CPU",
        )


def check_splits(config: Config) -> None:
    """Check that every split gives tasks. Raises: BadInput where one does not."""

    def drawn(key: Key) -> list[Any]:
        return [config.task.sample(key, split) for split in SPLITS]

    jax.eval_shape(drawn, jax.eval_shape(jax.random.key, 0))


def check_task(config: Config) -> None:
    """Check the shapes of stimuli, feedback and score of the task. Only shapes are computed.

    Raises: BadInput with the promise that the task breaks.
    """
    task = jax.eval_shape(
        lambda key: config.task.sample(key, "train"), jax.eval_shape(jax.random.key, 0)
    )
    try:
        check_shapes(config.task, task)
    except ContractBroken as broken:
        raise BadInput(
            f"task {name_of(type(config.task))}, broken promise: {broken}".replace("\n", " "),
            "arrays of the shapes that its method `shape` declares",
            "correct the task; metaplast.testing.check_task_family checks all of it",
        ) from None


def too_fast(job: Job) -> list[str]:
    """Warnings of a dt that is too long.

    There is a line for every time constant of a network or a rule that dt does not resolve, and for
    every neuron that is not stable at dt. A network that runs from spike to spike has no line: its
    time within a step is exact.
    """
    lines: dict[str, None] = {}
    for _, config in job.rows:
        for part in _stepped(config):
            for name, tau in _time_constants(part, type(part).__name__):
                if config.dt > tau / 2:
                    line = (
                        f"{name}={tau:g} s is not resolved by dt={config.dt:g} s: expected dt of "
                        f"at most half of it"
                    )
                    lines[line] = None
        lines |= dict.fromkeys(_unstable(config))
    return list(lines)


def too_slow(job: Job, n_steps: int) -> list[str]:
    """A warning for every time constant of a rule that is longer than n_steps steps."""
    lines: dict[str, None] = {}
    for _, config in job.rows:
        longest = config.dt * n_steps
        for slot in config.slots():
            for name, tau in _time_constants(slot.rule, type(slot.rule).__name__):
                if tau > longest:
                    line = (
                        f"{name}={tau:g} s is longer than every session ({longest:.3g} s): times "
                        "are in seconds"
                    )
                    lines[line] = None
    return list(lines)


def _parts(config: Config) -> list[Any]:
    """The network and the rules of a config."""
    return [config.network, *(slot.rule for slot in config.slots())]


def _stepped(config: Config) -> list[Any]:
    """The parts of a config whose dynamics advance by dt."""
    if config.meta_problem().lifetime.wiring().events is None:
        return _parts(config)
    return [slot.rule for slot in config.slots()]


def _unstable(config: Config) -> Iterator[str]:
    """A line for every population whose neuron is not stable at dt."""
    for population in config.meta_problem().lifetime.wiring().populations:
        neuron = population.neuron
        limit = neuron.stable_dt()
        if config.dt > limit:
            low, high = neuron.drives
            yield (
                f"{population.name}: neuron {name_of(type(neuron)) or type(neuron).__name__} is "
                f"unstable at dt={config.dt:g} s under drives of {low:g} to {high:g}: expected dt "
                f"of at most {limit:.3g} s, or another method of integration"
            )


def timed(config: Config) -> bool:
    """Whether a rule or a cell has a time constant, so that the length of a step may matter."""
    for part in _parts(config):
        for _ in _time_constants(part, ""):
            return True
    for population in config.meta_problem().lifetime.wiring().populations:
        if population.neuron.spiking and population.neuron.stable_dt() < math.inf:
            return True
    return False


def _time_constants(part: Any, where: str) -> Iterator[tuple[str, float]]:
    """(name, seconds) of every time constant of a spec and of the specs inside it.

    A time constant is a field or a property `tau...` above 0 that is not among `unused`.

    Args:
        part: a spec, a tuple of specs, or anything else.
        where: the dotted name of the part.
    """
    if dataclasses.is_dataclass(part):
        fields = [field.name for field in dataclasses.fields(part)]
        members = vars(type(part)).items()
        properties = []
        for name, member in members:
            if isinstance(member, property):
                properties.append(name)
        unused = getattr(part, "unused", ())
        for name in [*fields, *properties]:
            if not name.startswith("tau") or name in unused:
                continue
            tau = getattr(part, name)
            if isinstance(tau, float | int) and tau > 0:
                yield f"{where}.{name}", float(tau)
        for name in fields:
            yield from _time_constants(getattr(part, name), f"{where}.{name}")
    elif isinstance(part, tuple):
        for item in part:
            yield from _time_constants(item, where)


def _check_memory(row: _RowForecast, jobs: int) -> None:
    """Raises: BadInput where `jobs` such rows take more memory than there is."""
    have = int(SHARE * available())
    need = row.forecast
    if jobs * need.total <= have:
        return
    where = "" if row.name == DISCOVERED else f"rows.{row.name}: "
    one_life = need._replace(lives=need.lives // need.chunk)
    if jobs > 1 and need.total <= have:
        fix = f"give --jobs {max(1, have // need.total)}"
    elif one_life.total <= have:
        room = have - one_life.total + one_life.lives
        fix = f"set problem.chunk={max(1, int(room // max(1, one_life.lives)))}"
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
    """Bytes of one element. A random key is two words of four bytes."""
    return 8 if jax.dtypes.issubdtype(dtype, jax.dtypes.extended) else dtype.itemsize


def _human(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
