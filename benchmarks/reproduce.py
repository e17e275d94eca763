"""Run the published experiments, keep one JSON of each, and write docs/results.md.

    python -m benchmarks.reproduce --list              list the experiments, and why some are stale
    python -m benchmarks.reproduce --only oja          run one experiment and write its JSON
    python -m benchmarks.reproduce --changed           run those whose config or bits moved
    python -m benchmarks.reproduce --only oja --same-as TREE   keep a JSON that TREE made, if its
                                                       first steps have the same bits here
    python -m benchmarks.reproduce --write             write docs/results.md from the JSONs alone

The native step is off. Runs lie under --runs (default runs/reproduce). A finished run is not run
again while config and code stay, and an interrupted one goes on. benchmarks/published.yaml holds
the experiments, their verbs and their seeds. Finished folders from elsewhere enter with
--from-runs. Their config is read from them, and --tree names the checkout whose code made them.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import load_file

from benchmarks import results_page
from metaplast.native import library
from metaplast.registry import Plain
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
PACKAGES = ("jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
"""Bits depend on these packages, besides the code."""


def published() -> dict[str, Plain]:
    """experiment -> {verb, seeds}."""
    return read_file(ROOT / "benchmarks" / "published.yaml")


def published_row(experiment: str, row: str) -> Plain:
    """The result of a row in benchmarks/results: mean, ci95, n, per_seed, ...

    Raises: KeyError where there is none.
    """
    return json.loads((RESULTS / f"{experiment}.json").read_text())["rows"][row]


def config_digest(plain: Plain) -> str:
    """The digest of a composed config without its seed.

    So a change in a base experiment or in a known rule counts too.
    """
    kept = {key: value for key, value in plain.items() if key != "seed"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def shipped(experiment: str) -> Plain:
    """The config of an experiment as it is now."""
    return compose([f"experiment={experiment}"], Sources())


def code_digest(tree: Path = ROOT) -> str:
    """The digest of every Python file of the three packages, by name and content."""
    digest = hashlib.sha256()
    for package in CODE:
        for file in sorted((tree / package).rglob("*.py")):
            digest.update(str(file.relative_to(tree)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def why_stale(experiment: str, results: Path = RESULTS) -> str:
    """Why the JSON of an experiment is stale.

    It is empty where the JSON is of the present config, seeds, code and packages, or was made by
    others whose first steps have the same bits (`checked`).
    """
    file = results / f"{experiment}.json"
    if not file.is_file():
        return "not run with this version"
    result = json.loads(file.read_text())
    result |= result.get("checked", {})
    if result["seeds"] != published()[experiment]["seeds"]:
        return "other seeds are published now"
    if result["config_digest"] != config_digest(shipped(experiment)):
        return "its config changed"
    if result["code_digest"] != code_digest():
        return "the code changed"
    here = environment()
    moved = [name for name in PACKAGES if result["versions"].get(name) != here[name]]
    return f"other versions of {', '.join(moved)}" if moved else ""


def run(
    experiment: str, runs: Path, seeds: list[int], quick: bool = False, tree: Path = ROOT
) -> list[Path]:
    """Run an experiment.

    Args:
        experiment: its name.
        runs: the folder of all runs.
        seeds: one run for each.
        quick: whether runs take two outer steps and few lives.

        tree: the checkout whose code runs.

    Returns: the finished run folders, one per seed.

    Raises: RuntimeError with the error of a run.
    """
    verb = published()[experiment]["verb"]
    stamp = f"{experiment}-{config_digest(shipped(experiment))}-{code_digest(tree)}"
    folders = [runs.resolve() / f"{stamp}{'-quick' if quick else ''}-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        if (folder / "config.yaml").is_file():
            command = ["resume", str(folder)]
        else:
            words = [f"experiment={experiment}", f"seed={seed}", *(QUICK if quick else ())]
            command = [verb, *words, "--run-dir", str(folder)]
        program = [sys.executable, "-m", "metaplast.cli.main", *command, "--quiet"]
        settings = {**os.environ, library.OFF: "0"}
        done = subprocess.run(
            program, cwd=tree, env=settings, capture_output=True, text=True, check=False
        )
        if done.returncode:
            error = " ".join(done.stderr.strip().splitlines()[-1:])
            raise RuntimeError(f"{experiment}, seed {seed}: exit code {done.returncode} {error}")
    return folders


def result_of(experiment: str, folders: list[Path], tree: Path = ROOT) -> Plain:
    """The JSON of an experiment from its finished run folders.

    Args:
        experiment: its name.
        folders: the run folders.
        tree: the checkout whose code made them.
    Raises: ValueError for runs of another experiment or of several configs.
    """
    verb = published()[experiment]["verb"]
    rows = _trained(folders) if verb == "train" else _fitted(folders[0])
    configs = [read_file(folder / "config.yaml") for folder in folders]
    digests = {config_digest(config) for config in configs}
    if len(digests) > 1 or configs[0].get("experiment") != experiment:
        expected = f"not all of experiment={experiment}, in one config"
        raise ValueError(f"{folders[0]} ...: runs that are {expected}")
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
    """The part of the JSON that comes from training."""
    pool = pool_of(folders)
    summaries = [read_summary(folder) for folder in folders]
    rows = {}
    for score in pool.scores:
        name = score.name
        plain = score_to_json(score)
        scores = {key: plain[key] for key in ("mean", "ci95", "n", "not_finite", DIFFERENCE)}
        about = {}
        if name in pool.facts:
            facts = row_to_json(pool.facts[name].row)
            kinds = ("reach", "learned", "note", "verdict")
            about = {key: facts[key] for key in kinds if key in facts}
        known = []
        for summary in summaries:
            row = summary.rows.get(name)
            if row is not None and row.wall_s is not None:
                known.append(row.wall_s)
        if known:
            about["wall_s"] = round(sum(known) / len(known), 1)
        rows[name] = {**scores, "per_seed": pool.means[name], **about}
    total = sum(summary.wall_s for summary in summaries)
    rule = summaries[0].rule
    return {
        "metric": pool.metric,
        "rows": rows,
        "gap_closed": gap_to_json(pool.gap),
        "wall_s": round(total / len(summaries), 1),
        "formula": rule.formula if rule is not None else "",
    }


def _fitted(folder: Path) -> Plain:
    """The part of the JSON that comes from a fit."""
    result = json.loads((folder / "fit.json").read_text())
    rows = {}
    for name, row in result["rows"].items():
        keys = [key for key in ("explained", "splits", "learned", "note") if key in row]
        rows[name] = {key: row[key] for key in keys}
    facts = {key: result.get(key) for key in ("doubts", "truth", "wall_s", "data")}
    return {"metric": "explained", "rows": rows, **facts}


def bits(folders: list[Path]) -> str:
    """The digest of the rule files, or of the thetas where nothing was plastic."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.glob("*.safetensors")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Probe(NamedTuple):
    """The first two outer steps of every row of an experiment.

    digest: of all numbers that such a run leaves: the state of the outer loop, theta, the values of
        validation lives and of held-out lives. Equal digests are evidence, not proof, that whole
        runs have the same bits.
    config: the config of the run.
    """

    digest: str
    config: Plain


