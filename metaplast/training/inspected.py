"""The subject of an inspection, and its parts one by one: a part that fails leaves the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import jax

from metaplast.figures import landscape as landscape_figure
from metaplast.figures.section import PagePart, Section
from metaplast.inspection.landscape import landscape
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited, visited
from metaplast.life.lifetime import Slot
from metaplast.registry import BadInput
from metaplast.results import evaluate
from metaplast.reuse.ask import whole
from metaplast.reuse.document import entries
from metaplast.reuse.load import Rule, load_rule
from metaplast.reuse.rule_file import read_rule
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Job, parse
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED, FIGURES, RULE_FILE

Tick = Callable[[str, int, int], None]
"""tick(stage, parts that are done, all parts)"""


class Effort(IntEnum):
    """The time that an inspection may take: under 20 s, under 2 minutes, up to 30 minutes."""

    QUICK = 0
    USUAL = 1
    THOROUGH = 2


class Inspected:
    """A searched rule in its task, with what several parts of a page need of it.

    subjects: the rule of every run, the first of which is drawn.
    path: the rule file of the first.
    whose: a sentence that says whose rule is drawn, where there are several.
    effort: the time that may be taken.
    folder: of the pictures.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        path: Path,
        whose: str,
        effort: Effort,
        folder: Path,
    ) -> None:
        self.subjects = tuple(subjects)
        self.path = path
        self.whose = whose
        self.effort = effort
        self.folder = folder

    @property
    def subject(self) -> Subject:
        """The rule that is drawn."""
        return self.subjects[0]

    @cached_property
    def visited(self) -> dict[str, Visited]:
        """{edge: the signals that its rule meets on validation lives}."""
        return visited(self.subject)

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """{entry of the file: rule}."""
        rules = {}
        for entry, facts in entries(self.subject.file.document).items():
            rules[entry] = load_rule(self.path, edge=facts.edges[0])
        return rules


class Part(NamedTuple):
    """A part of a page that lives the rule anew.

    name: its key in inspect.json.
    title: its title on the page, and its name in the progress.
    least: the effort from which on it is made.
    make: the part of a subject.
    """

    name: str
    title: str
    least: Effort
    make: Callable[[Inspected], PagePart]


def _landscapes(inspected: Inspected) -> PagePart:
    """The change of weight over the signals that matter most."""
    by_entry = {}
    for entry, rule in inspected.rules.items():
        visits = [inspected.visited[edge] for edge in rule.edges]
        by_entry[entry] = landscape(rule, visits, inspected.subject.seed)
    return landscape_figure.part(by_entry, inspected.whose, inspected.folder)


PARTS: tuple[Part, ...] = (Part("landscape", landscape_figure.TITLE, Effort.QUICK, _landscapes),)


def made(inspected: Inspected, tick: Tick) -> dict[str, PagePart]:
    """The parts that the effort allows, in the order of the page.

    Args:
        inspected: the rule in its task.
        tick: a function that is called as parts get done.
    """
    parts = {}
    wanted = [part for part in PARTS if part.least <= inspected.effort]
    for index, part in enumerate(wanted):
        parts[part.name] = _attempted(part, inspected)
        tick("parts of the page", index + 1, len(wanted))
    return parts


def _attempted(part: Part, inspected: Inspected) -> PagePart:
    """The part; where it fails, a section that says why."""
    try:
        return part.make(inspected)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        words = f"This part could not be made: {reason}"
        return PagePart(Section(part.title, [words]), {"failed": reason})


def of_rule_file(
    path: Path, words: Sequence[str], effort: Effort, target: Path, tick: Tick
) -> dict[str, PagePart]:
    """The parts of the page of a rule file; none without words that give its task.

    Args:
        path: of the rule file.
        words: words of a config, such as `experiment=oja`.
        effort: the time that may be taken.
        target: the folder of the page.
        tick: see `made`.
    """
    if not words:
        return {}
    pictures = target / FIGURES
    pictures.mkdir(parents=True, exist_ok=True)
    return made(Inspected([of_rule(path, words)], path, "", effort, pictures), tick)


def of_run(job: Job, folder: Path, row: Path, metric: str) -> Subject:
    """The searched rule of a finished run.

    Args:
        job: of the run.
        folder: of the run.
        row: the folder of the searched row.
        metric: of the scores.
    """
    config = job.row(DISCOVERED)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    theta = theta_of(row, problem)
    file = whole(read_rule(folder / RULE_FILE))
    return Subject(problem, theta, config.seed, metric, metric == "accuracy", file)


def of_rule(path: Path, words: Sequence[str]) -> Subject:
    """A rule file in the task that words of a config give.

    The network, the genome and the feedback are those of the config at their start: nothing but the
    rule is taken from the file.

    Args:
        path: of the rule file.
        words: words of a config, such as `experiment=oja`.

    Raises: BadInput for a bad file, words that do not compose, and a rule that does not fit.
    """
    file = whole(read_rule(path))
    config = parse(compose(list(words), Sources())).main
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    slots = []
    rules = {}
    for name, facts in file.document["slots"].items():
        loaded = {}
        for edge in facts["connections"]:
            loaded[edge] = load_rule(path, edge=edge)
        first = next(iter(loaded.values()))
        slots.append(Slot(name=name, edges=facts["edges"], rule=first.spec, shared=facts["shared"]))
        rules[name] = _numbers(facts["shared"], loaded)
    problem = replace(problem, lifetime=replace(problem.lifetime, slots=tuple(slots)))
    start = problem.init(jax.random.key(config.seed))
    theta = {**start, "rules": jax.tree.map(jax.numpy.asarray, rules)}
    _check_fit(path, theta, start)
    scores = evaluate.lives(problem, theta, config.seed, "validation", 2)
    metric = "accuracy" if "accuracy" in scores else "loss"
    return Subject(problem, theta, config.seed, metric, metric == "accuracy", file)


def _numbers(shared: bool, loaded: Mapping[str, Rule]) -> object:
    """The theta of a slot: of its rule, or {edge: of the rule at that edge}."""
    if shared:
        return next(iter(loaded.values())).theta
    return {edge: rule.theta for edge, rule in loaded.items()}


def _check_fit(path: Path, theta: object, start: object) -> None:
    """Raises: BadInput where the numbers of a file do not fit the network of the task."""
    given = jax.tree.map(jax.numpy.shape, theta)
    wanted = jax.tree.map(jax.numpy.shape, start)
    if given != wanted:
        raise BadInput(
            f"the rule of {path} in another network",
            "the edges and sizes on which it was learned",
            "give the task and the network of its run, or share one theta over all edges",
        )
