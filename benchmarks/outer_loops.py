"""Measure which outer loop is best, and whether the advice holds.

    python -m benchmarks.outer_loops FOLDER

This runs `metaplast compare` and `metaplast diagnose` on every problem below, and prints the tables
of docs/guides/outer_loops.md. Results that lie in FOLDER already are kept. All of it takes about
two hours of a core. The thresholds of the advice were set on the problems of SET alone.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from metaplast.comparing.files import read_comparison
from metaplast.diagnosis.advice import EVOLUTION, GRADIENT
from metaplast.results.loop_comparison import FILE, EnteredLoop, LoopComparison
from metaplast.results.loops import UNITS
from metaplast.results.numbers import Bounds
from metaplast.results.statistics import student

BRIEF = (
    "compare.lives=0 compare.cpu_s=5 compare.tries=4 compare.seeds=4 compare.points=4 "
    "evaluation.heldout=512"
)
SET = {
    "oja": "experiment=oja compare.lives=32000 compare.cpu_s=5 compare.tries=4 compare.points=7",
    "digits": (
        "experiment=digits compare.lives=1000 compare.cpu_s=8 compare.tries=4 "
        "compare.seeds=4 compare.points=6"
    ),
    "chaos": "experiment=chaos compare.lives=8000 compare.cpu_s=6 compare.tries=4 compare.points=7",
    "spiking": (
        "experiment=spiking compare.lives=8000 compare.cpu_s=5 compare.tries=4 "
        "compare.seeds=4 compare.points=6"
    ),
}
LIF = "network.neuron={name: lif, tau_m: 2.0e-3}"
TERMS = "pre*modulator.teacher, pre*post_potential, pre, post*pre, weight, post"
MLP = "rule={name: mlp, inputs: [pre, post, error, weight], hidden: [16], n_state: 0, rate: 0.02}"
JUDGED = {
    "association": "experiment=association",
    "bandit": "experiment=bandit",
    "chaotic": "experiment=chaos|task=prototypes|network.recurrent_gain=2",
    "error": "experiment=symbolic_error|outer=es|rows={}|problem.n_tasks=8"
    f"|rule={{name: polynomial, rate: 0.05, learn: both, terms: [{TERMS}]}}",
    "lif": f"experiment=prototypes|network.hidden=[40,40]|network.gain=2|{LIF}",
    "long": "experiment=chaos|network.recurrent_gain=1.2|task.shots=100",
    "many": (
        "experiment=association|genome=direct|rule={name: abcd, rate: 0.02, scale: 0.1}|rows={}"
    ),
    "mlp": f"experiment=nonstationary|{MLP}|rows={{}}",
    "nonstationary": "experiment=nonstationary",
    "pointmass": "experiment=pointmass|outer=bptt|outer.learning_rate=0.03",
    "prototypes": "experiment=prototypes",
    "recurrent": (
        "experiment=nonstationary|network=recurrent|"
        "network.n_recurrent=40|network.recurrent_gain=2.5|shared=false|rows={}"
    ),
    "regression": "experiment=regression",
}
LOOPS = "bptt,pes,es"  # for JUDGED: one is exact, two look at losses alone


class Ratio(NamedTuple):
    """The best loss of evolution over the best of gradients, with its 95 % interval over seeds."""

    mean: float
    low: float
    high: float


class Verdict(NamedTuple):
    """The comparison of one problem beside its diagnosis.

    better: the class whose best loop has the lower loss under the budget of CPU seconds, or
        `level`.
    ratio: not finite where one class has no finite loop.
    advised: the class that the diagnosis advised.
    reason: the reason that it gave.
    """

    better: str
    ratio: Ratio
    advised: str
    reason: str


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = {}
    for name, words in SET.items():
        verdicts[name] = _verdict(folder, name, words.split(), ())
    for name, words in JUDGED.items():
        all_words = [*words.split("|"), *BRIEF.split()]
        verdicts[name] = _verdict(folder, f"j-{name}", all_words, ("--loops", LOOPS))
    print("| problem | best of evolution over best of gradient | better | advice | why |")
    print("|---|---|---|---|---|")
    for name, verdict in verdicts.items():
        cells = [_ratio(verdict.ratio), verdict.better, verdict.advised, verdict.reason]
        print(f"| {name} | {' | '.join(cells)} |")
    for name in SET:
        print(f"\n{name}\n\n{_table(read_comparison(folder / name))}")
    _print_advice("thresholds set on these", {name: verdicts[name] for name in SET})
    _print_advice("judged", {name: verdicts[name] for name in JUDGED})


def _ratio(ratio: Ratio) -> str:
    if math.isnan(ratio.mean):
        return "one class has no finite loop"
    return f"{ratio.mean:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"


def _print_advice(title: str, verdicts: dict[str, Verdict]) -> None:
    """Print the problems by the class that was advised and the class that was better."""
    print(f"\n| {title}: advised | gradient better | level | evolution better |")
    print("|---|---|---|---|")
    for advised in ("gradient", "evolution"):
        cells = []
        for better in ("gradient", "level", "evolution"):
            names = []
            for name, verdict in verdicts.items():
                if verdict.advised == advised and verdict.better == better:
                    names.append(name)
            cells.append(", ".join(names) or "-")
        print(f"| {advised} | {' | '.join(cells)} |")


def _table(comparison: LoopComparison) -> str:
    """One line per loop, the best under the CPU budget first.

    It holds the loss, and its ratio to the best loop, under each budget.
    """
    entered = comparison.entered
    heads = []
    for budget in comparison.best:
        heads.append(f"after {comparison.settings.budget(budget):g} {UNITS[budget]}")
    losses = " | ".join(f"loss {head} | over the best" for head in heads)
    lines = [
        f"| loop | {losses} | CPU s per 1,000 lives |",
        "|---" * (2 + 2 * len(heads)) + "|",
    ]
    for name in sorted(entered, key=lambda n: entered[n].scores["cpu_s"].mean or math.inf):
        cells = []
        for budget, best in comparison.best.items():
            score = entered[name].scores[budget]
            to_best = "not finite"
            if name == best:
                to_best = "best"
            elif score.to_best is not None:
                to_best = _estimate(score.to_best.mean, score.to_best.ci95)
            cells += [_estimate(score.mean, score.ci95), to_best]
        cost = f"{entered[name].cpu_s_per_1000_lives:.2g}"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {cost} |")
    return "\n".join(lines)


def _estimate(mean: float | None, bounds: Bounds) -> str:
    if mean is None:
        return "not finite"
    return f"{mean:.3g} ({bounds.low:.3g} to {bounds.high:.3g})"


def _verdict(folder: Path, name: str, words: list[str], options: tuple[str, ...]) -> Verdict:
    """The verdict on one problem. Commands whose results lie in the folder are not run again."""
    run = folder / name
    diagnosis = folder / f"{name}.diagnosis.json"
    if not (run / FILE).is_file():
        if (run / "config.yaml").is_file():
            _metaplast("resume", str(run), "--quiet")
        else:
            _metaplast("compare", *words, *options, "--run-dir", str(run), "--quiet")
    if not diagnosis.is_file():
        diagnosis.write_text(_metaplast("diagnose", *words, "--json"))
    comparison = read_comparison(run)
    advice = json.loads(diagnosis.read_text())["places"]["birth"]["advice"]
    gradient = _best(comparison.entered, GRADIENT)
    evolution = _best(comparison.entered, EVOLUTION)
    if gradient is None or evolution is None:
        better = "level"
        if gradient is not None:
            better = "gradient"
        elif evolution is not None:
            better = "evolution"
        unknown = Ratio(math.nan, math.nan, math.nan)
        return Verdict(better, unknown, advice["kind"], advice["reason"])
    if not comparison.is_ratio:
        raise ValueError(f"{name}: losses of both signs have no ratio")
    pairs = zip(gradient, evolution, strict=True)
    estimate = student([math.log(theirs / ours) for ours, theirs in pairs])
    better = "level"
    if estimate.low > 0:
        better = "gradient"
    elif estimate.high < 0:
        better = "evolution"
    ratio = Ratio(math.exp(estimate.mean), math.exp(estimate.low), math.exp(estimate.high))
    return Verdict(better, ratio, advice["kind"], advice["reason"])


def _best(entered: dict[str, EnteredLoop], names: tuple[str, ...]) -> list[float] | None:
    """The held-out losses over seeds of the best loop of a class, by validation lives.

    None where no loop of the class entered, or none ended with finite lives alone.
    """
    best = None
    lowest = math.inf
    for name in names:
        if name not in entered:
            continue
        losses = [loss for loss in entered[name].scores["cpu_s"].values if loss is not None]
        is_whole = len(losses) == len(entered[name].scores["cpu_s"].values)
        last = entered[name].curves["cpu_s"][-1].mean
        if is_whole and last is not None and (best is None or last < lowest):
            best = losses
            lowest = last
    return best


def _metaplast(*words: str) -> str:
    """The output of a command of metaplast."""
    program = Path(sys.executable).with_name("metaplast")
    command = [str(program), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