def probe(experiment: str, runs: Path, seed: int, tree: Path = ROOT) -> Probe:
    """The first steps of an experiment by the code of a checkout.

    Args:
        experiment: its name.
        runs: the folder of all runs.
        seed: of the run.
        tree: the checkout whose code runs.

    Raises: RuntimeError with the error of a run.
    """
    (folder,) = run(experiment, runs, [seed], quick=True, tree=tree)
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(str(file.relative_to(folder)).encode())
        for name, tensor in sorted(load_file(file).items()):
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            digest.update(tensor.tobytes())
    config = read_file(folder / "config.yaml")
    shutil.rmtree(folder)
    return Probe(digest.hexdigest()[:16], config)


def moved_words(before: Plain, after: Plain, where: str = "") -> list[str]:
    """The words in which two configs differ, as `a.b: before -> after`."""
    words = []
    for key in sorted({*before, *after}):
        old = before.get(key)
        new = after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            words += moved_words(old, new, f"{where}{key}.")
        elif old != new:
            words.append(f"{where}{key}: {old} -> {new}")
    return words


def processor() -> str:
    """The model of the processor, and whether it has AVX-512, whose width decides last digits."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "not known"
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    wide = "with AVX-512" if "avx512f" in fields.get("flags", "") else "without AVX-512"
    return f"{fields.get('model name', 'not known')}, {wide}"


def main() -> None:
    arguments = _parser().parse_args()
    names = list(filter(None, arguments.only.split(","))) or list(published())
    _refuse(arguments, names)
    if arguments.list:
        for name in names:
            print(f"{name:24} {why_stale(name, arguments.results) or 'up to date'}")
        return
    failed = []
    if arguments.same_as:
        for name in names:
            _compared(name, arguments)
    elif not arguments.write:
        errors = [_renewed(name, arguments) for name in names]
        failed = [error for error in errors if error]
    if arguments.results == RESULTS:
        page = ROOT / "docs" / "results.md"
        page.write_text(results_page.page(list(published()), arguments.results))
    if failed:
        sys.exit("\n".join(failed))


def _parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="experiments, joined by commas")
    parser.add_argument(
        "--changed",
        action="store_true",
        help="run those that are stale, unless only code or packages changed and the first two "
        "outer steps of every row have the same bits",
    )
    parser.add_argument(
        "--same-as",
        type=Path,
        help="a checkout: keep the JSONs that it made where the first two outer steps of every row "
        "have the same bits here, whatever the config; changed words are printed",
    )
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
        help="leave wall times out, since --from-runs took several sessions",
    )
    parser.add_argument(
        "--seeds", default="", help="others than those published; needs a --results of its own"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two outer steps and few lives, for a test; the same"
    )
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "reproduce")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def _refuse(arguments: argparse.Namespace, names: list[str]) -> None:
    """End with an error where options do not fit together."""
    unknown = [name for name in names if name not in published()]
    if unknown:
        _parser().error(f"--only {', '.join(unknown)}: expected some of {', '.join(published())}")
    if (arguments.quick or arguments.seeds) and arguments.results == RESULTS:
        _parser().error(
            "--quick and --seeds give no published numbers: name another folder with --results"
        )
    if arguments.from_runs and len(names) != 1:
        _parser().error("--from-runs: name one experiment with --only")


def _renewed(name: str, arguments: argparse.Namespace) -> str:
    """Run an experiment and write its JSON.

    Returns: the error where a run failed, else nothing; other experiments go on.
    """
    if arguments.changed and not why_stale(name, arguments.results):
        return ""
    if arguments.changed and _has_the_same_bits(name, arguments):
        return ""
    seeds = [int(seed) for seed in filter(None, arguments.seeds.split(","))]
    if not seeds:
        seeds = published()[name]["seeds"]
    try:
        folders = arguments.from_runs or run(name, arguments.runs, seeds, arguments.quick)
    except RuntimeError as error:
        return str(error)
    result = result_of(name, folders, arguments.tree)
    if not arguments.quick:
        result["probe"] = probe(name, arguments.runs, seeds[0], arguments.tree).digest
    if arguments.no_wall:
        result["wall_s"] = None
        for row in result["rows"].values():
            row.pop("wall_s", None)
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"{name}.json"
    before = json.loads(file.read_text())["bits"] if file.is_file() else result["bits"]
    file.write_text(json.dumps(result, indent=1) + "\n")
    moved = ", its bits moved" if result["bits"] != before else ""
    print(f"{name}: {file}{moved}", flush=True)
    return ""


def _has_the_same_bits(name: str, arguments: argparse.Namespace) -> bool:
    """Whether the first steps of a stale JSON have the same bits here. Then it notes so.

    It is false without a run where the config or the processor is another, or where the JSON holds
    no probe.
    """
    file = arguments.results / f"{name}.json"
    if not file.is_file():
        return False
    result = json.loads(file.read_text())
    known = result | result.get("checked", {})
    if known["config_digest"] != config_digest(shipped(name)):
        return False
    if "probe" not in result or result["processor"] != processor():
        return False
    if probe(name, arguments.runs, result["seeds"][0]).digest != result["probe"]:
        return False
    _keep(file, result, name)
    return True


def _compared(name: str, arguments: argparse.Namespace) -> None:
    """Keep the JSON of an experiment where the checkout that made it has the same first steps."""
    file = arguments.results / f"{name}.json"
    if not file.is_file():
        return
    result = json.loads(file.read_text())
    if result["code_digest"] != code_digest(arguments.same_as):
        return
    if result["processor"] != processor():
        print(f"{name}: made on another processor", flush=True)
        return
    seed = result["seeds"][0]
    before = probe(name, arguments.runs, seed, arguments.same_as)
    after = probe(name, arguments.runs, seed)
    for words in moved_words(before.config, after.config):
        print(f"{name}: {words}")
    if before.digest != after.digest:
        print(f"{name}: its bits moved", flush=True)
        return
    _keep(file, {**result, "probe": after.digest}, name)


def _keep(file: Path, result: Plain, name: str) -> None:
    """Note in a JSON that the present code has the bits of its first steps."""
    result["checked"] = {
        "config_digest": config_digest(shipped(name)),
        "code_digest": code_digest(),
        "versions": environment(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{name}: its first steps have the same bits", flush=True)


if __name__ == "__main__":
    main()
