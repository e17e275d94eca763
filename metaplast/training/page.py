"""What `metaplast inspect` writes on finished runs: report.html, figures/ and inspect.json."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from metaplast.figures import coefficient_paths, learning_curves, scores, training_loss
from metaplast.figures.section import Part
from metaplast.report.page import Figure, Page, Section, Table
from metaplast.report.rule import rule_parts, write
from metaplast.results import coefficients, curves, table
from metaplast.results.numbers import text
from metaplast.results.summary import (
    ReferenceRow,
    RunSummary,
    TrainedRow,
    gap_to_json,
    halving_to_json,
    score_to_json,
    verdict_to_json,
)
from metaplast.results.table import RowFacts
from metaplast.reuse.ask import whole
from metaplast.reuse.describe import plain
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import RuleFile, read_rule
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Job, parse
from metaplast.runs.metrics import read
from metaplast.runs.row_files import theta_of
from metaplast.runs.same_setting import finished
from metaplast.settings.names import DISCOVERED
from metaplast.training.pool import Pool
from metaplast.training.pool import pool as pool_of
from metaplast.training.summary import read_summary
from metaplast.training.summary_text import gap_words

OURS = (DISCOVERED, "discovered_synapse")
"""The rows that figures draw in the colour of the searched rule."""

Plain = dict[str, Any]
Tick = Callable[[str, int, int], None]


class Run(NamedTuple):
    """A finished run as it is read; `rule` is None where nothing was plastic."""

    path: Path
    job: Job
    summary: RunSummary
    rule: RuleFile | None


def inspect_runs(
    paths: Sequence[Path], out: Path | None, n_lives: int, tick: Tick = lambda *_: None
) -> list[Path]:
    """The page of one or several finished runs of one experiment; the files written. n_lives 0: no
    curves.

    Raises: BadInput for what is no finished run, or for runs that differ in more than their seed.
    """
    runs = [_read(path) for path in paths]
    pool = pool_of(list(paths))
    target = out or default_out(runs)
    pictures = target / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Part] = {"scores": _scores(runs, pool, pictures)}
    parts["curves"] = _curves(runs, n_lives, pictures, tick)
    parts["training"] = _training(runs, pictures)
    found = [run.rule for run in runs if run.rule]
    if found:
        drawn = rule_parts(
            found, [run.path / "rule.safetensors" for run in runs], _words_on_seed(runs), pictures
        )
        surfaces = {"surfaces": drawn.pop("surfaces")}
        parts |= drawn | _path_part(runs, found, pictures) | surfaces
    limits = Section("What this page does not show", _limits(runs, n_lives, pool))
    experiment = runs[0].summary.experiment or "a run"
    seeds = ", ".join(str(run.summary.seed) for run in runs)
    title = f"{experiment}, seed{'s' if len(runs) > 1 else ''} {seeds}"
    formulas = Section("The rule", formulas=[_formula(run) for run in runs if run.rule])
    head = (
        [formulas] if found else [Section("The rule", ["Nothing was plastic: there is no rule."])]
    )
    page = Page(title, _facts(runs), [*head, *(section for section, _ in parts.values()), limits])
    about = {
        "experiment": experiment,
        "seeds": [run.summary.seed for run in runs],
        "runs": [r.path.name for r in runs],
    }
    return write(target, page, {**about, **{name: numbers for name, (_, numbers) in parts.items()}})


def default_out(runs: Sequence[Run]) -> Path:
    """One run: its own folder. Several: `inspect-<experiment>-<seeds>` beside the first."""
    if len(runs) == 1:
        return runs[0].path
    seeds = (
        "-".join(str(run.summary.seed) for run in runs)
        if len(runs) < 10
        else f"{len(runs)}-runs"
    )
    experiment = re.sub(r"\W+", "_", runs[0].job.main.experiment)[:60] or "run"
    return runs[0].path.resolve().parent / f"inspect-{experiment}-{seeds}"


def _read(path: Path) -> Run:
    config, file = finished(path), path / "rule.safetensors"
    rule = whole(read_rule(file)) if file.is_file() else None
    return Run(path, parse(config, check=False), read_summary(path), rule)


def _facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    summary = runs[0].summary
    discovered = summary.rows[DISCOVERED]
    transport = (
        "; reads W^T post, activity carried back through the forward weights"
        if any("returned" in f for f in discovered.reads)
        else ""
    )
    versions = (
        json.loads((runs[0].path / "environment.json").read_text())
        if (runs[0].path / "environment.json").is_file()
        else {}
    )
    skipped = sum(run.summary.diverged_lives for run in runs)
    facts = [
        ("experiment", str(summary.experiment or "-")),
        ("seeds", ", ".join(str(run.summary.seed) for run in runs)),
        ("outer steps", str(summary.outer_steps)),
        ("reach", f"{discovered.reach}{transport}"),
        ("reads", ", ".join(discovered.reads) or "-"),
        ("feedback", discovered.feedback),
        ("learned numbers", str(discovered.learned)),
        ("training lives left out", f"{skipped} (not finite)" if skipped else "none"),
        ("note", runs[0].job.main.note),
        (
            "versions",
            ", ".join(f"{name} {value}" for name, value in versions.items()) or "not recorded",
        ),
    ]
    return [(name, value) for name, value in facts if value]


def _formula(run: Run) -> str:
    assert run.rule is not None
    return f"seed {run.summary.seed}\n{formula(run.rule.document, run.rule.tensors)}"


def _scores(runs: Sequence[Run], pool: Pool, pictures: Path) -> Part:
    head, *rows = table.cells(pool.scores, pool.facts, DISCOVERED)
    blown = [
        f"{score.name}: {score.not_finite} lives are not finite."
        for score in pool.scores
        if score.not_finite
    ]
    notes = [(name, note) for name, fact in pool.facts.items() if (note := _note(fact))]
    several = f"t intervals over {len(runs)} splits (runs)"
    over = (
        several if len(runs) > 1 else "bootstrap intervals over lives; one run, so not over splits"
    )
    tables = [Table(f"Scores on held-out lives; 95 % {over}", head, rows)]
    if len(runs) > 1:
        seeds = [f"seed {run.summary.seed}" for run in runs]
        rows = [
            (name, *(f"{value:.4g}" for value in values)) for name, values in pool.means.items()
        ]
        tables.append(Table(f"Mean {pool.metric} in each run", ("row", *seeds), rows))
    tables += [Table("Rows", ("row", "what it is"), notes)] if notes else []
    drawn = []
    if len(pool.scores) > 1 and any(score.mean is not None for score in pool.scores):
        path = pictures / "scores.png"
        labels = {name: table.marked(name, fact) for name, fact in pool.facts.items()}
        scores.draw(pool.scores, path, OURS, labels)
        shown = [
            f"{labels.get(score.name, score.name)} {text(score.mean)}" for score in pool.scores
        ]
        alt = f"{pool.metric} per row: " + ", ".join(shown)
        drawn = [
            Figure(path, alt, "Each row's mean with its 95 % interval, in the order of the table.")
        ]
    words = [gap_words(pool.gap)] if pool.gap else []
    words += table.ahead(pool.scores, pool.facts, DISCOVERED)
    numbers = {
        "metric": pool.metric,
        "table": [score_to_json(score) for score in pool.scores],
        "gap_closed": gap_to_json(pool.gap),
        "means": pool.means,
    }
    numbers["halving"] = {}
    for run in runs:
        result = run.summary.halving
        measured = halving_to_json(result) if result is not None else None
        numbers["halving"][str(run.summary.seed)] = measured
    numbers["verdicts"] = {
        name: verdict_to_json(fact.verdict) for name, fact in pool.facts.items()
    }
    return Section(
        "Scores", [*words, *pool.words, *pool.dt, *blown], figures=drawn, tables=tables
    ), plain(numbers)


def _note(facts: RowFacts) -> str:
    """The row's own words, and its cost where that is more than its own search."""
    row = facts.row
    origin = ""
    if isinstance(row, TrainedRow) and row.origin:
        origin = f"starts from {row.origin}, {row.budget} outer steps in all"
    return "; ".join(words for words in (row.note, origin) if words)


