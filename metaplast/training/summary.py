"""The summary of a finished run: summary.json and the rule file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file

from metaplast.feedback.symmetric import Symmetric
from metaplast.language.grammar import REACHES, reach
from metaplast.life.units import FAULTS
from metaplast.registry import name_of
from metaplast.results import table
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula, terms
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.runs.nesting import contained
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import CREDIT_FIELDS
from metaplast.training import reference_row, row_words
from metaplast.training.judge import judge

SCHEMA = "metaplast.summary/1"
ALIGNMENT = "feedback_alignment"
IDLE = ("silent", "saturated")
Plain = dict[str, Any]


def summarise(run: Path, job: Job, wall_s: float) -> Plain:
    """Write summary.json and rule.safetensors from the finished rows of a run."""
    references = dict(job.main.references())
    names = [*dict(job.rows), *references]
    rows, metric = lives([run], names)
    entries = table.scores(rows, metric, DISCOVERED)
    nested = contained(job.rows)
    verdicts = judge(run, job, nested)
    facts = {}
    for name, config in job.rows:
        facts[name] = facts_of(run, name, config) | {
            "contains": nested[name],
            "verdict": verdicts[name],
        }
    for name, fact in facts.items():
        before = job.before(name)
        searched = [each for each in (name, *before) if facts[each]["learned"]]
        fact["budget"] = job.main.outer.n_steps * len(searched)
        fact["from"] = before[0] if before else None
    facts |= {name: reference_row.facts_of(run, name, job.main) for name in references}
    summary = {
        "schema": SCHEMA,
        "experiment": job.main.experiment,
        "seed": job.main.seed,
        "outer_steps": job.main.outer.n_steps,
        "wall_s": round(wall_s, 2),
        "diverged_lives": sum(
            json.loads((row_folder(run, n) / "row.json").read_text())["diverged_lives"]
            for n in names
        ),
        "rows": facts,
        "scores": entries,
        "gap_closed": gap_closed(job, rows, metric, facts),
    }
    discovered = json.loads((row_folder(run, DISCOVERED) / "row.json").read_text())
    if "halving" in discovered:
        summary["halving"] = discovered["halving"]
    problem = job.main.meta_problem()
    theta = theta_of(run, problem)
    if job.main.slots():
        provenance = {key: summary[key] for key in ("experiment", "seed", "outer_steps")}
        document, tensors = describe_rule(
            problem.lifetime, theta, provenance=provenance, scores=entries
        )
        save_rule(run / "rule.safetensors", document, tensors)
        summary["rule"] = rule_card(document, tensors)
    folder.write_json(run / "summary.json", summary)
    return summary


def lives(runs: list[Path], names: list[str]) -> tuple[dict[str, list[np.ndarray]], str]:
    """({row: per-life values, one array per run}, metric): accuracy where the task reports it, else
    an angle where the job measures one, else the loss."""
    stored = {
        name: [load_file(row_folder(run, name) / "lives.safetensors") for run in runs]
        for name in names
    }
    common = set.intersection(*(set(s) for found in stored.values() for s in found))
    angles = sorted(name for name in common if name.startswith("angle_"))
    metric = "accuracy" if "accuracy" in common else next(iter(angles), "loss")
    return {
        name: [np.asarray(s[metric], np.float64) for s in found] for name, found in stored.items()
    }, metric


def facts_of(run: Path, name: str, config: Config) -> Plain:
    """What stands beside a score: reach and fields read, how many numbers were learned, wall time,
    the row's note.
    """
    lifetime = config.meta_problem().lifetime
    reads = sorted(frozenset().union(*lifetime.reads().values()))
    theta = theta_of(row_folder(run, name), config.meta_problem())
    lives = load_file(row_folder(run, name) / "lives.safetensors")
    mean = {key: round(float(values.mean()), 4) for key, values in lives.items()}
    told = json.loads((row_folder(run, name) / "row.json").read_text())
    return {
        "reach": reach(reads) if reads else "-",
        "feedback": name_of(type(config.feedback))
        if CREDIT_FIELDS & {f.rpartition(".")[2] for f in reads}
        else "none",
        "reads": reads,
        "learned": sum(leaf.size for leaf in jax.tree.leaves(theta)),
        "at_bound": mean["at_bound"],
        "units": {
            key: value
            for key, value in sorted(mean.items())
            if key.startswith(tuple(f"{i}_" for i in IDLE))
        },
        "faults": {name: int(lives[name].sum()) for name in FAULTS if name in lives},
        "search": told.get("search", {}),
        "wall_s": told["wall_s"],
        "note": config.note,
    }


def gap_closed(
    job: Job, rows: Mapping[str, list[np.ndarray]], metric: str, facts: Mapping[str, Plain]
) -> Plain | None:
    """How far the discovered rule gets from feedback alignment to the best backprop row of the same
    network.

    Where one of these rows failed, nobody knows: `withheld` names it and says why."""
    backprop = [
        n
        for n, c in job.rows
        if isinstance(c.feedback, Symmetric) and c.network == job.main.network
    ]
    if ALIGNMENT not in rows or not backprop:
        return None
    withheld = {}
    for name in (ALIGNMENT, *backprop, DISCOVERED):
        verdict = facts[name].get("verdict")
        if verdict and table.failed(verdict):
            withheld[name] = row_words.why(verdict)
    if withheld:
        return {"from": ALIGNMENT, "to": None, "share": None, "withheld": withheld}
    return table.gap_closed(rows, ALIGNMENT, backprop, DISCOVERED, metric)


def rule_card(document: Plain, tensors: Mapping[str, np.ndarray]) -> Plain:
    """The rule as it is told: form, widest reach, formula, coefficients."""
    slots = document["slots"].values()
    return {
        "form": ", ".join(dict.fromkeys(slot["rule"]["name"] for slot in slots)),
        "reach": max((slot["reach"] for slot in slots), key=REACHES.index),
        "formula": formula(document, tensors),
        "terms": terms(document, tensors),
    }
