"""How often does a search get lost? python -m benchmarks.stress --out FOLDER [--tree TREE] [words]

Every job trains the rows of an experiment for one seed under one setting that moves last digits.
Rows are judged on validation lives: below their own start, or more than MARGIN of accuracy and
beyond the paired 99.9 % interval below a row whose family they contain, they are lost.
A finished job is not run again and an interrupted one goes on, so that the whole of PLAN (about
seven hours of one core) can be run in pieces. --tree: the source tree whose metaplast is run, an
older checkout for "before". --report FOLDER FOLDER ... prints one table of several such folders.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast.results.statistics import student
from metaplast.runs.config import read_file
from metaplast.runs.folder import row_folder
from metaplast.runs.job import parse
from metaplast.runs.nesting import contained

ROOT = Path(__file__).resolve().parents[1]
MARGIN = 0.01
CONFIDENCE = 0.999
SETTINGS: dict[str, tuple[list[str], dict[str, str]]] = {  # name -> (words, environment)
    "unperturbed": ([], {}),
    "chunk1": (["problem.chunk=1"], {}),
    "chunk8": (["problem.chunk=8"], {}),
    "wide": ([], {"XLA_FLAGS": "--xla_cpu_prefer_vector_width=512"}),
    "float64": (["precision=float64"], {}),
}
PERTURBED = ("chunk1", "chunk8", "wide", "float64")
PLAN = (  # experiment, seeds, settings
    ("categories", range(15, 25), ("unperturbed",)),  # 20 to 24: the runs that are published
    ("digits", range(10), ("unperturbed",)),
    ("categories", range(20, 23), PERTURBED),
    ("readout", range(3), ("unperturbed",)),
    ("contest", range(3), ("unperturbed",)),
)
PROGRAM = ["-m", "metaplast.cli.main"]
IN_TREE = [str(Path(__file__).with_name("_in_tree.py"))]
INTERRUPTED = (130, 143)


class Died(RuntimeError):
    """A process of a job ended with an error."""


class Job(NamedTuple):
    """One training of all rows of an experiment."""

    experiment: str
    seed: int
    setting: str

    @property
    def name(self) -> str:
        return f"{self.experiment}-{self.seed}-{self.setting}"


def planned() -> list[Job]:
    jobs = []
    for experiment, seeds, settings in PLAN:
        for setting in settings:
            jobs += [Job(experiment, seed, setting) for seed in seeds]
    return jobs


def run(job: Job, tree: Path, out: Path, rows: list[str], words: list[str]) -> dict[str, Any]:
    """Train (or resume) a job and judge its rows; what is known of it is written to out/NAME.json.

    A process that dies is written down as such, and is run again once that file is removed.
    Raises: SystemExit where the file there is of other rows or words; KeyboardInterrupt.
    """
    file = out / f"{job.name}.json"
    asked = {"chosen": rows, "words": words}
    if file.is_file():
        found = json.loads(file.read_text())
        if found.get("asked", asked) != asked:
            raise SystemExit(f"{file}: {found['asked']} - expected {asked} - choose another --out")
        return found
    out.mkdir(parents=True, exist_ok=True)
    found = {**job._asdict(), "asked": asked, "code": 0}
    before, started = _cpu_s(), time.monotonic()
    try:
        _train(job, tree, out / job.name, asked)
        found |= {
            "cpu_s": round(_cpu_s() - before, 1),
            "wall_s": round(time.monotonic() - started, 1),
        }
        found["rows"] = _judge(job, tree, out / job.name)
    except Died as error:
        found |= {
            "cpu_s": round(_cpu_s() - before, 1),
            "code": error.args[0],
            "error": error.args[1],
        }
    file.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _train(job: Job, tree: Path, folder: Path, asked: dict[str, list[str]]) -> None:
    if (folder / "config.yaml").is_file():
        _in(tree, job, [*PROGRAM, "resume", str(folder), "--quiet"])
        return
    config = folder.with_name(f"{job.name}.yaml")
    words = [
        f"experiment={job.experiment}",
        f"seed={job.seed}",
        *SETTINGS[job.setting][0],
        *asked["words"],
    ]
    _in(tree, job, [*IN_TREE, "compose", str(config), ",".join(asked["chosen"]), *words])
    _in(
        tree, job, [*PROGRAM, "train", "--config", str(config), "--run-dir", str(folder), "--quiet"]
    )


def _judge(job: Job, tree: Path, folder: Path) -> dict[str, Any]:
    """The rows of a finished run, judged; the values of all lives stay in its folder."""
    file = folder / "validation.json"
    if not file.is_file():
        _in(tree, job, [*IN_TREE, "judge", str(folder), str(file)])
    nested = contained(parse(read_file(folder / "config.yaml"), check=False).rows)
    rows = judged(json.loads(file.read_text()), nested)
    for name, row in rows.items():
        row |= _course(row_folder(folder, name))
    return rows


def judged(lives: dict[str, Any], nested: dict[str, list[str]]) -> dict[str, Any]:
    """Per row: mean at the start and at the end on validation lives, and what it is lost against.

    lives: row -> {metric, start [n], end [n]}; nested: row -> rows whose families it contains.
    """
    rows: dict[str, Any] = {}
    for name, own in lives.items():
        start, end = _better_up(own, "start"), _better_up(own, "end")
        below = [] if end.mean() >= start.mean() else ["start"]  # what is not finite is below
        for other in nested.get(name, []):
            estimate = student(end - _better_up(lives[other], "end"), CONFIDENCE)
            if not (estimate.mean >= -MARGIN or estimate.high >= 0):
                below.append(other)
        means = {
            moment: float(np.asarray(own[moment], float).mean()) for moment in ("start", "end")
        }
        finite = {moment: mean if np.isfinite(mean) else None for moment, mean in means.items()}
        rows[name] = {"metric": own["metric"], **finite, "below": below}
    return rows


def _better_up(row: dict[str, Any], moment: str) -> np.ndarray:
    """Values of a row's lives, larger where better."""
    return np.asarray(row[moment], float) * (1.0 if row["metric"] == "accuracy" else -1.0)