def _curves(runs: Sequence[Run], n_lives: int, pictures: Path, tick: Tick) -> Part:
    """Each row's lives are lived anew under its stored theta: one compiled program per row."""
    if not n_lives:
        words = (
            "Not computed when the run ended, to save time. `metaplast inspect RUN_DIR` adds "
            "the curves to this page."
        )
        return Section("Learning within a life", [words]), {}
    n = min(n_lives, runs[0].job.main.evaluation.heldout)
    phases = runs[0].job.main.task.shape().phases
    h = curves.half_width(sum(length for length, _ in phases))
    names = [name for name, _ in runs[0].job.rows]
    bands: dict[str, dict[str, curves.Band]] = {}
    blown = {}
    for index, name in enumerate(names):
        lived = []
        for run in runs:
            config = run.job.row(name)
            jax.config.update("jax_enable_x64", config.precision == "float64")
            problem = config.meta_problem()
            lived.append(
                curves.per_step(
                    problem, theta_of(row_folder(run.path, name), problem), config.seed, n
                )
            )
        blown[name] = sum(curves.n_blown(steps["loss"]) for steps in lived)
        for metric in lived[0]:
            bands.setdefault(metric, {})[name] = curves.band(
                [steps[metric] for steps in lived], phases, h
            )
        tick("learning curves", index + 1, len(names))
    facts = {"n_lives": n, "n_runs": len(runs), "width": 2 * h + 1, "blown": blown}
    return learning_curves.part(bands, phases, facts, pictures, OURS)


