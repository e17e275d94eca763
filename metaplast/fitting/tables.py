"""The tables and sentences of a fit that terminal and page share."""

from collections.abc import Mapping
from pathlib import Path

from metaplast.fitting.result import Comparison, FitResult, NullResult, PartComparison, RowResult
from metaplast.results.numbers import RoundedEstimate, interval, number
from metaplast.reuse.ask import whole
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import read_rule
from metaplast.settings.names import RULE_FILE
from metaplast.tasks import Split

SHOWN = 40  # numbers of a rule in a table
NUMBERS = "numbers: all that a row learned, first weights among them"


def data_sentence(fit: FitResult) -> str:
    """The amount of data, and what is held out."""
    data = fit.data
    by = "trials held out"
    if data.heldout_subjects:
        by = f"subjects held out: {', '.join(data.heldout_subjects)}"
    return (
        f"{data.subjects} subject{'s' * (data.subjects != 1)}; sessions: {_counts(data.sessions)}; "
        f"recorded values: {_counts(data.values)}; {by}."
    )


def _counts(values: Mapping[Split, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def parts_of(fit: FitResult) -> list[str]:
    """The names of the parts, activity and choice, where a fit is to both."""
    return list(fit.discovered.comparison.parts)


def models(fit: FitResult) -> dict[str, RowResult | NullResult]:
    """{name: result} of all rows and null models."""
    nulls = {f"null: {name}": null for name, null in fit.nulls.items()}
    return {**fit.rows, **nulls}


def comparison_of(model: RowResult | NullResult, part: str | None) -> Comparison | PartComparison:
    """The comparison of a model: of all values, or of one part."""
    if part is not None:
        return model.comparison.parts[part]
    return model.comparison


def score_table(fit: FitResult, part: str | None = None) -> list[tuple[str, ...]]:
    """The head and a line per model: deviance explained against every null, and R2.

    Without a part: R2 of the recorded values (of the activity, where choice is judged too), R2 of
    weights where the true ones are known, and how many numbers are learned.
    """
    nulls = list(fit.discovered.explained)
    edges = []
    if part is None:
        edges = list(fit.discovered.weights)
    values = part or next(iter(parts_of(fit)), "values")
    head = ["row", *(f"explained vs {null}" for null in nulls), f"R2 {values}"]
    head += [f"R2 dw {edge}" for edge in edges]
    if part is None:
        head.append("numbers")
    lines = [tuple(head)]
    for name, model in models(fit).items():
        comparison = comparison_of(model, part)
        line = [name, *(share_text(comparison.explained.get(null)) for null in nulls)]
        if isinstance(comparison, PartComparison):
            line.append(four_digits(comparison.r2))
        else:
            line.append(four_digits(model.splits["heldout"].r2))
            line += _model_cells(model, edges)
        lines.append(tuple(line))
    return lines


def _model_cells(model: RowResult | NullResult, edges: list[str]) -> list[str]:
    """R2 of the weights of every edge, and the learned numbers; a null has neither."""
    if isinstance(model, NullResult):
        return ["-"] * (len(edges) + 1)
    cells = []
    for edge in edges:
        score = model.weights.get(edge)
        if score is None:
            cells.append("-")
        else:
            cells.append(four_digits(score.r2_change))
    return [*cells, str(model.learned)]


def share_text(share: RoundedEstimate | None) -> str:
    """A share with its interval as `0.5000 [0.4000, 0.6000]`."""
    if share is None or share.mean is None:
        return "-"
    mean = number(share.mean, ".4f")
    if share.ci95.low is None:
        return mean
    return f"{mean} {interval(share.ci95, '.4f')}"


def four_digits(value: float | None) -> str:
    """A number with four digits after the point, or a dash."""
    if value is None:
        return "-"
    return number(value, ".4f")


def number_head(fit: FitResult) -> tuple[str, ...]:
    """The head of `number_lines`."""
    head = ("number", "fitted", "95 % interval")
    if fit.truth is None:
        return head
    return (*head, "true", "verdict")


def number_lines(fit: FitResult) -> list[tuple[str, ...]]:
    """A line per number of the discovered rule, the largest first, with the true one if known."""
    if fit.truth is not None:
        lines = []
        for entry in fit.truth[:SHOWN]:
            bounds = _bounds_text(fit, entry.name)
            fitted = number(entry.fitted)
            true = number(entry.true)
            lines.append((entry.name, fitted, bounds, true, entry.verdict))
        return lines
    values = {**_undetermined(fit), **fit.discovered.numbers}
    names = sorted(values, key=lambda name: -abs(values[name] or 0.0))
    return [(name, number(values[name]), _bounds_text(fit, name)) for name in names[:SHOWN]]


def numbers_with_bounds(fit: FitResult) -> dict[str, str]:
    """{name: number and interval} of the discovered rule; empty where no interval is known."""
    texts = {}
    if fit.number_bounds:
        for name, fitted, bounds, *_ in number_lines(fit):
            texts[name] = f"{fitted} {bounds}"
    return texts


def _undetermined(fit: FitResult) -> dict[str, float | None]:
    """The numbers whose interval has no ends, as 0: the table lists them although they are 0."""
    undetermined = {}
    for name, bounds in fit.number_bounds.items():
        if bounds.low is None:
            undetermined[name] = 0.0
    return undetermined


def _bounds_text(fit: FitResult, name: str) -> str:
    """The interval of a number as text; a dash for a number that has none."""
    bounds = fit.number_bounds.get(name)
    if bounds is None:
        return "-"
    if bounds.low is None or bounds.high is None:
        return "not determined"
    return interval(bounds)


def rule_formula(run: Path) -> str:
    """The formula of the fitted rule."""
    file = whole(read_rule(run / RULE_FILE))
    return formula(file.document, file.tensors)
