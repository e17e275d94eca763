"""The result of a group of runs: group.json, and the text at the end of a run or of a group."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from metaplast.results.summary import FILE, GapClosed, RowScore, gap_to_json, score_to_json
from metaplast.results.typed_json import Plain, check_schema, from_plain
from metaplast.runs.folder import read_json, write_json
from metaplast.runs.job import Run
from metaplast.runs.same_setting import runs_by_setting
from metaplast.settings.names import REPORT
from metaplast.training import group, side_by_side, summary_text
from metaplast.training.diverged import Diverged
from metaplast.training.pool import pool
from metaplast.training.variants import variants_of

SCHEMA = "metaplast.group/1"
RESULT = "group.json"


@dataclass(frozen=True)
class GroupRun:
    """One run of a group.

    folder: its name.
    diverged: whether it has no scores.
    """

    folder: str
    diverged: bool


@dataclass(frozen=True)
class GroupSetting:
    """The runs of one setting, over its seeds.

    differs: the settings that differ from the first run's, as words.
    runs: the names of the folders.
    metric: of the scores.
    scores: of every row.
    gap_closed: None where it is not defined.
    means: {row: its mean in each run}.
    """

    differs: str
    runs: list[str]
    metric: str
    scores: list[RowScore]
    gap_closed: GapClosed | None
    means: dict[str, list[float]]


@dataclass(frozen=True)
class GroupResult:
    """The result of a group of runs, as in group.json.

    runs: all of them.
    programs: how many compiled programs trained each row.
    wall_s: seconds of the group.
    settings: of the runs that finished.
    """

    runs: list[GroupRun]
    programs: int
    wall_s: float
    settings: list[GroupSetting]


def unfinished(runs: Sequence[Run]) -> list[Run]:
    """The runs without a summary."""
    without = []
    for run in runs:
        if not (run.folder / FILE).is_file():
            without.append(run)
    return without


def conclude(path: Path, runs: Sequence[Run], wall_s: float) -> None:
    """Write group.json: the scores of the finished runs together, and the runs that diverged."""
    members = []
    finished = []
    for run in runs:
        is_finished = (run.folder / FILE).is_file()
        members.append(GroupRun(run.folder.name, diverged=not is_finished))
        if is_finished:
            finished.append(run.folder)
    result = GroupResult(
        runs=members,
        programs=len(group.programs(runs)),
        wall_s=round(wall_s, 2),
        settings=settings_of(runs_by_setting(finished)),
    )
    write_json(path / RESULT, to_json(result))


def read_group(path: Path) -> GroupResult:
    """Read group.json of a group's folder. Raises: BadInput for a file of another form."""
    plain = read_json(path / RESULT)
    check_schema(plain, SCHEMA, f"{path / RESULT}")
    return from_plain(GroupResult, plain, f"{path / RESULT}")


def to_json(result: GroupResult) -> Plain:
    """The result as group.json holds it."""
    return {
        "schema": SCHEMA,
        "runs": [asdict(run) for run in result.runs],
        "programs": result.programs,
        "wall_s": result.wall_s,
        "settings": list(map(setting_to_json, result.settings)),
    }


def setting_to_json(setting: GroupSetting) -> Plain:
    """The scores under one setting as group.json holds them."""
    return {
        "differs": setting.differs,
        "runs": setting.runs,
        "metric": setting.metric,
        "scores": list(map(score_to_json, setting.scores)),
        "gap_closed": gap_to_json(setting.gap_closed),
        "means": setting.means,
    }


def settings_of(by_label: Mapping[str, Sequence[Path]]) -> list[GroupSetting]:
    """The scores under each setting, over its seeds.

    Args:
        by_label: {label of a setting: the folders of its finished runs}.
    """
    settings = []
    for label, folders in by_label.items():
        together = pool(folders)
        settings.append(
            GroupSetting(
                differs=label,
                runs=[folder.name for folder in folders],
                metric=together.metric,
                scores=together.scores,
                gap_closed=together.gap,
                means=together.means,
            )
        )
    return settings


def as_json(path: Path) -> str:
    """summary.json of one run, group.json of a group, on one line."""
    file = FILE if group.is_alone(path) else RESULT
    return json.dumps(json.loads((path / file).read_text()))


def render(path: Path) -> str:
    """The text at the end of `metaplast train`, of one run or of a group."""
    if group.is_alone(path):
        return summary_text.render(path)
    runs = group.members(path)
    diverged = unfinished(runs)
    finished = []
    for run in runs:
        if run not in diverged:
            finished.append(run.folder)
    n_programs = read_group(path).programs
    shared = "one compiled program"
    if n_programs > 1:
        shared = f"{n_programs} compiled programs, for their problems depend on the seed"
    lines = [
        f"Every row of {len(runs)} runs by {shared}. Each run has a folder of its own, as if it "
        f"had run alone:"
    ]
    lines += map(str, finished)
    parts = []
    variants = variants_of(path)
    if variants is not None:
        parts.append(variants.verdict.text)
    if finished:
        parts.append(side_by_side.compare(finished))
    parts.append("\n".join(lines))
    if (path / REPORT).is_file():
        parts.append(f"{'report':8} {path / REPORT}")
    return "\n\n".join(parts)


def demand_whole(path: Path) -> None:
    """Raises: Diverged where a run of a group did."""
    if group.is_alone(path):
        return  # the run itself ended with an error
    diverged = unfinished(group.members(path))
    if diverged:
        names = ", ".join(run.folder.name for run in diverged)
        fix = f"see {path / 'log.txt'}; lower the step sizes of the outer loop or of the rule"
        raise Diverged(f"{path}: diverged: {names} - expected finite losses - {fix}")
