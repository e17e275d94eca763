"""The text that `metaplast fit` prints at the end."""

from pathlib import Path

from metaplast.fitting import data_reading
from metaplast.fitting.next_command import next_command
from metaplast.fitting.result import FILE, FitResult, read_result
from metaplast.fitting.tables import (
    NUMBERS,
    data_sentence,
    number_head,
    number_lines,
    parts_of,
    rule_formula,
    score_table,
)
from metaplast.results.table import aligned
from metaplast.settings.names import REPORT, RULE_FILE


def render(run: Path) -> str:
    """The result of a finished fit as text, paragraph by paragraph."""
    fit = read_result(run)
    paragraphs = ["\n".join(fit.verdict)]
    if command := next_command(run, fit):
        paragraphs.append(f"  {command}")
    paragraphs += [data_sentence(fit), aligned(score_table(fit)), f"{NUMBERS}."]
    for part in parts_of(fit):
        paragraphs.append(f"Of {part} alone:\n{aligned(score_table(fit, part))}")
    paragraphs += [f"{name}: {null.note}" for name, null in fit.nulls.items()]
    if (run / RULE_FILE).is_file():
        paragraphs.append(rule_formula(run))
    lines = number_lines(fit)
    if lines:
        paragraphs.append(aligned([number_head(fit), *lines]))
    paragraphs += data_reading.paragraphs(fit.reading)
    paragraphs.append(_doubts(fit))
    if fit.advice:
        sentences = [advice.words for advice in fit.advice]
        paragraphs.append(_listed("What would help, by the residuals:", sentences))
    paragraphs.append(_files(run))
    return "\n\n".join(paragraphs)


def _doubts(fit: FitResult) -> str:
    """The doubts as a list, or the sentence that there is none."""
    if fit.doubts:
        return _listed("Reasons to doubt it:", fit.doubts)
    return (
        "No reason to doubt it was found by the checks above; they cannot show that the network "
        "itself is right."
    )


def _listed(title: str, sentences: list[str]) -> str:
    """A title and its sentences, one a line."""
    return "\n".join([title, *(f"- {sentence}" for sentence in sentences)])


def _files(run: Path) -> str:
    """The files of the run, one a line."""
    files = [("fit", run / FILE), ("rule", run / RULE_FILE), ("report", run / REPORT)]
    files += [("figure", path) for path in sorted((run / "figures").glob("*.svg"))]
    return "\n".join(f"{kind:8} {path}" for kind, path in files if path.is_file())
