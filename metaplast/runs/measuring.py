"""The measurement of a kind of device: the sizes of chunks that run fastest on it.

It is a command of its own (`metaplast doctor --measure`) and no part of a run. Its result decides
last digits, so the user knows when it was made. It also needs the whole device, which a run shares
between processes.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from metaplast import tuning
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.layout import numbers_kept
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import find
from metaplast.rules.polynomial import Polynomial
from metaplast.runs import folder
from metaplast.runs.lifecycle import Say
from metaplast.tuning import Tuning

N = 32
"""Neurons before and behind the synapses of the workload."""
STEPS = 20
CHUNKS = (4, 16, 64, 256, 1024, 4096)
"""Lives in lockstep."""
COPIES = 4
"""Copies of the program that run in turn and in lockstep."""
REPEATS = 3
LEVEL = 0.9
"""A chunk is as good as the best one from this share of its speed on. The smallest such chunk takes
the least memory, and noise between equal ones does not make it larger. Lockstep, which takes the
memory of all copies, must be faster by as much.
"""
log = logging.getLogger(__name__)

Seconds = Callable[[MetaProblem, int, bool], float]
"""seconds(problem, copies, lockstep) of one gradient of `problem.n_tasks` lives, in each copy."""


class Measured(NamedTuple):
    """A measurement.

    kind: the kind of device.
    rates: lives a second by the size of the chunk.
    in_turn, in_lockstep: lives a second of several copies of the program.
    tuning: the layout that follows.
    """

    kind: str
    rates: dict[int, float]
    in_turn: float
    in_lockstep: float
    tuning: Tuning


def workload(lives: int, chunk: int) -> MetaProblem:
    """The workload, which never changes: a gradient through 20 steps of 32 x 32 synapses."""
    task = find("task", "teacher_student")(n_in=N, n_out=N, n_steps=STEPS)
    rule = Polynomial(terms=("post*pre", "post^2*weight"), initial=(0.1, -0.1), rate=0.1)
    lifetime = Lifetime(task, Feedforward(hidden=()), slots=(Slot(rule=rule),))
    return MetaProblem(lifetime, MeanLoss(), n_tasks=lives, chunk=chunk)


def measure(
    seconds: Seconds | None = None,
    chunks: Iterable[int] = CHUNKS,
    say: Say = lambda line: None,
) -> Measured:
    """Measure the device in use. A chunk that does not fit its memory ends the search for larger.

    Args:
        seconds: the time of a program; None: by the clock.
        chunks: the sizes, in ascending order.
        say: shows a line before and after every measurement.

    Raises: jax.errors.JaxRuntimeError where not even the smallest chunk runs.
    """
    sizes = list(chunks)
    lives = sizes[-1]
    say(
        f"a gradient of {lives:,} lives through {STEPS} steps of {N} x {N} synapses, in chunks of "
        f"{', '.join(f'{size:,}' for size in sizes)} lives"
    )

    def timed(words: str, problem: MetaProblem, copies: int = 1, lockstep: bool = False) -> float:
        say(f"{words} ...")
        started = time.monotonic()
        took = (seconds or _seconds)(problem, copies, lockstep)
        whole = time.monotonic() - started
        say(f"{words}: {took:.3g} s; {whole:.0f} s to compile and repeat it")
        return took

    rates: dict[int, float] = {}
    for chunk in sizes:
        try:
            rates[chunk] = lives / timed(f"chunks of {chunk:,}", workload(lives, chunk))
        except jax.errors.JaxRuntimeError:
            if not rates:
                raise
            log.warning("chunks of %d lives did not run", chunk)
            break
    chunk = smallest_good(rates)
    few = workload(chunk, chunk)
    words = f"{COPIES} copies of a chunk of {chunk:,}"
    in_turn = COPIES * chunk / timed(f"{words}, in turn", few, COPIES)
    in_lockstep = COPIES * chunk / timed(f"{words}, in lockstep", few, COPIES, lockstep=True)
    chosen = Tuning(
        chunk_bytes=4 * chunk * numbers_kept(few.lifetime),
        most_lives=max(rates),
        lockstep=LEVEL * in_lockstep > in_turn,
    )
    kind = tuning.other_kind() or "cpu"
    return Measured(kind, rates, in_turn, in_lockstep, chosen)


def smallest_good(rates: dict[int, float]) -> int:
    """The smallest chunk that is as good as the best one. rates: lives a second by its size."""
    enough = LEVEL * max(rates.values())
    return min(chunk for chunk, rate in rates.items() if rate >= enough)


def keep(measured: Measured) -> Path | None:
    """Write a measurement into the cache folder. That of a CPU is not kept.

    Returns: the file; None for a CPU, whose layout is fixed.
    """
    kind = tuning.other_kind()
    if kind is None:
        return None
    file = tuning.file_of(kind)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {
        "device": measured.kind,
        "jax": jax.__version__,
        **measured.tuning._asdict(),
        "lives_per_second": {str(chunk): rate for chunk, rate in measured.rates.items()},
        "copies_per_second": {"in_turn": measured.in_turn, "in_lockstep": measured.in_lockstep},
    }
    folder.write_json(file, content)
    tuning.kept.cache_clear()
    return file


def _seconds(problem: MetaProblem, copies: int, lockstep: bool) -> float:
    """The least of several times of a gradient, compiled before."""
    key = jax.random.key(0)
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(key, problem.n_tasks, "train")
    theta = problem.init(key)
    thetas = jax.tree.map(lambda leaf: jnp.stack([leaf] * copies), theta)

    def gradient(theta: Any, batch: Any) -> Any:
        return problem.value_and_grad(theta, batch)[:2]

    def of_all(thetas: Any, batch: Any) -> Any:
        one = lambda theta: gradient(theta, batch)
        return jax.vmap(one)(thetas) if lockstep else jax.lax.map(one, thetas)

    if copies == 1:
        run = jax.jit(gradient)
        args = (theta, batch)
    else:
        run = jax.jit(of_all)
        args = (thetas, batch)
    jax.block_until_ready(run(*args))
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(run(*args))
        times.append(time.perf_counter() - started)
    return min(times)
