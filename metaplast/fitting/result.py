"""The result of a fit as types: built once, written to fit.json, and read back from it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from metaplast.registry import BadInput, Plain
from metaplast.results.typed_json import check_schema
from metaplast.runs import folder
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import SPLITS, Split

SCHEMA = "metaplast.fit/1"
FILE = "fit.json"
NO_PLASTICITY = "no_plasticity"  # the row that learns nothing, and the null of that name

Weights = dict[str, float | None]  # a combination of numbers: name of a number -> its weight


class Bounds(NamedTuple):
    """The ends of a 95 % interval; None where the data give none."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Share:
    """A share of the deviance, as a mean over subjects.

    mean: None where a deviance is not finite.
    ci95: its interval over subjects.
    n: subjects that have something to explain.
    """

    mean: float | None
    ci95: Bounds
    n: int


@dataclass(frozen=True)
class Score:
    """The score of a row or null on one split.

    deviance: summed over sessions.
    r2: of the recorded values, by the expected ones.
    parts: {`activity` or `choice`: its score} where both are judged, else empty.
    """

    deviance: float | None
    r2: float | None
    parts: "dict[str, Score]" = field(default_factory=dict)


@dataclass(frozen=True)
class PartComparison:
    """The comparison of one part, activity or choice, on held-out values.

    explained: {null: share of the null's deviance that is explained}.
    lead: explained deviance minus that of the discovered rule, against the first null.
    r2: of the held-out values.
    """

    explained: dict[str, Share]
    lead: Share
    r2: float | None


@dataclass(frozen=True)
class Comparison:
    """The comparison of a row or null with every null on held-out values.

    explained: {null: share of the null's deviance that is explained}.
    lead: explained deviance minus that of the discovered rule, against the first null.
    parts: {`activity` or `choice`: its comparison} where both are judged, else empty.
    """

    explained: dict[str, Share]
    lead: Share
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


@dataclass(frozen=True)
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
    noise: Noise | None
    steps: int
    stable: bool
    loss: float | None
    diverged: int
    starts: StartAgreement
    path: list[PathPoint]
    splits: dict[Split, Score]
    weights: dict[str, WeightScore]
    comparison: Comparison

    @property
    def explained(self) -> dict[str, Share]:
        """{null: share of its deviance that the row explains}."""
        return self.comparison.explained


@dataclass(frozen=True)
class NullResult:
    """The result of one null model: its description, its scores, and its comparison with all."""

    note: str
    splits: dict[Split, Score]
    comparison: Comparison


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


@dataclass(frozen=True)
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
    alone: list[str]
    swaps: list[Weights]
    condition: float | None
    directions: list[DirectionResult]
    why: str


@dataclass(frozen=True)
class BootstrapResult:
    """The refits to drawn data, and the intervals that count.

    refits: how many were made.
    failed: refits whose numbers are not finite.
    unsettled: refits that were not at rest.
    ci95: {name: interval}, of `IntervalsResult` where those are known.
    directions: the loosest first.
    """

    refits: int
    failed: int
    unsettled: int
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

    description: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class Advice:
    """A change of the model that the residuals ask for.

    change: `constant`, `bounded` or `first_weights`.
    share: of the residual variance that it would explain, adjusted for its numbers.
    words: the change as a sentence.
    """

    change: str
    share: float | None
    words: str


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


@dataclass(frozen=True)
class FitResult:
    """The result of a fit, as in fit.json.

    rows: {name: family of rules}, the discovered rule among them.
    nulls: {name: null model}.
    intervals: None where nothing of a rule is learned.
    bootstrap: None where neither intervals nor refits exist.
    doubts: reasons not to believe the fit.
    truth: None where the data are not simulated, or by a rule of another form.
    recover: the rule that replaced the recorded values, or None.
    verdict: the first sentences of terminal and page.
    wall_s: seconds of the fit.
    """

    experiment: str
    seed: int
    data: DataSummary
    reading: DataReading
    rows: dict[str, RowResult]
    nulls: dict[str, NullResult]
    intervals: IntervalsResult | None
    bootstrap: BootstrapResult | None
    doubts: list[str]
    advice: list[Advice]
    truth: list[TrueNumber] | None
    recover: Plain | None
    verdict: list[str]
    wall_s: float

    @property
    def discovered(self) -> RowResult:
        """The row that the fit is about."""
        return self.rows[DISCOVERED]

    @property
    def number_bounds(self) -> dict[str, Bounds]:
        """{name: interval} of the numbers of the discovered rule."""
        return self.bootstrap.ci95 if self.bootstrap is not None else {}


