"""The page of one rule file, and what it shares with the page of runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaplast.report import sections
from metaplast.report.page import Page, Section, Table, html
from metaplast.results import coefficients
from metaplast.results.surfaces import surfaces
from metaplast.results.windows import window
from metaplast.reuse.ask import whole
from metaplast.reuse.document import entries
from metaplast.reuse.formula import formula
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import RuleFile, read_rule
from metaplast.runs import folder

SCHEMA = "metaplast.inspect/1"
Plain = dict[str, Any]


def inspect_rule(path: Path, out: Path | None) -> list[Path]:
    """The page of a rule file: card, formula, coefficients and surfaces; the files written. Raises:
    BadInput.
    """
    file = whole(read_rule(path))
    target = out or path.with_name(f"{path.stem}_inspect")
    pictures = target / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    parts = rule_parts([file], [path], "", pictures)
    facts = [("file", path.name), *_card(file)]
    scores = [
        tuple(text(score.get(key)) for key in ("name", "split", "metric", "mean", "ci95", "n"))
        for score in file.document["scores"]
    ]
    tables = [
        Table(
            "As the file says; not computed here",
            ("row", "split", "metric", "mean", "95 %", "n"),
            scores,
        )
    ]
    rule = Section(
        "The rule", formulas=[formula(file.document, file.tensors)], tables=tables if scores else []
    )
    limits = Section(
        "What this page does not show",
        [
            "A rule file holds no lives: no learning curves, no path over meta-training, no intervals over seeds.",
            "Scores and provenance are what the file says; formula, coefficients and surfaces are computed from its "
            "numbers.",
        ],
    )
    page = Page(
        f"Rule {path.name}", facts, [rule, *(section for section, _ in parts.values()), limits]
    )
    return write(
        target, page, {"rule": path.name, **{name: numbers for name, (_, numbers) in parts.items()}}
    )


def rule_parts(
    files: Sequence[RuleFile], paths: Sequence[Path], whose: str, pictures: Path
) -> dict[str, sections.Part]:
    acting = [coefficients.acting(file.document, file.tensors) for file in files]
    parts = {}
    if any(any(found.values()) for found in acting[0]):
        parts["coefficients"] = sections.coefficients(
            [a[0] for a in acting], [a[1] for a in acting], pictures
        )
    if leaves := coefficients.leaves(files[0].document, files[0].tensors):
        parts["numbers"] = sections.leaves(leaves, pictures)
    rules = {
        key: load_rule(paths[0], edge=entry.edges[0])
        for key, entry in entries(files[0].document).items()
    }
    if timed := {key: found for key, rule in rules.items() if (found := window(rule))}:
        parts["windows"] = sections.spike_windows(timed, pictures)
    parts["surfaces"] = sections.delta_w(
        {key: surfaces(rule) for key, rule in rules.items()}, whose, pictures
    )
    return parts


def write(target: Path, page: Page, numbers: Plain) -> list[Path]:
    report, data = target / "report.html", target / "inspect.json"
    folder.write_text(report, html(page))
    folder.write_json(data, {"schema": SCHEMA, **numbers})
    used = [figure.path for section in page.sections for figure in section.figures]
    return [report, data, *used]


def _card(file: RuleFile) -> list[tuple[str, str]]:
    document = file.document
    facts = []
    for name, slot in document["slots"].items():
        edges = ", ".join(
            f"{edge} {'x'.join(map(str, c['shape']))}" for edge, c in slot["connections"].items()
        )
        facts.append(
            (
                f"slot {name}",
                f"{slot['rule']['name']} on {edges}; {'one theta for all' if slot['shared'] else 'one theta each'}",
            )
        )
        facts.append(
            (
                "reach, reads",
                f"{slot['reach']}: {', '.join(slot['reads']) or '-'}; clock {slot['clock']}",
            )
        )
    facts.append(
        (
            "learned numbers",
            f"{sum(v.size for v in file.tensors.values())} (leaves: {len(file.tensors)})",
        )
    )
    facts.append(
        (
            "dt",
            f"{document['dt']:g} s; an activity of 1 stands for {document['activity_reference']:g} Hz",
        )
    )
    facts += [(str(key), text(value)) for key, value in document["provenance"].items()]
    return facts


def text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    return (
        "not finite"
        if value is None
        else f"{value:.4g}"
        if isinstance(value, float)
        else str(value)
    )
