"""Which outer loop, and does the advice hold: python -m benchmarks.outer_loops FOLDER

Runs `metaplast compare` and `metaplast diagnose` on every problem below (what lies in FOLDER
already is kept; all of it takes about two hours of a core) and prints the tables of
docs/outer_loops.md. The thresholds of the advice were set on the problems of SET alone.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.diagnosis.advice import EVOLUTION, GRADIENT
from metaplast.results.loops import UNITS
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
LOOPS = "bptt,pes,es"  # those that are judged by: one exact, two that look at losses alone


class Verdict(NamedTuple):
    """better: the class whose best loop has the lower loss under the budget of CPU seconds, or
    `level`; ratio: best of evolution over best of gradient, with its 95 % interval over seeds;
    said: what the diagnosis advised, and why.
    """

    better: str
    ratio: tuple[float, float, float]
    said: str
    why: str


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    verdicts = {name: _verdict(folder, name, words.split(), ()) for name, words in SET.items()}
    judged = {f"j-{name}": [*words.split("|"), *BRIEF.split()] for name, words in JUDGED.items()}
    verdicts |= {
        name: _verdict(folder, name, words, ("--loops", LOOPS)) for name, words in judged.items()
    }
    print(
        "| problem | best of evolution over best of gradient | better | advice | why "
        "|\n|---|---|---|---|---|"
    )
    for name, found in verdicts.items():
        mean, low, high = found.ratio
        ratio = (
            "one class has no finite loop"
            if math.isnan(mean)
            else f"{mean:.3g} ({low:.3g} to {high:.3g})"
        )
        print(
            f"| {name.removeprefix('j-')} | {ratio} | {found.better} | {found.said} | {found.why} |"
        )
    for name in SET:
        print(f"\n{name}\n\n{_table(json.loads((folder / name / 'compare.json').read_text()))}")
    for title, names in (("thresholds set on these", SET), ("judged", judged)):
        print(
            f"\n| {title}: advised | gradient better | level | evolution better "
            "|\n|---|---|---|---|"
        )
        for said in ("gradient", "evolution"):
            cells = [
                ", ".join(
                    n.removeprefix("j-")
                    for n in names
                    if (verdicts[n].said, verdicts[n].better) == (said, better)
                )
                for better in ("gradient", "level", "evolution")
            ]
            print(f"| {said} | " + " | ".join(cell or "-" for cell in cells) + " |")


def _table(compared: dict[str, Any]) -> str:
    """One line per loop, best under the CPU budget first: loss and ratio to the best under each
    budget.
    """
    entered = {name: one for name, one in compared["loops"].items() if not one["refused"]}
    heads = [f"after {compared['compare'][b]:g} {UNITS[b]}" for b in compared["best"]]
    lines = [
        "| loop | "
        + " | ".join(f"loss {head} | over the best" for head in heads)
        + " | CPU s per 1,000 lives |"
    ]
    lines.append("|---" * (2 + 2 * len(heads)) + "|")
    for name in sorted(entered, key=lambda n: entered[n]["scores"]["cpu_s"]["mean"] or math.inf):
        cells = []
        for budget, best in compared["best"].items():
            score = entered[name]["scores"][budget]
            cells += [_told(score), "best" if name == best else _told(score.get("to_best"))]
        lines.append(
            f"| `{name}` | {' | '.join(cells)} | {entered[name]['cpu_s_per_1000_lives']:.2g} |"
        )
    return "\n".join(lines)


def _told(estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["mean"] is None:
        return "not finite"
    low, high = estimate["ci95"]
    return f"{estimate['mean']:.3g} ({low:.3g} to {high:.3g})"


def _verdict(folder: Path, name: str, words: list[str], options: tuple[str, ...]) -> Verdict:
    run, told = folder / name, folder / f"{name}.diagnosis.json"
    if not (run / "compare.json").is_file():
        begun = (run / "config.yaml").is_file()
        _metaplast(
            *(
                ("resume", str(run))
                if begun
                else ("compare", *words, *options, "--run-dir", str(run))
            ),
            "--quiet",
        )
    if not told.is_file():
        told.write_text(_metaplast("diagnose", *words, "--json"))
    compared = json.loads((run / "compare.json").read_text())
    advice = json.loads(told.read_text())["places"]["birth"]["advice"]
    gradient, evolution = (_best(compared["loops"], names) for names in (GRADIENT, EVOLUTION))
    if gradient is None or evolution is None:
        better = (
            "level" if gradient == evolution else "evolution" if gradient is None else "gradient"
        )
        return Verdict(better, (math.nan,) * 3, advice["kind"], advice["reason"])
    if compared["scale"] != "ratio":
        raise ValueError(f"{name}: losses of both signs have no ratio")
    mean, low, high, _ = student(
        [math.log(theirs / ours) for ours, theirs in zip(gradient, evolution, strict=True)]
    )
    better = "gradient" if low > 0 else "evolution" if high < 0 else "level"
    return Verdict(
        better, (math.exp(mean), math.exp(low), math.exp(high)), advice["kind"], advice["reason"]
    )


def _best(loops: dict[str, Any], names: tuple[str, ...]) -> list[float] | None:
    """The held-out losses over seeds of that loop of a class which validation lives prefer; None
    where none entered, or none ended with finite lives alone."""
    entered = [loops[name] for name in names if name in loops and not loops[name]["refused"]]
    whole = [one for one in entered if None not in one["scores"]["cpu_s"]["values"]]
    chosen = min(whole, key=lambda one: one["curves"]["cpu_s"][-1]["mean"], default=None)
    return chosen["scores"]["cpu_s"]["values"] if chosen else None


def _metaplast(*words: str) -> str:
    program = Path(sys.executable).with_name("metaplast")
    return subprocess.run(
        [str(program), *words], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
