"""Measure how the length of a life and a changing world move the share that is inborn.

    python -m benchmarks.inborn [--seeds 0-4]

Weights at birth and one learning rate are searched on handwritten digits, anew for every length of
a life and for every number of digits whose names change from life to life. A finished search is a
line of benchmarks/inborn.jsonl, and is not repeated. Lines of another setting are refused. At the
end this writes the table into docs/studies/baldwin.md and draws its picture. All of it takes about
six CPU minutes.
"""

import argparse
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from metaplast import search_loop
from metaplast.figures.style import PALETTE, save, subplots
from metaplast.inspection.innate import chance_of, innate, still
from metaplast.results import evaluate
from metaplast.results.statistics import Estimate, student
from metaplast.rules.polynomial import Polynomial
from metaplast.runs.job import parse

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "benchmarks" / "inborn.jsonl"
PAGE = ROOT / "docs" / "studies" / "baldwin.md"
TABLE = re.compile(r"<!-- inborn -->\n.*?<!-- end -->\n", re.DOTALL)
FIGURE = ROOT / "docs" / "img" / "inborn_digits.svg"
SEEDS = "0-4"
UNSTABLE = (0, 5, 10)
"""Digits, of ten, whose names change from life to life."""
SHOWN = 50
"""Images in a life of length 1."""
LENGTHS = (0.5, 1.0, 2.0, 4.0)
N_STEPS = 200
N_LIVES = 256
"""Held-out lives of every search."""
NUMBERS = ("at_birth", "learned", "share", "rate")


class Cell(NamedTuple):
    """A world in which a search is done.

    unstable: digits whose names change from life to life.
    length: of a life, in lives of SHOWN images.
    """

    unstable: int
    length: float

    def setting(self, seed: int) -> dict[str, Any]:
        """The config of a search."""
        shown = round(SHOWN * self.length)
        rule = {"name": "polynomial", "terms": ["error*pre"], "initial": [-1], "rate": 0.02}
        return {
            "task": {"name": "recognition", "shown": shown, "unstable": self.unstable},
            "network": {"name": "feedforward", "hidden": []},
            "genome": {"name": "direct"},
            "rule": {**rule, "learn": "rate"},
            "objective": {"name": "final_loss"},
            "outer": {"name": "bptt", "steps": N_STEPS, "learning_rate": 0.03},
            "problem": {"n_tasks": 16},
            "seed": seed,
        }


CELLS = tuple(Cell(unstable, length) for unstable in UNSTABLE for length in LENGTHS)


def judged(cell: Cell, seed: int) -> dict[str, float]:
    """The numbers of NUMBERS after a search: its score at birth, after learning, and its rate."""
    config = parse(cell.setting(seed), check=False).main
    problem = config.meta_problem()
    outer = config.outer_loop()
    begun = search_loop.begin(problem, outer, seed)
    *_, (_, state, _) = search_loop.steps(problem, outer, seed, begun, 0, outer.n_steps)
    theta = outer.theta(state)
    learned = evaluate.lives(problem, theta, seed, "heldout", N_LIVES)["accuracy"]
    born = evaluate.lives(*still(problem, theta), seed, "heldout", N_LIVES)["accuracy"]
    scores = innate([born], [learned], chance_of(problem.lifetime.task, "accuracy"), True)
    assert scores.share is not None  # a task of equally likely classes knows its chance
    slot = problem.lifetime.slots[0]
    assert isinstance(slot.rule, Polynomial)
    rate, _ = slot.rule.effective(theta["rules"][slot.name])
    return {
        "at_birth": scores.at_birth.mean,
        "learned": scores.learned.mean,
        "share": scores.share.mean,
        "rate": float(rate),
    }


def setting_of(cell: Cell, seed: int) -> int:
    """A number that changes with the config of a search."""
    return zlib.crc32(json.dumps(cell.setting(seed)).encode())


