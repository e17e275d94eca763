"""The members of a sweep: folders that train by themselves, each one run or one group of runs."""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from metaplast.outer import AbstractOuterLoop, path_of
from metaplast.registry import BadInput, Plain
from metaplast.runs import notebook
from metaplast.runs.config import Sources, compose, value_of
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import Means, Request
from metaplast.sweeping.axes import SEED, Axis, Point, Word, at, axes_of, points
from metaplast.training.group import MAX_SEEDS, MAX_SETTINGS
from metaplast.training.kind import KIND as TRAINING

MAX_MEMBERS = 1000
MAX_NAME = 100
"""Characters of a name."""
ALL = "all"
"""The name of a member that has all runs of a sweep."""
_OUTER = "outer."


@dataclass(frozen=True)
class MemberRun:
    """One run of a member.

    folder: its folder, in the folder of the sweep.
    settings: {key of an axis: its value there, as it was written}.
    """

    folder: str
    settings: dict[str, str]


@dataclass(frozen=True)
class Member:
    """One member of a sweep.

    name: its folder, in the folder of the sweep.
    words: the words with which `metaplast train` makes the same folder.
    runs: its runs, in the order of its group.
    config: its composed config.
    """

    name: str
    words: list[str]
    runs: list[MemberRun]
    config: Plain


class Origin(NamedTuple):
    """The files on which the words of a sweep are laid.

    sources: the folders of config groups.
    file: a whole config; None: an experiment.
    """

    sources: Sources
    file: Path | None = None

    def composed(self, words: Sequence[str]) -> Plain:
        """The config of some words."""
        return compose(words, self.sources, self.file)

    def options(self) -> list[str]:
        """The options of a command that name these files."""
        options = []
        for root in self.sources.roots[:-1]:
            options += ["--config-dir", str(root)]
        if self.file is not None:
            options += ["--config", str(self.file)]
        return options


def members_of(words: Sequence[Word], origin: Origin, modules: Sequence[str] = ()) -> list[Member]:
    """The members of a sweep, checked.

    Runs that differ in their seed, or in numbers of the outer loop's `hyper`, are one member, as
    far as a group of runs can hold them. All others are a member each.

    Args:
        words: of the sweep.
        origin: the files on which they are laid.
        modules: plug-ins that are imported.

    Raises: BadInput that names the member and the word where they do not go together, and for two
        members of one setting.
    """
    members: list[Member] = []
    by_config: dict[str, str] = {}
    for draft in _drafts(words, origin):
        member = _checked(draft, words, origin, modules)
        config = json.dumps(member.config, sort_keys=True, default=str)
        if config in by_config:
            raise BadInput(
                f"{member.name} and {by_config[config]}, the same setting",
                "distinct settings",
                "give each once",
            )
        by_config[config] = member.name
        members.append(member)
        if len(members) > MAX_MEMBERS:
            raise BadInput(
                f"more than {MAX_MEMBERS:,} members", f"at most {MAX_MEMBERS:,}", "sweep in parts"
            )
    return members


class _Draft(NamedTuple):
    """A member before its config is composed.

    name: of the member.
    fixed: the values of the axes that all its runs share.
    vary: {number of the outer loop's `hyper`: its axis}.
    seeds: the values of the axis of seeds, one after the other; () where there is no such axis.
    """

    name: str
    fixed: Point
    vary: dict[str, Axis]
    seeds: tuple[str, ...]


def _drafts(words: Sequence[Word], origin: Origin) -> Iterator[_Draft]:
    """The members in their order, those of every outer loop together."""
    axes = axes_of(words)
    by_seed = [axis for axis in axes if _is_of_seeds(axis)]
    by_number = [axis for axis in axes if _is_of_numbers(axis)]
    apart = [axis for axis in axes if axis not in by_seed and axis not in by_number]
    blocks: list[tuple[str, ...]] = [()]
    if by_seed:
        blocks = _blocks(by_seed[0].values)
    for point in points(apart):
        vary: dict[str, Axis] = {}
        if by_number:
            first = {**point, **{axis.key: axis.values[0] for axis in by_number}}
            vary = _varied(by_number, _loop(words, first, origin))
        others = [axis for axis in by_number if axis not in vary.values()]
        for more, seeds in itertools.product(points(others), blocks):
            fixed = {**point, **more}
            name = _name([*apart, *others], fixed, seeds if len(blocks) > 1 else ())
            yield _Draft(name, fixed, vary, seeds)


def _is_of_seeds(axis: Axis) -> bool:
    return axis.key == SEED and all(text.isdecimal() for text in axis.values)


