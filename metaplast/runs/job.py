"""A job: one problem, one outer loop, and the rows of its table (the same problem with another
rule).
"""

import difflib
from collections.abc import Sequence
from dataclasses import field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pydantic

from metaplast import train
from metaplast.feedback.base import AbstractFeedback
from metaplast.feedback.random import Random as RandomFeedback
from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.random import Random as RandomGenome
from metaplast.life.at_synapse import SpikeTimes
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.final_loss import FinalLoss
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.unroll import Curriculum
from metaplast.registry import BadInput
from metaplast.rules.base import AbstractRule
from metaplast.runs.config import NEW, Plain, merge, read_file, resolve
from metaplast.runs.loggers.base import AbstractLogger
from metaplast.runs.loggers.none import None_ as NoLogger
from metaplast.settings.compare import Compare
from metaplast.settings.evaluation import PROTOTYPE, Evaluation, References, check_references
from metaplast.settings.fit import Fit
from metaplast.settings.names import DISCOVERED, NAME
from metaplast.space import Coordinate, Space, within
from metaplast.space import check as check_space
from metaplast.spec import (
    Count,
    Natural,
    NonNegative,
    Positive,
    Seed,
    build,
    decode,
    explain,
    named,
    nested,
    plugin,
    reader,
    spec,
)
from metaplast.tasks import AbstractTaskFamily

ROW_KEYS = ("network", "feedback", "genome", "rule", "rules", "shared", "space", "note", "from")


@spec
class Numbers:
    """n_tasks: lives per outer step; life_clip: largest gradient norm of one life (0: none);
    unroll: steps after which
    training lives end (0: whole lives); curriculum: {outer step: unroll}; chunk: see MetaProblem.
    """

    n_tasks: Count = 8
    life_clip: NonNegative = 1.0
    chunk: Natural = 0
    n_devices: Count = 1
    unroll: Natural = 0
    curriculum: Curriculum = ()


@spec
class SlotFields:
    """A slot as a config gives it: its name is its key under `rules`."""

    rule: Annotated[AbstractRule, plugin("rule")]
    edges: str = "*"
    shared: bool = True


def _optional_rule(value: Any) -> AbstractRule | None:
    return None if value is None else decode("rule", value)


@spec
class Config:
    """Everything that determines a training, resolved. `rule` is one slot on every plastic edge;
    `rules` names several.

    shared: one theta for all edges of the slot, or one per edge. space: names with the coordinates
    in which some leaves of theta are searched (see metaplast.space.Coordinate). measure: what is
    added to the metrics of every life (see Lifetime); where the task reports no accuracy, the table
    then shows the angle. fit,
    compare: what the verbs `metaplast fit` and `metaplast compare` do. spike_times: see Lifetime; a
    config that does not say was written before there was a choice, and means `transmitted` (a new
    one says: config.NEW).
    """

    task: Annotated[AbstractTaskFamily, plugin("task")]
    outer: Annotated[AbstractOuterLoop, plugin("outer")]
    experiment: str = ""
    seed: Seed = 0
    precision: Literal["float32", "float64"] = "float32"
    network: Annotated[AbstractNetwork, plugin("network")] = Feedforward()
    feedback: Annotated[AbstractFeedback, plugin("feedback")] = RandomFeedback()
    genome: Annotated[AbstractGenome, plugin("genome")] = RandomGenome()
    objective: Annotated[AbstractObjective, plugin("objective")] = FinalLoss()
    rule: Annotated[AbstractRule | None, pydantic.PlainValidator(_optional_rule)] = None
    shared: bool = True
    rules: Annotated[tuple[tuple[str, SlotFields], ...], named(reader(SlotFields))] = ()
    space: Annotated[Space, named(reader(Coordinate))] = ()
    dt: Positive = 1e-3
    measure: tuple[Literal["alignment"], ...] = ()
    spike_times: SpikeTimes = "transmitted"
    problem: Annotated[Numbers, nested(Numbers)] = Numbers()
    evaluation: Annotated[Evaluation, nested(Evaluation)] = Evaluation()
    fit: Annotated[Fit, nested(Fit)] = Fit()
    compare: Annotated[Compare, nested(Compare)] = Compare()
    checkpoint_every: Count = 50
    logging: Annotated[AbstractLogger, plugin("logging")] = NoLogger()
    note: str = ""

    def slots(self) -> tuple[Slot, ...]:
        """Raises: BadInput where both `rule` and `rules` are given."""
        if self.rule is not None and self.rules:
            raise BadInput(
                "rule and rules",
                "one of the two",
                "put the rule into 'rules' under a name, and rule: null",
            )
        if self.rule is not None:
            return (Slot("rule", "*", self.rule, self.shared),)
        return tuple(
            Slot(name, fields.edges, fields.rule, fields.shared) for name, fields in self.rules
        )

    def references(self) -> References:
        """What is judged beside the rows, under the names of its own rows."""
        return self.evaluation.beside()

    def outer_loop(self) -> AbstractOuterLoop:
        """The outer loop in its search space."""
        return within(self.outer, self.space)

    def meta_problem(self) -> MetaProblem:
        lifetime = Lifetime(
            task=self.task,
            network=self.network,
            feedback=self.feedback,
            genome=self.genome,
            slots=self.slots(),
            dt=self.dt,
            measure=self.measure,
            spike_times=self.spike_times,
        )
        n = self.problem
        numbers = {field.name: getattr(n, field.name) for field in fields(n)}  # pyright: ignore[reportArgumentType]
        return MetaProblem(lifetime, self.objective, **numbers)