def kept(path: Path) -> dict[tuple[Cell, int], dict[str, float]]:
    """The numbers of finished searches, by cell and seed.

    Raises: SystemExit for a search of another setting.
    """
    numbers = {}
    if path.is_file():
        for text in path.read_text().splitlines():
            line = json.loads(text)
            cell = Cell(line["unstable"], line["length"])
            if line["setting"] != setting_of(cell, line["seed"]):
                raise SystemExit(f"{path} holds searches of another setting: move it away")
            numbers[cell, line["seed"]] = line
    return numbers


def seeds_of(text: str) -> range:
    """The seeds of FIRST-LAST."""
    first, last = map(int, text.split("-"))
    return range(first, last + 1)


def measured(seeds: Sequence[int], path: Path) -> dict[Cell, dict[str, Estimate]]:
    """The means over seeds with t intervals; what is not there yet is run now."""
    numbers = kept(path)
    for cell in CELLS:
        for seed in seeds:
            if (cell, seed) in numbers:
                continue
            where = {**cell._asdict(), "seed": seed, "setting": setting_of(cell, seed)}
            numbers_of_search = judged(cell, seed)
            line = {**where, **{name: round(numbers_of_search[name], 6) for name in NUMBERS}}
            numbers[cell, seed] = line
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
        search_loop.forget()
    means: dict[Cell, dict[str, Estimate]] = {}
    for cell in CELLS:
        means[cell] = {}
        for name in NUMBERS:
            means[cell][name] = student([numbers[cell, seed][name] for seed in seeds])
    return means


def table(means: dict[Cell, dict[str, Estimate]]) -> str:
    """The means as a Markdown table."""
    lines = [
        "| names that change | length | at birth | after learning | innate share | rate |",
        "|---|---|---|---|---|---|",
    ]
    for cell, of_cell in means.items():
        cells = [f"{cell.unstable} of 10", f"x {cell.length:g}"]
        for name in NUMBERS:
            one = of_cell[name]
            cells.append(f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def written(text: str, means: dict[Cell, dict[str, Estimate]]) -> str:
    """The page with the table of some means."""
    return TABLE.sub(lambda _: f"<!-- inborn -->\n{table(means)}\n<!-- end -->\n", text)


def draw(means: dict[Cell, dict[str, Estimate]], path: Path) -> None:
    """Draw the innate share, and both scores, over the length of a life."""
    figure, (of_share, of_score) = subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
    for unstable, colour in zip(UNSTABLE, PALETTE, strict=False):
        label = f"{unstable} of 10 names change"
        _line(of_share, means, unstable, "share", {"color": colour, "label": label})
        _line(of_score, means, unstable, "learned", {"color": colour})
        _line(of_score, means, unstable, "at_birth", {"color": colour, "ls": "--"})
    of_share.set_ylabel("innate share")
    of_score.set_ylabel("accuracy, at birth dashed")
    for axes in (of_share, of_score):
        axes.set_xscale("log", base=2)
        axes.set_xticks(LENGTHS, [f"x {length:g}" for length in LENGTHS])
        axes.minorticks_off()
        axes.set_xlabel("length of a life")
        axes.set_ylim(-0.1, 1.05)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    save(figure, path)


def _line(
    axes: Any,
    means: dict[Cell, dict[str, Estimate]],
    unstable: int,
    name: str,
    style: dict[str, Any],
) -> None:
    estimates = [means[Cell(unstable, length)][name] for length in LENGTHS]
    centres = [one.mean for one in estimates]
    below = [one.mean - one.low for one in estimates]
    above = [one.high - one.mean for one in estimates]
    axes.errorbar(LENGTHS, centres, yerr=[below, above], marker="o", ms=4, capsize=3, **style)


def main() -> None:
    """Run what is missing, write the table and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default=SEEDS, help="FIRST-LAST")
    parser.add_argument("--out", type=Path, default=KEPT)
    arguments = parser.parse_args()
    means = measured(seeds_of(arguments.seeds), arguments.out)
    print(table(means))
    if arguments.out == KEPT:
        PAGE.write_text(written(PAGE.read_text(), means))
        draw(means, FIGURE)


if __name__ == "__main__":
    main()
