"""Several runs of one config, `seeds: 8` and `vary: {learning_rate: [0.01, 0.03]}`, that train by
one compiled program.

The folder of a group holds a complete folder for each run, group.json, and the config that all of
them come from.
"""

import difflib
import itertools
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import jax
import pydantic
from annotated_types import MinLen

from metaplast.outer import AbstractOuterLoop, path_of
from metaplast.registry import BadInput
from metaplast.runs.config import Plain, merge, read_file
from metaplast.runs.folder import write_json
from metaplast.runs.job import Single, parse
from metaplast.runs.same_setting import worlds
from metaplast.settings.names import DISCOVERED
from metaplast.spec import Count, Positive, build, encode, explain, mapping, spec
from metaplast.training import side_by_side, summary
from metaplast.training.train_row import Diverged, program_of

SCHEMA, RESULT = "metaplast.group/1", "group.json"
MAX_SETTINGS = 26  # what `metaplast compare` lays side by side
MAX_SEEDS = 1000  # folders of one command


@spec
class Group:
    """seeds: how many runs differ in their seed, from `seed` on. vary: {name: values} of numbers
    that leave through the outer loop's `hyper` (step sizes, spreads), every combination of them;
    those of a nested loop as first_std.
    lockstep: all runs at once in every step: faster steps, other last digits; or one after the
    other, each with the
    bits that it has alone. Default: at once on an accelerator, where the state keeps its shape.
    Raises: BadInput for a value given twice, and for too many combinations."""

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
        return self.seeds == 1 and not self.vary

    def settings(self) -> list[dict[str, float]]:
        """Every combination of the values of `vary`."""
        names = [name for name, _ in self.vary]
        return [
            dict(zip(names, each, strict=True))
            for each in itertools.product(*(values for _, values in self.vary))
        ]

    def runs(self, plain: Plain, folder: Path) -> list[Single]:
        """Setting by setting, seed by seed. plain: the config of the first run. One run alone has
        `folder` to itself.

        Raises: BadInput for a name that is no number of the outer loop.
        """
        if self.alone:
            return [Single(folder, plain, plain)]
        begin, found = parse(plain, check=False).main.seed, []
        first, *_ = settings = self.settings()
        for setting, seed in itertools.product(settings, range(begin, begin + self.seeds)):
            own = {**plain, "seed": seed}
            name = "-".join(
                [f"seed-{seed}", *(f"{name}-{value!r}" for name, value in setting.items())]
            )
            found.append(Single(folder / name, _at(own, setting), _at(own, first), self.lockstep))
        return found

    def label(self, seed: int) -> str:
        """The seeds, as the name of a folder has them."""
        return str(seed) if self.seeds == 1 else f"{seed}-{seed + self.seeds - 1}"


def split(plain: Plain) -> tuple[Group, Plain]:
    """(what a config says of a group, the config of its first run). Raises: BadInput."""
    names = [field.name for field in fields(Group)]  # pyright: ignore[reportArgumentType]
    try:
        group = build(Group, {key: value for key, value in plain.items() if key in names})
    except pydantic.ValidationError as error:
        raise explain(error) from None
    return group, {key: value for key, value in plain.items() if key not in names}


def members(folder: Path) -> list[Single]:
    """The runs of a folder, whether it holds one or a group. Raises: BadInput."""
    group, plain = split(read_file(folder / "config.yaml"))
    return group.runs(plain, folder)


def _at(plain: Plain, setting: Mapping[str, float]) -> Plain:
    """The config with numbers of its outer loop as in `setting`."""
    for name, value in setting.items():
        outer = parse(plain, check=False).main.outer
        known = [*outer.hyper()]
        path = path_of(outer, name) if name in known else ()
        if not path:
            near = difflib.get_close_matches(name, known, n=1)
            fix = (
                f"did you mean {near[0]!r}?"
                if near
                else "vary one of these, or start a run for each value"
            )
            raise BadInput(f"vary.{name}", f"a number of the outer loop: {', '.join(known)}", fix)
        plain = merge(plain, {"outer": _override(outer, path, value)})
    return plain


def _override(outer: AbstractOuterLoop, path: Sequence[str], value: float) -> Plain:
    """What sets a field; a nested loop is written out, for the config may not name it."""
    first, *rest = path
    if not rest:
        return {first: value}
    loop = getattr(outer, first)
    return {first: merge(encode(loop), _override(loop, rest, value))}


def programs(runs: Sequence[Single]) -> list[list[Single]]:
    """The runs of each compiled program: all of them, but where the problem depends on the seed."""
    found: dict[Hashable, list[Single]] = {}
    for one in runs:
        found.setdefault(program_of(one, DISCOVERED), []).append(one)
    return list(found.values())


def check_lockstep(runs: Sequence[Single]) -> None:
    """Raises: BadInput for runs that are to move at once and whose outer state changes its shape."""
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


def unfinished(runs: Sequence[Single]) -> list[Single]:
    return [one for one in runs if not (one.folder / "summary.json").is_file()]


def conclude(folder: Path, runs: Sequence[Single], wall_s: float) -> None:
    """Write group.json: what the finished runs say together, and which are not."""
    left = {one.folder for one in unfinished(runs)}
    done = (
        worlds([one.folder for one in runs if one.folder not in left])
        if len(left) < len(runs)
        else {}
    )
    pools = {label: summary.pool(found) for label, found in done.items()}
    told = {
        "schema": SCHEMA,
        "runs": [{"folder": one.folder.name, "diverged": one.folder in left} for one in runs],
        "programs": len(programs(runs)),
        "wall_s": round(wall_s, 2),
        "settings": [
            {
                "differs": label,
                "runs": [run.name for run in done[label]],
                "metric": pool.metric,
                "scores": pool.scores,
                "gap_closed": pool.gap,
                "means": pool.means,
            }
            for label, pool in pools.items()
        ],
    }
    write_json(folder / RESULT, told)


def told(folder: Path, as_json: bool = False) -> str:
    """What `metaplast train` prints at the end, of one run or of a group: a table, or the JSON of
    its results.
    """
    runs = members(folder)
    group = len(runs) > 1 or runs[0].folder != folder
    if as_json:
        return json.dumps(json.loads((folder / (RESULT if group else "summary.json")).read_text()))
    if not group:
        return summary.render(folder)
    left = unfinished(runs)
    done = [one.folder for one in runs if one not in left]
    n = json.loads((folder / RESULT).read_text())["programs"]
    shared = (
        "one compiled program"
        if n == 1
        else f"{n} compiled programs, for their problems depend on the seed"
    )
    table = [side_by_side.compare(done)] if done else []
    said = f"Every row of {len(runs)} runs by {shared}. Each run has a folder of its own, as if it had run alone:"
    return "\n\n".join(
        [*table, said + "".join(f"\n{one.folder}" for one in runs if one not in left)]
    )


def demand_whole(folder: Path) -> None:
    """Raises: Diverged where a run of a group did."""
    left = unfinished(members(folder))
    if left:
        names = ", ".join(one.folder.name for one in left)
        fix = f"see {folder / 'log.txt'}; lower the step sizes of the outer loop or of the rule"
        raise Diverged(f"{folder}: diverged: {names} - expected finite losses - {fix}")
