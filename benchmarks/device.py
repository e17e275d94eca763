"""Print how well the device in use is used: python -m benchmarks.device [--sizes 4,16] [--only W1]

A workload runs with several numbers of lives. On a CPU, times are CPU seconds of one pinned core.
On another device they are seconds of wall time until the result is there. The limits of the device
are measured in the same run, by copies and by a matrix product.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks import evolution, mlp, polynomial, spiking, workload
from benchmarks._counted import Counted, counted
from benchmarks._measure import Side
from benchmarks.reproduce import processor
from metaplast import search_loop, tuning
from metaplast.connections.dense import Dense
from metaplast.numerics.compiler import options
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse

SIZES = {"cpu": (4, 16)}
LARGER = (16, 256, 4096)
"""Numbers of lives on another device than a CPU."""
REPEATS = 3
COPIED = (2**15, 2**20, 2**25)
"""Numbers in a copy."""
TOUCHED = 2**27
"""Numbers that all copies of one size touch together."""
PRODUCT = {"cpu": 2048}
LARGER_PRODUCT = 8192
SPIKING_STEPS = 1000
KEY = jax.random.key


class Begun(NamedTuple):
    """A workload with a number of lives.

    updates: the synapse updates of a step.
    sample: draws the tasks of a step.
    step: one outer step, or its lives where there is no search.
    judge: the losses of the same lives without a gradient; None: that is the step.
    compared: the program whose result is compared with that on a CPU; None: the step.
    """

    updates: float
    sample: Side
    step: Side
    judge: Side | None = None
    compared: Side | None = None


Workload = Callable[[int], Begun]


def w1(lives: int) -> Begun:
    """W1: the losses of as many rules as lives."""
    problem = workload.problem(polynomial.N, polynomial.STEPS)
    sample = _sample(problem, lives)
    coefficients = workload.coefficients(KEY(1), lives)
    rules = {"rule": {"coefficients": coefficients}}
    thetas = {"rules": rules, "genome": {}, "feedback": {}, "neurons": {}}
    losses = jax.jit(lambda thetas, batch: problem.losses(thetas, batch, share=1)[0])
    updates = polynomial.N**2 * polynomial.STEPS * lives
    return Begun(updates, sample, Side("", losses, (thetas, sample.run())))


def w2(lives: int) -> Begun:
    """W2: the gradient of one rule over lives."""
    problem = workload.problem(polynomial.N, polynomial.STEPS)
    theta = problem.init(KEY(0))
    small = jax.tree.map(lambda leaf: 1e-3 * jnp.ones_like(leaf), theta)
    return _gradient(problem, small, lives)


def w4(lives: int) -> Begun:
    """W4: a generation of SNES with as many members as lives."""
    work = evolution.Workload()
    sample = _sample(work.world, 1)
    thetas = jax.tree.map(lambda leaf: leaf[None], work.theta)
    updates = work.size / 4 * evolution.STEPS * lives
    return Begun(updates, sample, work.step(lives), _judge(work.world, thetas, work.batch))


def w5(lives: int) -> Begun:
    """W5: the gradient of the rule `mlp` over lives."""
    problem = mlp.problem("tanh")
    theta = jax.tree.map(lambda leaf: leaf + 0.01, problem.init(KEY(1)))
    return _gradient(problem, theta, lives)


def spikes(lives: int) -> Begun:
    """As many spiking networks as lives, 256 neurons each, that learn for 1 s."""
    work = spiking.Work("", Dense(256, 256), lives)
    begun = spiking.begin(work, SPIKING_STEPS)
    sample = _sample(begun.world, lives)
    updates = work.n_synapses * SPIKING_STEPS * lives
    # Later a rounding error may move a spike.
    short = begun.all(spiking.CHECKED)
    return Begun(updates, sample, begun.all(SPIKING_STEPS), compared=short)


def job(lives: int, words: tuple[str, ...] = ("experiment=categories",)) -> Begun:
    """An outer step of a job: without words, of the main job."""
    plain = compose([*words, "rows={}", f"problem.n_tasks={lives}"], Sources())
    config = parse(plain).main
    problem = config.meta_problem()
    outer = config.outer_loop()
    state = search_loop.begin(problem, outer, seed=0)
    sample = _sample(problem, lives)
    batch = sample.run()
    step = jax.jit(lambda state, batch, key: outer.step(problem, state, batch, key))
    thetas = jax.tree.map(lambda leaf: leaf[None], outer.theta(state))
    one = Side("", step, (state, batch, KEY(2)))
    return Begun(_updates(problem) * lives, sample, one, _judge(problem, thetas, batch))


WORKLOADS: dict[str, Workload] = {
    "W1": w1,
    "W2": w2,
    "W4": w4,
    "W5": w5,
    "spiking": spikes,
    "main": job,
}


def _updates(problem: MetaProblem) -> float:
    """The synapse updates of a life."""
    synapses = 0
    for edge in problem.lifetime.wiring().edges:
        size = 1
        for n in edge.connection.shape:
            size *= n
        synapses += size
    return synapses * problem.shape().n_steps


def _sample(problem: MetaProblem, lives: int) -> Side:
    return Side("", jax.jit(lambda key: problem.sample(key, lives, "train")), (KEY(0),))


def _judge(problem: MetaProblem, thetas: Any, batch: Any) -> Side:
    losses = jax.jit(lambda thetas, batch: problem.losses(thetas, batch)[0])
    return Side("", losses, (thetas, batch))


def _gradient(problem: MetaProblem, theta: Any, lives: int) -> Begun:
    sample = _sample(problem, lives)
    batch = sample.run()
    gradient = jax.jit(lambda theta, batch: problem.value_and_grad(theta, batch)[:2])
    thetas = jax.tree.map(lambda leaf: leaf[None], theta)
    step = Side("", gradient, (theta, batch))
    return Begun(_updates(problem) * lives, sample, step, _judge(problem, thetas, batch))


class Limits(NamedTuple):
    """The limits of a device.

    bandwidth: bytes a second that the fastest copy reads and writes.
    flops: operations a second of a matrix product in single precision.
    """

    bandwidth: float
    flops: float

    def share(self, work: Counted, seconds: float) -> tuple[float, str]:
        """(The larger share of a limit that some work reaches, the name of that limit)."""
        of_bandwidth = work.bytes / seconds / self.bandwidth
        of_flops = work.flops / seconds / self.flops
        if of_flops > of_bandwidth:
            return of_flops, "FLOP"
        return of_bandwidth, "bandwidth"


def clock() -> float:
    """CPU seconds of this process on a CPU, seconds of wall time on another device."""
    return time.process_time() if jax.default_backend() == "cpu" else time.perf_counter()


def seconds(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median seconds of a run, after one that is not timed."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        started = clock()
        jax.block_until_ready(run())
        times.append(clock() - started)
    return statistics.median(times)


def limits(copied: tuple[int, ...] = COPIED, touched: int = TOUCHED, product: int = 0) -> Limits:
    """Measure the limits of the device in use.

    Args:
        copied: the numbers in a copy, by size. The fastest size counts.
        touched: the numbers that all copies of one size touch.
        product: rows of the matrices; 0: as many as suit the device.
    """
    bandwidth = 0.0
    for size in copied:
        times = max(1, touched // size)
        again = jax.jit(lambda x, times=times: lax.fori_loop(0, times, _copy, x))
        took = seconds(lambda again=again, size=size: again(jnp.ones(size)))
        bandwidth = max(bandwidth, 2 * 4 * size * times / took)
    n = product or PRODUCT.get(jax.default_backend(), LARGER_PRODUCT)
    matrix = jnp.ones((n, n))
    multiply = jax.jit(jnp.matmul)
    return Limits(bandwidth, 2.0 * n**3 / seconds(lambda: multiply(matrix, matrix)))


def _copy(_: int, x: Array) -> Array:
    return x * 1.0001


class Program(NamedTuple):
    """A compiled program.

    run: runs it.
    compile_s: seconds to trace and compile it.
    work: its least work.
    mb: MB of its arguments, results and scratch.
    text: its operations (HLO).
    """

    run: Callable[[], Any]
    compile_s: float
    work: Counted
    mb: float
    text: Callable[[], str]


def compiled(side: Side) -> Program:
    """A side, compiled as a run compiles its programs."""
    started = clock()
    traced = side.function.trace(*side.args)
    program = traced.lower().compile(compiler_options=options())
    took = clock() - started
    memory = program.memory_analysis()
    needed = memory.temp_size_in_bytes + memory.output_size_in_bytes
    needed += memory.argument_size_in_bytes
    work = counted(traced.jaxpr.jaxpr)
    return Program(lambda: program(*side.args), took, work, needed / 1e6, program.as_text)


def difference(side: Side, one: Any, other: Any) -> float:
    """The largest difference of a result on two devices.

    It is relative to the largest number of the same array.
    """
    results = []
    for device in (one, other):
        arguments = jax.device_put(side.args, device)
        results.append(jax.device_get(_numbers(side.function(*arguments))))
    largest = 0.0
    for mine, theirs in zip(*results, strict=True):
        scale = float(abs(theirs).max()) or 1.0
        largest = max(largest, float(abs(mine - theirs).max()) / scale)
    return largest


def _numbers(tree: Any) -> list[Array]:
    """The arrays of floats in a tree."""
    floats = []
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size:
            floats.append(leaf)
    return floats


HEAD = (
    "| workload | lives | step, ms | lives/s | updates/s | memory, MB | share of the limit "
    "| compile, s | sample, ms | judge, ms | largest difference to a CPU |\n" + "|---" * 11 + "|"
)


def row(name: str, begin: Workload, lives: int, limit: Limits, is_smallest: bool) -> str:
    """The line of a workload with a number of lives. The smallest one is compared with a CPU."""
    begun = begin(lives)
    sample = compiled(begun.sample)
    step = compiled(begun.step)
    judge = compiled(begun.judge) if begun.judge else None
    took = seconds(step.run)
    share, bound = limit.share(step.work, took)
    compile_s = sample.compile_s + step.compile_s + (judge.compile_s if judge else 0.0)
    agreement = ""
    if is_smallest and jax.default_backend() != "cpu":
        device = jax.local_devices()[0]
        cpu = jax.local_devices(backend="cpu")[0]
        agreement = f"{difference(begun.compared or begun.step, device, cpu):.1e}"
    cells = [
        name,
        str(lives),
        f"{1e3 * took:.1f}",
        f"{lives / took:.3g}",
        f"{begun.updates / took / 1e9:.2g} G",
        f"{step.mb:.2f}",
        f"{share:.2f} of {bound}",
        f"{compile_s:.1f}",
        f"{1e3 * seconds(sample.run):.1f}",
        f"{1e3 * seconds(judge.run):.1f}" if judge else "",
        agreement,
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="", help="numbers of lives, as in 4,16")
    parser.add_argument("--only", default="", help=f"some of {', '.join(WORKLOADS)}")
    arguments = parser.parse_args()
    backend = jax.default_backend()
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    names = [name for name in arguments.only.split(",") if name] or list(WORKLOADS)
    for name in names:
        if name not in WORKLOADS:
            parser.error(f"{name}: expected some of {', '.join(WORKLOADS)}")
    limit = limits()
    kind = f"one core of: {processor()}" if backend == "cpu" else jax.devices()[0].device_kind
    print(f"Device: {kind}. JAX {jax.__version__}.")
    measured = "" if tuning.is_measured() else ", not measured: metaplast doctor --measure"
    print(f"Layout: {tuning.here().told()}{measured}.")
    print(f"Limits: {limit.bandwidth / 1e9:.3g} GB/s copied, {limit.flops / 1e9:.4g} GFLOP/s.\n")
    print(HEAD)
    for name in names:
        for place, lives in enumerate(sizes or SIZES.get(backend, LARGER)):
            print(row(name, WORKLOADS[name], lives, limit, place == 0), flush=True)


if __name__ == "__main__":
    main()