def write_result(run: Path, result: FitResult) -> None:
    """Write fit.json."""
    folder.write_json(run / FILE, to_json(result))


def read_result(run: Path) -> FitResult:
    """Read fit.json, also one that an earlier version wrote.

    Raises: BadInput for another schema, or a file of another form.
    """
    file = run / FILE
    plain = folder.read_json(file)
    check_schema(plain, SCHEMA, f"{file}")
    try:
        return from_json(plain)
    except (KeyError, TypeError, AttributeError):
        raise BadInput(
            f"{file}, of another form", SCHEMA, "open it with the version that wrote it"
        ) from None


def to_json(result: FitResult) -> Plain:
    """The result as fit.json holds it."""
    plain: Plain = {
        "schema": SCHEMA,
        "experiment": result.experiment,
        "seed": result.seed,
        "data": asdict(result.data),
        "reading": asdict(result.reading),
        "rows": {name: _row_to_json(row) for name, row in result.rows.items()},
        "nulls": {name: _null_to_json(null) for name, null in result.nulls.items()},
        "intervals": asdict(result.intervals) if result.intervals is not None else None,
        "bootstrap": asdict(result.bootstrap) if result.bootstrap is not None else None,
        "doubts": result.doubts,
        "advice": [asdict(advice) for advice in result.advice],
    }
    if result.truth is not None:
        plain["truth"] = [asdict(number) for number in result.truth]
    plain["recover"] = result.recover
    plain["verdict"] = result.verdict
    plain["wall_s"] = result.wall_s
    return plain


def _row_to_json(row: RowResult) -> Plain:
    noise = asdict(row.noise) if row.noise is not None else {}
    return {
        "note": row.note,
        "learned": row.learned,
        "searched": row.searched,
        "numbers": row.numbers,
        **noise,
        "steps": row.steps,
        "stable": row.stable,
        "loss": row.loss,
        "diverged": row.diverged,
        "starts": asdict(row.starts),
        "path": [asdict(point) for point in row.path],
        "splits": _scores_to_json(row.splits),
        "weights": {edge: asdict(score) for edge, score in row.weights.items()},
        **_comparison_to_json(row.comparison),
    }


def _null_to_json(null: NullResult) -> Plain:
    return {
        "note": null.note,
        **_scores_to_json(null.splits),
        **_comparison_to_json(null.comparison),
    }


def _scores_to_json(scores: dict[Split, Score]) -> Plain:
    return {split: _score_to_json(score) for split, score in scores.items()}


def _score_to_json(score: Score) -> Plain:
    plain: Plain = {"deviance": score.deviance, "r2": score.r2}
    if score.parts:
        plain["parts"] = {name: _score_to_json(part) for name, part in score.parts.items()}
    return plain


LEAD = f"minus_{DISCOVERED}"


def _comparison_to_json(comparison: Comparison) -> Plain:
    plain = _shares_to_json(comparison)
    if comparison.parts:
        plain["parts"] = {
            name: {**_shares_to_json(part), "r2": part.r2}
            for name, part in comparison.parts.items()
        }
    return plain


def _shares_to_json(comparison: Comparison | PartComparison) -> Plain:
    explained = {null: asdict(share) for null, share in comparison.explained.items()}
    return {"explained": explained, LEAD: asdict(comparison.lead)}


