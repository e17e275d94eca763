"""The published table of an experiment, in the form of a run."""

import json
from functools import lru_cache
from pathlib import Path

from benchmarks.gallery.finished import Finished
from benchmarks.reproduce import RESULTS, shipped
from metaplast.registry import Plain
from metaplast.results.summary import SCHEMA, from_json
from metaplast.runs.job import Job, parse


@lru_cache
def job_of(name: str) -> Job:
    """The configs of an experiment as it ships."""
    return parse(shipped(name), check=False)


@lru_cache
def table_of(name: str, results: Path = RESULTS) -> Finished | None:
    """The table of a training as docs/results.md has it; None where there is none, and for a fit.

    Over several seeds its scores are means over them, and its intervals are t intervals.

    Args:
        name: of the experiment.
        results: the folder of the published results.
    """
    file = results / f"{name}.json"
    if not file.is_file():
        return None
    plain = json.loads(file.read_text())
    if plain["verb"] != "train":
        return None
    rows = {}
    scores = []
    for row, of_row in plain["rows"].items():
        rows[row] = _facts(of_row)
        scores.append({"name": row, "split": "heldout", "metric": plain["metric"], **of_row})
    summary = {
        "schema": SCHEMA,
        "experiment": name,
        "seed": plain["seeds"][0],
        "outer_steps": 0,
        "wall_s": 0.0,
        "diverged_lives": 0,
        "rows": rows,
        "scores": scores,
        "rule": {"form": "", "reach": "", "formula": plain["formula"], "terms": {}},
    }
    return Finished(file, job_of(name), from_json(summary, str(file)), n_seeds=len(plain["seeds"]))


def _facts(of_row: Plain) -> Plain:
    """The facts about a row; a row without numbers of its own is a reference."""
    if "learned" not in of_row or of_row["learned"] == "-":
        return {"kind": "reference"}
    facts = {key: of_row[key] for key in ("reach", "learned", "verdict") if key in of_row}
    return {"feedback": "none", "reads": [], **facts}
