"""Draw the README's picture from finished runs.

    python -m benchmarks.picture RUN ... --out docs/img/categories.png

Left: accuracy on each example before it is learned, within a held-out life, as a moving mean.
Right: the discovered rule of the first run, with the coefficient of every term in each layer.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from metaplast.figures.style import OURS, PALETTE
from metaplast.results import coefficients, curves
from metaplast.reuse.rule_file import read_rule
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.training.train_row import row_folder

ROWS = {
    DISCOVERED: "discovered (random feedback)",
    "feedback_alignment": "feedback alignment, Adagrad",
    "backprop_adam": "backprop, Adam",
    "backprop_adagrad": "backprop, Adagrad",
    "linear_readout": "linear readout, Adagrad",
}
N_LIVES = 256
MIDDLE = 10  # a moving mean over 2 x 10 + 1 examples


def bands(runs: list[Path]) -> dict[str, curves.Band]:
    """{row: accuracy at every shown example}, over the lives of all runs."""
    by_row = {}
    for name in ROWS:
        lived = []
        for run in runs:
            config = parse(compose([], Sources(), run / "config.yaml")).row(name)
            problem = config.meta_problem()
            theta = theta_of(row_folder(run, name), problem)
            lived.append(curves.per_step(problem, theta, config.seed, N_LIVES)["accuracy"])
            phases = config.task.shape().phases
        by_row[name] = curves.band(lived, phases, MIDDLE)
        jax.clear_caches()
    return by_row


def draw(runs: list[Path], out: Path) -> None:
    """Write the picture to a file."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.6), width_ratios=(1.25, 1), layout="constrained"
    )
    config = parse(compose([], Sources(), runs[0] / "config.yaml")).main
    n_shown = config.task.shape().phases[0][0]
    steps = np.arange(1, n_shown + 1)
    for index, (name, band) in enumerate(bands(runs).items()):
        colour = OURS if name == DISCOVERED else PALETTE[index - 1]
        width = 2.6 if name == DISCOVERED else 1.4
        left.plot(steps, band.mean[:n_shown], color=colour, lw=width, label=ROWS[name])
    left.set_xlabel("examples shown so far in a life, one at a time")
    left.set_ylabel("accuracy on the next example")
    left.set_title("Learning within a life: new groupings, new images", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="lower right")
    left.grid(alpha=0.3)
    _rule(right, runs[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def _rule(axes: plt.Axes, run: Path) -> None:
    """The coefficients of both layers as bars, the largest at the top."""
    file = read_rule(run / "rule.safetensors")
    layers, _ = coefficients.acting(file.document, file.tensors)
    terms = list(next(iter(layers.values())))
    size = {}
    for term in terms:
        size[term] = max(abs(layer.get(term, 0.0)) for layer in layers.values())
    terms = sorted(terms, key=lambda term: size[term])
    height = 0.8 / len(layers)
    for index, (layer, values) in enumerate(layers.items()):
        places = np.arange(len(terms)) + height * (0.5 - index)
        label = layer.rpartition("/")[2].replace("_", " ")
        shade = OURS if index else PALETTE[4]
        widths = [values.get(term, 0.0) for term in terms]
        axes.barh(places, widths, height, color=shade, label=label)
    axes.set_yticks(range(len(terms)), terms, fontsize=7)
    axes.axvline(0.0, color="black", lw=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("coefficient")
    axes.set_title("The rule: its terms, in each layer", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.grid(axis="x", alpha=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    draw(arguments.runs, arguments.out)


if __name__ == "__main__":
    main()
