"""The summary of a finished run: made from its rows, written to summary.json, and read back."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.feedback.symmetric import Symmetric
from metaplast.language.grammar import REACHES, reach
from metaplast.life.units import FAULTS
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.held import held_of, without
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import name_of
from metaplast.results import table
from metaplast.results.summary import (
    FILE,
    AutoChoice,
    GapClosed,
    Row,
    RowScore,
    RuleCard,
    RunSummary,
    TrainedRow,
    from_json,
    score_to_json,
    to_json,
)
from metaplast.results.typed_json import Plain
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula, terms
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, Job
from metaplast.runs.nesting import contained
from metaplast.runs.row_files import LIVES, read_arrays, theta_of
from metaplast.settings.names import DISCOVERED, RULE_FILE
from metaplast.signals import CREDIT_FIELDS, SYNAPTIC_CREDIT
from metaplast.training import reference_row, row_words
from metaplast.training.judge import judge
from metaplast.training.row_record import read_record
from metaplast.wiring import Wiring

ALIGNMENT = "feedback_alignment"
IDLE = ("silent", "saturated")


def write_summary(run: Path, summary: RunSummary) -> None:
    """Write summary.json into a run folder."""
    folder.write_json(run / FILE, to_json(summary))


def read_summary(run: Path) -> RunSummary:
    """Read summary.json of a run folder, also one that an earlier version wrote.

    Raises: BadInput for a file of another form.
    """
    return from_json(folder.read_json(run / FILE), f"{run / FILE}")


def summarise(run: Path, job: Job, wall_s: float) -> RunSummary:
    """Write summary.json and rule.safetensors from the finished rows of a run."""
    names = [*dict(job.rows), *dict(job.main.references())]
    values = lives([run], names)
    scores = table.scores(values.rows, values.metric, DISCOVERED)
    rows = _rows(run, job)
    records = {}
    for name in names:
        records[name] = read_record(row_folder(run, name))
    summary = RunSummary(
        experiment=job.main.experiment,
        seed=job.main.seed,
        outer_steps=job.main.outer.n_steps,
        auto=auto_choice(job.main.outer),
        wall_s=round(wall_s, 2),
        diverged_lives=sum(record.diverged_lives for record in records.values()),
        rows=rows,
        scores=scores,
        gap_closed=gap_closed(job, values, rows),
        halving=records[DISCOVERED].halving,
        rule=_write_rule(run, job.main, scores) if job.main.slots() else None,
    )
    write_summary(run, summary)
    return summary


def auto_choice(outer: AbstractOuterLoop) -> AutoChoice | None:
    """The choice of outer loop auto; None for another loop, and where no choice was made."""
    made: Any = outer
    if name_of(type(outer)) != "auto" or not made.reason:
        return None
    return AutoChoice(name_of(type(made.chosen)), made.reason, list(made.measured))


class HeldoutLives(NamedTuple):
    """Per-life values of rows on held-out lives.

    rows: {row: values [n_lives], one array per run}.
    metric: accuracy where the task reports it, else an angle where the job measures one, else loss.
    """

    rows: dict[str, list[np.ndarray]]
    metric: str


def lives(runs: list[Path], names: list[str]) -> HeldoutLives:
    """The held-out lives of rows, in the metric that all of them have."""
    stored = {}
    metrics = []
    for name in names:
        stored[name] = []
        for run in runs:
            arrays = read_arrays(row_folder(run, name) / LIVES)
            stored[name].append(arrays)
            metrics.append(set(arrays))
    common = set.intersection(*metrics)
    angles = []
    for name in sorted(common):
        if name.startswith("angle_"):
            angles.append(name)
    metric = "loss"
    if "accuracy" in common:
        metric = "accuracy"
    elif angles:
        metric = angles[0]
    rows = {}
    for name, of_row in stored.items():
        rows[name] = []
        for arrays in of_row:
            rows[name].append(np.asarray(arrays[metric], np.float64))
    return HeldoutLives(rows, metric)


def _rows(run: Path, job: Job) -> dict[str, Row]:
    """The facts about every row, references last."""
    nested = contained(job.rows)
    verdicts = judge(run, job, nested)
    trained = {}
    for name, config in job.rows:
        trained[name] = trained_row(row_folder(run, name), config.meta_problem(), config)
    rows: dict[str, Row] = {}
    for name, row in trained.items():
        before = job.before(name)
        searched = []
        for each in (name, *before):
            if trained[each].learned:
                searched.append(each)
        rows[name] = replace(
            row,
            contains=nested[name],
            verdict=verdicts[name],
            budget=job.main.outer.n_steps * len(searched),
            origin=next(iter(before), None),
        )
    for name in dict(job.main.references()):
        rows[name] = reference_row.facts_of(run, name, job.main)
    return rows


def trained_row(folder: Path, problem: MetaProblem, config: Config) -> TrainedRow:
    """The facts about one finished row, without those that other rows decide.

    Args:
        folder: the folder of the row.
        problem: the problem in which it was judged.
        config: the config of the row.
    """
    moved = without(held_of(config.slots()), theta_of(folder, problem))
    reads = sorted(frozenset().union(*problem.lifetime.reads().values()))
    has_credit = False
    for field in reads:
        if field.rpartition(".")[2] in CREDIT_FIELDS | {SYNAPTIC_CREDIT}:
            has_credit = True
    heldout = read_arrays(folder / LIVES)
    means = {}
    for key, values in heldout.items():
        means[key] = round(float(values.mean()), 4)
    faults = {}
    for fault in FAULTS:
        if fault in heldout:
            faults[fault] = int(heldout[fault].sum())
    record = read_record(folder)
    feedback = "none"
    if has_credit:
        feedback = name_of(type(config.feedback))
    wiring = problem.lifetime.wiring()
    return TrainedRow(
        reach=reach(reads) if reads else "-",
        feedback=feedback,
        reads=reads,
        learned=sum(leaf.size for leaf in jax.tree.leaves(moved)),
        at_bound=means["at_bound"],
        units=_idle_units(means),
        faults=faults,
        spiking=_spiking(wiring),
        output=wiring.populations[-1].name,
        search=record.search,
        wall_s=record.wall_s,
        note=config.note,
    )


def _spiking(wiring: Wiring) -> list[str]:
    """The populations of spiking units that an edge drives."""
    names = []
    for population in wiring.populations:
        if wiring.spikes(population) and wiring.into(population.name):
            names.append(population.name)
    return names


def _idle_units(means: Mapping[str, float]) -> dict[str, float]:
    """The shares of idle units among the mean values of a life."""
    shares = {}
    for key, value in sorted(means.items()):
        word, _, population = key.partition("_")
        if population and word in IDLE:
            shares[key] = value
    return shares


def gap_closed(job: Job, values: HeldoutLives, rows: Mapping[str, Row]) -> GapClosed | None:
    """The share that the discovered row closes of the gap between two other rows.

    The gap goes from feedback alignment to the best backprop row of the same network. Where the
    search of one of these rows failed, the share is withheld.

    Args:
        job: of the run.
        values: on held-out lives.
        rows: the facts about every row, with their verdicts.

    Returns: None where the table has no such rows, or the main rule is under backprop itself.
    """
    if isinstance(job.main.feedback, Symmetric):
        return None
    backprop = []
    for name, config in job.rows:
        if isinstance(config.feedback, Symmetric) and config.network == job.main.network:
            backprop.append(name)
    if ALIGNMENT not in values.rows or not backprop:
        return None
    withheld = {}
    for name in (ALIGNMENT, *backprop, DISCOVERED):
        row = rows[name]
        if isinstance(row, TrainedRow) and row.verdict and table.failed(row.verdict):
            withheld[name] = row_words.why(row.verdict)
    if withheld:
        return GapClosed(ALIGNMENT, None, None, withheld)
    return table.gap_closed(values.rows, ALIGNMENT, backprop, DISCOVERED, values.metric)


def _write_rule(run: Path, config: Config, scores: list[RowScore]) -> RuleCard:
    """Write rule.safetensors; the rule in words."""
    problem = config.meta_problem()
    provenance = {
        "experiment": config.experiment,
        "seed": config.seed,
        "outer_steps": config.outer.n_steps,
    }
    document, tensors = describe_rule(
        problem.lifetime,
        theta_of(run, problem),
        provenance=provenance,
        scores=list(map(score_to_json, scores)),
        ancestry=config.ancestors(),
    )
    save_rule(run / RULE_FILE, document, tensors)
    return rule_card(document, tensors)


def rule_card(document: Plain, tensors: Mapping[str, np.ndarray]) -> RuleCard:
    """The rule of a rule file in words."""
    slots = document["slots"].values()
    forms = []
    reaches = []
    for slot in slots:
        reaches.append(slot["reach"])
        if slot["rule"]["name"] not in forms:
            forms.append(slot["rule"]["name"])
    return RuleCard(
        form=", ".join(forms),
        reach=max(reaches, key=REACHES.index),
        formula=formula(document, tensors),
        terms=terms(document, tensors),
    )