@spec
class Job:
    """The rows of one table, parsed once from a config.

    rows: (name, config) of every row, `discovered` first. Each config is whole.
    origins: (row, the row whose trained theta it starts from), as `from` says.
    plain: the config that the job was parsed from, its `${key}` kept; {} for a job made in Python.
    """

    rows: tuple[tuple[str, Config], ...]
    origins: tuple[tuple[str, str], ...] = ()
    plain: Plain = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """A job crosses to other processes as its config: plug-ins are found there by name."""
        return (_unchecked, (self.plain,)) if self.plain else super().__reduce__()  # pyright: ignore[reportReturnType]

    @property
    def main(self) -> Config:
        return self.rows[0][1]

    def row(self, name: str) -> Config:
        return dict(self.rows)[name]

    def before(self, name: str) -> list[str]:
        """The row that `name` starts from, the one that this starts from, and so on; none for
        most.
        """
        origins, chain = dict(self.origins), [name]
        while chain[-1] in origins:
            chain.append(origins[chain[-1]])
        return chain[1:]


class Run(NamedTuple):
    """One run of a table.

    folder: where it lies.
    job: its rows.
    program: the job whose compiled programs it uses: its own, or one that differs in numbers that
        leave through the outer loop's `hyper` alone.
    lockstep: as in `train.steps_many`.
    """

    folder: Path
    job: Job
    program: Job
    lockstep: bool | None = None


def read_job(folder: Path) -> Job:
    """The job of a run folder, not checked again. Raises: BadInput."""
    return parse(read_file(folder / "config.yaml"), check=False)


def _unchecked(plain: Plain) -> Job:
    return parse(plain, check=False)


def parse(plain: Plain, check: bool = True) -> Job:
    """The job of a composed config. check: also `check_job`.

    Raises: BadInput naming the field and the fix.
    """
    resolved = resolve(plain)
    if not NEW.keys() <= resolved.keys():
        resolved = _as_before(resolved)
    rows = resolved.pop("rows", None) or {}
    if not isinstance(rows, dict):
        raise BadInput("rows", "a mapping of row names to what differs", "correct the config")
    configs, origins = {DISCOVERED: _config(resolved, "")}, {}
    taken = {DISCOVERED, PROTOTYPE, *dict(configs[DISCOVERED].references())}
    for name, over in rows.items():
        _check_name(name, taken)
        if isinstance(over, dict) and "from" in over:
            origins[name] = over["from"]
        configs[name] = _config(_row(resolved, name, over), f"rows.{name}")
    if check:
        _check_parts(configs)
    _check_origins(origins, tuple(configs))
    return Job(tuple(configs.items()), tuple(origins.items()), plain)


