"""Run what is published, keep one JSON per experiment, write docs/results.md: python -m
benchmarks.reproduce

    python -m benchmarks.reproduce --list              what is there, what is stale and why
    python -m benchmarks.reproduce --only oja          run one experiment and write its JSON
    python -m benchmarks.reproduce --changed           run those whose config, code or bits moved
    python -m benchmarks.reproduce --write   write docs/results.md from the JSONs, run nothing

Runs lie under --runs (default runs/reproduce): a finished one is not run again while config and
code stay, an interrupted one goes on. Which experiments, verbs and seeds:
benchmarks/published.yaml. Finished folders from elsewhere enter with --from-runs; their config is
read from them, and the code is that of --tree.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import results_page
from metaplast.results.summary import DIFFERENCE, gap_to_json, row_to_json, score_to_json
from metaplast.runs.config import Sources, compose, read_file
from metaplast.runs.environment import environment
from metaplast.training.pool import pool as pool_of
from metaplast.training.summary import read_summary

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CODE = ("metaplast", "outer_loops", "inner_tasks")
QUICK = (
    "outer.steps=2",
    "evaluation.validation=4",
    "evaluation.heldout=4",
    "evaluation.candidates=1",
)
PACKAGES = (
    "jax",
    "jaxlib",
    "numpy",
    "optax",
    "evosax",
    "scikit-learn",
)  # what bits depend on besides the code
Plain = dict[str, Any]


def published() -> dict[str, Plain]:
    """experiment -> {verb, seeds}."""
    return read_file(ROOT / "benchmarks" / "published.yaml")


def published_row(experiment: str, row: str) -> Plain:
    """What benchmarks/results says of a row: mean, ci95, n, per_seed, ... Raises: KeyError where it
    says nothing.
    """
    return json.loads((RESULTS / f"{experiment}.json").read_text())["rows"][row]


def config_digest(plain: Plain) -> str:
    """Of a composed config without its seed, so that a change in a base experiment or a known rule
    counts too.
    """
    kept = {key: value for key, value in plain.items() if key != "seed"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def shipped(experiment: str) -> Plain:
    """Its config as it is now."""
    return compose([f"experiment={experiment}"], Sources())


def code_digest(tree: Path = ROOT) -> str:
    """Of every Python file of the three packages, by name and content."""
    digest = hashlib.sha256()
    for package in CODE:
        for file in sorted((tree / package).rglob("*.py")):
            digest.update(str(file.relative_to(tree)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def why_stale(experiment: str, results: Path = RESULTS) -> str:
    """Empty where the JSON of an experiment is of the present config, seeds, code and packages."""
    file = results / f"{experiment}.json"
    if not file.is_file():
        return "not run with this version"
    told = json.loads(file.read_text())
    if told["seeds"] != published()[experiment]["seeds"]:
        return "other seeds are published now"
    if told["config_digest"] != config_digest(shipped(experiment)):
        return "its config changed"
    if told["code_digest"] != code_digest():
        return "the code changed"
    here = environment()
    moved = [name for name in PACKAGES if told["versions"].get(name) != here[name]]
    return f"other versions of {', '.join(moved)}" if moved else ""


def run(experiment: str, runs: Path, seeds: list[int], quick: bool = False) -> list[Path]:
    """The finished run folders of an experiment, one per seed. Raises: RuntimeError with the error
    of a run.
    """
    verb = published()[experiment]["verb"]
    stamp = f"{experiment}-{config_digest(shipped(experiment))}-{code_digest()}"
    folders = [runs / f"{stamp}{'-quick' if quick else ''}-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        if (folder / "config.yaml").is_file():
            command = ["resume", str(folder)]
        else:
            words = [f"experiment={experiment}", f"seed={seed}", *(QUICK if quick else ())]
            command = [verb, *words, "--run-dir", str(folder)]
        program = [sys.executable, "-m", "metaplast.cli.main", *command, "--quiet"]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            error = done.stderr.strip().splitlines()[-1:]
            raise RuntimeError(
                f"{experiment}, seed {seed}: exit code {done.returncode} {' '.join(error)}"
            )
    return folders


def told(experiment: str, folders: list[Path], tree: Path = ROOT) -> Plain:
    """The JSON of an experiment from its finished run folders, which the code of `tree` made.

    Raises: ValueError for runs of another experiment or of several configs.
    """
    verb = published()[experiment]["verb"]
    rows = _trained(folders) if verb == "train" else _fitted(folders[0])
    configs = [read_file(folder / "config.yaml") for folder in folders]
    digests = {config_digest(config) for config in configs}
    if len(digests) > 1 or configs[0].get("experiment") != experiment:
        raise ValueError(
            f"{folders[0]} ...: runs that are not all of experiment={experiment}, in one config"
        )
    return {
        "experiment": experiment,
        "verb": verb,
        "seeds": [config.get("seed", 0) for config in configs],
        **rows,
        "versions": json.loads((folders[0] / "environment.json").read_text()),
        "processor": processor(),
        "config_digest": digests.pop(),
        "code_digest": code_digest(tree),
        "bits": bits(folders),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _trained(folders: list[Path]) -> Plain:
    pool = pool_of(folders)
    summaries = [read_summary(folder) for folder in folders]
    rows = {}
    for score in pool.scores:
        plain = score_to_json(score)
        kept = {key: plain[key] for key in ("mean", "ci95", "n", "not_finite", DIFFERENCE)}
        about = {}
        if score.name in pool.facts:
            facts = row_to_json(pool.facts[score.name].row)
            kinds = ("reach", "learned", "note", "verdict")
            about = {key: facts[key] for key in kinds if key in facts}
        walls = []
        for summary in summaries:
            row = summary.rows.get(score.name)
            if row is not None and row.wall_s is not None:
                walls.append(row.wall_s)
        if walls:
            about["wall_s"] = round(sum(walls) / len(walls), 1)
        rows[score.name] = {**kept, "per_seed": pool.means[score.name], **about}
    rule = summaries[0].rule
    return {
        "metric": pool.metric,
        "rows": rows,
        "gap_closed": gap_to_json(pool.gap),
        "wall_s": round(sum(summary.wall_s for summary in summaries) / len(summaries), 1),
        "formula": rule.formula if rule is not None else "",
    }


def _fitted(folder: Path) -> Plain:
    found = json.loads((folder / "fit.json").read_text())
    rows = {}
    for name, row in found["rows"].items():
        rows[name] = {
            key: row[key] for key in ("explained", "splits", "learned", "note") if key in row
        }
    facts = {key: found.get(key) for key in ("doubts", "truth", "wall_s", "data")}
    return {"metric": "explained", "rows": rows, **facts}


def bits(folders: list[Path]) -> str:
    """Of the rule files, or of the thetas where nothing was plastic."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.glob("*.safetensors")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def processor() -> str:
    """The model, and whether it has AVX-512: its width decides last digits."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "not known"
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wide = "with AVX-512" if "avx512f" in fields.get("flags", "") else "without AVX-512"
    return f"{fields.get('model name', 'not known')}, {wide}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="experiments, joined by commas")
    parser.add_argument("--changed", action="store_true", help="run those that are stale")
    parser.add_argument("--list", action="store_true")
    parser.add_argument(
        "--write", action="store_true", help="write docs/results.md from the JSONs and stop"
    )
    parser.add_argument("--from-runs", type=Path, nargs="+", help="finished folders of --only")
    parser.add_argument(
        "--tree", type=Path, default=ROOT, help="the checkout whose code made --from-runs"
    )
    parser.add_argument(
        "--no-wall",
        action="store_true",
        help="--from-runs took several sessions: tell no wall time",
    )
    parser.add_argument(
        "--seeds", default="", help="others than those published; needs a --results of its own"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two outer steps and few lives: a test; the same"
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "reproduce")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    names = list(filter(None, given.only.split(","))) or list(published())
    if unknown := [name for name in names if name not in published()]:
        parser.error(f"--only {', '.join(unknown)}: expected some of {', '.join(published())}")
    if (given.quick or given.seeds) and given.results == RESULTS:
        parser.error(
            "--quick and --seeds give no published numbers: name another folder with --results"
        )
    if given.from_runs and len(names) != 1:
        parser.error("--from-runs: name one experiment with --only")
    if given.list:
        for name in names:
            print(f"{name:24} {why_stale(name, given.results) or 'up to date'}")
        return
    failed = [] if given.write else [error for name in names if (error := _renewed(name, given))]
    if given.results == RESULTS:
        page = ROOT / "docs" / "results.md"
        page.write_text(results_page.page(list(published()), given.results))
    if failed:
        sys.exit("\n".join(failed))


def _renewed(name: str, given: argparse.Namespace) -> str:
    """Run an experiment and write its JSON; the error where a run failed, which leaves the others
    alone.
    """
    if given.changed and not why_stale(name, given.results):
        return ""
    seeds = [int(seed) for seed in filter(None, given.seeds.split(","))] or published()[name][
        "seeds"
    ]
    try:
        folders = given.from_runs or run(name, given.runs, seeds, given.quick)
    except RuntimeError as error:
        return str(error)
    found = told(name, folders, given.tree)
    if given.no_wall:
        found["wall_s"] = None
        for row in found["rows"].values():
            row.pop("wall_s", None)
    given.results.mkdir(parents=True, exist_ok=True)
    file = given.results / f"{name}.json"
    before = json.loads(file.read_text())["bits"] if file.is_file() else found["bits"]
    file.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{name}: {file}{', its bits moved' if found['bits'] != before else ''}", flush=True)
    return ""


if __name__ == "__main__":
    main()
