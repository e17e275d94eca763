"""A rule in many worlds: one factor at a time, beside baselines that are tuned in each.

Every cell of the grid is a folder, whose rows are those of a run. So a killed grid goes on where it
was, and loses no finished row.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.registry import BadInput, NotInstalled
from metaplast.results import evaluate, table
from metaplast.results.changed_world import cell_of_scores
from metaplast.results.grid import (
    MISFIT,
    NEEDS_PACKAGE,
    About,
    Grid,
    GridCell,
    grid_to_json,
    health,
    held_against_the_first,
    one_from_json,
    one_to_json,
)
from metaplast.results.table import RowFacts
from metaplast.results.typed_json import from_plain
from metaplast.reuse.document import entries
from metaplast.reuse.load import Rule, load_rule
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import folder, saver
from metaplast.runs.config import Plain, Sources, compose, to_yaml
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Job, Run, parse
from metaplast.runs.nesting import contained
from metaplast.runs.preflight import check_splits
from metaplast.runs.provenance import imports
from metaplast.runs.row_files import LIVES as LIVES_FILE
from metaplast.runs.row_files import is_finished, publish, read_arrays, theta_of
from metaplast.runs.stopping import stoppable
from metaplast.settings.names import CONFIG, DISCOVERED, RULE_FILE
from metaplast.signals import Theta
from metaplast.training.carried import Carried, carried
from metaplast.training.diverged import Diverged
from metaplast.training.factors import Factor, Level, factors
from metaplast.training.grid_page import write_grid_page
from metaplast.training.judge import judge
from metaplast.training.row_record import RowRecord, to_json
from metaplast.training.summary import lives, trained_row
from metaplast.training.train_row import train_row

ABOUT = "about.json"
RESULT = "grid.json"
CELLS = "cells"
CELL = "cell.json"
BASE = Factor("start", (Level("as given"),))
"""The world from which a grid starts."""
_OF_ITS_PLACE = ("rule", "is_run", "imports")
"""Fields of `About` in which one rule may differ: it has several paths. The checksum tells it."""
Say = Callable[[str], None]


class GridRequest(NamedTuple):
    """The request of a grid.

    rule: a run folder, the path of a rule file, or the name of a rule.
    words: words of the config from which the grid starts.
    asked: factors, see `factors`; empty: all that have a name.
    rows: the baselines; empty: every row that learns numbers.
    budget: outer steps of the search of each baseline; None: those of the config.
    lives: held-out lives of each cell.
    out: the folder of the grid; None: `grid` in the run folder, or `grid-<rule>` here.
    modules: the plug-ins that the request imported.
    """

    rule: str
    words: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    budget: int | None = None
    lives: int = 1024
    out: Path | None = None
    modules: tuple[str, ...] = ()


class Subject(NamedTuple):
    """The rule of a grid, and the world from which it starts.

    rules: {edge: its rule}.
    rest: the parts of its theta beside the rules; {} for a rule file.
    file: the config of its run; None for a rule file.
    words: the words of the request, with its budget and its lives.
    about: the setting that all cells share.
    job: the rows in that world.
    gain: of the rule over its network at birth in that world; None where it is unknown.
    """

    rules: dict[str, Rule]
    rest: Theta
    file: Path | None
    words: tuple[str, ...]
    about: About
    job: Job
    gain: float | None = None


def make_grid(request: GridRequest, say: Say, lives_on: bool = False) -> tuple[Path, Grid]:
    """Live the cells of a grid that are not done, and write grid.json, grid.svg and report.html.

    Args:
        request: the request.
        say: shows a line of text.
        lives_on: whether the process outlives the grid, as that of a notebook does.

    The grid holds every cell of the folder: those of earlier requests too.

    Returns: the folder and the grid.
    Raises: BadInput for a request that cannot be carried out, or for a folder of another grid;
        Busy where another process works in the folder; Interrupted.
    """
    subject = subject_of(request)
    planned = [BASE, *factors(subject.job.main, request.asked)]
    path = _folder(request)
    path.mkdir(parents=True, exist_ok=True)
    with folder.locked(path), folder.logging_to(path):
        check_about(path / ABOUT, subject.about)
        folder.write_json(path / ABOUT, asdict(subject.about))
        levels = _levels(planned)
        grid = Grid(about=subject.about, cells=[])
        saver.SAVER.renew()
        with stoppable(None, saver.SAVER.save, lives_on=lives_on) as stop:
            for index, (factor, level) in enumerate(levels, 1):
                place = f"{index} of {len(levels)}: {factor} {level.label}"
                one = _cell(path, subject, factor, level, partial(say, place), stop.check)
                if index == 1 and one.health is not None:
                    subject = subject._replace(gain=one.health.over_birth.mean)
                grid = Grid(about=subject.about, cells=_cells(path, levels))
                folder.write_json(path / RESULT, grid_to_json(grid))
        write_grid_page(path, grid)
    return path, grid


def _cells(path: Path, levels: Sequence[tuple[str, Level]]) -> list[GridCell]:
    """The cells of a folder that are done: first those of a request in its order, then the others.

    All are held against the gain of the first world.
    """
    asked = [_name(factor, level) for factor, level in levels]
    others = []
    for file in sorted((path / CELLS).glob(f"*/{CELL}")):
        if file.parent.name not in asked:
            others.append(file.parent.name)
    cells = []
    for name in [*asked, *others]:
        file = path / CELLS / name / CELL
        if file.is_file():
            cells.append(one_from_json(folder.read_json(file), str(file)))
    return held_against_the_first(cells)


def _levels(planned: Sequence[Factor]) -> list[tuple[str, Level]]:
    """(Name of the factor, level) of every cell."""
    found = []
    for factor in planned:
        for level in factor.levels:
            found.append((factor.name, level))
    return found


def _folder(request: GridRequest) -> Path:
    if request.out is not None:
        return request.out
    path = Path(request.rule)
    if path.is_dir():
        return path / "grid"
    return Path(f"grid-{path.name.removesuffix('.safetensors')}")


def subject_of(request: GridRequest) -> Subject:
    """The rule of a request, and the world from which its grid starts.

    Raises: BadInput for a rule that cannot be read, for words that do not compose, for a rule file
        without a word, and for unknown rows.
    """
    run = Path(request.rule)
    file = None
    path: Any = request.rule
    if run.is_dir():
        file = run / CONFIG
        path = run / RULE_FILE
    elif not request.words:
        raise BadInput(f"{request.rule} without a task", "experiment=NAME", "name an experiment")
    words = [*request.words, f"evaluation.heldout={request.lives}"]
    if request.budget is not None:
        words.append(f"outer.steps={request.budget}")
    plain = compose(words, Sources(), file)
    whole = parse(plain, check=False)
    rows = _baselines(whole, request.rows)
    job = parse(_narrowed(plain, rows))
    jax.config.update("jax_enable_x64", job.main.precision == "float64")
    rest: Theta = {}
    searched = None
    if file is not None:
        trained = parse(compose((), Sources(), file)).main
        rest = theta_of(run, trained.meta_problem())
        rest = {name: part for name, part in rest.items() if name != "rules"}
        searched = trained.outer.n_steps
    rules, sha256, provenance = _rules(path)
    check_seed(job.main.seed, provenance)
    about = About(
        rule=request.rule,
        sha256=sha256,
        base=hashlib.sha256(json.dumps(job.plain, sort_keys=True).encode()).hexdigest(),
        setting=list(request.words),
        rows=rows,
        searched=searched or provenance.get("outer_steps"),
        budget=job.main.outer.n_steps,
        lives=request.lives,
        is_run=run.is_dir(),
        imports=imports([run], request.modules),
    )
    return Subject(rules, rest, file, tuple(words), about, job)


def check_seed(seed: int, provenance: Plain) -> None:
    """Check that a grid has the split of the data on which its rule was searched.

    Args:
        seed: the seed of the grid.
        provenance: the origin of the rule.

    Raises: BadInput for another seed: its held-out lives may show what the search saw.
    """
    searched = provenance.get("seed")
    if isinstance(searched, int) and searched != seed:
        raise BadInput(
            f"seed={seed}",
            f"{searched}, the seed of the search: held-out lives of another split may show "
            "examples that the search saw",
            f"leave it out, or write seed={searched}",
        )


def _rules(path: Any) -> tuple[dict[str, Rule], str, Plain]:
    """({edge: its rule}, the checksum of the file, its provenance)."""
    file = read_rule(path)
    rules = {}
    sha256 = ""
    for entry in entries(file.document).values():
        rule = load_rule(path, entry.edges[0])
        sha256 = rule.sha256
        for edge in entry.edges:
            rules[edge] = rule
    return rules, sha256, file.document["provenance"]


def _baselines(job: Job, asked: Sequence[str]) -> list[str]:
    """The rows that are tuned in every cell. Raises: BadInput for an unknown row."""
    known = []
    for name, config in job.rows[1:]:
        form = jax.eval_shape(config.meta_problem().init, jax.random.key(0))
        if jax.tree.leaves(form) and DISCOVERED not in job.before(name):
            known.append(name)
    unknown = sorted(set(asked) - set(known))
    if unknown:
        listed = ", ".join(known) or "no row: none beside the rule learns a number"
        raise BadInput(f"--row {unknown[0]}", f"one of {listed}", "correct the name")
    wanted = []
    for name in known:
        starts = [other for other in known if other in asked and name in job.before(other)]
        if not asked or name in asked or starts:
            wanted.append(name)
    return wanted


def _narrowed(plain: Plain, rows: Sequence[str]) -> Plain:
    """The config with some rows alone, and without references."""
    kept = {}
    for name, row in (plain.get("rows") or {}).items():
        if name in rows:
            kept[name] = row
    evaluation = {**(plain.get("evaluation") or {}), "references": {}, "prototype": False}
    return {**plain, "rows": kept, "evaluation": evaluation}


def check_about(path: Path, about: About) -> None:
    """Check that a folder may hold a grid: it has none yet, or one of the same setting.

    Args:
        path: the file with the setting of the grid that the folder holds.
        about: the setting.

    Raises: BadInput where the folder holds a grid of another setting.
    """
    if not path.is_file():
        return
    old = from_plain(About, folder.read_json(path), str(path))
    for name, value in asdict(about).items():
        if name not in _OF_ITS_PLACE and value != getattr(old, name):
            raise BadInput(
                f"{path.parent} holds a grid of another {name}: {getattr(old, name)}",
                f"{name} {value}",
                "choose another --out, or remove the folder",
            )


def _cell(
    path: Path,
    subject: Subject,
    factor: str,
    level: Level,
    begin: Callable[[], None],
    check: Callable[[], None],
) -> GridCell:
    """A cell of the grid: from its file where it is done, else lived now.

    A refused cell is tried again: its reason may be gone, such as a package that was not there.

    Args:
        path: the folder of the grid.
        subject: the rule, and the world from which the grid starts.
        factor: the name of the factor.
        level: its level.
        begin: is called before a life.
        check: is called at good places to end.
    """
    at = path / CELLS / _name(factor, level)
    file = at / CELL
    if file.is_file():
        done = one_from_json(folder.read_json(file), str(file))
        if not done.refused:
            return done
    check()
    begin()
    started = time.monotonic()
    empty = GridCell(factor=factor, level=level.label, words=list(level.words))
    if level.refused:
        found = replace(empty, refused=level.refused, refusal=level.refusal)
    else:
        try:
            found = _lived(at, subject, empty, level.note, check)
        except BadInput as error:
            refusal = NEEDS_PACKAGE if isinstance(error, NotInstalled) else MISFIT
            found = replace(empty, refused=str(error), refusal=refusal)
    found = replace(found, wall_s=round(time.monotonic() - started, 2))
    at.mkdir(parents=True, exist_ok=True)
    folder.write_json(file, one_to_json(found))
    search_loop.forget()
    return found


def _name(factor: str, level: Level) -> str:
    """The name of the folder of a cell: a readable piece, and a digest of its words."""
    words = " ".join([factor, level.label, *level.words])
    readable = re.sub(r"[^\w.=-]+", "_", f"{factor}-{level.label}", flags=re.ASCII)[:40]
    return f"{readable.strip('._-')}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _lived(
    at: Path, subject: Subject, empty: GridCell, note: str, check: Callable[[], None]
) -> GridCell:
    """A cell whose rule lives in its world, and whose baselines are tuned there.

    Raises: BadInput where the rule or a baseline cannot live there.
    """
    plain = compose([*subject.words, *empty.words], Sources(), subject.file)
    job = parse(_narrowed(plain, subject.about.rows))
    text = to_yaml(job.plain)
    if (at / CONFIG).is_file() and (at / CONFIG).read_text(encoding="utf-8") != text:
        shutil.rmtree(at)  # its words mean another world now, such as a file that was changed
    check_splits(job.main)
    jax.config.update("jax_enable_x64", job.main.precision == "float64")
    brought = carried(subject.rules, subject.rest, job.main)
    at.mkdir(parents=True, exist_ok=True)
    folder.write_text(at / CONFIG, text)
    _judge_rule(at, brought, job)
    failed = {}
    run = Run(at, job, job)
    for name in subject.about.rows:
        try:
            train_row([run], name, lambda *_: check())
        except Diverged:
            failed[name] = "diverged"
    names = [DISCOVERED, *(name for name in subject.about.rows if name not in failed)]
    for name in names[1:]:
        losses = read_arrays(row_folder(at, name) / LIVES_FILE)["loss"]
        lost = int((~np.isfinite(losses)).sum())
        if lost:
            failed[name] = f"not finite in {lost} of {len(losses)} lives"
    judged = lives([at], names)
    scores = table.scores(judged.rows, judged.metric, DISCOVERED)
    facts = {}
    verdicts = judge(at, job, contained(job.rows))
    for name in names:
        problem = brought.problem if name == DISCOVERED else job.row(name).meta_problem()
        row = trained_row(row_folder(at, name), problem, job.row(name))
        facts[name] = RowFacts(row)
        verdict = verdicts[name]
        if name != DISCOVERED and verdict is not None and table.failed(verdict):
            failed[name] = verdict.state
    birth = _at_birth(brought, job)[judged.metric]
    return replace(
        empty,
        notes=[*filter(None, [note]), *brought.notes],
        cell=cell_of_scores(empty.words, [job.main.seed], scores, facts, DISCOVERED),
        health=health(read_arrays(at / LIVES_FILE), birth, judged.metric, subject.gain),
        failed=failed,
    )


def _judge_rule(at: Path, brought: Carried, job: Job) -> None:
    """Judge the rule as it is on held-out lives, and write its row."""
    if is_finished(at):
        return
    started = time.monotonic()
    config = job.main
    evaluation = config.evaluation
    n, piece = evaluation.heldout, evaluation.piece
    scores = evaluate.lives(brought.problem, brought.theta, config.seed, "heldout", n, piece)
    wall_s = round(time.monotonic() - started, 2)
    publish(at, brought.theta, scores, to_json(RowRecord(DISCOVERED, wall_s=wall_s)))


def _at_birth(brought: Carried, job: Job) -> dict[str, np.ndarray]:
    """The values of the same network without plasticity, on the same lives."""
    lifetime = replace(brought.problem.lifetime, slots=())
    problem = replace(brought.problem, lifetime=lifetime)
    theta = {**brought.theta, "rules": {}}
    evaluation = job.main.evaluation
    n, piece = evaluation.heldout, evaluation.piece
    return evaluate.lives(problem, theta, job.main.seed, "heldout", n, piece)
