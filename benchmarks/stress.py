"""Measure how often a search gets lost.

    python -m benchmarks.stress --out FOLDER [--tree TREE] [words]

Every job trains the rows of an experiment for one seed, under one setting that moves last digits.
Rows are judged on validation lives. A row is lost below its own start. It is also lost below a row
whose family it contains: by more than MARGIN of accuracy, and beyond the paired 99.9 % interval.

A finished job is not run again, and an interrupted one goes on. So the whole of PLAN (about seven
hours of one core) can be run in pieces. --tree is the source tree whose metaplast is run, an older
checkout for "before". --report FOLDER FOLDER ... prints one table of several such folders.
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


class Series(NamedTuple):
    """Jobs of one experiment, for every seed under every setting."""

    experiment: str
    seeds: range
    settings: tuple[str, ...] = ("unperturbed",)


PLAN = (
    Series("categories", range(15, 25)),  # the runs of seeds 20 to 24 are published
    Series("digits", range(10)),
    Series("categories", range(20, 23), PERTURBED),
    Series("readout", range(3)),
    Series("contest", range(3)),
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
    """The jobs of PLAN."""
    jobs = []
    for series in PLAN:
        for setting in series.settings:
            jobs += [Job(series.experiment, seed, setting) for seed in series.seeds]
    return jobs


def run(job: Job, tree: Path, out: Path, rows: list[str], words: list[str]) -> dict[str, Any]:
    """Train (or resume) a job, judge its rows, and write the result to out/NAME.json.

    A process that dies is written down as such. It is run again once that file is removed.

    Args:
        job: the job.
        tree: the source tree whose metaplast is run.
        out: the folder of results.
        rows: the rows beside the discovered one; empty for all.
        words: further words of the config.
    Raises: SystemExit where the file there is of other rows or words; KeyboardInterrupt.
    """
    file = out / f"{job.name}.json"
    asked = {"chosen": rows, "words": words}
    if file.is_file():
        result = json.loads(file.read_text())
        if result.get("asked", asked) != asked:
            raise SystemExit(f"{file}: {result['asked']} - expected {asked} - choose another --out")
        return result
    out.mkdir(parents=True, exist_ok=True)
    result = {**job._asdict(), "asked": asked, "code": 0}
    before = _cpu_s()
    started = time.monotonic()
    try:
        _train(job, tree, out / job.name, asked)
        result["cpu_s"] = round(_cpu_s() - before, 1)
        result["wall_s"] = round(time.monotonic() - started, 1)
        result["rows"] = _judge(job, tree, out / job.name)
    except Died as error:
        result["cpu_s"] = round(_cpu_s() - before, 1)
        result["code"], result["error"] = error.args
    file.write_text(json.dumps(result, indent=1) + "\n")
    return result


def _train(job: Job, tree: Path, folder: Path, asked: dict[str, list[str]]) -> None:
    """Train a job, or resume it."""
    if (folder / "config.yaml").is_file():
        _in(tree, job, [*PROGRAM, "resume", str(folder), "--quiet"])
        return
    config = folder.with_name(f"{job.name}.yaml")
    identity = [f"experiment={job.experiment}", f"seed={job.seed}"]
    words = [*identity, *SETTINGS[job.setting][0], *asked["words"]]
    _in(tree, job, [*IN_TREE, "compose", str(config), ",".join(asked["chosen"]), *words])
    options = ["--config", str(config), "--run-dir", str(folder), "--quiet"]
    _in(tree, job, [*PROGRAM, "train", *options])


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
    """The mean of every row on validation lives at its start and end, and where it is lost.

    Args:
        lives: row -> {metric, start [n], end [n]}.
        nested: row -> the rows whose families it contains.

    Returns: row -> {metric, start, end, below}, where `below` names the start, or the rows,
        against which it is lost.
    """
    rows: dict[str, Any] = {}
    for name, row in lives.items():
        start = _better_up(row, "start")
        end = _better_up(row, "end")
        below = [] if end.mean() >= start.mean() else ["start"]  # not finite counts as below
        for other in nested.get(name, []):
            estimate = student(end - _better_up(lives[other], "end"), CONFIDENCE)
            if not (estimate.mean >= -MARGIN or estimate.high >= 0):
                below.append(other)
        means = {}
        for moment in ("start", "end"):
            mean = float(np.asarray(row[moment], float).mean())
            means[moment] = mean if np.isfinite(mean) else None
        rows[name] = {"metric": row["metric"], **means, "below": below}
    return rows


def _better_up(row: dict[str, Any], moment: str) -> np.ndarray:
    """Values of a row's lives, larger where better."""
    return np.asarray(row[moment], float) * (1.0 if row["metric"] == "accuracy" else -1.0)