def from_json(plain: Plain) -> FitResult:
    """The inverse of `to_json`. Keys that an earlier version did not write stay empty."""
    intervals = plain.get("intervals")
    bootstrap = plain.get("bootstrap")
    reading = plain.get("reading", {"description": [], "warnings": []})
    truth = None
    if "truth" in plain:
        truth = [_true_number_from_json(number) for number in plain["truth"]]
    return FitResult(
        experiment=plain["experiment"],
        seed=plain["seed"],
        data=DataSummary(**plain["data"]),
        reading=DataReading(**reading),
        rows={name: _row_from_json(row) for name, row in plain["rows"].items()},
        nulls={name: _null_from_json(null) for name, null in plain["nulls"].items()},
        intervals=_intervals_from_json(intervals) if intervals is not None else None,
        bootstrap=_bootstrap_from_json(bootstrap) if bootstrap is not None else None,
        doubts=plain["doubts"],
        advice=[Advice(**advice) for advice in plain.get("advice", [])],
        truth=truth,
        recover=plain.get("recover"),
        verdict=plain.get("verdict", []),
        wall_s=plain["wall_s"],
    )


def _row_from_json(plain: Plain) -> RowResult:
    noise = Noise(plain["sd"], plain["residual_sd"]) if "sd" in plain else None
    return RowResult(
        note=plain["note"],
        learned=plain["learned"],
        searched=plain["searched"],
        numbers=plain["numbers"],
        noise=noise,
        steps=plain["steps"],
        stable=plain["stable"],
        loss=plain["loss"],
        diverged=plain["diverged"],
        starts=StartAgreement(**plain["starts"]),
        path=[PathPoint(**point) for point in plain["path"]],
        splits=_scores_from_json(plain["splits"]),
        weights={edge: WeightScore(**score) for edge, score in plain["weights"].items()},
        comparison=_comparison_from_json(plain),
    )


def _null_from_json(plain: Plain) -> NullResult:
    return NullResult(plain["note"], _scores_from_json(plain), _comparison_from_json(plain))


def _scores_from_json(plain: Plain) -> dict[Split, Score]:
    return {split: _score_from_json(plain[split]) for split in SPLITS}


def _score_from_json(plain: Plain) -> Score:
    parts = {name: _score_from_json(part) for name, part in plain.get("parts", {}).items()}
    return Score(plain["deviance"], plain["r2"], parts)


def _comparison_from_json(plain: Plain) -> Comparison:
    parts = {}
    for name, part in plain.get("parts", {}).items():
        explained = _shares_from_json(part["explained"])
        parts[name] = PartComparison(explained, _share_from_json(part[LEAD]), part["r2"])
    explained = _shares_from_json(plain["explained"])
    return Comparison(explained, _share_from_json(plain[LEAD]), parts)


def _shares_from_json(plain: Plain) -> dict[str, Share]:
    return {null: _share_from_json(share) for null, share in plain.items()}


def _share_from_json(plain: Plain) -> Share:
    return Share(plain["mean"], Bounds(*plain["ci95"]), plain["n"])


def _intervals_from_json(plain: Plain) -> IntervalsResult:
    return IntervalsResult(
        over=plain["over"],
        n=plain["n"],
        ci95=_bounds_from_json(plain["ci95"]),
        open=plain["open"],
        settled=[
            SettledResult(settled["value"], Bounds(*settled["ci95"]), settled["weights"])
            for settled in plain["settled"]
        ],
        separated=plain["separated"],
        alone=plain.get("alone", []),
        swaps=plain.get("swaps", []),
        condition=plain["condition"],
        directions=[DirectionResult(**direction) for direction in plain["directions"]],
        why=plain["why"],
    )


def _bootstrap_from_json(plain: Plain) -> BootstrapResult:
    return BootstrapResult(
        refits=plain["refits"],
        failed=plain.get("failed", 0),
        unsettled=plain.get("unsettled", 0),
        ci95=_bounds_from_json(plain["ci95"]),
        directions=[DirectionResult(**direction) for direction in plain["directions"]],
    )


def _bounds_from_json(plain: Plain) -> dict[str, Bounds]:
    return {name: Bounds(*ends) for name, ends in plain.items()}


def _true_number_from_json(plain: Plain) -> TrueNumber:
    bounds = Bounds(*plain["ci95"]) if plain["ci95"] is not None else None
    return TrueNumber(plain["name"], plain["true"], plain["fitted"], bounds, plain["verdict"])
