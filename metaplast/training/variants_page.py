"""The page of a group of runs with `vary`: its variants side by side."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from metaplast.figures import scores
from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.registry import Plain
from metaplast.report.page import Page
from metaplast.report.rule import write
from metaplast.results import table
from metaplast.results.numbers import interval, number, table_form, text
from metaplast.results.summary import score_to_json
from metaplast.reuse.describe import plain
from metaplast.runs import provenance
from metaplast.settings.names import DISCOVERED, FIGURES, REPORT
from metaplast.training.course import RowOfRun, curves_part, training_part
from metaplast.training.finished_run import FinishedRun, read_finished
from metaplast.training.variants import Variants

PICTURE = "variants.svg"
"""The figure of the scores of all variants."""


def write_variants(
    path: Path, variants: Variants, wall_s: float, axes: Sequence[str] = ()
) -> list[Path]:
    """Write the page of a group or of a sweep, its pictures and inspect.json.

    Args:
        path: the folder of the group or of the sweep.
        variants: its finished variants.
        wall_s: seconds of it.
        axes: the words in which the runs of a sweep differ; () for a group.

    Returns: the files of the page.
    """
    pictures = path / FIGURES
    pictures.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[FinishedRun]] = {}
    lines = {}
    for label, folders in variants.runs.items():
        runs[label] = [read_finished(folder) for folder in folders]
        lines[label] = [RowOfRun(run, DISCOVERED) for run in runs[label]]
    ours = (variants.best,)
    parts = {
        "variants": _variants(variants),
        "training": training_part(lines, pictures, ours),
        "curves": curves_part(lines, 0, pictures, lambda *_: None, ours),
        "rows": _rows(variants),
    }
    limits = Section("What this page does not show", _limits(path, variants, axes))
    experiment = runs[variants.best][0].summary.experiment or "a run"
    verdict = variants.verdict
    page = Page(
        f"{experiment}, {len(variants.runs)} variants, {_seeds(variants.seeds)}",
        [],
        [*(part.section for part in parts.values()), limits],
        verdict=[verdict.found, verdict.sure, verdict.doubts],
        next_command=verdict.next_command,
        key_figure=_figure(variants, pictures),
        kind="Variants of one search",
        provenance=provenance.facts(path, wall_s),
    )
    record: Plain = {
        "experiment": experiment,
        "seeds": variants.seeds,
        "runs": [_name(path, each) for each in itertools.chain(*variants.runs.values())],
        "verdict": verdict._asdict(),
    }
    for name, part in parts.items():
        record[name] = part.numbers
    return write(path, page, record)


def _figure(variants: Variants, pictures: Path) -> Figure | None:
    """The scores of the variants; None where none is finite."""
    if all(score.mean is None for score in variants.scores):
        return None
    path = pictures / PICTURE
    labels = {}
    for label, facts in variants.facts.items():
        labels[label] = table.marked(label, facts)
    scores.draw(variants.scores, path, [variants.best], labels)
    values = []
    for score in variants.scores:
        values.append(f"{labels[score.name]} {text(score.mean)}")
    alt = f"{variants.scores[0].metric} of each variant: {', '.join(values)}"
    caption = "The searched rule of each variant, with its 95 % interval; the best one in blue."
    return Figure(path, alt, caption)


def _variants(variants: Variants) -> PagePart:
    """The scores of the searched rule in every variant, paired with those of the best one."""
    head, *rows = table.cells(variants.scores, variants.facts, variants.best)
    intervals = "bootstrap intervals over lives; one seed, so not over splits"
    if len(variants.seeds) > 1:
        intervals = f"t intervals over {len(variants.seeds)} splits (seeds)"
    caption = f"The searched rule on held-out lives; 95 % {intervals}"
    tables = [Table(caption, ("variant", *head[1:]), rows)]
    if len(variants.seeds) > 1:
        means = []
        for label, together in variants.pools.items():
            means.append((label, *map("{:.4g}".format, together.means[DISCOVERED])))
        seeds = [f"seed {seed}" for seed in variants.seeds]
        metric = variants.scores[0].metric
        tables.append(Table(f"Mean {metric} of each run", ("variant", *seeds), means))
    numbers = {
        "best": variants.best,
        "metric": variants.scores[0].metric,
        "table": list(map(score_to_json, variants.scores)),
    }
    return PagePart(Section("The variants", tables=tables), plain(numbers))


def _rows(variants: Variants) -> PagePart:
    """All rows of every variant: the verdict on it alone, and the means."""
    paragraphs = []
    for label, judged in variants.judged.items():
        paragraphs.append(f"{label}: {judged.found}")
        paragraphs += [f"{label}: {words}" for words in variants.pools[label].words]
        paragraphs += [f"{label}: {words}" for words in variants.pools[label].dt]
    names = []
    for name in variants.pools[variants.best].means:
        if all(name in together.means for together in variants.pools.values()):
            names.append(name)
    tables = []
    if len(names) > 1:
        rows = []
        for name in names:
            rows.append((name, *_cells(variants, name)))
        tables = [Table("Every row; 95 % intervals", ("row", *variants.runs), rows)]
    numbers = {}
    for label, together in variants.pools.items():
        numbers[label] = list(map(score_to_json, together.scores))
    section = Section("Each variant against its own rows", paragraphs, tables=tables)
    return PagePart(section, plain(numbers))


def _cells(variants: Variants, name: str) -> Sequence[str]:
    """The score of a row in every variant, marked where its search failed."""
    cells = []
    for together in variants.pools.values():
        score = next(score for score in together.scores if score.name == name)
        form = table_form([score.mean])
        words = f"{number(score.mean, form)} {interval(score.ci95, form)}"
        facts = together.facts.get(name)
        if facts is not None and facts.verdict is not None and facts.failed:
            words += f" ({facts.verdict.state})"
        cells.append(words)
    return cells


def _limits(path: Path, variants: Variants, axes: Sequence[str]) -> list[str]:
    """The limits of the page, in words."""
    same = (
        "Every variant is one search of the same rows: the same task, seeds and budget, with other "
        "numbers of the outer loop. Every row was searched with these numbers, baselines too."
    )
    if axes:
        same = (
            f"Every variant is one search on the same task, judged on the same held-out lives. The "
            f"variants differ in {', '.join(axes)}, and where these words change the budget, in "
            f"that too."
        )
    pages = [f"{_name(path, folders[0])}/{REPORT}" for folders in variants.runs.values()]
    return [
        same,
        "No interval covers the choice of the best variant. A variant is chosen well on validation "
        "lives; these scores are of held-out lives.",
        "The rules themselves, their terms and their surfaces stand on the page of each run: "
        f"{', '.join(pages)}.",
    ]


def _name(path: Path, run: Path) -> str:
    """The folder of a run in that of its group or sweep."""
    return run.relative_to(path).as_posix()


def _seeds(seeds: Sequence[int]) -> str:
    noun = "seed" if len(seeds) == 1 else "seeds"
    return f"{noun} {', '.join(map(str, seeds))}"