def report(folders: list[Path]) -> str:
    """A table of the jobs that every folder holds: the lost rows, and the rows that end worse.

    A row ends worse by more than MARGIN than the same row in the first folder, lost or not: a
    change that leads lost searches back may harm sound ones.
    """
    by_folder = {folder: _results(folder) for folder in folders}
    shared = sorted(set.intersection(*(set(jobs) for jobs in by_folder.values())))
    first = by_folder[folders[0]]
    lines = [
        f"| | jobs | rows | lost | which | worse than in {folders[0].name} |",
        "|---|---|---|---|---|---|",
    ]
    for folder, jobs in by_folder.items():
        n_rows = 0
        lost = []
        worse = []
        for name in shared:
            for row, facts in jobs[name].get("rows", {}).items():
                n_rows += 1
                if facts["below"]:
                    lost.append(f"{name} {row} {_end(facts)}, below {', '.join(facts['below'])}")
                before = first[name].get("rows", {}).get(row)
                if before and _drop(before, facts) > MARGIN:
                    worse.append(f"{name} {row} {_end(before)} to {_end(facts)}")
        died = sum("rows" not in jobs[name] for name in shared)
        share = f"{len(lost)} ({100 * len(lost) / max(1, n_rows):.1f} %)"
        note = f"; {died} jobs died" if died else ""
        cells = [folder.name, str(len(shared)), str(n_rows), f"{share}{note}"]
        cells += ["; ".join(lost) or "-", "; ".join(worse) or "-"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _end(facts: dict[str, Any]) -> str:
    """The end of a row, in words."""
    return "not finite" if facts["end"] is None else f"{facts['end']:.3f}"


def _drop(before: dict[str, Any], after: dict[str, Any]) -> float:
    """The amount by which the end of a row is worse than before."""
    if before["end"] is None:
        return -np.inf
    if after["end"] is None:
        return np.inf
    rise = after["end"] - before["end"]
    return rise if before.get("metric", "accuracy") == "loss" else -rise


def _results(folder: Path) -> dict[str, Any]:
    """{job: its result} of a folder."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def _in(tree: Path, job: Job, command: list[str]) -> None:
    """Run a process with the metaplast of `tree`.

    Raises: Died where it ended with an error; KeyboardInterrupt where it was interrupted.
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
    """The CPU seconds of all ended processes that were started here, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _course(folder: Path) -> dict[str, Any]:
    """The course of a training in metrics.jsonl: losses, lives that were not finite, falls."""
    file = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    if not rows:
        return {}
    losses = [float(row["loss"]) for row in rows]
    extremes = {
        "first": losses[0],
        "lowest": min(losses),
        "highest": max(losses),
        "last": losses[-1],
    }
    return {
        "losses": extremes,
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
    arguments = parser.parse_args()
    if arguments.report:
        print(report(arguments.report))
        return
    rows = _words(arguments.rows)
    tree = arguments.tree.resolve()
    out = arguments.out.resolve()
    for job in _chosen(arguments):
        result = run(job, tree, out, rows, arguments.words)
        lost = {}
        for name, row in result.get("rows", {}).items():
            if row["below"]:
                lost[name] = row["below"]
        verdict = lost or result.get("error") or "none lost"
        print(f"{job.name}: {verdict} ({result['cpu_s']} CPU s)", flush=True)


def _chosen(arguments: argparse.Namespace) -> list[Job]:
    """The plan, or every combination of the named experiments, seeds and settings.

    Each of the three has a first choice, which is taken where it is not named.
    """
    if not (arguments.experiments or arguments.seeds or arguments.settings):
        return planned()
    seeds = [int(seed) for seed in _words(arguments.seeds) or ["0"]]
    jobs = []
    for experiment in _words(arguments.experiments) or ["categories"]:
        for setting in _words(arguments.settings) or ["unperturbed"]:
            jobs += [Job(experiment, seed, setting) for seed in seeds]
    return jobs


def _words(text: str) -> list[str]:
    """The words of a list that is joined by commas."""
    return list(filter(None, text.split(",")))


if __name__ == "__main__":
    main()
