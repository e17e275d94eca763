"""The results of a run or of a group of runs: group.json, and the text at the end."""

import json
from collections.abc import Sequence
from pathlib import Path

from metaplast.runs.config import Plain
from metaplast.runs.folder import write_json
from metaplast.runs.job import Run
from metaplast.runs.same_setting import runs_by_setting
from metaplast.training import group, side_by_side, summary_text
from metaplast.training.pool import pool
from metaplast.training.train_row import Diverged

SCHEMA = "metaplast.group/1"
RESULT = "group.json"


def unfinished(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not (run.folder / "summary.json").is_file()]


def conclude(path: Path, runs: Sequence[Run], wall_s: float) -> None:
    """Write group.json: the scores of the finished runs together, and the runs that diverged."""
    diverged = {run.folder for run in unfinished(runs)}
    finished = [run.folder for run in runs if run.folder not in diverged]
    result = {
        "schema": SCHEMA,
        "runs": [{"folder": run.folder.name, "diverged": run.folder in diverged} for run in runs],
        "programs": len(group.programs(runs)),
        "wall_s": round(wall_s, 2),
        "settings": _settings(finished) if finished else [],
    }
    write_json(path / RESULT, result)


def _settings(finished: Sequence[Path]) -> list[Plain]:
    """The scores under each setting, over its seeds."""
    settings = []
    for label, folders in runs_by_setting(finished).items():
        together = pool(folders)
        settings.append(
            {
                "differs": label,
                "runs": [folder.name for folder in folders],
                "metric": together.metric,
                "scores": together.scores,
                "gap_closed": together.gap,
                "means": together.means,
            }
        )
    return settings


def as_json(path: Path) -> str:
    """summary.json of one run, group.json of a group."""
    file = "summary.json" if group.is_alone(path) else RESULT
    return json.dumps(json.loads((path / file).read_text()))


def render(path: Path) -> str:
    """The text at the end of `metaplast train`, of one run or of a group."""
    if group.is_alone(path):
        return summary_text.render(path)
    runs = group.members(path)
    diverged = unfinished(runs)
    finished = [run.folder for run in runs if run not in diverged]
    n = json.loads((path / RESULT).read_text())["programs"]
    shared = "one compiled program"
    if n > 1:
        shared = f"{n} compiled programs, for their problems depend on the seed"
    lines = [
        f"Every row of {len(runs)} runs by {shared}. Each run has a folder of its own, as if it "
        f"had run alone:"
    ]
    lines += [str(folder) for folder in finished]
    parts = [side_by_side.compare(finished)] if finished else []
    parts.append("\n".join(lines))
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
