"""Print the speed that a native step would give: python -m benchmarks.native_step

The network is the one of benchmarks/spiking.py. Its whole step (membranes, spikes, traces, weights)
is one C++ function of XLA's foreign function interface. It is called inside `lax.scan`, and changes
the weights in place. The framework and Brian2 run beside it. g++ compiles the function in a
temporary folder. Nothing of the package needs it.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import ctypes
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import spiking, spiking_brian2
from benchmarks.run import cpu_seconds
from benchmarks.spiking import COUPLING, DRIVE, DT, PLASTIC, STEPS, TAU, Result, Side, Start, Work

TARGET = "metaplast_native_step"
UNROLL = 1
CHECKED = 300  # steps; later a rounding error may move a spike by one
# Not -ffast-math: a library built with it makes the whole process flush small numbers to zero.
FLAGS = [
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c++17",
    "-shared",
    "-fPIC",
    "-w",
]


def compile_into(folder: Path) -> None:
    """Build and register the step. The library stays loaded."""
    library = folder / "native_step.so"
    source = Path(__file__).with_suffix(".cc")
    subprocess.run(
        ["g++", *FLAGS, f"-I{jax.ffi.include_dir()}", str(source), "-o", str(library)], check=True
    )
    handler = ctypes.CDLL(str(library)).NativeStep
    jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(handler), platform="cpu")


def program(
    work: Work, n_steps: int, watched: bool = False
) -> Callable[[Start], tuple[tuple[Array, Array], Array]]:
    """A function of a start: ((weights, state [4, n]) at the end, spikes).

    Args:
        work: the workload.
        n_steps: the number of steps, T.
        watched: whether spikes are [T, n]. Otherwise they are counts [T].
    """
    n = work.connection.n_post
    post, pre = spiking.graph(work.connection)
    sides = []
    for near, far in ((post, pre), (pre, post)):
        order = np.argsort(near, kind="stable")
        in_order = np.array_equal(order, np.arange(len(order)))
        sides += [[in_order, 0], np.cumsum(np.bincount(near, minlength=n)), far[order], order]
    table = np.concatenate(sides).astype(np.int32)
    largest = COUPLING / work.connection.fan_in
    fade = math.exp(-DT / TAU)
    up = spiking.UP * largest
    down = spiking.DOWN * largest
    numbers = np.asarray([fade, fade, fade, up, down, largest], np.float32)
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((len(post),), (4, n), (1,))]
    call = jax.ffi.ffi_call(TARGET, shapes, input_output_aliases={2: 0, 3: 1})

    def run(start: Start) -> Any:
        constants = jnp.concatenate([jnp.asarray(numbers), start.weights[DRIVE][:, 0]])

        def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            weights, state, count = call(jnp.asarray(table), constants, *carry)
            return (weights, state), state[3] if watched else count[0]

        begun = start.weights[PLASTIC].reshape(-1), jnp.zeros((4, n))
        return lax.scan(step, begun, None, n_steps, unroll=UNROLL)

    return jax.jit(run)


def check(work: Work, start: Start) -> None:
    """Compare with the framework: all spikes, and the weights to 1e-5 of the largest."""
    (weights, _), spikes = program(work, CHECKED, watched=True)(start)
    life, wanted = spiking.alone(work, start, CHECKED)
    np.testing.assert_array_equal(spikes, wanted)
    largest = COUPLING / work.connection.fan_in
    np.testing.assert_allclose(
        weights, life.synapses[PLASTIC].weight.ravel(), rtol=0.0, atol=1e-5 * largest
    )
    print(
        f"{work.name}: {int(spikes.sum())} spikes in {CHECKED} steps, the framework's; "
        "the same weights"
    )


def native(work: Work, start: Start, n_steps: int = STEPS) -> Side:
    """The side of the native step."""
    run = program(work, n_steps)

    def result() -> Result:
        (weights, _), count = run(start)
        largest = COUPLING / work.connection.fan_in
        return Result(
            float(jnp.mean(count)) / work.connection.n_post / DT, float(jnp.mean(weights)) / largest
        )

    return Side("native step", lambda: cpu_seconds(lambda: run(start)), result)


def main() -> None:
    if shutil.which("g++") is None:
        print("no native step: no g++")
        return
    with tempfile.TemporaryDirectory() as folder:
        compile_into(Path(folder))
        for work in spiking.works()[:2]:
            ours, start = spiking.framework(work)
            check(work, start)
            sides = [ours, native(work, start)]
            if not spiking_brian2.missing():
                sides += spiking.peers(work, start, Path(folder) / str(work.n_synapses))
            spiking.compare(f"W3, {work.name}", sides, work.n_synapses * STEPS)


if __name__ == "__main__":
    main()
