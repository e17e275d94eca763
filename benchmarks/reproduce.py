"""Run what is published, keep one JSON per experiment, write docs/results.md: python -m benchmarks.reproduce

    python -m benchmarks.reproduce --list              what is there, what is stale and why
    python -m benchmarks.reproduce --only oja          run one experiment and write its JSON
    python -m benchmarks.reproduce --changed           run those whose config, code or bits moved
    python -m benchmarks.reproduce --write             write docs/results.md from the JSONs, run nothing

Runs lie under --runs (default runs/reproduce): a finished one is not run again while config and code
stay, an interrupted one goes on. Which experiments, verbs and seeds: benchmarks/published.yaml.
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
from metaplast.launch import summary
from metaplast.launch.config import Sources, compose, read_file, to_yaml

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CODE = ("metaplast", "outer_loops", "inner_tasks")
QUICK = ("outer.steps=2", "evaluation.validation=4", "evaluation.heldout=4", "evaluation.candidates=1")
Plain = dict[str, Any]


def published() -> dict[str, Plain]:
    """experiment -> {verb, seeds}."""
    return read_file(ROOT / "benchmarks" / "published.yaml")


def published_row(experiment: str, row: str) -> Plain:
    """What benchmarks/results says of a row: mean, ci95, n, per_seed, ... Raises: KeyError where it says nothing."""
    return json.loads((RESULTS / f"{experiment}.json").read_text())["rows"][row]


def config_digest(experiment: str) -> str:
    """Of the composed config, so that a change in a base experiment or a known rule counts too."""
    plain = compose([f"experiment={experiment}"], Sources())
    return hashlib.sha256(to_yaml(plain).encode()).hexdigest()[:16]


def code_digest() -> str:
    """Of every Python file of the three packages, by name and content."""
    digest = hashlib.sha256()
    for package in CODE:
        for file in sorted((ROOT / package).rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def why_stale(experiment: str, results: Path = RESULTS) -> str:
    """Empty where the JSON of an experiment is of the present config, seeds and code."""
    file = results / f"{experiment}.json"
    if not file.is_file():
        return "not run with this version"
    told = json.loads(file.read_text())
    if told["seeds"] != published()[experiment]["seeds"]:
        return "other seeds are published now"
    if told["config_digest"] != config_digest(experiment):
        return "its config changed"
    if told["code_digest"] != code_digest():
        return "the code changed"
    return ""


def run(experiment: str, runs: Path, words: list[str]) -> list[Path]:
    """The finished run folders of an experiment, one per seed. Raises: RuntimeError with the error of a run."""
    plan = published()[experiment]
    stamp = f"{experiment}-{config_digest(experiment)}-{code_digest()}"
    folders = [runs / f"{stamp}-{seed}" for seed in plan["seeds"]]
    for seed, folder in zip(plan["seeds"], folders, strict=True):
        if (folder / "config.yaml").is_file():
            command = ["resume", str(folder)]
        else:
            command = [plan["verb"], f"experiment={experiment}", f"seed={seed}", *words, "--run-dir", str(folder)]
        program = [sys.executable, "-m", "metaplast.cli.main", *command, "--quiet"]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{experiment}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
    return folders


def told(experiment: str, folders: list[Path]) -> Plain:
    """The JSON of an experiment from its finished run folders."""
    verb = published()[experiment]["verb"]
    rows = _trained(folders) if verb == "train" else _fitted(folders[0])
    configs = [read_file(folder / "config.yaml") for folder in folders]
    environment = json.loads((folders[0] / "environment.json").read_text())
    return {
        "experiment": experiment,
        "verb": verb,
        "seeds": [config.get("seed", 0) for config in configs],
        **rows,
        "versions": environment,
        "processor": processor(),
        "config_digest": config_digest(experiment),
        "code_digest": code_digest(),
        "bits": bits(folders),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _trained(folders: list[Path]) -> Plain:
    pool = summary.pool(folders)
    said = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    rows = {}
    for entry in pool.scores:
        fact = pool.facts.get(entry["name"], {})
        kept = {key: entry[key] for key in ("mean", "ci95", "n", "not_finite", "minus_discovered")}
        about = {key: fact[key] for key in ("reach", "learned", "note", "verdict") if key in fact}
        walls = [one["rows"].get(entry["name"], {}).get("wall_s") for one in said]
        known = [wall for wall in walls if wall is not None]
        if known:
            about["wall_s"] = round(sum(known) / len(known), 1)
        rows[entry["name"]] = {**kept, "per_seed": pool.means[entry["name"]], **about}
    wall_s = round(sum(one["wall_s"] for one in said) / len(said), 1)
    formula = said[0].get("rule", {}).get("formula", "")
    return {"metric": pool.metric, "rows": rows, "gap_closed": pool.gap, "wall_s": wall_s, "formula": formula}


def _fitted(folder: Path) -> Plain:
    found = json.loads((folder / "fit.json").read_text())
    rows = {}
    for name, row in found["rows"].items():
        kept = {key: row[key] for key in ("explained", "splits", "learned", "note") if key in row}
        rows[name] = kept
    return {"metric": "explained", "rows": rows, "doubts": found["doubts"], "truth": found.get("truth")}


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="experiments, joined by commas")
    parser.add_argument("--changed", action="store_true", help="run those that are stale")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--write", action="store_true", help="write docs/results.md from the JSONs and stop")
    parser.add_argument("--from-runs", type=Path, nargs="+", help="finished folders of --only")
    parser.add_argument("--quick", action="store_true", help="two outer steps and few lives: no results, a test")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "reproduce")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    names = list(filter(None, given.only.split(","))) or list(published())
    if given.list:
        for name in names:
            print(f"{name:24} {why_stale(name, given.results) or 'up to date'}")
        return
    if not given.write:
        for name in names:
            if given.changed and not why_stale(name, given.results):
                continue
            folders = given.from_runs or run(name, given.runs, list(QUICK) if given.quick else [])
            given.results.mkdir(parents=True, exist_ok=True)
            file = given.results / f"{name}.json"
            file.write_text(json.dumps(told(name, folders), indent=1) + "\n")
            print(f"{name}: {file}", flush=True)
    if not given.quick:
        page = ROOT / "docs" / "results.md"
        page.write_text(results_page.page(list(published()), given.results))


if __name__ == "__main__":
    main()
