"""The result of a fit as types: built once, written to fit.json, and read back from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from metaplast.results.numbers import Bounds, RoundedEstimate
from metaplast.results.typed_json import Plain, of_schema
from metaplast.runs import folder
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS, Split

SCHEMA = "metaplast.fit/1"
FILE = "fit.json"
NO_PLASTICITY = "no_plasticity"  # the row that learns nothing, and the null of that name

LEAD = f"minus_{DISCOVERED}"
"""The key of the lead of a comparison in JSON."""

FIXED_SETTINGS = {
    "constant": ("network.bias=true",),
    "first_weights": ("genome=per_subject", "task.held.subjects=0"),
}
"""{advised change: the words of a config that make it}, for changes whose words no data alter."""

Weights = dict[str, float | None]
"""A combination of numbers: {name of a number: its weight}."""


@dataclass(frozen=True)
class FitScore:
    """The score of a row or null on one split.

    deviance: summed over sessions.
    r2: of the recorded values, by the expected ones.
    parts: {`activity` or `choice`: its score} where both are judged, else empty.
    """

    deviance: float | None
    r2: float | None
    parts: "dict[str, FitScore]" = field(default_factory=dict)


def _of_every_split(plain: Any) -> Any:
    """The scores of all splits. A split that is missing is None, which is no score."""
    if isinstance(plain, dict):
        return {split: plain.get(split) for split in SPLITS}
    return plain


Scores = Annotated[dict[Split, FitScore], BeforeValidator(_of_every_split)]
"""{split: score} of a row or null."""


@dataclass(frozen=True)
class PartComparison:
    """The comparison of one part, activity or choice, on held-out values.

    explained: {null: share of the null's deviance that is explained}.
    lead: explained deviance minus that of the discovered rule, against the first null.
    r2: of the held-out values.
    """

    explained: dict[str, RoundedEstimate]
    lead: Annotated[RoundedEstimate, Field(alias=LEAD)]
    r2: float | None


@dataclass(frozen=True)
class Comparison:
    """The comparison of a row or null with every null on held-out values.

    explained: {null: share of the null's deviance that is explained}.
    lead: explained deviance minus that of the discovered rule, against the first null.
    parts: {`activity` or `choice`: its comparison} where both are judged, else empty.
    """

    explained: dict[str, RoundedEstimate]
    lead: Annotated[RoundedEstimate, Field(alias=LEAD)]
    parts: dict[str, PartComparison] = field(default_factory=dict)


@dataclass(frozen=True)
class Noise:
    """The noise of activity that is fitted beside choices.

    sd: the standard deviation by which the likelihood weighs activity against choices.
    residual_sd: the standard deviation that the fit left.
    """

    sd: float
    residual_sd: float | None


@dataclass(frozen=True)
class StartAgreement:
    """The agreement of the starts of one row.

    n: starts.
    same: starts whose loss is within 1 % of the best.
    spread: the largest range of a number over those starts, as a share of the largest number.
    """

    n: int
    same: int
    spread: float


@dataclass(frozen=True)
class PathPoint:
    """One set of terms that a penalty left.

    strength: of the penalty, relative to the loss of a rule that does nothing.
    n_terms: terms that were kept.
    deviance: mean over subjects on validation trials, after the refit without penalty.
    error: its standard error.
    chosen: whether the row is this one.
    """

    strength: float
    n_terms: int
    deviance: float | None
    error: float | None
    chosen: bool


@dataclass(frozen=True)
class WeightScore:
    """R2 of simulated weights, and of their change since birth, by the fitted ones."""

    r2: float | None
    r2_change: float | None


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """The result of one family of rules.

    note: the row's own words from its config.
    learned: numbers of theta that may differ from 0.
    searched: names of the rule's numbers.
    numbers: {name: value} of those that are not 0.
    noise: of activity that is fitted beside choices, else None.
    steps: outer steps of the last fit.
    stable: whether the numbers had come to rest.
    loss: training loss of the last fit.
    diverged: lives of the search that were not finite.
    starts: the agreement of the starts.
    path: the sets of terms that were tried, empty where all terms were fitted.
    splits: the score on every split.
    weights: {edge: R2 of its weights} where the data are simulated.
    comparison: with every null.
    """

    note: str
    learned: int
    searched: list[str]
    numbers: dict[str, float | None]
    noise: Noise | None = None
    steps: int
    stable: bool
    loss: float | None
    diverged: int
    starts: StartAgreement
    path: list[PathPoint]
    splits: Scores
    weights: dict[str, WeightScore]
    comparison: Comparison

    @property
    def explained(self) -> dict[str, RoundedEstimate]:
        """{null: share of its deviance that the row explains}."""
        return self.comparison.explained


@dataclass(frozen=True)
class NullResult:
    """The result of one null model: its description, its scores, and its comparison with all."""

    note: str
    splits: Scores
    comparison: Comparison


def _row_parts(plain: Any) -> Any:
    """A row as JSON holds it: the keys of its noise and comparison stand beside its own."""
    if not isinstance(plain, dict):
        return plain
    parts = {"comparison": plain}
    if "sd" in plain:
        parts["noise"] = plain
    return plain | parts


def _null_parts(plain: Any) -> Any:
    """A null as JSON holds it: the keys of its splits and comparison stand beside its own."""
    if isinstance(plain, dict):
        return plain | {"splits": plain, "comparison": plain}
    return plain


@dataclass(frozen=True)
class DirectionResult:
    """A combination of numbers of unit length.

    sd: the standard deviation with which the data fix it.
    loose: whether that is a large share of the numbers.
    weights: of the numbers in it.
    """

    sd: float | None
    loose: bool
    weights: Weights


@dataclass(frozen=True)
class SettledResult:
    """A combination that the data settle, of numbers that they leave open one by one."""

    value: float | None
    ci95: Bounds
    weights: Weights


@dataclass(frozen=True, kw_only=True)
class IntervalsResult:
    """The intervals of the numbers of the discovered rule.

    over: the resampled things, `subjects`, `sessions` or `values`.
    n: how many of them.
    ci95: {name: interval}, without ends for a number that the data leave open.
    open: combinations along which predictions stay the same.
    settled: combinations of open numbers that the data settle.
    separated: numbers along which choices are predicted without fault.
    alone: numbers that one subject (or session) settles by itself. The data of the others do not
        depend on them.
    swaps: combinations of kept and left-out numbers that the data do not tell apart.
    condition: of the Fisher information, at unit information of every number.
    directions: the loosest first.
    why: the reason why intervals are not known, or an empty string.
    """

    over: str
    n: int
    ci95: dict[str, Bounds]
    open: list[Weights]
    settled: list[SettledResult]
    separated: list[str]
    alone: list[str] = field(default_factory=list)
    swaps: list[Weights] = field(default_factory=list)
    condition: float | None
    directions: list[DirectionResult]
    why: str


@dataclass(frozen=True, kw_only=True)
class BootstrapResult:
    """The refits to drawn data, and the intervals that count.

    refits: how many were made.
    failed: refits whose numbers are not finite.
    unsettled: refits that were not at rest.
    ci95: {name: interval}, of `IntervalsResult` where those are known.
    directions: the loosest first.
    """

    refits: int
    failed: int = 0
    unsettled: int = 0
    ci95: dict[str, Bounds]
    directions: list[DirectionResult]


@dataclass(frozen=True)
class DataSummary:
    """The amount of data.

    subjects: how many.
    sessions: {split: sessions}.
    values: {split: recorded values}.
    heldout_subjects: names of the subjects that training does not see.
    heldout_by: `subjects`, or `trials` where no subject is held out.
    """

    subjects: int
    sessions: dict[Split, int]
    values: dict[Split, float]
    heldout_subjects: list[str]
    heldout_by: str


@dataclass(frozen=True)
class DataReading:
    """The way in which the data file was read: a description line by line, and warnings."""

    description: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ModelAdvice:
    """A change of the model that the residuals ask for.

    change: `constant`, `bounded` or `first_weights`.
    share: of the residual variance that it would explain, adjusted for its numbers.
    words: the change as a sentence.
    settings: the words of a config that make it; none where no word does. An earlier version wrote
        none.
    """

    change: str
    share: float | None
    words: str
    settings: list[str] = field(default_factory=list)

    @property
    def taken_by(self) -> tuple[str, ...]:
        """The words of a config that make the change, also where an earlier version wrote none."""
        return tuple(self.settings) or FIXED_SETTINGS.get(self.change, ())


@dataclass(frozen=True)
class TermsPlace:
    """The place of the discovered rule's list of terms in the config.

    path: the rule, `rule` or `rules.NAME.rule`; "" where no one list of terms is searched.
    initial: whether the config gives first coefficients, which belong to the terms of that list.
    """

    path: str = "rule"
    initial: bool = False


@dataclass(frozen=True)
class TrueNumber:
    """A number of the rule that simulated the data, beside the fitted one.

    verdict: `recovered`, `off`, `missed` or `false`, as `recovery.recovered` says.
    """

    name: str
    true: float | None
    fitted: float | None
    ci95: Bounds | None
    verdict: str


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """The result of a fit, as in fit.json.

    rows: {name: family of rules}, the discovered rule among them.
    nulls: {name: null model}.
    intervals: None where nothing of a rule is learned.
    bootstrap: None where neither intervals nor refits exist.
    doubts: reasons not to believe the fit.
    truth: None where the data are not simulated, or by a rule of another form.
    recover: the rule that replaced the recorded values, or None.
    terms: where the config has the terms of the discovered rule.
    verdict: the first sentences of terminal and page.
    wall_s: seconds of the fit.
    """

    experiment: str
    seed: int
    data: DataSummary
    reading: DataReading = field(default_factory=DataReading)
    rows: dict[str, Annotated[RowResult, BeforeValidator(_row_parts)]]
    nulls: dict[str, Annotated[NullResult, BeforeValidator(_null_parts)]]
    intervals: IntervalsResult | None = None
    bootstrap: BootstrapResult | None = None
    doubts: list[str]
    advice: list[ModelAdvice] = field(default_factory=list)
    truth: list[TrueNumber] | None = None
    recover: Plain | None = None
    terms: TermsPlace = field(default_factory=TermsPlace)
    verdict: list[str] = field(default_factory=list)
    wall_s: float

    @property
    def discovered(self) -> RowResult:
        """The row that the fit is about."""
        return self.rows[DISCOVERED]

    @property
    def number_bounds(self) -> dict[str, Bounds]:
        """{name: interval} of the numbers of the discovered rule."""
        if self.bootstrap is not None:
            return self.bootstrap.ci95
        return {}


def write_result(run: Path, result: FitResult) -> None:
    """Write fit.json."""
    folder.write_json(run / FILE, to_json(result))


def read_result(run: Path) -> FitResult:
    """Read fit.json, also one that an earlier version wrote.

    Raises: BadInput for another schema, or a file of another form.
    """
    file = run / FILE
    return from_json(folder.read_json(file), f"{file}")


def to_json(result: FitResult) -> Plain:
    """The result as fit.json holds it."""
    plain: Plain = {"schema": SCHEMA, **asdict(result)}
    for name, row in result.rows.items():
        plain["rows"][name] = _row_to_json(row)
    for name, null in result.nulls.items():
        plain["nulls"][name] = _null_to_json(null)
    if result.truth is None:
        del plain["truth"]
    return plain


def _row_to_json(row: RowResult) -> Plain:
    """The inverse of `_row_parts`."""
    plain: Plain = {}
    for key, value in asdict(row).items():
        if key == "noise":
            plain |= value or {}
        elif key == "splits":
            plain[key] = _scores_to_json(row.splits)
        elif key == "comparison":
            plain |= _comparison_to_json(row.comparison)
        else:
            plain[key] = value
    return plain


def _null_to_json(null: NullResult) -> Plain:
    """The inverse of `_null_parts`."""
    scores = _scores_to_json(null.splits)
    return {"note": null.note, **scores, **_comparison_to_json(null.comparison)}


def _scores_to_json(scores: Mapping[Any, FitScore]) -> Plain:
    """{split or part: score}. A score without parts has no such key."""
    plain = {}
    for name, score in scores.items():
        plain[name] = {"deviance": score.deviance, "r2": score.r2}
        if score.parts:
            plain[name]["parts"] = _scores_to_json(score.parts)
    return plain


def _comparison_to_json(comparison: Comparison) -> Plain:
    """A comparison without parts has no such key."""
    plain = _lead_to_json(comparison)
    if comparison.parts:
        plain["parts"] = {}
        for name, part in comparison.parts.items():
            plain["parts"][name] = _lead_to_json(part) | {"r2": part.r2}
    return plain


def _lead_to_json(comparison: Comparison | PartComparison) -> Plain:
    plain = asdict(comparison)
    return {"explained": plain["explained"], LEAD: plain["lead"]}


def from_json(plain: Plain, where: str) -> FitResult:
    """The inverse of `to_json`, by `of_schema`. A key that is missing has its default."""
    return of_schema(FitResult, SCHEMA, plain, where)
