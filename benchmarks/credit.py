"""What every credit signal of `experiment=credit` costs, and how near it comes to backprop.

    python -m benchmarks.credit RUN_DIR [RUN_DIR ...]

The folders are finished runs of the experiment, one a seed. Angles are read from their held-out
lives. The costs are measured here, with the numbers of the start: CPU time of a step of a life as a
multiple of the first row's, in one run, and temporary memory of the program. Accuracies stand in
docs/results.md.
"""

import argparse
import statistics
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from safetensors.numpy import load_file

from benchmarks._measure import Side, cpu_seconds
from metaplast.runs.job import Config, Job, read_job

N_LIVES = 8
REPEATS = 9
FIRST = 20
"""Steps at the beginning of a life, over which the first angle is a mean."""
HEADER = (
    "| row | angle of hidden_1, first steps / end | angle of hidden_2 | CPU per step "
    "| temporary memory, MB |\n|---|---|---|---|---|"
)


class Cost(NamedTuple):
    """The cost of lives forward in time.

    cpu_s: median CPU seconds of a run.
    scratch_mb: temporary memory of its program.
    """

    cpu_s: float
    scratch_mb: float


def cost(config: Config) -> Cost:
    """The cost of N_LIVES lives of a row.

    Args:
        config: the config of the row.
    """
    problem = config.meta_problem()
    theta = jax.tree.map(lambda leaf: leaf[None], problem.init(jax.random.key(0)))
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(jax.random.key(1), N_LIVES, "train")
    side = Side("", jax.jit(lambda theta, batch: problem.losses(theta, batch)[0]), (theta, batch))
    side.run()
    seconds = [cpu_seconds(side.run) for _ in range(REPEATS)]
    return Cost(statistics.median(seconds), side.scratch_mb())


def folder_of(run: Path, job: Job, row: str) -> Path:
    """The folder of a row: that of the run itself for the main row."""
    return run if row == job.rows[0][0] else run / "rows" / row


def angles(steps: list[dict[str, np.ndarray]], plastic: int, population: str) -> str:
    """The mean angle of a population over the first and over the frozen last steps, in degrees.

    Args:
        steps: of every run, {metric: [lives, steps]}.
        plastic: the number of steps in which rules are at work.
        population: its name.
    """
    values = [run[f"angle_{population}"] for run in steps]
    first = np.mean([angle[:, :FIRST].mean() for angle in values])
    end = np.mean([angle[:, plastic:].mean() for angle in values])
    return f"{first:.0f} / {end:.0f}"


def rows(runs: list[Path]) -> None:
    """Print a line for every row of the experiment."""
    job = read_job(runs[0])
    plastic = sum(n for n, learns in job.main.task.shape().phases if learns)
    print(HEADER, flush=True)
    unit = None
    for name, config in job.rows:
        steps = []
        for run in runs:
            steps.append(load_file(folder_of(run, job, name) / "steps.safetensors"))
        spent = cost(config)
        unit = spent if unit is None else unit
        cells = [
            name,
            angles(steps, plastic, "hidden_1"),
            angles(steps, plastic, "hidden_2"),
            f"{spent.cpu_s / unit.cpu_s:.1f}",
            f"{spent.scratch_mb:.2f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="finished runs, one a seed")
    rows(parser.parse_args().runs)
