"""Print bytes and seconds of an outer step against the number of devices, and draw a model of more.

    python -m benchmarks.scaling --out docs/img/scaling.svg [--latency 1e-5 --bandwidth 1e10]

Devices are virtual ones of one pinned core, in a process of their own for each number. Times are
CPU seconds of that process. Latency and bandwidth of the loopback are those of gloo between two
processes. `--latency` and `--bandwidth` are assumptions on another wire. Nothing here measures it.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.scaling_model import (
    Job,
    Wire,
    efficiency,
    line,
    processor_seconds,
    seconds,
    sent,
)

CASES: dict[str, tuple[str, str, tuple[int, int]]] = {
    "oja bptt": ("experiment=oja", "problem.n_tasks", (128, 256)),
    "oja es": ("experiment=oja outer=es", "outer.population", (32, 64)),
    "oja pes": ("experiment=oja outer=pes", "outer.population", (32, 64)),
    "main job bptt": ("experiment=categories", "problem.n_tasks", (8, 16)),
}
"""{name: (words, the word of the load, half of it and all of it)}."""
DEVICES = (1, 2, 4)
MANY = (1, 4, 16, 64, 256, 1024)
REPEATS = 5
LARGE = 2**20
"""Numbers of a large message."""
PINGS = 50


def measured(devices: int, names: list[str]) -> dict[str, Any]:
    """{case: its numbers} on virtual devices of this process, whose flags name as many."""
    import jax

    from benchmarks._collectives import collectives
    from benchmarks._measure import Side
    from benchmarks.device import compiled, seconds
    from metaplast import search_loop
    from metaplast.problem.placement import placed
    from metaplast.runs.config import Sources, compose
    from metaplast.runs.job import parse

    if jax.device_count() != devices:
        raise RuntimeError(f"{jax.device_count()} devices - expected {devices}")

    def numbers(words: str) -> dict[str, Any]:
        plain = compose([*words.split(), "rows={}", f"problem.n_devices={devices}"], Sources())
        config = parse(plain).main
        problem = config.meta_problem()
        outer = config.outer_loop()
        state = placed(search_loop.begin(problem, outer, seed=0), devices, problem.n_tasks)
        batch = search_loop.sample(config.task, jax.random.key(0), problem.n_tasks, "train")
        step = jax.jit(lambda state, batch, key: outer.step(problem, state, batch, key))
        side = Side("", step, (state, batch, jax.random.key(1)))
        program = compiled(side)
        lives = int(program.run()[1]["lives"])
        return {
            "lives": lives,
            "seconds": seconds(program.run, REPEATS),
            "collectives": collectives(program.text()),
        }

    numbers_of = {}
    for name in names:
        words, load, sizes = CASES[name]
        needed = sizes if devices in (DEVICES[0], DEVICES[-1]) else sizes[1:]
        numbers_of[name] = [numbers(f"{words} {load}={size}") for size in needed]
    return numbers_of


def meet(index: int, port: int) -> dict[str, float]:
    """Join another process on this machine: (latency of a message, bandwidth)."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec

    jax.distributed.initialize(f"127.0.0.1:{port}", 2, index)
    mesh = jax.make_mesh((2,), ("hosts",), axis_types=(jax.sharding.AxisType.Auto,))
    apart = NamedSharding(mesh, PartitionSpec("hosts"))
    together = NamedSharding(mesh, PartitionSpec())
    total = jax.jit(lambda x: jnp.sum(x, axis=0), out_shardings=together)

    def took(size: int, repeats: int) -> float:
        own = jnp.ones((1, size))
        whole = jax.make_array_from_process_local_data(apart, own, (2, size))
        jax.block_until_ready(total(whole))
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            jax.block_until_ready(total(whole))
            times.append(time.perf_counter() - started)
        return min(times)  # other programs of the machine make the others longer

    small = took(1, PINGS)
    large = took(LARGE, PINGS // 5)
    # An all-reduce between two sends two messages in turn, which together hold the array once.
    return {"latency": small / 2, "bandwidth": 4 * LARGE / (large - small)}


def _child(*words: str, flags: str = "") -> "subprocess.Popen[str]":
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    command = [sys.executable, "-m", "benchmarks.scaling", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _answer(child: "subprocess.Popen[str]") -> Any:
    out, _ = child.communicate()
    if child.returncode:
        raise SystemExit(child.returncode)
    return json.loads(out.splitlines()[-1])


def on_devices(devices: int, names: list[str]) -> Any:
    """`measured` in a process with so many virtual devices on one core."""
    flags = f"--xla_force_host_platform_device_count={devices} --xla_cpu_multi_thread_eigen=false"
    return _answer(_child("--devices", str(devices), "--only", ",".join(names), flags=flags))


def loopback() -> Wire:
    """The wire between two processes of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [_child("--meet", str(index), "--port", str(port)) for index in range(2)]
    answers = [_answer(child) for child in children]
    return Wire(answers[0]["latency"], answers[0]["bandwidth"])


def job_of(alone: list[Any], shared: list[Any]) -> Job:
    """The constants of a case.

    Args:
        alone: its numbers on one device, with half of the load and all of it.
        shared: the same on several devices.
    """

    def bytes_of(numbers: Any, kind: str) -> float:
        total = 0.0
        for name, size, times in numbers["collectives"]:
            if name == kind:
                total += size * times
            elif name not in ("all-gather", "all-reduce"):
                raise ValueError(f"the model knows no {name}")
        return total

    def points(all_numbers: list[Any], value: Any) -> Any:
        few, many = ((numbers["lives"], value(numbers)) for numbers in all_numbers)
        return line(few, many)

    kinds = [name for name, _, times in shared[1]["collectives"] for _ in range(times)]
    return Job(
        lives=alone[1]["lives"],
        compute=points(alone, lambda numbers: numbers["seconds"]),
        gathered=points(shared, lambda numbers: bytes_of(numbers, "all-gather")),
        reduced=points(shared, lambda numbers: bytes_of(numbers, "all-reduce")),
        gathers=kinds.count("all-gather"),
        reduces=kinds.count("all-reduce"),
    )


def table_of_bytes(jobs: dict[str, Job], devices: int) -> str:
    """Bytes of a step by case."""
    lines = [
        "| job | lives | all-gathers | their bytes | all-reduces | their bytes "
        f"| sent by one of {devices} devices |",
        "|---" * 7 + "|",
    ]
    for name, job in jobs.items():
        gathered = job.gathered.at(job.lives)
        reduced = job.reduced.at(job.lives)
        lines.append(
            f"| {name} | {job.lives} | {job.gathers} | {gathered:,.0f} | {job.reduces} "
            f"| {reduced:,.0f} | {sent(job, devices, job.lives):,.0f} |"
        )
    return "\n".join(lines)


def table_of_seconds(jobs: dict[str, Job], measurements: dict[int, Any]) -> str:
    """CPU seconds of a step on virtual devices of one core: measured, and by the model."""
    heads = " | ".join(f"{n} measured, ms | model | ratio" for n in measurements)
    lines = [f"| job | lives | {heads} |", "|---" * (2 + 3 * len(measurements)) + "|"]
    for name, job in jobs.items():
        cells = []
        for devices, cases in measurements.items():
            took = cases[name][-1]["seconds"]
            expected = processor_seconds(job, devices, job.lives)
            cells += [f"{1e3 * took:.1f}", f"{1e3 * expected:.1f}", f"{took / expected:.2f}"]
        lines.append(f"| {name} | {job.lives} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_many(jobs: dict[str, Job], wires: dict[str, Wire]) -> str:
    """By the model: seconds and efficiency with as many lives on each device as were measured."""
    heads = " | ".join(f"{n}" for n in MANY)
    lines = [f"| job | wire | {heads} |", "|---" * (2 + len(MANY)) + "|"]
    for name, job in jobs.items():
        for wire_name, wire in wires.items():
            cells = []
            for devices in MANY:
                took = seconds(job, devices, devices * job.lives, wire)
                share = efficiency(job, devices, job.lives, wire)
                cells.append(f"{1e3 * took:.3g} ms, {share:.2f}")
            lines.append(f"| {name} | {wire_name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(jobs: dict[str, Job], wires: dict[str, Wire], out: Path) -> None:
    """Draw the efficiency against the number of devices, one panel a wire."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from metaplast.figures.style import PALETTE

    figure, panels = plt.subplots(
        1, len(wires), figsize=(4.2 * len(wires), 3.4), sharey=True, layout="constrained"
    )
    for axes, (wire_name, wire) in zip(panels, wires.items(), strict=True):
        for colour, (name, job) in zip(PALETTE, jobs.items(), strict=False):
            shares = [efficiency(job, devices, job.lives, wire) for devices in MANY]
            axes.plot(MANY, shares, "o-", color=colour, ms=3.5, label=name)
        axes.set_xscale("log", base=4)
        axes.set_xticks(MANY, [str(devices) for devices in MANY])
        axes.set_ylim(0.0, 1.05)
        axes.set_xlabel("devices, one to a host")
        axes.set_title(wire_name, fontsize=9)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("speed over that of devices alone")
    panels[0].legend(fontsize=7, frameon=False, loc="lower left")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def report(arguments: argparse.Namespace, names: list[str]) -> None:
    """Measure, print all tables, and draw."""
    measurements = {devices: on_devices(devices, names) for devices in DEVICES}
    wire = loopback()
    jobs = {name: job_of(measurements[1][name], measurements[DEVICES[-1]][name]) for name in names}
    wires = {
        f"loopback, measured: {1e6 * wire.latency:.0f} us, {wire.bandwidth / 1e9:.2f} GB/s": wire,
        f"assumed: {1e6 * arguments.latency:g} us, {arguments.bandwidth / 1e9:g} GB/s": Wire(
            arguments.latency, arguments.bandwidth
        ),
    }
    print(f"{table_of_bytes(jobs, DEVICES[-1])}\n")
    print(f"{table_of_seconds(jobs, measurements)}\n")
    print(table_of_many(jobs, wires))
    for name, job in jobs.items():
        print(f"{name}: {job}")
    if arguments.out:
        draw(jobs, wires, arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="file of the figure")
    parser.add_argument("--latency", type=float, default=1e-5, help="seconds of a message")
    parser.add_argument("--bandwidth", type=float, default=1e10, help="bytes a second")
    parser.add_argument("--only", default=",".join(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--meet", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if arguments.devices:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(measured(arguments.devices, names)))
    elif arguments.meet is not None:
        print(json.dumps(meet(arguments.meet, arguments.port)))
    else:
        report(arguments, names)


if __name__ == "__main__":
    main()
