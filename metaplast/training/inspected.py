"""The subject of an inspection, and its parts one by one: a part that fails leaves the rest."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax

from metaplast.figures import ablation as ablation_figure
from metaplast.figures import distillation as distillation_figure
from metaplast.figures import horizons as horizons_figure
from metaplast.figures import identifiability as identifiability_figure
from metaplast.figures import innate as innate_figure
from metaplast.figures import kinship as kinship_figure
from metaplast.figures import landscape as landscape_figure
from metaplast.figures import lived as lived_figure
from metaplast.figures import spiking_life as spiking_life_figure
from metaplast.figures.section import PagePart, reason_of, unmade
from metaplast.inspection import (
    ablation,
    collinear,
    distillation,
    gradient_field,
    horizons,
    identifiability,
    information,
    innate,
    kinship,
    lived,
    parsimony,
    starts,
)
from metaplast.inspection.certificate import certificate
from metaplast.inspection.landscape import landscape
from metaplast.inspection.lived import spiking_populations
from metaplast.inspection.spiking_life import spiking_life
from metaplast.inspection.subject import Subject
from metaplast.inspection.verdict import Horizon
from metaplast.inspection.visited import Visited, visited
from metaplast.life.lifetime import Slot
from metaplast.outer import AbstractOuterLoop, inner_loops
from metaplast.registry import BadInput, name_of
from metaplast.results import evaluate
from metaplast.results.numbers import interval, number
from metaplast.reuse.ask import whole
from metaplast.reuse.describe import settled
from metaplast.reuse.document import entries
from metaplast.reuse.load import Rule, load_rule
from metaplast.reuse.rule_file import RuleFile, read_rule, save_rule
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Config, Job, parse
from metaplast.runs.row_files import candidates_of, theta_of
from metaplast.settings.names import CAUGHT, DISCOVERED, FIGURES
from metaplast.space import SearchedOuterLoop
from metaplast.training.effort import PLAN, SPIKES, Effort, Findings, Tick, is_made
from metaplast.training.row_record import chosen_step
from metaplast.training.sparse_rule import write_sparse

log = logging.getLogger(CAUGHT)

DISTILLED_FILE = "rule.distilled.safetensors"
ROUGH = 0.1
"""The asymmetry of a Hessian, from differences of gradients, from which on it is uncertain."""
N_STARTS = 2
"""Further starts of a thorough inspection."""
N_TUNING = 10
"""Outer steps of a search after a knock-out."""


class Inspected:
    """A searched rule in its task, with what several parts of a page need of it.

    subjects: the rule of every run, the first of which is drawn.
    path: the rule file of the first.
    outer: the outer loop of the first; None where it searched the form of the rule, so that it
        cannot go on from the rule that it found.
    whose: a sentence that says whose rule is drawn, where there are several.
    effort: the time that may be taken; None: that of the page that a training writes.
    target: the folder of the page and of the rule files that are made.
    searched: the row of the run that is drawn; None for a rule file.
    findings: what the parts found for the verdict.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        path: Path,
        outer: AbstractOuterLoop | None,
        whose: str,
        effort: Effort | None,
        target: Path,
        searched: "Searched | None" = None,
    ) -> None:
        self.subjects = tuple(subjects)
        self.path = path
        self.outer = outer
        self.whose = whose
        self.effort = effort
        self.target = target
        self.searched = searched
        self.findings = Findings()

    @property
    def folder(self) -> Path:
        """The folder of the pictures."""
        return self.target / FIGURES

    @property
    def subject(self) -> Subject:
        """The rule that is drawn."""
        return self.subjects[0]

    @property
    def has_spikes(self) -> bool:
        """Whether the network has a population that spikes."""
        return bool(spiking_populations(self.subject.problem.lifetime.wiring()))

    @property
    def has_rule(self) -> bool:
        """Whether a synapse of the network is plastic."""
        return bool(self.subject.problem.lifetime.slots)

    @property
    def tuning(self) -> AbstractOuterLoop | None:
        """The outer loop of a short search after a change of the rule; None without the time."""
        if self.effort is not Effort.THOROUGH or self.outer is None:
            return None
        return shortened(self.outer, N_TUNING)

    @property
    def no_tuning(self) -> str:
        """Why a thorough inspection re-tunes nothing, as a sentence; "" where it does."""
        if self.effort is not Effort.THOROUGH or self.tuning is not None:
            return ""
        if self.outer is None:
            why = "the search moved the form of the rule, and cannot go on from the one it found"
        else:
            why = f"the outer loop {_name(self.outer)} has no number of steps that can be cut"
        return f"Nothing was re-tuned after a knock-out: {why}."

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


class Searched(NamedTuple):
    """The searched row of a finished run: its folder, and its config."""

    folder: Path
    config: Config


class Part(NamedTuple):
    """A part of a page that lives the rule anew.

    name, title, least, of_spikes: as planned (metaplast/training/effort.py).
    make: the part of a subject.
    """

    name: str
    title: str
    least: Effort | None
    make: Callable[[Inspected], PagePart]
    of_spikes: bool = False


