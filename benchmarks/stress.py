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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast.inspection.statistics import student
from metaplast.launch.config import Sources, compose, to_yaml
from metaplast.launch.job import parse
from metaplast.launch.nesting import contained

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
    ("categories", range(10), ("unperturbed",)),
    ("digits", range(10), ("unperturbed",)),
    ("categories", range(3), PERTURBED),
    ("readout", range(3), ("unperturbed",)),
    ("contest", range(3), ("unperturbed",)),
)
# Runs in the tree that trained, which may be older than this file.
READ = """
import json, sys
from pathlib import Path
import jax, numpy as np
from metaplast import train
from metaplast.inspection import evaluate
from metaplast.launch.config import Sources, compose
from metaplast.launch.job import parse
from metaplast.launch.row import row_folder, theta_of
run = Path(sys.argv[1])
found = {}
for name, config in parse(compose([], Sources(), run / "config.yaml")).rows:
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    start = problem.init(train.stream(config.seed, "theta"))
    if not jax.tree.leaves(start):
        start = theta_of(row_folder(run, name), problem)
    ends = {"start": start, "end": theta_of(row_folder(run, name), problem)}
    n = config.evaluation.validation
    scores = {k: evaluate.lives(problem, t, config.seed, "validation", n) for k, t in ends.items()}
    metric = "accuracy" if "accuracy" in scores["end"] else "loss"
    found[name] = {"metric": metric, **{k: s[metric].astype(float).tolist() for k, s in scores.items()}}
print("VALIDATION" + json.dumps(found))
"""


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
    """Train (or resume) a job and judge its rows; what is known of it is written to out/NAME.json."""
    file = out / f"{job.name}.json"
    if file.is_file():
        return json.loads(file.read_text())
    out.mkdir(parents=True, exist_ok=True)
    folder = out / job.name
    extra, environment = SETTINGS[job.setting]
    if not (folder / "config.yaml").is_file():
        config = out / f"{job.name}.yaml"
        config.write_text(_config(job, rows, [*extra, *words]))
        command = ["train", "--config", str(config), "--run-dir", str(folder)]
    else:
        command = ["resume", str(folder)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [sys.executable, "-m", "metaplast.cli.main", *command, "--quiet"]
    done = _in(tree, program, environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found: dict[str, Any] = {**job._asdict(), "code": done.returncode}
    found["cpu_s"] = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    if done.returncode:
        found["error"] = done.stderr.strip().splitlines()[-1:]
    else:
        lives = _validation(tree, folder)
        found["rows"] = judged(lives, contained(parse(compose([], Sources(), folder / "config.yaml")).rows))
        for name, row in found["rows"].items():
            row |= _course(folder if name == "discovered" else folder / "rows" / name)
    file.write_text(json.dumps(found, indent=1) + "\n")
    return found


def judged(lives: dict[str, Any], nested: dict[str, list[str]]) -> dict[str, Any]:
    """Per row: mean at the start and at the end on validation lives, and what it is lost against.

    lives: row -> {metric, start [n], end [n]}; nested: row -> rows whose families it contains.
    """
    rows: dict[str, Any] = {}
    for name, own in lives.items():
        sign = 1.0 if own["metric"] == "accuracy" else -1.0
        end = sign * np.asarray(own["end"])
        start = sign * np.asarray(own["start"])
        below = ["start"] if end.mean() < start.mean() else []
        for other in nested.get(name, []):
            estimate = student(end - sign * np.asarray(lives[other]["end"]), CONFIDENCE)
            if estimate.mean < -MARGIN and estimate.high < 0:
                below.append(other)
        rows[name] = {"start": float(sign * start.mean()), "end": float(sign * end.mean()), "below": below}
    return rows


def report(folders: list[Path]) -> str:
    """A table of the jobs that every folder holds: how many rows are lost, and which."""
    told = {folder: _all(folder) for folder in folders}
    shared = set.intersection(*(set(jobs) for jobs in told.values()))
    lines = ["| | jobs | rows | lost | which |", "|---|---|---|---|---|"]
    for folder, jobs in told.items():
        rows = 0
        lost = []
        for name in sorted(shared):
            for row, facts in jobs[name].get("rows", {}).items():
                rows += 1
                if facts["below"]:
                    lost.append(f"{name} {row} {facts['end']:.3f}, below {', '.join(facts['below'])}")
        died = sum("rows" not in jobs[name] for name in shared)
        share = f"{len(lost)} ({100 * len(lost) / max(1, rows):.1f} %)"
        note = f"; {died} jobs died" if died else ""
        lines.append(f"| {folder.name} | {len(shared)} | {rows} | {share}{note} | {'; '.join(lost) or '-'} |")
    return "\n".join(lines)


def _all(folder: Path) -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def _config(job: Job, rows: list[str], words: list[str]) -> str:
    plain = compose([f"experiment={job.experiment}", f"seed={job.seed}", *words], Sources())
    if rows:
        plain["rows"] = {name: plain["rows"][name] for name in rows}
    return to_yaml(plain)


def _in(tree: Path, program: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tree), **environment}
    return subprocess.run(program, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def _validation(tree: Path, folder: Path) -> dict[str, Any]:
    done = _in(tree, [sys.executable, "-c", READ, str(folder)], {})
    line = next(line for line in done.stdout.splitlines() if line.startswith("VALIDATION"))
    return json.loads(line.removeprefix("VALIDATION"))


def _course(folder: Path) -> dict[str, Any]:
    """What metrics.jsonl tells of the training loss, of lives that were not finite and of falls."""
    file = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    losses = [float(row["loss"]) for row in rows]
    if not losses:
        return {}
    return {
        "losses": {"first": losses[0], "lowest": min(losses), "highest": max(losses), "last": losses[-1]},
        "diverged": int(sum(row.get("diverged", 0) for row in rows)),
        "falls": int(rows[-1].get("falls", 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="laid on every config, such as outer.steps=100")
    parser.add_argument("--out", type=Path, default=Path("runs/stress"))
    parser.add_argument("--tree", type=Path, default=ROOT)
    parser.add_argument("--experiments", default="")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--settings", default="")
    parser.add_argument("--rows", default="", help="these rows beside discovered; all where none is given")
    parser.add_argument("--report", type=Path, nargs="+")
    given = parser.parse_args()
    if given.report:
        print(report(given.report))
        return
    rows = _words(given.rows)
    for job in _chosen(given):
        found = run(job, given.tree.resolve(), given.out.resolve(), rows, given.words)
        lost = {name: row["below"] for name, row in found.get("rows", {}).items() if row["below"]}
        print(f"{job.name}: {lost or found.get('error') or 'none lost'} ({found['cpu_s']} CPU s)", flush=True)


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
