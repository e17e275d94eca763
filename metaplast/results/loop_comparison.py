"""The result of a comparison of outer loops as types: built once, written to compare.json, and read
back from it.

`metaplast.comparing.files` writes and reads the files.
"""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from metaplast.results.numbers import Bounds, RoundedEstimate
from metaplast.results.typed_json import Number, Plain, from_plain, number_or_null, of_schema

SCHEMA = "metaplast.compare/1"
FILE = "compare.json"
Hyper = dict[str, float]
"""{number of an outer loop: value}"""


@dataclass(frozen=True, kw_only=True)
class ScoredMark:
    """A theta on the way of a training, and its score.

    steps: outer steps so far.
    lives: training lives so far.
    cpu_s: CPU seconds so far.
    loss: mean over the finite lives that judge it; NaN where none is.
    accuracy: the same; None where the task tells none.
    not_finite: lives whose loss is not finite.
    n: lives that judge it.
    """

    steps: int
    lives: float
    cpu_s: float
    loss: Number
    accuracy: Annotated[
        float | None, BeforeValidator(lambda value: math.nan if value is None else value)
    ] = None
    not_finite: int
    n: int

    @property
    def whole_loss(self) -> float:
        """The mean loss; infinite where one of the lives blew up."""
        if self.not_finite or math.isnan(self.loss):
            return math.inf
        return self.loss


@dataclass(frozen=True)
class LoopTraining:
    """One training by one setting of an outer loop.

    hyper: the setting.
    steps, lives, cpu_s: spent until every budget was.
    diverged: lives that were not finite.
    skipped: steps that were not finite.
    moved: whether theta did.
    curve: {budget: marks on the way, judged on validation lives}.
    heldout: {budget: the mark at its end, judged on held-out lives}; empty for a try.
    """

    hyper: Hyper
    steps: int
    lives: float
    cpu_s: float
    diverged: int
    skipped: int
    moved: bool
    curve: dict[str, list[ScoredMark]]
    heldout: dict[str, ScoredMark]


class SeedTraining(NamedTuple):
    """A training that is judged, and its seed."""

    seed: int
    training: LoopTraining


class LoopTrainings(NamedTuple):
    """The trainings of one outer loop.

    tries: one per setting.
    chosen: {budget: index of the setting}.
    runs: {budget: the training of every seed}.
    """

    tries: list[LoopTraining]
    chosen: dict[str, int]
    runs: dict[str, list[SeedTraining]]

    def at_ends(self, budget: str) -> list[ScoredMark]:
        """The held-out score of every seed at the end of a budget."""
        return [run.training.heldout[budget] for run in self.runs[budget]]

    def curves(self, budget: str) -> list[list[ScoredMark]]:
        """The validation marks of every seed."""
        return [run.training.curve[budget] for run in self.runs[budget]]


@dataclass(frozen=True)
class ContestSettings:
    """The settings of a comparison, as in `metaplast.settings.compare.Compare`."""

    seeds: int
    lives: float
    cpu_s: float
    tries: int
    factor: float
    fixed: list[str]
    points: int

    def budget(self, name: str) -> float:
        """The size of the budget `lives` or `cpu_s`."""
        if name == "lives":
            return self.lives
        return self.cpu_s


@dataclass(frozen=True)
class CurvePoint:
    """One mark of a curve, a mean over seeds.

    lives, cpu_s: spent so far.
    mean: of the validation loss; None where a seed was not finite.
    ci95: its interval.
    n: seeds.
    """

    lives: float
    cpu_s: float
    mean: float | None
    ci95: Bounds
    n: int

    def spent(self, budget: str) -> float:
        """The lives, or the CPU seconds, so far."""
        if budget == "lives":
            return self.lives
        return self.cpu_s


@dataclass(frozen=True)
class LoopScore:
    """The score of an outer loop under one budget.

    hyper: the setting that was chosen.
    mean: held-out loss over seeds; None where a seed ended with lives that blew up.
    ci95: its interval.
    n: seeds.
    values: the loss of every seed.
    lives_judged: held-out lives.
    steps: outer steps, the median over seeds.
    not_finite: held-out lives that were not finite, of all seeds.
    accuracy: None where the task tells none.
    to_best: ratio or difference to the best loop, paired over seeds; None where no loop is best.
    """

    hyper: Hyper
    mean: float | None
    ci95: Bounds
    n: int
    values: list[float | None]
    lives_judged: int
    steps: int | float
    not_finite: int
    accuracy: RoundedEstimate | None = None
    to_best: RoundedEstimate | None = None


