"""Groups of runs: several runs of one config, by `seeds` and `vary`.

`seeds: 8` and `vary: {learning_rate: [0.01, 0.03]}` make a group of 16 runs. Its runs train by one
compiled program. The folder of a group holds a complete folder for each run, group.json, and the
config of the group.
"""

import difflib
import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import jax
import pydantic
from annotated_types import MinLen

from metaplast.outer import AbstractOuterLoop, path_of
from metaplast.registry import BadInput
from metaplast.runs.config import Plain, read_file
from metaplast.runs.job import Job, Run, parse
from metaplast.runs.merging import merge
from metaplast.settings.names import CONFIG, DISCOVERED
from metaplast.spec import Count, Positive, build, encode, explain, mapping, spec
from metaplast.training.train_row import program_of

MAX_SETTINGS = 26
"""Settings of a group, as many as `metaplast compare` lays side by side."""
MAX_SEEDS = 1000
"""Seeds of a group."""


@spec
class RunGroup:
    """Several runs of one command.

    seeds: runs that differ in their seed, from `seed` on.
    vary: {name: values} of numbers of the outer loop's `hyper`, such as step sizes. Every
        combination runs. A number of a nested loop has a name such as first_std.
    lockstep: With true, all runs take every step at once. The steps are faster and the last digits
        differ. With false, one run goes after the other, each with the bits that it has alone.
        With None, the runs go at once on an accelerator if the state keeps its shape.

    Raises: BadInput for a value that stands twice, and for too many combinations.
    """

    seeds: Count = 1
    vary: Annotated[
        tuple[tuple[str, Annotated[tuple[Positive, ...], MinLen(1)]], ...], mapping
    ] = ()
    lockstep: bool | None = None

    def __post_init__(self) -> None:
        if self.seeds > MAX_SEEDS:
            raise BadInput(f"seeds={self.seeds}", f"at most {MAX_SEEDS}", "start several groups")
        for name, values in self.vary:
            if len(set(values)) < len(values):
                raise BadInput(f"vary.{name}={list(values)}", "distinct values", "give each once")
        if len(self.settings()) > MAX_SETTINGS:
            raise BadInput(
                f"vary: {len(self.settings())} combinations",
                f"at most {MAX_SETTINGS}",
                "give fewer values",
            )

    @property
    def alone(self) -> bool:
        """Whether there is only one run."""
        return self.seeds == 1 and not self.vary

    def settings(self) -> list[dict[str, float]]:
        """Every combination of the values of `vary`."""
        settings = []
        values_of = dict(self.vary)
        for values in itertools.product(*values_of.values()):
            settings.append(dict(zip(values_of, values, strict=True)))
        return settings

    def runs(self, job: Job, folder: Path) -> list[Run]:
        """Every run, setting by setting, seed by seed.

        Args:
            job: the job of the first run.
            folder: the folder of the group. A run without a group has it for itself.

        Raises: BadInput for a name that is no number of the outer loop.
        """
        if self.alone:
            return [Run(folder, job, job)]
        seeds = range(job.main.seed, job.main.seed + self.seeds)
        settings = self.settings()
        runs = []
        for setting, seed in itertools.product(settings, seeds):
            plain = {**job.plain, "seed": seed}
            values = [f"{name}-{value!r}" for name, value in setting.items()]
            name = "-".join([f"seed-{seed}", *values])
            run = parse(_at(plain, setting), check=False)
            program = parse(_at(plain, settings[0]), check=False)
            runs.append(Run(folder / name, run, program, self.lockstep))
        return runs

    def label(self, seed: int) -> str:
        """The seeds for the name of a folder: the first seed, and the last seed of a group."""
        return str(seed) if self.seeds == 1 else f"{seed}-{seed + self.seeds - 1}"


def split(plain: Plain) -> tuple[RunGroup, Plain]:
    """(the group in a config, the config of its first run). Raises: BadInput for a wrong group."""
    group_class: Any = RunGroup
    rest = dict(plain)
    of_group = {}
    for field in fields(group_class):
        if field.name in rest:
            of_group[field.name] = rest.pop(field.name)
    try:
        group = build(RunGroup, of_group)
    except pydantic.ValidationError as error:
        raise explain(error) from None
    return group, rest


def members(folder: Path) -> list[Run]:
    """The runs of a folder that holds one run or a group. Raises: BadInput for a wrong config."""
    group, plain = split(read_file(folder / CONFIG))
    return group.runs(parse(plain, check=False), folder)


def in_runs(folders: Sequence[Path]) -> list[Path]:
    """The folders of runs, with the folder of a group replaced by those of its runs.

    Args:
        folders: of runs, of groups, or of anything else, which stays as it is.

    Raises: BadInput for a wrong config.
    """
    runs = []
    for folder in folders:
        if (folder / CONFIG).is_file() and not is_alone(folder):
            runs += [run.folder for run in members(folder)]
        else:
            runs.append(folder)
    return runs


def is_alone(folder: Path) -> bool:
    """Whether a folder holds one run and no group. Raises: BadInput for a wrong config."""
    group, _ = split(read_file(folder / CONFIG))
    return group.alone


def _at(plain: Plain, setting: Mapping[str, float]) -> Plain:
    """The config with the numbers of a setting in its outer loop."""
    for name, value in setting.items():
        outer = parse(plain, check=False).main.outer
        known = [*outer.hyper()]
        path = path_of(outer, name) if name in known else ()
        if not path:
            near = difflib.get_close_matches(name, known, n=1)
            fix = "vary one of these, or start a run for each value"
            if near:
                fix = f"did you mean {near[0]!r}?"
            raise BadInput(f"vary.{name}", f"a number of the outer loop: {', '.join(known)}", fix)
        plain = merge(plain, {"outer": _override(outer, path, value)})
    return plain


def _override(outer: AbstractOuterLoop, path: Sequence[str], value: float) -> Plain:
    """The config of one number of a loop.

    A nested loop is written out, because the config may not name it.

    Args:
        outer: the loop.
        path: the field of the number, below the fields of the nested loops.
        value: the number.
    """
    field, *inner_path = path
    if not inner_path:
        return {field: value}
    loop = getattr(outer, field)
    return {field: merge(encode(loop), _override(loop, inner_path, value))}


def programs(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each compiled program. There is one program unless a problem holds the seed."""
    by_program: dict[Hashable, list[Run]] = {}
    for run in runs:
        by_program.setdefault(program_of(run, DISCOVERED), []).append(run)
    return list(by_program.values())


def check_lockstep(runs: Sequence[Run]) -> None:
    """Check that runs can move at once.

    Raises: BadInput for an outer loop whose state changes its shape.
    """
    if not runs[0].lockstep:
        return
    problem, outer = program_of(runs[0], DISCOVERED)
    init = lambda key: outer.init(problem, problem.init(key), key, outer.hyper())
    if len(outer.forms(jax.eval_shape(init, jax.random.key(0)))) > 1:
        raise BadInput(
            "lockstep=true",
            "an outer loop whose state keeps its shape",
            "set outer.restarts=0, or drop it",
        )
