"""The summary of a training run as types: built once, written to summary.json, read back from it.

`metaplast.training.summary` writes and reads the file.
"""

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from metaplast.results import names
from metaplast.results.numbers import Bounds
from metaplast.results.typed_json import Number, Plain, from_plain, number_or_null, of_schema

SCHEMA = "metaplast.summary/1"
FILE = names.SUMMARY
DIFFERENCE = "minus_discovered"
"""The key of `RowScore.difference` in JSON."""


@dataclass(frozen=True)
class Difference:
    """The paired difference of a row to the discovered row, with its 95 % interval."""

    mean: float | None
    ci95: Bounds


@dataclass(frozen=True, kw_only=True)
class RowScore:
    """The score of one row.

    name: of the row.
    split: the lives that were judged.
    metric: of the values.
    mean: over lives, then over splits; None where a life is not finite.
    ci95: its interval.
    n: lives.
    not_finite: lives with a value that is not finite.
    difference: row minus discovered row.
    """

    name: str
    split: str
    metric: str
    mean: float | None
    ci95: Bounds
    n: int
    not_finite: int = 0
    difference: Annotated[Difference, Field(alias=DIFFERENCE)]


@dataclass(frozen=True)
class SearchRecord:
    """The record of a row's search.

    diverged_lives: training lives that were not finite and were left out.
    falls: how often the search got lost and was led back.
    fell_at: the outer steps at which it did.
    step_scale: the size of its last steps, as a share of that of the first.
    chosen_step: the outer step of the chosen theta.
    """

    diverged_lives: int = 0
    falls: int = 0
    fell_at: list[int] = field(default_factory=list)
    step_scale: float = 1.0
    chosen_step: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The verdict on a row's search, as `metaplast.training.judge` gives it.

    state: `trained`, `not trained` or `overfitted`.
    metric: in which it was judged.
    split: the lives on which it failed, `validation` or `heldout`; None where it did not.
    against: the row below which it ended, or `start`.
    difference: mean paired difference (row - other); None where lives of the row are not finite.
    interval: its 99.9 % interval.
    do: what to try, in words.
    failed_in: of several runs, those in which the row failed; None for one run.
    runs: how many runs there are; None for one run.
    """

    state: str
    metric: str
    split: str | None = None
    against: str | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    do: str | None = None
    failed_in: int | None = None
    runs: int | None = None


@dataclass(frozen=True)
class TrainedRow:
    """The facts about a row of the table, beside its score.

    reach: the widest reach of a field that its rules read.
    feedback: the registered name, or `none` where no credit signal is read.
    reads: the fields of the view that its rules read.
    learned: numbers of theta.
    at_bound: share of weights that end at their bound, a mean over held-out lives.
    units: {`silent_<population>` or `saturated_<population>`: share of units}.
    faults: {fault: held-out lives that have it}.
    spiking: the populations of spiking units that an edge drives; empty where none is known.
    output: the last population of the network; "" where it is not known.
    search: None where nothing is learned.
    wall_s: seconds of training and judging.
    note: the row's own words from its config.
    contains: the rows whose family it contains.
    verdict: None where nothing is learned, or validation lives are not on record.
    budget: outer steps, with those of the rows that it starts from.
    origin: the row that it starts from.
    """

    reach: str
    feedback: str
    reads: list[str]
    learned: int
    at_bound: float = 0.0
    units: dict[str, float] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    spiking: list[str] = field(default_factory=list)
    output: str = ""
    search: Annotated[SearchRecord | None, BeforeValidator(lambda plain: plain or None)] = None
    wall_s: float | None = None
    note: str = ""
    contains: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    budget: int = 0
    origin: Annotated[str | None, Field(alias="from")] = None


@dataclass(frozen=True)
class ReferenceRow:
    """The facts about a reference (`metaplast/references/`), beside its score.

    chosen: the numbers that were chosen on validation lives.
    wall_s: seconds of choosing and judging.
    note: the reference in words.
    """

    kind: Literal["reference"] = "reference"
    reach: str = "-"
    feedback: str = "none"
    reads: list[str] = field(default_factory=list)
    learned: Literal["-"] = "-"
    chosen: Plain = field(default_factory=dict)
    wall_s: float | None = None
    note: str = ""


def _kind(plain: Any) -> str:
    """The kind of a row in JSON: a trained row has no key `kind`."""
    if isinstance(plain, dict):
        return plain.get("kind", "trained")
    return "trained"


Row = Annotated[
    Annotated[TrainedRow, Tag("trained")] | Annotated[ReferenceRow, Tag("reference")],
    Discriminator(_kind),
]
"""The facts about any row of the table."""


@dataclass(frozen=True)
class GapClosed:
    """The share that the discovered row closes of the gap between two rows.

    low: the row at the lower end.
    high: the best row at the upper end; None where the share is withheld.
    share: None where it is withheld, or where `low` is not worse than `high`.
    withheld: {row whose search failed: the reason}; empty where the share is known.
    """

    low: Annotated[str, Field(alias="from")]
    high: Annotated[str | None, Field(alias="to")]
    share: float | None
    withheld: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Halving:
    """The effect of half of dt (`metaplast.results.halving`).

    dt: seconds.
    lives: how many were lived.
    before, after: {name: mean at dt, and at dt / 2}; NaN where a life is not finite.
    changed: the names whose change is more than chance, and matters.
    untold: the names of which so few lives tell nothing.
    interval: {name: 95 % interval of the relative change}; None where `before` is 0.
    """

    dt: float
    lives: int
    before: dict[str, Number]
    after: dict[str, Number]
    changed: list[str]
    untold: list[str] = field(default_factory=list)
    interval: dict[str, tuple[float, float] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class NotHalved:
    """Half of dt was not tried: the task counts its steps as events.

    dt: seconds.
    task: the registered name.
    """

    dt: float
    task: str


HalvingResult = Halving | NotHalved


@dataclass(frozen=True)
class RuleCard:
    """The learned rule in words.

    form: the registered names of its rules.
    reach: the widest.
    formula: as text.
    terms: {slot or edge: {term: coefficient}}.
    """

    form: str
    reach: str
    formula: str
    terms: dict[str, dict[str, float]]


@dataclass(frozen=True)
class AutoChoice:
    """The choice of outer loop auto.

    name: the registered name of the chosen loop.
    reason: why it was chosen.
    measured: the numbers of the diagnosis, as name=value.
    """

    name: str
    reason: str
    measured: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunSummary:
    """The summary of a finished run, as in summary.json.

    outer_steps: of every trained row.
    wall_s: seconds of the run.
    diverged_lives: training lives of all rows that were not finite and were left out.
    rows: {row: its facts}, `discovered` first, references last.
    scores: of every row, in the same order.
    gap_closed: None where the table has no feedback alignment or no backprop.
    halving: None where it was not asked for.
    rule: None where nothing is plastic.
    auto: the choice of outer loop auto; None for another loop.
    """

    experiment: str
    seed: int
    outer_steps: int
    wall_s: float
    diverged_lives: int
    rows: dict[str, Row]
    scores: list[RowScore]
    gap_closed: GapClosed | None = None
    halving: HalvingResult | None = None
    rule: RuleCard | None = None
    auto: AutoChoice | None = None

    @property
    def trained_rows(self) -> dict[str, TrainedRow]:
        """The rows that are no references."""
        trained = {}
        for name, row in self.rows.items():
            if isinstance(row, TrainedRow):
                trained[name] = row
        return trained


def to_json(summary: RunSummary) -> Plain:
    """The summary as summary.json holds it."""
    plain: Plain = {
        "schema": SCHEMA,
        "experiment": summary.experiment,
        "seed": summary.seed,
        "outer_steps": summary.outer_steps,
        "wall_s": summary.wall_s,
        "diverged_lives": summary.diverged_lives,
        "rows": {name: row_to_json(row) for name, row in summary.rows.items()},
        "scores": [score_to_json(score) for score in summary.scores],
        "gap_closed": gap_to_json(summary.gap_closed),
    }
    if summary.halving is not None:
        plain["halving"] = halving_to_json(summary.halving)
    if summary.rule is not None:
        plain["rule"] = asdict(summary.rule)
    if summary.auto is not None:
        plain["auto"] = asdict(summary.auto)
    return plain


def from_json(plain: Plain, where: str) -> RunSummary:
    """The inverse of `to_json`, by `of_schema`. A key that is missing has its default."""
    return of_schema(RunSummary, SCHEMA, plain, where)


def row_to_json(row: Row) -> Plain:
    """The facts about a row as summary.json holds them."""
    plain = asdict(row)
    if isinstance(row, TrainedRow):
        plain["search"] = asdict(row.search) if row.search is not None else {}
        plain["verdict"] = verdict_to_json(row.verdict)
        plain["from"] = plain.pop("origin")
    return plain


def verdict_to_json(verdict: Verdict | None) -> Plain | None:
    """The verdict as JSON holds it. The counts of runs are there for several runs alone."""
    if verdict is None:
        return None
    plain = asdict(verdict)
    if verdict.runs is None:
        del plain["failed_in"], plain["runs"]
    return plain


def score_to_json(score: RowScore) -> Plain:
    """The score as JSON holds it, also in rule files."""
    plain = asdict(score)
    plain[DIFFERENCE] = plain.pop("difference")
    return plain


def gap_to_json(gap: GapClosed | None) -> Plain | None:
    """The closed gap as JSON holds it."""
    if gap is None:
        return None
    plain: Plain = {"from": gap.low, "to": gap.high, "share": gap.share}
    if gap.withheld:
        plain["withheld"] = gap.withheld
    return plain


def halving_to_json(halving: HalvingResult) -> Plain:
    """The effect of half of dt as JSON holds it."""
    plain = asdict(halving)
    if isinstance(halving, Halving):
        plain["before"] = _numbers_to_json(halving.before)
        plain["after"] = _numbers_to_json(halving.after)
    return plain


def halving_from_json(plain: Plain, where: str) -> HalvingResult:
    """The inverse of `halving_to_json`. Raises: BadInput for data of another form."""
    if "task" in plain:
        return from_plain(NotHalved, plain, where)
    return from_plain(Halving, plain, where)


def _numbers_to_json(values: dict[str, float]) -> dict[str, float | None]:
    plain = {}
    for name, value in values.items():
        plain[name] = number_or_null(value)
    return plain
