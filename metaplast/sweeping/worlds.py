"""The finished runs of a sweep by the world in which they are judged.

The settings of one world have the same task, the same held-out lives and the same metric, so that
their scores can be compared.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from metaplast.results import table
from metaplast.results.summary import FILE, RowScore
from metaplast.results.table import RowFacts
from metaplast.runs.same_setting import config_of_finished
from metaplast.settings.names import DISCOVERED
from metaplast.sweeping.axes import SEED
from metaplast.sweeping.members import MemberRun
from metaplast.sweeping.request import Sweep
from metaplast.training.pool import Pool, pool
from metaplast.training.summary import lives, read_summary
from metaplast.training.variants import Variants, variants_together

AS_GIVEN = "as given"
"""The label of the only setting of a sweep over seeds."""


class FinishedRuns(NamedTuple):
    """The runs of a sweep, as far as they are finished.

    by_setting: {label of a setting: {seed: the folder of its finished run}}.
    lost: the folders of the other runs, in that of the sweep.
    """

    by_setting: dict[str, dict[int, Path]]
    lost: list[str]

    def folders(self) -> dict[str, list[Path]]:
        """{label of a setting: the folders of its finished runs}."""
        folders = {}
        for label, of_seeds in self.by_setting.items():
            folders[label] = list(of_seeds.values())
        return folders


class World(NamedTuple):
    """The settings of one world.

    metric: of the scores.
    pools: {label of a setting: its rows, over its seeds}.
    scores: of the searched row under every setting.
    facts: {label: facts of that row}.
    variants: the settings together; None where fewer than two share a seed.
    """

    metric: str
    pools: dict[str, Pool]
    scores: list[RowScore]
    facts: dict[str, RowFacts]
    variants: Variants | None

    def lines(self) -> list[tuple[str, ...]]:
        """The cells of the table, one line for every setting, without a head."""
        if self.variants is not None:
            return table.cells(self.scores, self.facts, self.variants.best)[1:]
        lines = []
        for score in self.scores:
            lines += table.cells([score], self.facts, score.name)[1:]
        return lines


def label_of(run: MemberRun) -> str:
    """The label of a run's setting: its words without the seed."""
    words = []
    for key, value in run.settings.items():
        if key != SEED:
            words.append(f"{key}={value}")
    return " ".join(words) or AS_GIVEN


def finished_runs(path: Path, sweep: Sweep) -> FinishedRuns:
    """The finished runs of a sweep.

    Args:
        path: the folder of the sweep.
        sweep: its members.
    """
    found = FinishedRuns({}, [])
    for member in sweep.members:
        for run in member.runs:
            folder = path / run.folder
            if (folder / FILE).is_file():
                seeds = found.by_setting.setdefault(label_of(run), {})
                seeds[read_summary(folder).seed] = folder
            else:
                found.lost.append(run.folder)
    return found


def worlds_of(runs: FinishedRuns) -> list[World]:
    """The worlds of finished runs, in the order of their first settings."""
    by_world: dict[str, dict[str, dict[int, Path]]] = {}
    for label, of_seeds in runs.by_setting.items():
        key = _world_of(list(of_seeds.values()))
        by_world.setdefault(key, {})[label] = of_seeds
    return [_world(of_world, runs.lost) for of_world in by_world.values()]


def _world_of(folders: list[Path]) -> str:
    """A text that two settings share where their scores can be compared."""
    plain = config_of_finished(folders[0])
    metric = lives(folders, [DISCOVERED]).metric
    return json.dumps([metric, plain["task"], plain.get("evaluation")], default=str)


def _world(by_setting: Mapping[str, Mapping[int, Path]], lost: list[str]) -> World:
    variants = variants_together(by_setting, lost)
    if variants is not None:
        metric = variants.scores[0].metric
        return World(metric, variants.pools, variants.scores, variants.facts, variants)
    pools = {}
    scores = []
    facts = {}
    for label, of_seeds in by_setting.items():
        folders = list(of_seeds.values())
        pools[label] = pool(folders)
        facts[label] = pools[label].facts[DISCOVERED]
        of_lives = lives(folders, [DISCOVERED])
        scores += table.scores({label: of_lives.rows[DISCOVERED]}, of_lives.metric, label)
    return World(scores[0].metric, pools, scores, facts, None)