def report(folders: list[Path]) -> str:
    """A table of the jobs that every folder holds: how many rows are lost, and which; and which
    rows end more than MARGIN below the same row in the first folder, lost or not: what leads lost
    searches back may harm sound ones.
    """
    told = {folder: _all(folder) for folder in folders}
    shared = sorted(set.intersection(*(set(jobs) for jobs in told.values())))
    first = told[folders[0]]
    lines = [
        f"| | jobs | rows | lost | which | worse than in {folders[0].name} |",
        "|---|---|---|---|---|---|",
    ]
    for folder, jobs in told.items():
        rows = [
            (name, row, facts)
            for name in shared
            for row, facts in jobs[name].get("rows", {}).items()
        ]
        lost = [
            f"{name} {row} {_told(facts)}, below {', '.join(facts['below'])}"
            for name, row, facts in rows
            if facts["below"]
        ]
        worse = []
        for name, row, facts in rows:
            before = first[name].get("rows", {}).get(row)
            if before and _drop(before, facts) > MARGIN:
                worse.append(f"{name} {row} {_told(before)} to {_told(facts)}")
        died = sum("rows" not in jobs[name] for name in shared)
        share = f"{len(lost)} ({100 * len(lost) / max(1, len(rows)):.1f} %)"
        note = f"; {died} jobs died" if died else ""
        cells = [folder.name, str(len(shared)), str(len(rows)), f"{share}{note}"]
        cells += ["; ".join(lost) or "-", "; ".join(worse) or "-"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _told(facts: dict[str, Any]) -> str:
    return "not finite" if facts["end"] is None else f"{facts['end']:.3f}"


def _drop(before: dict[str, Any], after: dict[str, Any]) -> float:
    """By how much the end of a row is worse than before."""
    if before["end"] is None:
        return -np.inf
    if after["end"] is None:
        return np.inf
    rise = after["end"] - before["end"]
    return rise if before.get("metric", "accuracy") == "loss" else -rise


def _all(folder: Path) -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def _in(tree: Path, job: Job, command: list[str]) -> None:
    """A process with the metaplast of `tree`. Raises: Died; KeyboardInterrupt where it was told to
    end.
    """
    environment = {**os.environ, "PYTHONPATH": str(tree), **SETTINGS[job.setting][1]}
    program = [sys.executable, "-P", *command]
    done = subprocess.run(
        program, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode in INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise Died(done.returncode, done.stderr.strip().splitlines()[-1:])


def _cpu_s() -> float:
    """Of all processes started here that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _course(folder: Path) -> dict[str, Any]:
    """What metrics.jsonl tells of the training loss, of lives that were not finite and of falls."""
    file = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    losses = [float(row["loss"]) for row in rows]
    if not losses:
        return {}
    return {
        "losses": {
            "first": losses[0],
            "lowest": min(losses),
            "highest": max(losses),
            "last": losses[-1],
        },
        "diverged": int(sum(row.get("diverged", 0) for row in rows)),
        "falls": int(rows[-1].get("falls", 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="laid on every config, such as outer.steps=100")
    parser.add_argument("--out", type=Path, default=Path("runs/stress"))
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--experiments", default="")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--settings", default="")
    parser.add_argument(
        "--rows", default="", help="these rows beside discovered; all where none is given"
    )
    parser.add_argument("--report", type=Path, nargs="+")
    given = parser.parse_args()
    if given.report:
        print(report(given.report))
        return
    rows = _words(given.rows)
    for job in _chosen(given):
        found = run(job, given.tree.resolve(), given.out.resolve(), rows, given.words)
        lost = {name: row["below"] for name, row in found.get("rows", {}).items() if row["below"]}
        print(
            f"{job.name}: {lost or found.get('error') or 'none lost'} ({found['cpu_s']} CPU s)",
            flush=True,
        )


def _chosen(given: argparse.Namespace) -> list[Job]:
    """The plan; or every combination of what is given, of the first choice where one is not."""
    if not (given.experiments or given.seeds or given.settings):
        return planned()
    jobs = []
    for experiment in _words(given.experiments) or ["categories"]:
        for setting in _words(given.settings) or ["unperturbed"]:
            jobs += [Job(experiment, int(seed), setting) for seed in _words(given.seeds) or ["0"]]
    return jobs


def _words(given: str) -> list[str]:
    return list(filter(None, given.split(",")))


if __name__ == "__main__":
    main()
