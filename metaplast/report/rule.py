"""The page of one rule file, and the parts that it shares with the page of runs."""

import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from metaplast.figures.gallery import OF_RULES
from metaplast.figures.section import PagePart, RulesShown
from metaplast.inspection.verdict import PageVerdict
from metaplast.life.lifetime import Lifetime
from metaplast.registry import BadInput, Plain
from metaplast.report.page import Figure, Page, Section, Table, figures_of, html
from metaplast.results.numbers import text
from metaplast.results.surfaces import never_below_zero, spikes_at
from metaplast.reuse.ask import whole
from metaplast.reuse.document import entries
from metaplast.reuse.formula import formula
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import RuleFile, read_rule
from metaplast.reuse.text import printable
from metaplast.runs import folder
from metaplast.runs.provenance import imports
from metaplast.settings.names import DISCOVERED, FIGURES, REPORT

SCHEMA = "metaplast.inspect/1"
_PICTURE = re.compile(r"\w[\w-]{0,63}\.(svg|png)", re.ASCII)
_NAME = re.compile(r"\w[\w-]{0,63}", re.ASCII)
SCORE_COLUMNS = ("name", "split", "metric", "mean", "ci95", "n")
LIMITS = (
    "A rule file holds no lives: no learning curves, no path over meta-training, no intervals over "
    "seeds.",
    "Scores and provenance are what the file says; formula, coefficients and surfaces are computed "
    "from its numbers.",
)
MOVED = "The picture stands beside the verdict at the head of this page."
KEY_FIGURES = ("windows", "surfaces", "coefficients", "numbers")
"""The first of these parts that has a picture gives the key figure."""
Fact = tuple[str, str]  # a name and its value, as the head of a page shows them


def folder_of(path: Path, out: Path | None) -> Path:
    """The folder of the page of a rule file: `out`, or `<name of the file>_inspect` beside it."""
    return out or path.with_name(f"{path.stem}_inspect")


def inspect_rule(
    path: Path,
    out: Path | None,
    in_task: Mapping[str, PagePart] | None = None,
    name: str | None = None,
) -> list[Path]:
    """Write the page of a rule file: card, formula, coefficients and surfaces.

    Args:
        path: of the rule file.
        out: see `folder_of`.
        in_task: {name in inspect.json: part} of the rule in a task; none without a task.
        name: the name of the rule in a command; None: the name of its file.

    Returns: the paths of the files written.
    Raises: BadInput for a bad rule file.
    """
    file = whole(read_rule(path))
    target = folder_of(path, out)
    pictures = target / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    parts = {**(in_task or {}), **rule_parts([file], [path], "", pictures)}
    key_figure = take_key_figure(parts, KEY_FIGURES)
    sections = [part.section for part in parts.values()]
    name = name or path.name
    judged = _verdict(file, path, name)
    limits = Section("What this page does not show", LIMITS)
    if not in_task:
        limits = limits._replace(paragraphs=[*LIMITS, _task_to_give(name, file)])
    facts = [("file", path.name), *_card(file)]
    page = Page(
        f"Rule {path.name}",
        facts,
        [_rule_section(file), *sections, limits],
        verdict=judged.sentences,
        next_command=judged.next_command,
        key_figure=key_figure,
        kind="A rule file",
    )
    numbers = {name: part.numbers for name, part in parts.items()}
    return write(target, page, {"rule": path.name, "verdict": asdict(judged), **numbers})


def rule_parts(
    files: Sequence[RuleFile],
    paths: Sequence[Path],
    whose: str,
    pictures: Path,
    lifetime: Lifetime | None = None,
) -> dict[str, PagePart]:
    """The parts of a page that show rules: one per figure of `gallery.OF_RULES`.

    A figure that has nothing to show is left out. The arguments are those of `rules_shown`.
    """
    shown = rules_shown(files, paths, whose, pictures, lifetime)
    parts = {}
    for name, figure in OF_RULES.items():
        part = figure(shown)
        if part is not None:
            parts[name] = part
    return parts


def rules_shown(
    files: Sequence[RuleFile],
    paths: Sequence[Path],
    whose: str,
    pictures: Path,
    lifetime: Lifetime | None = None,
) -> RulesShown:
    """The rules that a page is about.

    Args:
        files: one rule file per seed.
        paths: of these files.
        whose: a sentence that says whose rule is drawn, where there are several files.
        pictures: the folder of the pictures.
        lifetime: in which the rules were searched; None: not known.
    """
    rules = {}
    above_zero = {}
    spikes = {}
    for entry, facts in entries(files[0].document).items():
        rules[entry] = load_rule(paths[0], edge=facts.edges[0])
        if lifetime is not None:
            above_zero[entry] = never_below_zero(lifetime, facts.edges[0])
            spikes[entry] = spikes_at(lifetime, facts.edges[0])
    return RulesShown(files, rules, whose, pictures, above_zero, spikes)


def take_key_figure(parts: dict[str, PagePart], names: Sequence[str]) -> Figure | None:
    """The picture beside the verdict: the first of the first named part that has one.

    Its part no longer shows it, and says where it is.
    """
    for name in names:
        if name not in parts or not parts[name].section.figures:
            continue
        part = parts[name]
        first, *others = part.section.figures
        paragraphs = [*part.section.paragraphs, MOVED]
        section = part.section._replace(paragraphs=paragraphs, figures=others)
        parts[name] = part._replace(section=section)
        return first
    return None