def check_job(job: Job) -> None:
    """Refuse parts that cannot live together; nothing is compiled. Raises: BadInput."""
    _check_parts(dict(job.rows))


def _check_parts(configs: dict[str, Config]) -> None:
    for name, config in configs.items():
        _check(config, "" if name == DISCOVERED else f"rows.{name}: ")
    main = configs[DISCOVERED]
    check_references(main.evaluation, main.task, main.objective)


def _as_before(plain: Any) -> Any:
    """A config written before NEW: a neuron whose default has changed keeps the one of then."""
    if isinstance(plain, list):
        return [_as_before(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    kept = {key: _as_before(value) for key, value in plain.items()}
    if kept.get("neuron") == "izhikevich":
        kept["neuron"] = {"name": "izhikevich", "integration": "euler"}
    if kept.get("name") == "izhikevich":
        kept.setdefault("integration", "euler")
    return kept


def _check_origins(origins: Plain, names: Sequence[str]) -> None:
    """Raises: BadInput for a `from` that is no row, and for rows that start from each other."""
    for name, origin in origins.items():
        if origin not in names:
            near = difflib.get_close_matches(str(origin), names, n=1)
            fix = f"did you mean {near[0]!r}?" if near else "correct the name"
            raise BadInput(f"rows.{name}.from={origin!r}", f"a row: {', '.join(names)}", fix)
    for name in origins:
        chain = [name]
        while chain[-1] in origins and chain.count(chain[-1]) == 1:
            chain.append(origins[chain[-1]])
        if chain.count(chain[-1]) > 1:
            raise BadInput(
                f"rows.{name}.from: {' <- '.join(chain)}",
                "a row that starts by itself",
                "remove one from",
            )


def _check_name(name: str, taken: set[str]) -> None:
    if not NAME.fullmatch(name) or name in taken:
        fix = f"it becomes a folder; {', '.join(sorted(taken))} are taken"
        raise BadInput(f"rows: name {name!r}", "letters, digits, _ and -", fix)


def _row(main: Plain, name: str, over: Any) -> Plain:
    if not isinstance(over, dict):
        raise BadInput(
            f"rows.{name}={over!r}",
            "a mapping of what differs from the main rule",
            "correct the config",
        )
    for key in over:
        if key not in ROW_KEYS:
            near = difflib.get_close_matches(key, ROW_KEYS, n=1)
            fix = (
                f"did you mean {near[0]!r}?"
                if near
                else "task, outer loop and budget are the same for every row"
            )
            raise BadInput(f"rows.{name}.{key}", f"one of {', '.join(ROW_KEYS)}", fix)
    rules = {"rule": None, "rules": {}} if "rule" in over or "rules" in over else {}
    own = {key: value for key, value in over.items() if key != "from"}
    return merge(
        {**main, **rules}, own
    )  # a row names its rule whole: it does not depend on what the main rule is


def _config(plain: Plain, where: str) -> Config:
    missing = [key for key in ("task", "outer") if key not in plain]
    if missing:
        raise BadInput(f"config without {missing[0]!r}", "task and outer", f"add {missing[0]}=NAME")
    try:
        return build(Config, plain)
    except pydantic.ValidationError as error:
        raise explain(error, where) from None
    except BadInput as error:
        raise BadInput(
            f"{where}: {error.what}" if where else error.what, error.expected, error.fix
        ) from None


def _check(config: Config, where: str) -> None:
    problem = config.meta_problem()
    try:
        problem.check()
        if config.space:
            check_space(config.space, problem.init(train.stream(config.seed, "theta")))
    except pydantic.ValidationError as error:
        raise explain(error, where.rstrip(": ")) from None
    except BadInput as error:
        raise BadInput(f"{where}{error.what}", error.expected, error.fix) from None
