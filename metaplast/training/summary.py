"""What a finished run says: summary.json, the rule file, and the text printed at the end."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors.numpy import load_file

from metaplast.feedback.symmetric import Symmetric
from metaplast.language.grammar import REACHES, reach
from metaplast.life.units import FAULTS
from metaplast.registry import BadInput, name_of
from metaplast.results import table
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula, terms
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job, read_job
from metaplast.runs.nesting import contained
from metaplast.runs.row_files import theta_of
from metaplast.runs.same_setting import worlds
from metaplast.settings.names import DISCOVERED
from metaplast.signals import CREDIT_FIELDS
from metaplast.training import reference_row, row_words
from metaplast.training.judge import judge

SCHEMA = "metaplast.summary/1"
ALIGNMENT = "feedback_alignment"
CLIPPED = 0.05  # the share of weights at a bound, or of idle units, that is worth a line
IDLE = ("silent", "saturated")
OURS = (DISCOVERED, "discovered_synapse")
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


class Pool(NamedTuple):
    """One or several runs of one experiment: scores and gap as in summary.json, facts per row, the
    means of every row in each run, a line for every search that needs one, and one on what half of
    dt does (none: not measured).
    """

    metric: str
    scores: list[Plain]
    facts: Plain
    gap: Plain | None
    means: dict[str, list[float]]
    words: list[str]
    dt: list[str]


def pool(runs: list[Path]) -> Pool:
    """What finished runs of one experiment say together: t intervals over runs (splits).

    Raises: BadInput for what is no finished run, or runs that differ in more than their seed.
    """
    if other := list(worlds(runs))[1:]:
        raise BadInput(
            f"runs that differ in {other[0]}",
            "runs that differ in their seed",
            "take them one by one",
        )
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    seeds = [s["seed"] for s in summaries]
    if len(set(seeds)) < len(seeds):
        raise BadInput(
            f"{len(runs)} runs of seeds {seeds}", "distinct seeds", "name every run once"
        )
    rows, metric = lives(runs, [entry["name"] for entry in summaries[0]["scores"]])
    job = read_job(runs[0])
    means = {name: [float(group.mean()) for group in groups] for name, groups in rows.items()}
    facts = row_words.over_runs(summaries)
    gap = gap_closed(job, rows, metric, facts)
    words = row_words.lines(summaries, facts)
    dt = row_words.on_dt(summaries)
    return Pool(metric, table.scores(rows, metric, DISCOVERED), facts, gap, means, words, dt)


def pooled(runs: list[Path]) -> str:
    """The table over several finished runs of one experiment, and every row's score in each.
    Raises: as `pool`.
    """
    found = pool(runs)
    parts = [table.render(found.scores, found.facts, DISCOVERED)]
    if found.gap:
        parts.append(say_gap(found.gap))
    parts += [*found.words, *found.dt]
    parts += table.ahead(found.scores, found.facts, DISCOVERED)
    kind = (
        f"t intervals over {len(runs)} splits"
        if len(runs) > 1
        else "bootstrap intervals over lives of one split"
    )
    parts.append(f"95 % {kind}. Per seed, {found.metric}:")
    widest = max(map(len, found.means))
    parts.append(
        "\n".join(
            f"{n.ljust(widest)}  " + "  ".join(f"{m:.3f}" for m in v)
            for n, v in found.means.items()
        )
    )
    return "\n\n".join(parts)


def rule_card(document: Plain, tensors: Mapping[str, np.ndarray]) -> Plain:
    """The rule as it is told: form, widest reach, formula, coefficients."""
    slots = document["slots"].values()
    return {
        "form": ", ".join(dict.fromkeys(slot["rule"]["name"] for slot in slots)),
        "reach": max((slot["reach"] for slot in slots), key=REACHES.index),
        "formula": formula(document, tensors),
        "terms": terms(document, tensors),
    }


def render(run: Path) -> str:
    """What `metaplast train` prints at the end."""
    summary = json.loads((run / "summary.json").read_text())
    facts = row_words.over_runs([summary])
    parts = [table.render(summary["scores"], facts, DISCOVERED)]
    if gap := summary["gap_closed"]:
        parts.append(say_gap(gap))
    parts += [*row_words.lines([summary], facts), *row_words.on_dt([summary])]
    parts += table.ahead(summary["scores"], summary["rows"], DISCOVERED)
    unless = (
        " (but for rows that start from others)"
        if any(f.get("from") for f in summary["rows"].values())
        else ""
    )
    parts.append(
        f"Every trained row: same task, outer loop and budget{unless}; candidates chosen on "
        f"validation lives; scored "
        f"on the same {summary['scores'][0]['n']} held-out lives, opened once. One seed, so "
        f"intervals cover lives, "
        "not splits."
    )
    for name, fact in summary["rows"].items():
        if fact.get("at_bound", 0.0) > CLIPPED:
            parts.append(
                f"{name}: {100 * fact['at_bound']:.0f} % of its weights end at their bound "
                f"(clipped)."
            )
        for word in IDLE:
            many = {
                k.removeprefix(f"{word}_"): v
                for k, v in fact.get("units", {}).items()
                if k.startswith(word)
            }
            if told := ", ".join(f"{100 * v:.0f} % of {k}" for k, v in many.items() if v > CLIPPED):
                parts.append(f"{name}: units that are {word} through a whole life: {told}.")
        if told := ", ".join(
            f"{n} {word} ({FAULTS[word]})" for word, n in fact.get("faults", {}).items() if n
        ):
            parts.append(f"{name}: of its {summary['scores'][0]['n']} lives, {told}.")
    if summary["diverged_lives"]:
        parts.append(
            f"{summary['diverged_lives']} training lives were not finite and were left out."
        )
    if rule := summary.get("rule"):
        transport = (
            "; reads W^T post"
            if any("returned" in f for f in summary["rows"][DISCOVERED]["reads"])
            else ""
        )
        parts.append(
            f"{rule['formula']}\nreach: {rule['reach']}{transport}; feedback: "
            f"{summary['rows'][DISCOVERED]['feedback']}"
        )
    files = {"summary": [run / "summary.json"], "rule": [run / "rule.safetensors"] if rule else []}
    files["figure"] = sorted((run / "figures").glob("*.png"))
    files["report"] = [run / "report.html"] if (run / "report.html").is_file() else []
    parts.append("\n".join(f"{kind:8} {path}" for kind, paths in files.items() for path in paths))
    return "\n\n".join(parts)


def say_gap(gap: Plain) -> str:
    """How far the discovered rule gets from feedback alignment to backprop, in words; or which rows
    forbid it.
    """
    if withheld := gap.get("withheld"):
        reasons = "; ".join(f"{name} is {reason}" for name, reason in withheld.items())
        return f"No share of a gap and no best backprop row is named: {reasons}."
    if gap["share"] is None:
        return (
            f"{gap['to']}, the best backprop row, is no better than {gap['from']}: there is no "
            f"gap to close."
        )
    share = f"{100 * gap['share']:.0f} %"
    return (
        f"The discovered rule closes {share} of the gap from {gap['from']} to {gap['to']} "
        f"(best backprop row)."
    )