def _training(runs: Sequence[Run], pictures: Path) -> Part:
    losses = {
        name: [
            v
            for v in (r["loss"] for r in read(row_folder(runs[0].path, name) / "metrics.jsonl"))
            if not isinstance(v, str)
        ]
        for name, _ in runs[0].job.rows
    }
    if not any(losses.values()):
        return Section("Meta-training", ["Nothing was trained."]), {}
    path = pictures / "training.png"
    training_loss.draw(losses, path, OURS)
    alt = "Loss on training lives over outer steps; at the end: " + ", ".join(
        f"{n} {v[-1]:.3g}" for n, v in losses.items() if v
    )
    caption = "Loss on training lives, running median over a twentieth of the run." + (
        f" Seed {runs[0].summary.seed} alone." if len(runs) > 1 else ""
    )
    return Section("Meta-training", figures=[Figure(path, alt, caption)]), {"loss": losses}


def _path_part(runs: Sequence[Run], files: Sequence[RuleFile], pictures: Path) -> dict[str, Part]:
    """Where every run recorded its numbers at every outer step."""
    logs = [
        [row["theta"] for row in read(run.path / "metrics.jsonl") if "theta" in row] for run in runs
    ]
    title = "The way there: coefficients over meta-training"
    if not all(logs):
        words = (
            "Not recorded: the rule learns nothing, has too many numbers, or the run is older "
            "than the record."
        )
        return {"path": (Section(title, [words]), {})}
    if any(
        len(log[0]) != sum(x.size for x in file.tensors.values())
        for file, log in zip(files, logs, strict=True)
    ):
        words = (
            "Not shown: the form of the rule was searched too; numbers of other steps belong "
            "to other formulas."
        )
        return {"path": (Section(title, [words]), {})}
    found = [
        coefficients.path(file.document, file.tensors, log)
        for file, log in zip(files, logs, strict=True)
    ]
    if not any(any(each.values()) for each in found[0]):
        return {}
    seeds = [run.summary.seed for run in runs]
    return {
        "path": coefficient_paths.part(
            [terms for terms, _ in found], [c for _, c in found], seeds, pictures
        )
    }


def _limits(runs: Sequence[Run], n_lives: int, pool: Pool) -> list[str]:
    lives = min(n_lives, runs[0].job.main.evaluation.heldout)
    scored = pool.scores[0].n
    one = "One seed: every interval covers lives, not seeds; another seed may give another rule."
    several = f"{len(runs)} seeds: intervals over seeds rest on {len(runs)} values."
    words = [one if len(runs) == 1 else several]
    if lives:
        words.append(
            f"Curves are of the first {lives} held-out lives of a run, the scores of {scored} in "
            f"all; bands are "
            "pointwise, not of whole curves."
        )
    outside = [
        name for name, fact in pool.facts.items() if isinstance(fact.row, ReferenceRow)
    ]
    if lives and outside:
        words.append(f"References have no curve within a life: {', '.join(outside)}.")
    words.append(
        "Not shown: time scales, ablations, distances to known rules, other tasks, and what theta "
        "holds beside the "
        "rules (initial gains, learned feedback)."
    )
    return words


def _words_on_seed(runs: Sequence[Run]) -> str:
    return f"The rule of seed {runs[0].summary.seed} is drawn." if len(runs) > 1 else ""
