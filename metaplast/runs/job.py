"""A job: the configs of all rows of a table.

The rows share one task, one outer loop and one budget. They differ in the rule, the network or the
feedback.
"""

import difflib
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import pydantic

from metaplast import search_loop
from metaplast.feedback.base import AbstractFeedback
from metaplast.feedback.random import Random as RandomFeedback
from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.random import Random as RandomGenome
from metaplast.life.at_synapse import SpikeTimes
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.slots import Numbers as StartNumbers
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.base import AbstractObjective
from metaplast.objectives.final_loss import FinalLoss
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.held import held_of, without
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.unroll import Curriculum
from metaplast.registry import BadInput
from metaplast.reuse.document import MAX_WORDS
from metaplast.rules.base import AbstractRule
from metaplast.runs import notebook
from metaplast.runs.config import NEW, Plain, read_file, resolve
from metaplast.runs.loggers.base import AbstractLogger
from metaplast.runs.loggers.none import None_ as NoLogger
from metaplast.runs.merging import merge
from metaplast.settings.compare import Compare
from metaplast.settings.evaluation import PROTOTYPE, Evaluation, References, check_references
from metaplast.settings.fit import Fit
from metaplast.settings.names import CONFIG, DISCOVERED, NAME
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

OF_SLOT = ("shared", "start", "frozen")
"""Fields of a config that belong to its `rule`."""
ROW_KEYS = (
    "network",
    "settle",
    "feedback",
    "genome",
    "rule",
    "rules",
    *OF_SLOT,
    "space",
    "note",
    "from",
)


@spec
class Numbers:
    """The numbers of a problem.

    n_tasks: lives of an outer step.
    life_clip: largest gradient norm of one life; 0: no limit.
    chunk: lives in one piece of a program, see MetaProblem.
    n_devices: devices that share the lives.
    unroll: steps after which lives of training end; 0: whole lives.
    curriculum: {outer step: unroll from this step on}.
    """

    n_tasks: Count = 8
    life_clip: NonNegative = 1.0
    chunk: Natural = 0
    n_devices: Count = 1
    unroll: Natural = 0
    curriculum: Curriculum = ()


@spec
class SlotFields:
    """A slot in a config. Its name is its key under `rules`.

    rule: the rule of these edges.
    edges: a pattern of edge names, such as `*` or `hidden_*`.
    shared: whether the edges share one theta; otherwise each has its own.
    start, frozen: see metaplast.life.slots.Slot; `rule.from` writes them.
    """

    rule: Annotated[AbstractRule, plugin("rule")]
    edges: str = "*"
    shared: bool = True
    start: StartNumbers = ()
    frozen: tuple[str, ...] = ()


def _optional_rule(value: Any) -> AbstractRule | None:
    return None if value is None else decode("rule", value)


@spec
class Ancestor:
    """A rule from which a search started.

    rule: the path or name by which it was given.
    sha256: the checksum of its file; empty for a rule without a file.
    change: the way from it to the next rule, in words.
    slot: the slot under `rules` whose rule descends from it; empty for `rule`.
    """

    rule: str
    sha256: str = ""
    change: str = ""
    slot: str = ""