def shortened(outer: AbstractOuterLoop, n: int) -> AbstractOuterLoop | None:
    """An outer loop with at most n steps, to go on from the rule that was found.

    A loop made of others, such as `hybrid` or `multi_start`, has no steps of its own: its last
    inner loop goes on, which is the one that finished the search. The coordinates of a space stay
    around it.

    Args:
        outer: the outer loop of the search.
        n: the largest number of steps.

    Returns: the loop; None where neither it nor its inner loops have a number of steps.
    """
    fields: Any = outer
    if isinstance(getattr(outer, "steps", None), int):
        return replace(fields, steps=min(n, fields.steps))
    inner = inner_loops(outer)
    if not inner:
        return None
    short = shortened(inner[-1], n)
    if isinstance(outer, SearchedOuterLoop) and short is not None:
        return replace(outer, outer=short)
    return short


def _name(outer: AbstractOuterLoop) -> str:
    """The registered name of an outer loop, without the coordinates around it."""
    if isinstance(outer, SearchedOuterLoop):
        return _name(outer.outer)
    return name_of(type(outer))


def _retuned_by(inspected: Inspected) -> str:
    """Which inner loop re-tuned, as a sentence; "" where no part of a loop did."""
    outer, tuning = inspected.outer, inspected.tuning
    if outer is None or tuning is None or _name(outer) == _name(tuning):
        return ""
    return f"The search was by {_name(outer)}; its inner loop {_name(tuning)} re-tuned."


def _landscapes(inspected: Inspected) -> PagePart:
    """The change of weight over the signals that matter most."""
    by_entry = {}
    for entry, rule in inspected.rules.items():
        visits = [inspected.visited[edge] for edge in rule.edges]
        by_entry[entry] = landscape(rule, visits, inspected.subject.seed)
    return landscape_figure.part(by_entry, inspected.whose, inspected.folder)


def _ablation(inspected: Inspected) -> PagePart:
    """The worth of every term, and the smallest rule that is as good, which becomes a file."""
    outer = inspected.tuning
    subject = inspected.subject
    worth = ablation.ablation(subject, outer=outer, signals=inspected.visited)
    front = None
    if worth is not None and worth.of == "terms":
        front = parsimony.parsimony(subject, outer=outer, alone=worth.alone)
    sparse = None
    if front is not None:
        _, sparse = write_sparse(front, inspected.target)
    on_tuning = inspected.no_tuning or _retuned_by(inspected)
    return ablation_figure.part(worth, front, sparse, inspected.folder, on_tuning)


def _distillation(inspected: Inspected) -> PagePart:
    """The rule as a sum of few named terms, which becomes a file."""
    distilled = distillation.distil(inspected.subject, followed=inspected.visited)
    save_rule(inspected.target / DISTILLED_FILE, distilled.document, distilled.tensors)
    return distillation_figure.part(distilled, inspected.subject.metric, inspected.folder)


def _kinship(inspected: Inspected) -> PagePart:
    """The nearest known rules; whether the rule is a gradient; its locality."""
    subject = inspected.subject
    return kinship_figure.part(
        kinship.kinship(subject),
        gradient_field.gradient_field(subject),
        gradient_field.alignment(subject),
        certificate(subject),
        subject.metric,
        inspected.folder,
    )


def _identifiability(inspected: Inspected) -> PagePart:
    """What the task pins down, and the bits of the rule."""
    subject = inspected.subject
    curvature: identifiability.Curvature | str
    known = None
    try:
        known = identifiability.curvature(subject)
        curvature = known
    except BadInput as error:
        curvature = str(error)
    thetas = [each.theta for each in inspected.subjects]
    if inspected.effort is Effort.THOROUGH and inspected.outer is not None:
        thetas += starts.further(subject, inspected.outer, N_STARTS)
    agreement = None
    if len(thetas) > 1 and _have_one_form(inspected.subjects):
        agreement = starts.agreement(subject, thetas, known)
    part = identifiability_figure.part(
        curvature,
        collinear.collinearity(subject, inspected.visited),
        agreement,
        inspected.folder,
        information.information(subject),
    )
    if known is not None:
        inspected.findings.identifiability = _pinned_words(known)
    return part


def _have_one_form(subjects: Sequence[Subject]) -> bool:
    """Whether the rules of several runs differ in their numbers alone."""
    forms = [subject.problem.lifetime.slots for subject in subjects]
    return all(form == forms[0] for form in forms)


def _pinned_words(known: identifiability.Curvature) -> str:
    """What the task pins down, for the verdict."""
    words = (
        f"The task pins down {int(known.stiff.sum())} of {len(known.names)} directions of the "
        f"searched numbers ({known.n_lives} validation lives)."
    )
    if known.penalised:
        words = words.removesuffix(").") + ", without the penalty of theta)."
    if known.asymmetry > ROUGH:
        words += (
            f" That is uncertain: the loss is not smooth there (asymmetry {known.asymmetry:.2f})."
        )
    return words


