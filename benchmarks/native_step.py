"""Print the speed of the native step: python -m benchmarks.native_step [LOW HIGH]

The networks are those of benchmarks/spiking.py. The framework runs them with its JAX step and with
its native step (metaplast/native/), which is built in a temporary folder. Beside it stand Brian2's
programs, and a bound: the whole step (membranes, spikes, traces, weights) as one C++ function of
XLA's foreign function interface, inside `lax.scan`. g++ compiles that function.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import ctypes
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import spiking, spiking_brian2
from benchmarks._measure import cpu_seconds
from benchmarks.spiking import (
    CHECKED,
    COUPLING,
    CURRENTS,
    DRIVE,
    DT,
    PLASTIC,
    STEPS,
    TAU,
    Result,
    Side,
    Start,
    Work,
)
from metaplast.native import library

TARGET = "metaplast_whole_step"
UNROLL = 1


def compile_into(folder: Path) -> None:
    """Build and register the whole step. Its library stays loaded."""
    target = folder / "whole_step.so"
    source = Path(__file__).with_suffix(".cc")
    subprocess.run(
        ["g++", *library.FLAGS, f"-I{jax.ffi.include_dir()}", str(source), "-o", str(target)],
        check=True,
    )
    handler = ctypes.CDLL(str(target)).NativeStep
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


def whole_step(work: Work, start: Start, n_steps: int = STEPS) -> Side:
    """The side of the whole step as one function."""
    run = program(work, n_steps)

    def result() -> Result:
        (weights, _), count = run(start)
        largest = COUPLING / work.connection.fan_in
        return Result(
            float(jnp.mean(count)) / work.connection.n_post / DT, float(jnp.mean(weights)) / largest
        )

    return Side("whole step in one function", lambda: cpu_seconds(lambda: run(start)), result)


def use(native: bool) -> None:
    """Let the programs that are traced from here on have the native step, or the JAX step."""
    os.environ[library.OFF] = "1" if native else "0"
    library.available.cache_clear()


def both_steps(work: Work) -> tuple[list[Side], Start]:
    """The framework's sides, JAX step and native step, compiled; and the first task."""
    sides = []
    for native in (False, True):
        use(native)
        side, start = spiking.framework(work)
        side.seconds()
        sides.append(side._replace(name=f"framework, {'native' if native else 'JAX'} step"))
    use(False)
    return sides, start


def main() -> None:
    if shutil.which("g++") is None:
        print("no native step: no g++")
        return
    currents = CURRENTS
    if len(sys.argv) > 2:
        currents = float(sys.argv[1]), float(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        library.build()
        compile_into(Path(folder))
        for work in spiking.works(currents=currents):
            sides, start = both_steps(work)
            if work.networks == 1:
                check(work, start)
                sides.append(whole_step(work, start))
            if work.networks == 1 and not spiking_brian2.missing():
                sides += spiking.peers(work, start, Path(folder) / str(work.n_synapses))
            updates = work.n_synapses * STEPS * work.networks
            spiking.compare(f"W3, {work.name}", sides, updates)


if __name__ == "__main__":
    main()
