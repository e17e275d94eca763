"""Print what it costs to share lives among devices: 1, 2 and 4 virtual devices on the same core.

    python -m benchmarks.weak_scaling

The lives of a device stay the same, so that n devices do n times the work of one. All devices are
threads of this process, on one pinned core. Times are CPU seconds of the process, and the cases run
in turn. What is above n times the time of one device is the cost of distribution.
"""

import os

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()
    os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=4"

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse

DEVICES = (1, 2, 4)
REPEATS = 9
ROUND_S = 0.5
CASES = (
    ("oja, bptt, 32 lives a device", ("experiment=oja",), "n_tasks", 32),
    (
        "oja, es, 64 lives a device",
        ("experiment=oja", "outer=es", "problem.n_tasks=4"),
        "members",
        16,
    ),
    ("categories, bptt, 8 lives a device", ("experiment=categories",), "n_tasks", 8),
)


def search(
    words: tuple[str, ...], grows: str, n_each: int, n_devices: int
) -> Callable[[int], None]:
    """A search on some devices, as a function of a number of outer steps.

    Args:
        words: the words of the job.
        grows: n_tasks or members: the number that grows with the devices.
        n_each: this number for one device.
        n_devices: the number of devices.
    """
    n = n_each * n_devices
    size = f"problem.n_tasks={n}" if grows == "n_tasks" else f"outer.population={n}"
    config = parse(compose((*words, size, "rows={}"), Sources())).main
    problem = replace(config.meta_problem(), n_devices=n_devices)
    outer = config.outer_loop()
    begun = search_loop.begin(problem, outer, config.seed)

    def steps(n_steps: int) -> None:
        for _, _, metrics in search_loop.steps(problem, outer, 0, begun, 0, n_steps):
            np.asarray(metrics["loss"])

    return steps


def cpu_s(steps: Callable[[int], None], n_steps: int) -> float:
    """The CPU seconds of an outer step."""
    start = time.process_time()
    steps(n_steps)
    return (time.process_time() - start) / n_steps


def measured(words: tuple[str, ...], grows: str, n_each: int) -> dict[int, list[float]]:
    """{devices: CPU seconds of an outer step, one for each round}."""
    searches = {n: search(words, grows, n_each, n) for n in DEVICES}
    n_steps = {}
    for n, steps in searches.items():
        steps(3)  # compiles
        n_steps[n] = max(3, round(ROUND_S / cpu_s(steps, 3)))
    times: dict[int, list[float]] = {n: [] for n in DEVICES}
    for _ in range(REPEATS):
        for n, steps in searches.items():
            times[n].append(cpu_s(steps, n_steps[n]))
    return times


def main() -> None:
    """Print the table."""
    if jax.device_count() < DEVICES[-1]:
        raise RuntimeError(f"{jax.device_count()} devices - expected {DEVICES[-1]}")
    print("| search | devices | CPU ms of an outer step | cost of distribution (range) |")
    print("|---|---|---|---|")
    for name, words, grows, n_each in CASES:
        times = measured(words, grows, n_each)
        for n in DEVICES:
            ms = 1e3 * statistics.median(times[n])
            costs = []
            for one, several in zip(times[1], times[n], strict=True):
                costs.append(several / (n * one) - 1)
            low, high = min(costs), max(costs)
            cost = f"{statistics.median(costs):+.1%} ({low:+.1%} to {high:+.1%})" if n > 1 else ""
            print(f"| {name} | {n} | {ms:.1f} | {cost} |", flush=True)
    print(f"load of the machine: {os.getloadavg()[1]:.1f}")


if __name__ == "__main__":
    main()
