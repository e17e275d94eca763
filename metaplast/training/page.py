"""The page of `metaplast inspect` on finished runs: report.html, figures/ and inspect.json."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from metaplast.diagnosis.advice import EVOLUTION
from metaplast.figures import (
    changed_worlds,
    coefficient_paths,
    gains,
    scores,
)
from metaplast.figures import front as front_figure
from metaplast.figures import plateaus as plateaus_figure
from metaplast.figures.gallery import OF_RULES
from metaplast.figures.section import PagePart, unmade
from metaplast.figures.style import Picture, kept
from metaplast.inspection import plateaus, verdict
from metaplast.inspection.horizons import lasting
from metaplast.inspection.lived import spiking_populations
from metaplast.objectives.l1 import L1
from metaplast.outer import AbstractOuterLoop, inner_loops
from metaplast.registry import BadInput, Plain, name_of, nearest
from metaplast.report.page import Figure, Folded, Page, Section, Table
from metaplast.report.rule import rule_parts, rules_shown, take_key_figure, write
from metaplast.results import coefficients, table
from metaplast.results.changed_world import Cell, cell_of_scores
from metaplast.results.numbers import text
from metaplast.results.summary import (
    ReferenceRow,
    TrainedRow,
    gap_to_json,
    halving_to_json,
    score_to_json,
    verdict_to_json,
)
from metaplast.results.table import RowFacts
from metaplast.reuse.describe import plain
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import RuleFile
from metaplast.runs import metrics, provenance
from metaplast.runs.environment import recorded
from metaplast.runs.folder import read_json, row_folder
from metaplast.runs.job import Job
from metaplast.runs.metrics import METRICS
from metaplast.runs.row_files import FRONT, N_CURVES
from metaplast.settings.names import DISCOVERED, FIGURES, RULE_FILE
from metaplast.training.course import RowOfRun, curves_part, training_part
from metaplast.training.effort import PLAN, SPIKES, Effort, Findings, Tick, without
from metaplast.training.finished_run import FinishedRun, read_finished
from metaplast.training.kept_merging import merging_part
from metaplast.training.kept_transfer import cells
from metaplast.training.pool import Pool
from metaplast.training.pool import pool as pool_of
from metaplast.training.row_words import louder
from metaplast.training.summary_text import gap_words

if TYPE_CHECKING:
    from metaplast.training.inspected import Inspected

OURS = (DISCOVERED, "discovered_synapse")
"""Rows that figures draw in the colour of the searched rule."""


def inspect_runs(
    paths: Sequence[Path],
    out: Path | None,
    n_lives: int,
    tick: Tick = lambda *_: None,
    effort: Effort | None = None,
) -> list[Path]:
    """Write the page of one or several finished runs of one experiment.

    Args:
        paths: the folders of the runs.
        out: the folder of the page; None: `default_out`.
        n_lives: held-out lives behind the learning curves; 0: those that the runs stored.
        tick: a function that is called as parts get done.
        effort: the time that may be taken for parts that live the rule anew; None: the page that a
            training writes, of which a spiking network has one.

    Returns: the files of the page.
    Raises: BadInput for a folder without a finished run, and for runs that differ in more than
        their seed.
    """
    runs = []
    for path in paths:
        runs.append(read_finished(path))
    pool = pool_of(list(paths))
    target = out or default_out(runs)
    pictures = target / FIGURES
    pictures.mkdir(parents=True, exist_ok=True)
    parts: dict[str, PagePart] = {"scores": _scores(runs, pool, pictures)}
    parts["curves"] = curves_part(_course(runs), n_lives, pictures, tick, OURS)
    parts["training"] = training_part(_course(runs), pictures, OURS)
    parts |= _plateaus_part(runs, pictures)
    parts |= _front_part(runs)
    findings = Findings()
    rules = []
    formulas = []
    for run in runs:
        if run.rule is not None:
            rules.append(run.rule)
            formulas.append(_formula(run.seed, run.rule))
    in_task: dict[str, PagePart] = {}
    if _has_spikes(runs) or (rules and effort is not None):
        from metaplast.training.inspected import made  # 0.08 s; a training of rates needs none

        inspected = _inspected(runs, pool, effort, target)
        in_task = made(inspected, tick)
        findings = inspected.findings
    if rules:
        files = [run.path / RULE_FILE for run in runs]
        lifetime = runs[0].job.main.meta_problem().lifetime
        of_rules = rule_parts(rules, files, _words_on_seed(runs), pictures, lifetime)
        surfaces = {"surfaces": of_rules.pop("surfaces")}
        in_task = in_task or surfaces
        parts |= of_rules | _path_part(runs, rules, pictures) | in_task
        rule_section = _rule_section(runs, formulas)
    else:
        parts |= in_task
        rule_section = Section("The rule", ["Nothing was plastic: there is no rule."])
    longer = _longer_life(runs[0].job)
    worlds, parts["transfer"] = _transfer(runs, pool, longer, pictures)
    few_rules = merging_part(paths, [run.seed for run in runs], pictures)
    if few_rules is not None:
        parts["merging"] = few_rules
    limits = Section("What this page does not show", _limits(runs, n_lives, pool, effort))
    experiment = runs[0].summary.experiment or "a run"
    noun = "seed"
    if len(runs) > 1:
        noun = "seeds"
    title = f"{experiment}, {noun} {', '.join(_seeds(runs))}"
    judged = verdict.verdict(_evidence(runs, pool, findings, worlds, longer))
    key_figure = gains.figure_of(pool.scores, pool.facts, DISCOVERED, pictures)
    if key_figure is None:
        key_figure = take_key_figure(parts, KEY_FIGURES)
    sections = [part.section for part in parts.values()]
    page = Page(
        title,
        _facts(runs),
        [rule_section, *sections, limits],
        verdict=judged.sentences,
        next_command=judged.next_command,
        key_figure=key_figure,
        kind="A searched rule" if rules else "A searched network",
        provenance=_provenance(runs),
    )
    record: Plain = {
        "experiment": experiment,
        "seeds": [run.seed for run in runs],
        "runs": [run.path.name for run in runs],
        "verdict": asdict(judged),
    }
    for name, part in parts.items():
        record[name] = part.numbers
    return write(target, page, record)


def figures_of(paths: Sequence[Path], name: str, n_lives: int = 0) -> dict[str, Picture]:
    """The figures of one part of the page, in place of files.

    Args:
        paths: the folders of finished runs, which differ in their seed.
        name: of the part, one of FIGURES_OF.
        n_lives: see `inspect_runs`.

    Returns: {name of the figure: figure}.
    Raises: the errors of `inspect_runs`; BadInput for another name, and for runs without such a
        figure.
    """
    if name not in FIGURES_OF:
        fix = nearest(name, FIGURES_OF, "choose one")
        raise BadInput(f"figure {name!r}", f"one of {', '.join(FIGURES_OF)}", fix)
    runs = []
    for path in paths:
        runs.append(read_finished(path))
    with TemporaryDirectory() as folder, kept() as figures:
        words = _drawn(runs, name, n_lives, Path(folder))
    if not figures:
        raise BadInput(f"figure {name!r}: {words}", "a run that has it", "choose another figure")
    return figures


def _drawn(runs: Sequence[FinishedRun], name: str, n_lives: int, target: Path) -> str:
    """Draw the figures of a part; the words on runs that have none.

    Args:
        runs: the runs.
        name: of the part.
        n_lives: see `inspect_runs`.
        target: the folder of files beside figures.
    """
    pool = pool_of([run.path for run in runs])
    pictures = target / FIGURES
    if name == "gains":
        gains.figure_of(pool.scores, pool.facts, DISCOVERED, pictures)
        return "no row to compare with"
    parts: dict[str, PagePart | None] = {}
    rules = [run.rule for run in runs if run.rule is not None]
    if name == "scores":
        parts[name] = _scores(runs, pool, pictures)
    elif name == "curves":
        parts[name] = curves_part(_course(runs), n_lives, pictures, lambda *_: None, OURS)
    elif name == "training":
        parts[name] = training_part(_course(runs), pictures, OURS)
    elif name == "plateaus":
        parts |= _plateaus_part(runs, pictures)
        if not parts:
            return "the search took a gradient"
    elif not rules and name != SPIKES:
        return "nothing was plastic, so there is no rule"
    elif name == "path":
        parts |= _path_part(runs, rules, pictures)
    elif name in OF_RULES:
        files = [run.path / RULE_FILE for run in runs]
        lifetime = runs[0].job.main.meta_problem().lifetime
        shown = rules_shown(rules, files, "", pictures, lifetime)
        parts[name] = OF_RULES[name](shown)
    else:
        from metaplast.training.inspected import PARTS

        if name == SPIKES and not _has_spikes(runs):
            return "no population spikes"
        make = {part.name: part.make for part in PARTS}[name]
        parts[name] = make(_inspected(runs, pool, Effort.USUAL, target))
    part = parts.get(name)
    if part is None:
        return "the rule has none"
    return " ".join(part.section.paragraphs) or "nothing to show"


def default_out(runs: Sequence[FinishedRun]) -> Path:
    """The folder of a page: of one run its folder, of several a new folder beside the first.

    The name of the new folder is `inspect-<experiment>-<seeds>`.
    """
    if len(runs) == 1:
        return runs[0].path
    seeds = f"{len(runs)}-runs"
    if len(runs) < 10:
        seeds = "-".join(_seeds(runs))
    experiment = re.sub(r"\W+", "_", runs[0].job.main.experiment)[:60] or "run"
    return runs[0].path.resolve().parent / f"inspect-{experiment}-{seeds}"


def _inspected(
    runs: Sequence[FinishedRun], pool: Pool, effort: Effort | None, target: Path
) -> "Inspected":
    """The searched rule of every run, in its task."""
    from metaplast.training.inspected import Inspected, Searched, of_run

    subjects = []
    for run in runs:
        row = row_folder(run.path, DISCOVERED)
        subjects.append(of_run(run.job, run.rule or NO_RULE, row, pool.metric))
    searched = runs[0].job.main.meta_problem().lifetime.slots
    outer = None
    if subjects[0].problem.lifetime.slots == searched:
        outer = runs[0].job.main.outer_loop()
    rule = runs[0].path / RULE_FILE
    searched = Searched(row_folder(runs[0].path, DISCOVERED), runs[0].job.row(DISCOVERED))
    return Inspected(subjects, rule, outer, _words_on_seed(runs), effort, target, searched)


def _has_spikes(runs: Sequence[FinishedRun]) -> bool:
    """Whether the network of the searched rule has a population that spikes."""
    wiring = runs[0].job.row(DISCOVERED).meta_problem().lifetime.wiring()
    return bool(spiking_populations(wiring))


NO_RULE = RuleFile({}, {})
"""In place of the file of a run in which nothing was plastic."""
LEADING = 4
"""Terms of a rule that stand above its full formula, where each is a hundredth of the largest."""
FIGURES_OF = (
    "scores",
    "gains",
    "curves",
    "training",
    "plateaus",
    "path",
    *OF_RULES,
    *(part.name for part in PLAN),
)
"""The parts of a page that have figures."""
KEY_FIGURES = ("curves", "windows", "surfaces", "coefficients", "training")
"""Where no row is compared, the first of these parts that has a picture gives the key figure."""


def _longer_life(job: Job) -> str:
    """The word of a config that makes a life learn twice as long; "" where there is none."""
    task = job.main.task
    try:
        longer, _ = lasting(task, 2.0, "heldout")
    except BadInput:
        return ""
    for field in fields(task):  # pyright: ignore[reportArgumentType]
        if getattr(longer, field.name) != getattr(task, field.name):
            return f"task.{field.name}={getattr(longer, field.name)}"
    return ""


def _transfer(
    runs: Sequence[FinishedRun], pool: Pool, longer: str, pictures: Path
) -> tuple[list[Cell], PagePart]:
    """(The changed worlds that the runs keep, the part of the page on them).

    Args:
        runs: the runs.
        pool: their scores.
        longer: see `_longer_life`.
        pictures: the folder of the pictures.
    """
    command = shlex.join(
        ["metaplast", "eval", *_imports(runs), *_names(runs), longer or "A.B=VALUE"]
    )
    try:
        worlds = cells([run.path for run in runs], pool.facts)
    except BadInput as error:
        return [], PagePart(unmade(changed_worlds.TITLE, error), {"failed": str(error)})
    trained = cell_of_scores([], [run.seed for run in runs], pool.scores, pool.facts, DISCOVERED)
    part = changed_worlds.part(trained, worlds, pool.facts, DISCOVERED, command, pictures)
    return worlds, part


def _names(runs: Sequence[FinishedRun]) -> list[str]:
    """The runs as a command names them."""
    return [provenance.as_given(run.path) for run in runs]


def _imports(runs: Sequence[FinishedRun]) -> list[str]:
    """The words of a command that import the plug-ins of the runs."""
    return provenance.imports([run.path for run in runs])


def _inspect(runs: Sequence[FinishedRun]) -> str:
    """The command that adds the parts that a training leaves out."""
    return shlex.join(["metaplast", "inspect", *_imports(runs), "RUN_DIR"])


def _evidence(
    runs: Sequence[FinishedRun],
    pool: Pool,
    findings: Findings,
    worlds: Sequence[Cell],
    longer: str,
) -> verdict.Evidence:
    """What the verdict rests on: the scores of all runs, and what the parts found."""
    return verdict.Evidence(
        runs=_names(runs),
        searched=DISCOVERED,
        scores=pool.scores,
        facts=pool.facts,
        seeds=[run.seed for run in runs],
        means=pool.means,
        outer_steps=runs[0].summary.outer_steps,
        horizons=findings.horizons,
        identifiability=findings.identifiability,
        elsewhere=findings.elsewhere,
        worlds=worlds,
        other_world=longer,
        imports=_imports(runs),
        louder=louder(runs[0].job.main),
        has_rule=runs[0].rule is not None,
    )


def _rule_section(runs: Sequence[FinishedRun], formulas: Sequence[str]) -> Section:
    """The formula of the first seed, and those of the others on a fold."""
    row = runs[0].summary.rows[DISCOVERED]
    reads = ", ".join(row.reads) or "nothing"
    leading = []
    if runs[0].rule is not None:
        leading = _leading_terms(runs[0].rule)
    others = []
    if len(formulas) > 1:
        seeds = ", ".join(_seeds(runs[1:]))
        others = [Folded(f"The rule of every other seed: {seeds}", formulas=formulas[1:])]
    return Section(
        "The rule",
        leading,
        formulas=formulas[:1],
        folded=others,
        summary=f"{row.learned} learned numbers, reach {row.reach}, reads {reads}.",
    )


def _leading_terms(rule: RuleFile) -> list[str]:
    """The largest terms of every slot or edge in words; none for a rule that is no such list."""
    words = []
    for entry, terms in coefficients.acting(rule.document, rule.tensors).terms.items():
        in_order = sorted(terms, key=lambda name: -abs(terms[name]))
        largest = []
        for name in in_order[:LEADING]:
            if abs(terms[name]) >= 0.01 * abs(terms[in_order[0]]):
                largest.append(f"{terms[name]:+.3g} {name}")
        if largest:
            among = f"largest of {len(terms)} terms, before the rate"
            words.append(f"{entry}: {among}: {', '.join(largest)}.")
    return words


def _seeds(runs: Sequence[FinishedRun]) -> list[str]:
    return [str(run.seed) for run in runs]


def _provenance(runs: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    """The origin of the first run, and the runs beside it, at the head of the page."""
    first = runs[0]
    wall_s = sum(run.summary.wall_s for run in runs)
    config = f"{_names(runs)[0]}/config.yaml"
    again = shlex.join(["metaplast", "train", *_imports(runs[:1]), "--config", config])
    facts = provenance.facts(first.path, wall_s, again)
    if len(runs) > 1:
        facts.insert(0, ("runs", ", ".join(_names(runs))))
    return facts


def _facts(runs: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    """(name, value) of the facts at the end of the page."""
    first = runs[0]
    row = first.summary.rows[DISCOVERED]
    transport = ""
    if any("returned" in field for field in row.reads):
        transport = "; reads W^T post, activity carried back through the forward weights"
    versions = "not recorded"
    packages = recorded(first.path)
    if packages:
        versions = ", ".join(f"{name} {value}" for name, value in packages.items())
    n_skipped = sum(run.summary.diverged_lives for run in runs)
    skipped = "none"
    if n_skipped:
        skipped = f"{n_skipped} (not finite)"
    facts = [
        ("experiment", first.summary.experiment or "-"),
        ("seeds", ", ".join(_seeds(runs))),
        ("outer steps", str(first.summary.outer_steps)),
        ("reach", f"{row.reach}{transport}"),
        ("reads", ", ".join(row.reads) or "-"),
        ("feedback", row.feedback),
        ("learned numbers", str(row.learned)),
        ("training lives left out", skipped),
        ("note", first.job.main.note),
        ("versions", versions),
    ]
    known = []
    for name, value in facts:
        if value:
            known.append((name, value))
    return known


def _formula(seed: int, rule: RuleFile) -> str:
    return f"seed {seed}\n{formula(rule.document, rule.tensors)}"


def _scores(runs: Sequence[FinishedRun], pool: Pool, pictures: Path) -> PagePart:
    """The scores of all rows, as tables and as a figure."""
    words = []
    if pool.gap is not None:
        words.append(gap_words(pool.gap))
    words += table.ahead(pool.scores, pool.facts, DISCOVERED)
    words += [*pool.words, *pool.dt]
    for score in pool.scores:
        if score.not_finite:
            words.append(f"{score.name}: {score.not_finite} lives are not finite.")
    halving: Plain = {}
    for run in runs:
        result = run.summary.halving
        halving[str(run.seed)] = None
        if result is not None:
            halving[str(run.seed)] = halving_to_json(result)
    verdicts = {}
    for name, facts in pool.facts.items():
        verdicts[name] = verdict_to_json(facts.verdict)
    numbers = {
        "metric": pool.metric,
        "table": list(map(score_to_json, pool.scores)),
        "gap_closed": gap_to_json(pool.gap),
        "means": pool.means,
        "halving": halving,
        "verdicts": verdicts,
    }
    section = Section(
        "Scores",
        words,
        figures=_score_figures(pool, pictures),
        tables=_score_tables(runs, pool),
    )
    return PagePart(section, plain(numbers))


def _score_tables(runs: Sequence[FinishedRun], pool: Pool) -> list[Table]:
    """The table of scores, the means of each run, and the notes of the rows."""
    head, *rows = table.cells(pool.scores, pool.facts, DISCOVERED)
    intervals = "bootstrap intervals over lives; one run, so not over splits"
    if len(runs) > 1:
        intervals = f"t intervals over {len(runs)} splits (runs)"
    tables = [Table(f"Scores on held-out lives; 95 % {intervals}", head, rows)]
    if len(runs) > 1:
        seeds = [f"seed {run.seed}" for run in runs]
        means = []
        for name, values in pool.means.items():
            means.append((name, *map("{:.4g}".format, values)))
        tables.append(Table(f"Mean {pool.metric} in each run", ("row", *seeds), means))
    notes = []
    for name, facts in pool.facts.items():
        note = _note(facts)
        if note:
            notes.append((name, note))
    if notes:
        tables.append(Table("Rows", ("row", "what it is"), notes))
    return tables


def _score_figures(pool: Pool, pictures: Path) -> list[Figure]:
    """The figure of the scores; none where there is nothing to compare."""
    has_mean = any(score.mean is not None for score in pool.scores)
    if len(pool.scores) < 2 or not has_mean:
        return []
    path = pictures / "scores.svg"
    labels = {}
    for name, facts in pool.facts.items():
        labels[name] = table.marked(name, facts)
    scores.draw(pool.scores, path, OURS, labels)
    values = []
    for score in pool.scores:
        values.append(f"{labels.get(score.name, score.name)} {text(score.mean)}")
    alt = f"{pool.metric} per row: " + ", ".join(values)
    caption = "Each row's mean with its 95 % interval, in the order of the table."
    return [Figure(path, alt, caption)]


def _note(facts: RowFacts) -> str:
    """The note of a row, and its origin with the cost of both searches."""
    row = facts.row
    words = []
    if row.note:
        words.append(row.note)
    if isinstance(row, TrainedRow) and row.origin:
        words.append(f"starts from {row.origin}, {row.budget} outer steps in all")
    return "; ".join(words)


def _course(runs: Sequence[FinishedRun]) -> dict[str, list[RowOfRun]]:
    """{row: the row in every run} of the rows that have a course."""
    rows = {}
    for name, _ in runs[0].job.rows:
        rows[name] = [RowOfRun(run, name) for run in runs]
    return rows


def _plateaus_part(runs: Sequence[FinishedRun], pictures: Path) -> dict[str, PagePart]:
    """The jumps and plateaus of the searches; none where no part of the outer loop evolves."""
    if not _evolves(runs[0].job.main.outer_loop()):
        return {}
    by_seed = {}
    for run in runs:
        log = metrics.read(run.path / METRICS)
        losses = metrics.values(run.path / METRICS, "loss")
        thetas = [line["theta"] for line in log if "theta" in line]
        if losses:
            by_seed[run.seed] = plateaus.plateaus(losses, thetas)
    if not by_seed:
        return {}
    return {"plateaus": plateaus_figure.part(by_seed, pictures)}


def _front_part(runs: Sequence[FinishedRun]) -> dict[str, PagePart]:
    """The rules that the searches end with; none where every search ends with one."""
    by_seed = {}
    for run in runs:
        file = row_folder(run.path, DISCOVERED) / FRONT
        if file.is_file():
            by_seed[run.seed] = read_json(file)
    return {"front": front_figure.part(by_seed)} if by_seed else {}


def _evolves(outer: AbstractOuterLoop) -> bool:
    """Whether an outer loop, or one inside it, is evolutionary."""
    return name_of(type(outer)) in EVOLUTION or any(map(_evolves, inner_loops(outer)))


def _path_part(
    runs: Sequence[FinishedRun], files: Sequence[RuleFile], pictures: Path
) -> dict[str, PagePart]:
    """The coefficients over meta-training, for runs that recorded them at every outer step."""
    logs = []
    for run in runs:
        log = []
        for line in metrics.read(run.path / METRICS):
            if "theta" in line:
                log.append(line["theta"])
        logs.append(log)
    title = "The way there: coefficients over meta-training"
    if not all(logs):
        words = (
            "Not recorded: the rule learns nothing, has too many numbers, or the run is older "
            "than the record."
        )
        return {"path": PagePart(Section(title, [words]), {})}
    fits = all(_fits(file, log) for file, log in zip(files, logs, strict=True))
    if not fits:
        words = (
            "Not shown: the form of the rule was searched too; numbers of other steps belong "
            "to other formulas."
        )
        return {"path": PagePart(Section(title, [words]), {})}
    of_terms = []
    of_constants = []
    for file, log in zip(files, logs, strict=True):
        path = coefficients.path(file.document, file.tensors, log)
        of_terms.append(path.terms)
        of_constants.append(path.constants)
    has_path = any(of_terms[0].values()) or any(of_constants[0].values())
    if not has_path:
        return {}
    seeds = [run.seed for run in runs]
    return {"path": coefficient_paths.part(of_terms, of_constants, seeds, pictures)}


def _fits(file: RuleFile, log: list[list[float]]) -> bool:
    """Whether the numbers at the first outer step are as many as the numbers of the rule file."""
    return len(log[0]) == sum(tensor.size for tensor in file.tensors.values())


def _limits(
    runs: Sequence[FinishedRun], n_lives: int, pool: Pool, effort: Effort | None
) -> list[str]:
    """The limits of the page, in words."""
    lives = min(n_lives or N_CURVES, runs[0].job.main.evaluation.heldout)
    scored = pool.scores[0].n
    words = [f"{len(runs)} seeds: intervals over seeds rest on {len(runs)} values."]
    if len(runs) == 1:
        words = [
            "One seed: every interval covers lives, not seeds; another seed may give another "
            f"{'rule' if runs[0].rule is not None else 'network'}."
        ]
    if lives:
        words.append(
            f"Curves are of the first {lives} held-out lives of a run, the scores of {scored} in "
            f"all; bands are pointwise, not of whole curves."
        )
    outside = []
    for name, facts in pool.facts.items():
        if isinstance(facts.row, ReferenceRow):
            outside.append(name)
    if lives and outside:
        words.append(f"References have no curve within a life: {', '.join(outside)}.")
    beside = "what theta holds beside the rules (initial gains, learned feedback)"
    if runs[0].rule is None:
        beside = "what theta holds"
    words.append(f"Not shown: other tasks, and {beside}.")
    if isinstance(runs[0].job.main.objective, L1):
        words.append(
            "The loss holds the penalty of theta with which the rule was searched. The curvature, "
            "named terms and known rules are without it."
        )
    left_out = without(effort)
    if left_out and runs[0].rule is not None:
        words.append(
            f"Not made here: {', '.join(left_out)}. `{_inspect(runs)}` adds them to this page."
        )
    return words


def _words_on_seed(runs: Sequence[FinishedRun]) -> str:
    """The words on the run whose rule is drawn; none for a single run."""
    if len(runs) == 1:
        return ""
    return f"The rule of seed {runs[0].seed} is drawn."