@dataclass(frozen=True)
class RefusedLoop:
    """An outer loop that takes no part.

    outer: the loop as a config gives it.
    refused: the reason.
    """

    outer: Plain
    refused: str


@dataclass(frozen=True)
class EnteredLoop:
    """An outer loop that takes part.

    outer: the loop as a config gives it.
    cpu_s_per_1000_lives: over all judged trainings.
    diverged: lives that were not finite.
    skipped: steps that were not finite.
    moved: whether theta did, in every training.
    scores: {budget: score}.
    curves: {budget: marks on the way}.
    tries: the training of every setting.
    """

    outer: Plain
    cpu_s_per_1000_lives: float
    diverged: int
    skipped: int
    moved: bool
    scores: dict[str, LoopScore]
    curves: dict[str, list[CurvePoint]]
    tries: list[LoopTraining]


@dataclass(frozen=True)
class LoopComparison:
    """The comparison of outer loops, as in compare.json.

    settings: of the comparison.
    loops: {name: result}.
    best: {budget: the loop with the lowest mean}; None where no loop is finite.
    scale: `ratio` where every loss is positive, so that means are geometric; else `difference`.
    """

    experiment: str
    seed: int
    settings: Annotated[ContestSettings, Field(alias="compare")]
    loops: dict[str, EnteredLoop | RefusedLoop]
    best: dict[str, str | None]
    scale: str

    @property
    def entered(self) -> dict[str, EnteredLoop]:
        """The loops that take part."""
        entered = {}
        for name, loop in self.loops.items():
            if isinstance(loop, EnteredLoop):
                entered[name] = loop
        return entered

    @property
    def refused(self) -> dict[str, RefusedLoop]:
        """The loops that take no part."""
        refused = {}
        for name, loop in self.loops.items():
            if isinstance(loop, RefusedLoop):
                refused[name] = loop
        return refused

    @property
    def is_ratio(self) -> bool:
        """Whether losses are compared by their ratio."""
        return self.scale == "ratio"


def to_json(comparison: LoopComparison) -> Plain:
    """The comparison as compare.json holds it."""
    loops = {}
    for name, loop in comparison.loops.items():
        loops[name] = _loop_to_json(loop)
    return {
        "schema": SCHEMA,
        "experiment": comparison.experiment,
        "seed": comparison.seed,
        "compare": asdict(comparison.settings),
        "loops": loops,
        "best": comparison.best,
        "scale": comparison.scale,
    }


def from_json(plain: Plain, where: str) -> LoopComparison:
    """The inverse of `to_json`, by `of_schema`. A key that is missing has its default."""
    return of_schema(LoopComparison, SCHEMA, plain, where)


def training_to_json(training: LoopTraining) -> Plain:
    """The training as its file and compare.json hold it."""
    plain = asdict(training)
    for budget, marks in training.curve.items():
        plain["curve"][budget] = [_mark_to_json(mark) for mark in marks]
    for budget, mark in training.heldout.items():
        plain["heldout"][budget] = _mark_to_json(mark)
    return plain


def training_from_json(plain: Plain, where: str) -> LoopTraining:
    """The inverse of `training_to_json`. Raises: BadInput for data of another form."""
    return from_plain(LoopTraining, plain, where)


def _mark_to_json(mark: ScoredMark) -> Plain:
    plain = asdict(mark)
    plain["loss"] = number_or_null(mark.loss)
    if mark.accuracy is None:
        del plain["accuracy"]
    else:
        plain["accuracy"] = number_or_null(mark.accuracy)
    return plain


def _loop_to_json(loop: EnteredLoop | RefusedLoop) -> Plain:
    if isinstance(loop, RefusedLoop):
        return asdict(loop)
    whole = asdict(loop)
    plain: Plain = {"outer": whole.pop("outer"), "refused": None, **whole}
    for budget, score in loop.scores.items():
        plain["scores"][budget] = _score_to_json(score)
    plain["tries"] = [training_to_json(training) for training in loop.tries]
    return plain


def _score_to_json(score: LoopScore) -> Plain:
    plain = asdict(score)
    for key in ("accuracy", "to_best"):
        if plain[key] is None:
            del plain[key]
    return plain