def write(target: Path, page: Page, numbers: Plain) -> list[Path]:
    """Write report.html and inspect.json; the paths of both and of the page's pictures.

    Pictures that an earlier page wrote and this one does not are removed.
    """
    report = target / REPORT
    data = target / "inspect.json"
    pictures = [figure.path for figure in figures_of(page)]
    names = [path.name for path in pictures]
    for stale in _stale(target, data, names):
        stale.unlink(missing_ok=True)
    folder.write_text(report, html(page))
    folder.write_json(data, {"schema": SCHEMA, "pictures": names, **numbers})
    return [report, data, *pictures]


def verdict_of(data: Path) -> str:
    """The verdict of a page and its next command as text, from its inspect.json."""
    judged = PageVerdict(**folder.read_json(data)["verdict"])
    return "\n".join([*judged.sentences, f"Next: {judged.next_command}"])


def _stale(target: Path, data: Path, names: Sequence[str]) -> list[Path]:
    """The pictures of an earlier page that this page does not have.

    They are those that the inspect.json of the earlier page names. Versions before this list wrote
    pictures of the same names as .png.

    Args:
        target: the folder of the page.
        data: the inspect.json, perhaps of an earlier page.
        names: the names of this page's pictures.
    """
    earlier: list[object] = []
    if data.is_file():
        with suppress(BadInput):
            record = folder.read_json(data)
            if isinstance(record, dict) and isinstance(record.get("pictures"), list):
                earlier = record["pictures"]
    stale = []
    for name in earlier:
        if isinstance(name, str) and _PICTURE.fullmatch(name) and name not in names:
            stale.append(target / FIGURES / name)
    for name in names:
        old = target / FIGURES / f"{Path(name).stem}.png"
        if old.name not in names and old.is_file():
            stale.append(old)
    return stale


def _task_to_give(name: str, file: RuleFile) -> str:
    """The command that shows the rule in its task."""
    experiment = file.document["provenance"].get("experiment")
    if not isinstance(experiment, str) or not _NAME.fullmatch(experiment):
        experiment = "NAME"
    return (
        f"Nothing was lived: give the task of the rule, `metaplast inspect "
        f"{shlex.quote(name)} experiment={experiment}`."
    )


def _verdict(file: RuleFile, path: Path, name: str) -> PageVerdict:
    """The words of the file on its rule, and their limits.

    Args:
        file: the rule file.
        path: of the file.
        name: see `inspect_rule`.
    """
    document = file.document
    searched = None
    others = []
    for score in document["scores"]:
        if score.get("name") == DISCOVERED:
            searched = score
        else:
            others.append(printable(text(score.get("name"))))
    found = "Nothing is judged: the file holds no score of its rule."
    if searched is not None:
        found = (
            f"Nothing is judged anew: the file says that its rule had "
            f"{_said(searched, 'metric')} {_said(searched, 'mean')}, 95 % interval "
            f"{_said(searched, 'ci95')}, on {_said(searched, 'n')} held-out lives."
        )
    sure = "How sure: one rule file; it holds no lives, so no difference to a baseline is known"
    if others:
        sure += f", only the means of {', '.join(others)}"
    reaches = ", ".join(dict.fromkeys(slot["reach"] for slot in document["slots"].values()))
    limits = (
        f"What it does not do: the rule reads no further than its {reaches}. Whether a baseline "
        "with its step size tuned explains the score is a question to its run."
    )
    return PageVerdict(
        standing="alone",
        found=found,
        among_equals="",
        sure=f"{sure}.",
        limits=limits,
        next_command=_next(path, name),
    )


def _said(score: Plain, fact: str) -> str:
    """A fact of a score as the file has it, safe to print."""
    return printable(text(score.get(fact)))


def _next(path: Path, name: str) -> str:
    """The command that inspects the run of a rule file, or shows a rule without one."""
    if path.with_name("summary.json").is_file():
        run = Path(name).parent
        if run == Path():
            run = Path(path.absolute().parent.name)
        return shlex.join(["metaplast", "inspect", *imports([path.parent]), str(run)])
    return shlex.join(["metaplast", "show", name])


def _rule_section(file: RuleFile) -> Section:
    scores = []
    for score in file.document["scores"]:
        scores.append(tuple(text(score.get(column)) for column in SCORE_COLUMNS))
    head = ("row", "split", "metric", "mean", "95 %", "n")
    tables = []
    if scores:
        tables = [Table("As the file says; not computed here", head, scores)]
    return Section("The rule", formulas=[formula(file.document, file.tensors)], tables=tables)


def _card(file: RuleFile) -> list[Fact]:
    document = file.document
    facts = []
    for name, slot in document["slots"].items():
        facts += _slot_facts(name, slot)
    size = sum(leaf.size for leaf in file.tensors.values())
    facts.append(("learned numbers", f"{size} (leaves: {len(file.tensors)})"))
    reference = f"an activity of 1 stands for {document['activity_reference']:g} Hz"
    facts.append(("dt", f"{document['dt']:g} s; {reference}"))
    for key, value in document["provenance"].items():
        facts.append((str(key), text(value)))
    return facts


def _slot_facts(name: str, slot: Plain) -> list[Fact]:
    edges = []
    for edge, connection in slot["connections"].items():
        shape = "x".join(str(length) for length in connection["shape"])
        edges.append(f"{edge} {shape}")
    thetas = "one theta each"
    if slot["shared"]:
        thetas = "one theta for all"
    reads = ", ".join(slot["reads"]) or "-"
    return [
        (f"slot {name}", f"{slot['rule']['name']} on {', '.join(edges)}; {thetas}"),
        ("reach, reads", f"{slot['reach']}: {reads}; clock {slot['clock']}"),
    ]