def _innate(inspected: Inspected) -> PagePart:
    """The score at birth and after learning, of every theta that the run kept."""
    subject = inspected.subject
    problem = subject.problem
    steps: list[int] = []
    thetas = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf)[None], subject.theta)
    chosen = 0
    if inspected.searched is not None:
        folder, config = inspected.searched
        kept = candidates_of(folder, config.meta_problem())
        if kept is not None:
            problem = config.meta_problem()
            steps, thetas = kept
            chosen = steps.index(chosen_step(folder))
    lived = innate.course(problem, thetas, steps, subject.seed, subject.metric)
    return innate_figure.part(lived, chosen, inspected.folder)


def _horizons(inspected: Inspected) -> PagePart:
    """Lives of other lengths, networks of other widths, and fixed points."""
    subject = inspected.subject
    longer = horizons.horizons(subject)
    for reached in longer.reached:
        if reached.factor == 1.0:
            continue
        inspected.findings.horizons.append(_horizon(reached))
    widths = horizons.widths(subject)
    inspected.findings.elsewhere += _width_words(widths)
    return horizons_figure.part(
        longer,
        widths,
        horizons.drifts(subject, inspected.visited),
        subject.metric,
        subject.larger_is_better,
        inspected.folder,
    )


def _width_words(widths: horizons.Horizons) -> list[str]:
    """Networks of other widths in a sentence for the verdict; none where none was tried."""
    each = []
    n_lives = 0
    for reached in widths.reached:
        if reached.factor == 1.0:
            continue
        score = reached.score
        words = f"{number(score.mean, '.3g')} {interval((score.low, score.high), '.3g')}"
        if reached.diverged:
            words += f" ({reached.diverged} of {reached.n_lives} lives are not finite)"
        each.append(f"{words} at x {reached.factor:g}")
        n_lives = reached.n_lives
    if not each:
        return []
    return [f"In networks of other hidden widths: {'; '.join(each)} (n {n_lives})."]


def _horizon(reached: horizons.Reached) -> Horizon:
    """Lives of another length as the verdict names them."""
    score = None
    if not reached.diverged:
        score = reached.score.mean
    return Horizon(
        factor=reached.factor,
        score=score,
        diverging=reached.diverged / reached.n_lives,
        saturating=reached.at_bound,
        n=reached.n_lives,
    )


def _life(inspected: Inspected) -> PagePart:
    """Weights and activity through a life."""
    return lived_figure.part(lived.course(inspected.subject), inspected.folder)


def _spikes(inspected: Inspected) -> PagePart:
    """One life of the first run's rule: its spikes, potentials, weights and intervals."""
    return spiking_life_figure.part(spiking_life(inspected.subject), inspected.folder)


_MAKERS: dict[str, Callable[[Inspected], PagePart]] = {
    "ablation": _ablation,
    "landscape": _landscapes,
    "distillation": _distillation,
    "kinship": _kinship,
    "identifiability": _identifiability,
    "innate": _innate,
    "horizons": _horizons,
    "life": _life,
    SPIKES: _spikes,
}
PARTS: tuple[Part, ...] = tuple(
    Part(each.name, each.title, each.least, _MAKERS[each.name], each.of_spikes) for each in PLAN
)


def made(inspected: Inspected, tick: Tick) -> dict[str, PagePart]:
    """The parts that the effort allows, in the order of the page.

    Args:
        inspected: the rule in its task.
        tick: a function that is called before every part, with one of two counts done, and after
            it. A part is a stage of its own, because parts differ in their time.
    """
    parts = {}
    wanted = []
    for part in PARTS:
        if is_made(
            part.least,
            part.of_spikes,
            inspected.effort,
            inspected.has_spikes,
            inspected.has_rule,
        ):
            wanted.append(part)
    for index, part in enumerate(wanted):
        stage = f"{index + 1}/{len(wanted)} {part.title}"
        tick(stage, 1, 2)
        parts[part.name] = _attempted(part, inspected)
        tick(stage, 2, 2)
    return parts


def _attempted(part: Part, inspected: Inspected) -> PagePart:
    """The part; where it fails, a section that says why. With --debug, stderr has the traceback."""
    try:
        return part.make(inspected)
    except Exception as error:
        log.debug("%s: this part could not be made", part.title, exc_info=True)
        return PagePart(unmade(part.title, error), {"failed": reason_of(error)})


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
    (target / FIGURES).mkdir(parents=True, exist_ok=True)
    subject = of_rule(path, words)
    outer = _config(words).outer_loop()
    return made(Inspected([subject], path, outer, "", effort, target), tick)


def _config(words: Sequence[str]) -> Config:
    """The config that words give."""
    return parse(compose(list(words), Sources())).main


def of_run(job: Job, file: RuleFile, row: Path, metric: str) -> Subject:
    """The searched rule of a finished run.

    Args:
        job: of the run.
        file: the rule file of the run; without slots where nothing was plastic.
        row: the folder of the searched row.
        metric: of the scores.
    """
    config = job.row(DISCOVERED)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem = config.meta_problem()
    lifetime, theta = settled(problem.lifetime, theta_of(row, problem))
    problem = replace(problem, lifetime=lifetime)
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
    config = _config(words)
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
