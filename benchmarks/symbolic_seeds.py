"""Count the seeds in which a search over expression trees finds the known rule.

    python -m benchmarks.symbolic_seeds [--experiments symbolic_oja ...] [--seeds 4000-4015]
    python -m benchmarks.symbolic_seeds --experiments symbolic_oja --seeds 100-107 --out FOLDER \
        --words problem.n_tasks=4 'outer={name: map_elites, lambda_: 32, steps: 136}'

One line of JSON per finished run goes to benchmarks/results_symbolic/EXPERIMENT.jsonl. A run whose
seed stands there is not repeated, so that a stopped command goes on where it was. A file holds runs
of one setting alone: a changed config or outer loop is refused. At the end it prints the table.

Seeds 4000 to 4015 judge. They were named before any of them was run; development uses 100 to 199.
"""

import argparse
import inspect
import json
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast import search_loop
from metaplast.rules.symbolic import Symbolic
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from outer_loops import _edits, _selection, _trees

TARGETS = {
    "symbolic_oja": "post*(pre - post*weight)",
    "symbolic_error": "pre*(modulator.teacher - post_potential)",
    "symbolic_reward": "(modulator.reward - 1)*eligibility",
}
SIGNS = ("modulator.reward",)
TOLERANCE = 0.05
"""Root mean square distance of two rules on the probes, each scaled to a root mean square of 1."""
SEEDS = "4000-4015"
OUT = Path(__file__).parent / "results_symbolic"


class Found(NamedTuple):
    """A rule with its theta."""

    rule: Symbolic
    theta: Any


def outputs(found: Found, signs: tuple[str, ...]) -> np.ndarray:
    """The rule's values on the probes, with a root mean square of 1."""
    signal = lambda name: _trees.probe(name, name in signs)
    values = np.asarray(found.rule.value(found.theta, signal))
    return values / np.sqrt(np.mean(values**2))


def apart(found: Found, target: str, signs: tuple[str, ...] = ()) -> float:
    """The root mean square distance between a rule and the target expression."""
    known = Found(Symbolic(expression=target, eligibility="score*pre", learn="none"), {})
    difference = outputs(found, signs) - outputs(known, signs)
    return float(np.sqrt(np.mean(difference**2)))


def search(name: str, seed: int, *words: str) -> tuple[Found, dict[str, Any]]:
    """(The rule that the search ends with, the metrics of its last step).

    Args:
        name: of the experiment.
        seed: of the run.
        words: further words of the config.
    """
    every = [f"experiment={name}", f"seed={seed}", "rows={}", *words]
    config = parse(compose(every, Sources()), check=False).main
    problem = config.meta_problem()
    outer = config.outer_loop()
    begun = search_loop.begin(problem, outer, seed)
    *_, (_, state, metrics) = search_loop.steps(problem, outer, seed, begun, 0, outer.n_steps)
    slot = problem.lifetime.slots[0]
    rule: Any
    rule, theta = slot.rule.settled(outer.theta(state)["rules"][slot.name])
    return Found(rule, theta), dict(metrics)


def setting(name: str, words: Sequence[str] = ()) -> int:
    """A number that changes with the config of an experiment and the code of the search."""
    every = [f"experiment={name}", "rows={}", *words]
    config = parse(compose(every, Sources()), check=False).main
    text = repr(config)
    for module in (sys.modules[type(config.outer_loop()).__module__], _edits, _selection, _trees):
        text += inspect.getsource(module)
    return zlib.crc32(text.encode())


def kept(path: Path, now: int) -> dict[int, dict[str, Any]]:
    """{seed: line} of the finished runs. Raises: SystemExit for runs of another setting."""
    lines = {}
    if path.is_file():
        for text in path.read_text().splitlines():
            line = json.loads(text)
            if line["setting"] != now:
                raise SystemExit(f"{path} holds runs of another setting: move it away")
            lines[line["seed"]] = line
    return lines


def judge(
    name: str, seeds: Sequence[int], out: Path, words: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The lines of all seeds; those that are not there yet are run now."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.jsonl"
    now = setting(name, words)
    lines = kept(path, now)
    for seed in seeds:
        if seed in lines:
            continue
        found, metrics = search(name, seed, *words)
        distance = apart(found, TARGETS[name], SIGNS)
        line = {
            "seed": seed,
            "setting": now,
            "found": distance < TOLERANCE,
            "distance": round(distance, 4),
            "expression": found.rule.expression,
        }
        for count in ("evaluated", "longest_plateau", "coverage"):
            if count in metrics:
                line[count] = round(float(metrics[count]), 4)
        lines[seed] = line
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    return [lines[seed] for seed in seeds]


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--seeds", default=SEEDS, help="FIRST-LAST")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--words", nargs="+", default=[], help="further words of the config")
    arguments = parser.parse_args()
    if arguments.words and arguments.out == OUT:
        parser.error("--words is for a folder of its own: give --out")
    first, last = map(int, arguments.seeds.split("-"))
    seeds = range(first, last + 1)
    for name in arguments.experiments:
        lines = judge(name, seeds, arguments.out, arguments.words)
        n_found = sum(line["found"] for line in lines)
        others = [f"{line['seed']}: {line['expression']}" for line in lines if not line["found"]]
        at = f" at {lines[0]['evaluated']:.0f} evaluations" if "evaluated" in lines[0] else ""
        print(f"{name}: {n_found} of {len(lines)}{at}")
        for other in others:
            print(f"    {other}")


if __name__ == "__main__":
    main()