def _is_of_numbers(axis: Axis) -> bool:
    """Whether an axis holds numbers of the outer loop that a group may vary."""
    if not axis.key.startswith(_OUTER):
        return False
    for text in axis.values:
        value = value_of(f"{axis.key}={text}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            return False
    return True


def _blocks(seeds: Sequence[str]) -> list[tuple[str, ...]]:
    """The seeds of every group: each one more than the one before."""
    blocks: list[tuple[str, ...]] = []
    for seed in seeds:
        follows = bool(blocks) and int(seed) == int(blocks[-1][-1]) + 1
        if follows and len(blocks[-1]) < MAX_SEEDS:
            blocks[-1] = (*blocks[-1], seed)
        else:
            blocks.append((seed,))
    return blocks


def _loop(words: Sequence[Word], point: Point, origin: Origin) -> AbstractOuterLoop:
    """The outer loop at a point. Raises: BadInput that names the point and the word."""
    texts = at(words, point)
    try:
        return parse(origin.composed(texts), check=False).main.outer
    except BadInput as error:
        shown = " ".join(f"{key}={value}" for key, value in point.items())
        raise _located(error, shown, texts, origin) from None


def _varied(axes: Sequence[Axis], outer: AbstractOuterLoop) -> dict[str, Axis]:
    """{number of `hyper`: its axis} for the axes that one group may vary."""
    by_path = {}
    for name in outer.hyper():
        by_path[path_of(outer, name)] = name
    vary = {}
    n_settings = 1
    for axis in axes:
        name = by_path.get(tuple(axis.key.split(".")[1:]))
        if name is not None and n_settings * len(axis.values) <= MAX_SETTINGS:
            n_settings *= len(axis.values)
            vary[name] = axis
    return vary


def _checked(
    draft: _Draft, words: Sequence[Word], origin: Origin, modules: Sequence[str]
) -> Member:
    """The member of a draft. Raises: BadInput that names the member and the word."""
    point = dict(draft.fixed)
    if draft.seeds:
        point[SEED] = draft.seeds[0]
    texts = at(words, point)
    if len(draft.seeds) > 1:
        texts.append(f"seeds={len(draft.seeds)}")
    for name, axis in draft.vary.items():
        texts.append(f"vary.{name}=[{','.join(axis.values)}]")
    try:
        plain = origin.composed(texts)
        _check_config(plain, draft)
        plan = TRAINING.check(
            Request(plain), Path(draft.name), Means(jobs=1, modules=tuple(modules))
        )
    except BadInput as error:
        raise _located(error, draft.name, texts, origin) from None
    runs = []
    settings = list(points(list(draft.vary.values())))
    for run, (setting, seed) in zip(
        plan.runs, itertools.product(settings, draft.seeds or ("",)), strict=True
    ):
        of_run = {**draft.fixed, **setting}
        if seed:
            of_run[SEED] = seed
        runs.append(MemberRun(run.folder.as_posix(), of_run))
    return Member(draft.name, texts, runs, plain)


def _check_config(plain: Plain, draft: _Draft) -> None:
    """Raises: BadInput for a config that no process of its own can train."""
    if ("seeds" in plain) != (len(draft.seeds) > 1) or ("vary" in plain) != bool(draft.vary):
        raise BadInput("a config of a group of runs", "a config of one run", "leave out its group")
    if notebook.is_here(plain):
        raise BadInput(
            "a class of this notebook",
            "a class that another process can import",
            "put it into a module",
        )


def _located(error: BadInput, member: str, texts: Sequence[str], origin: Origin) -> BadInput:
    """The error with the member, and with the last word without which its config is right."""
    for index in range(len(texts) - 1, -1, -1):
        others = [*texts[:index], *texts[index + 1 :]]
        if _is_right(others, origin):
            word = "" if error.what.startswith(texts[index]) else f"{texts[index]}: "
            return error.within(f"member {member}: {word}")
    return error.within(f"member {member}: ")


def _is_right(texts: Sequence[str], origin: Origin) -> bool:
    try:
        TRAINING.check(Request(origin.composed(texts)), Path(ALL), Means(jobs=1))
    except BadInput:
        return False
    return True


def _name(axes: Sequence[Axis], point: Point, seeds: Sequence[str]) -> str:
    """The name of a member: the values in which it differs from the others.

    A value that cannot stand in the name of a folder is shown in part, before a digest.
    """
    parts = []
    for axis in axes:
        if len(axis.values) > 1:
            parts.append(f"{axis.key}-{point[axis.key]}")
    if seeds:
        parts.append(f"{SEED}-{seeds[0]}")
        if len(seeds) > 1:
            parts.append(seeds[-1])
    whole = "-".join(parts) or ALL
    cleaned = [re.sub(r"[^\w.-]+", "_", part, flags=re.ASCII).replace("-_", "-") for part in parts]
    readable = "-".join(part.strip("_-") for part in cleaned) or ALL
    if readable == whole and len(whole) <= MAX_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{readable[:MAX_NAME]}-{digest}"