@spec
class Config:
    """The config of one row: everything that decides a training.

    task: the family of tasks.
    outer: the outer loop, which moves theta.
    experiment: name of the experiment.
    seed: seed of all random numbers.
    precision: dtype of all arrays.
    network: the writer of the wiring.
    feedback: the way from the errors of the task to credit at every population.
    genome: the source of initial weights.
    objective: the worth of a life.
    rule: the rule of the only slot, which has every plastic edge.
    shared: whether all edges of that slot share one theta.
    start: {dotted name of a leaf of theta of that slot: its numbers before the search, as text}.
        `rule.from` writes it.
    frozen: names in `start` of leaves that the search does not move.
    rules: {name: slot}, in place of `rule`.
    space: {name: coordinates} in which leaves of theta are searched (metaplast.space.Coordinate).
    dt: seconds of a step.
    measure: further metrics of every life, see Lifetime. The table shows the angle where the task
        reports no accuracy.
    spike_times: see Lifetime. A config without this field was written before there was a choice; it
        means `transmitted`. Every new config has the field (config.NEW).
    rate_trace: see Lifetime: seconds; above 0, rules of rates see spikes as rates.
    activity_reference: hertz that an activity of 1 stands for. The rule file states it.
    settle: see Lifetime: steps of the network in one step of the task.
    problem: numbers of the problem.
    evaluation: the choice and the judgement of theta.
    fit: settings of `metaplast fit`.
    compare: settings of `metaplast compare`.
    checkpoint_every: outer steps between two checkpoints.
    logging: the logger of outer steps.
    ancestry: the rules from which the search started, the eldest first (`rule.from`).
    note: words beside the row in a report.
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
    start: StartNumbers = ()
    frozen: tuple[str, ...] = ()
    rules: Annotated[tuple[tuple[str, SlotFields], ...], named(reader(SlotFields))] = ()
    space: Annotated[Space, named(reader(Coordinate))] = ()
    dt: Positive = 1e-3
    measure: tuple[Literal["alignment"], ...] = ()
    spike_times: SpikeTimes = "transmitted"
    rate_trace: NonNegative = 0.0
    activity_reference: Positive = 1.0
    settle: Count = 1
    problem: Annotated[Numbers, nested(Numbers)] = Numbers()
    evaluation: Annotated[Evaluation, nested(Evaluation)] = Evaluation()
    fit: Annotated[Fit, nested(Fit)] = Fit()
    compare: Annotated[Compare, nested(Compare)] = Compare()
    checkpoint_every: Count = 50
    logging: Annotated[AbstractLogger, plugin("logging")] = NoLogger()
    ancestry: tuple[Annotated[Ancestor, nested(Ancestor)], ...] = ()
    note: str = ""

    def slots(self) -> tuple[Slot, ...]:
        """The slots of the lifetime. Raises: BadInput where both `rule` and `rules` are given."""
        if self.rule is not None and self.rules:
            raise BadInput(
                "rule and rules",
                "one of the two",
                "put the rule into 'rules' under a name, and rule: null",
            )
        if self.rule is not None:
            return (Slot("rule", "*", self.rule, self.shared, self.start, self.frozen),)
        slots = []
        for name, fields in self.rules:
            of_search = (fields.start, fields.frozen)
            slots.append(Slot(name, fields.edges, fields.rule, fields.shared, *of_search))
        return tuple(slots)

    def references(self) -> References:
        """The references that are judged beside the rows, as (name of the row, reference)."""
        return self.evaluation.beside()

    def ancestors(self) -> list[Plain]:
        """The ancestors as a rule file holds them."""
        plain = []
        for ancestor in self.ancestry:
            change = ancestor.change
            if ancestor.slot:
                change = f"slot {ancestor.slot}: {change}"
            facts = {"rule": ancestor.rule, "sha256": ancestor.sha256, "change": change[:MAX_WORDS]}
            plain.append(facts)
        return plain

    def outer_loop(self) -> AbstractOuterLoop:
        """The outer loop in the coordinates of the search."""
        return within(self.outer, self.space, held_of(self.slots()))

    def meta_problem(self) -> MetaProblem:
        """The problem of the row."""
        lifetime = Lifetime(
            task=self.task,
            network=self.network,
            feedback=self.feedback,
            genome=self.genome,
            slots=self.slots(),
            dt=self.dt,
            measure=self.measure,
            spike_times=self.spike_times,
            rate_trace=self.rate_trace,
            activity_reference=self.activity_reference,
            settle=self.settle,
        )
        numbers = self.problem
        return MetaProblem(
            lifetime,
            self.objective,
            n_tasks=numbers.n_tasks,
            life_clip=numbers.life_clip,
            chunk=numbers.chunk,
            n_devices=numbers.n_devices,
            unroll=numbers.unroll,
            curriculum=numbers.curriculum,
        )


@spec
class Job:
    """The rows of one table, parsed once from a config.

    rows: (name, config) of every row. `discovered` is the first. Each config is whole.
    origins: (row, its origin). The search of such a row starts from the trained theta of its
        origin, the row that `from` names.
    plain: the config before parsing, with every `${key}`; {} for a job that was made in Python.
    """

    rows: tuple[tuple[str, Config], ...]
    origins: tuple[tuple[str, str], ...] = ()
    plain: Plain = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """The form in which a job crosses to another process: its config, parsed anew there.

        So the other process finds plug-ins by name.
        """
        if self.plain:
            return _unchecked, (self.plain,)
        whole: Any = super().__reduce__()
        return whole

    @property
    def main(self) -> Config:
        """The config of the discovered row."""
        return self.rows[0][1]

    def row(self, name: str) -> Config:
        """The config of a row."""
        return dict(self.rows)[name]

    def before(self, name: str) -> list[str]:
        """The origin of a row, the origin of that row, and so on. Most rows have none."""
        origins = dict(self.origins)
        chain = [name]
        while chain[-1] in origins:
            chain.append(origins[chain[-1]])
        return chain[1:]


class Run(NamedTuple):
    """One run of a table.

    folder: the folder of the run.
    job: the rows of the run.
    program: the job whose compiled programs the run uses. It is `job`, or a job that differs only
        in numbers of the outer loop's `hyper`.
    lockstep: see `search_loop.steps_many`.
    """

    folder: Path
    job: Job
    program: Job
    lockstep: bool | None = None


def read_job(folder: Path) -> Job:
    """The job of a run folder, without a check. Raises: BadInput for a config that is damaged."""
    return parse(read_file(folder / CONFIG), check=False)


def _unchecked(plain: Plain) -> Job:
    return parse(plain, check=False)


def parse(plain: Plain, check: bool = True) -> Job:
    """The job of a composed config.

    Args:
        plain: the config.
        check: whether the parts of every row are checked, as by `check_job`.

    Raises: BadInput naming the field and the fix.
    """
    resolved = resolve(plain)
    notebook.check(resolved)
    resolved.pop(notebook.KEY, None)
    if not NEW.keys() <= resolved.keys():
        resolved = _as_before(resolved)
    rows = resolved.pop("rows", None) or {}
    if not isinstance(rows, dict):
        raise BadInput("rows", "a mapping of row names to what differs", "correct the config")
    configs = {DISCOVERED: _config(resolved, "")}
    origins: Plain = {}
    taken = {DISCOVERED, PROTOTYPE, *dict(configs[DISCOVERED].references())}
    for name, changes in rows.items():
        _check_name(name, taken)
        if isinstance(changes, dict) and "from" in changes:
            origins[name] = changes["from"]
        configs[name] = _config(_row(resolved, name, changes), f"rows.{name}")
    if check:
        _check_parts(configs)
    _check_origins(origins, tuple(configs))
    return Job(tuple(configs.items()), tuple(origins.items()), plain)


def check_job(job: Job) -> None:
    """Check that the parts of every row fit together. Nothing is compiled.

    Raises: BadInput where they do not.
    """
    _check_parts(dict(job.rows))


def _check_parts(configs: dict[str, Config]) -> None:
    for name, config in configs.items():
        where = ""
        if name != DISCOVERED:
            where = f"rows.{name}: "
        _check(config, where)
    main = configs[DISCOVERED]
    check_references(main.evaluation, main.task, main.objective)


def _as_before(plain: Any) -> Any:
    """The config of an earlier version (without NEW), with the defaults of that version."""
    if isinstance(plain, list):
        return [_as_before(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    fields = {}
    for key, value in plain.items():
        fields[key] = _as_before(value)
    if fields.get("neuron") == "izhikevich":
        fields["neuron"] = {"name": "izhikevich", "integration": "euler"}
    if fields.get("name") == "izhikevich":
        fields.setdefault("integration", "euler")
    return fields


def _check_origins(origins: Plain, names: Sequence[str]) -> None:
    """Check the origins of rows.

    Raises: BadInput for an origin that is no row, and for rows that start from each other.
    """
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


def _row(main: Plain, name: str, changes: Any) -> Plain:
    """The config of a row: the main config with the changes of the row."""
    if not isinstance(changes, dict):
        raise BadInput(
            f"rows.{name}={changes!r}",
            "a mapping of the differences to the main rule",
            "correct the config",
        )
    known = Config.__annotations__
    for key in changes:
        if key not in ROW_KEYS:
            near = difflib.get_close_matches(key, ROW_KEYS, n=1)
            fix = "task, outer loop and budget are the same for every row"
            if key == "outer":
                fix = "all rows share the outer loop"
            elif key in known:
                fix = f"{key} is the same for every row"
            elif near:
                fix = f"did you mean {near[0]!r}?"
            raise BadInput(f"rows.{name}.{key}", f"one of {', '.join(ROW_KEYS)}", fix)
    base = dict(main)
    if "rule" in changes or "rules" in changes:
        # A row names its rule whole: no field of the main rule is left in it.
        base |= {"rule": None, "rules": {}, "start": {}, "frozen": []}
    differences = dict(changes)
    differences.pop("from", None)
    return merge(base, differences)


def _config(plain: Plain, where: str) -> Config:
    for key in ("task", "outer"):
        if key not in plain:
            raise BadInput(f"config without {key!r}", "task and outer", f"add {key}=NAME")
    try:
        return build(Config, plain)
    except pydantic.ValidationError as error:
        raise explain(error, where) from None
    except BadInput as error:
        raise error.within(f"{where}: " if where else "") from None


def _check(config: Config, where: str) -> None:
    try:
        problem = config.meta_problem()
        problem.check()
        held = held_of(config.slots())
        if held or config.space:
            free = without(held, problem.init(search_loop.stream(config.seed, "theta")))
            if not jax.tree.leaves(free):
                raise BadInput("numbers that are all frozen", "one that moves", "freeze fewer")
            check_space(config.space, free)
    except pydantic.ValidationError as error:
        raise explain(error, where.rstrip(": ")) from None
    except BadInput as error:
        raise error.within(where) from None
