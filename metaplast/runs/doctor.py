"""The findings of `metaplast doctor`: one line per part. No file is left behind."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax
import psutil

from metaplast import search_loop, tuning
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import find
from metaplast.runs import measuring
from metaplast.runs.environment import environment
from metaplast.runs.lifecycle import Say
from metaplast.runs.preflight import available

GIB = 2**30


def findings() -> Iterator[tuple[str, str]]:
    """(part, finding) of every part, each as soon as it is known. The training comes last."""
    yield from environment().items()
    yield "devices", ", ".join(str(device) for device in jax.devices())
    memory = psutil.virtual_memory().total
    yield (
        "memory",
        f"{memory / GIB:.1f} GiB, {available() / GIB:.1f} GiB free; {psutil.cpu_count()} cores",
    )
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    yield (
        "cache",
        _folder(Path(cache)) if cache else "off: programs are compiled anew in every process",
    )
    yield "runs", _folder(Path.cwd() / "runs")
    for name in ("wandb", "tensorboardX"):
        yield name, _package(name)
    yield "two steps", _two_steps()


def measurement(say: Say) -> Iterator[tuple[str, str]]:
    """(part, finding) of a measurement of the device in use, which is kept.

    Args:
        say: shows a line before and after every measurement.
    """
    measured = measuring.measure(say=say)
    file = measuring.keep(measured)
    yield "device", measured.kind
    for chunk, rate in measured.rates.items():
        yield f"{chunk} lives", f"{rate:.3g} lives/s"
    yield (
        "copies",
        f"in turn {measured.in_turn:.3g}, in lockstep {measured.in_lockstep:.3g} lives/s",
    )
    yield "suits", measured.tuning.told()
    yield "layout", tuning.here().told()
    yield "kept in", str(file) if file else "no file: the layout on a CPU is fixed"


def _folder(path: Path) -> str:
    """Whether files can be written into a folder.

    A folder that does not exist yet is judged by the nearest folder above it.
    """
    existing = next(p for p in (path, *path.absolute().parents) if p.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return f"{path}, can be written, {shutil.disk_usage(existing).free / GIB:.1f} GiB free"
    except OSError as error:
        return f"{path}, cannot be written: {error.strerror}"


def _package(name: str) -> str:
    try:
        return f"{version(name)}, used by logging={name.removesuffix('X').lower()}"
    except PackageNotFoundError:
        return "not installed: pip install 'metaplast[tensorboard]'"


def _two_steps() -> str:
    started = time.monotonic()
    problem = MetaProblem()
    outer = find("outer", "bptt")(steps=2)
    state = search_loop.begin(problem, outer, seed=0)
    losses = []
    for _, _, metrics in search_loop.steps(problem, outer, 0, state, 0, 2):
        losses.append(float(metrics["loss"]))
    return f"loss {losses[0]:.4g}, {losses[1]:.4g} in {time.monotonic() - started:.1f} s"
