"""The variants of one search: their scores together, and the verdict on them.

They are runs of a group (`vary`), or members of a sweep.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metaplast.inspection.variants_verdict import variants_verdict
from metaplast.inspection.verdict import PageVerdict
from metaplast.inspection.world_verdict import ShortVerdict
from metaplast.results import table
from metaplast.results.summary import FILE, RowScore
from metaplast.results.table import RowFacts
from metaplast.runs.config import read_file
from metaplast.settings.names import CONFIG, DISCOVERED
from metaplast.training import group, summary_text
from metaplast.training.pool import Pool, pool
from metaplast.training.summary import lives


class Variants(NamedTuple):
    """The finished variants of a search.

    runs: {label: the folders of its runs}, of the same seeds in every variant.
    pools: {label: its rows over these runs}.
    scores: of the searched row of every variant, with differences to the best one.
    best: the label of the best variant.
    facts: {label: facts of its searched row}.
    seeds: of each variant.
    judged: {label: the verdict on it alone, against its own baselines}.
    verdict: on all of them.
    """

    runs: dict[str, list[Path]]
    pools: dict[str, Pool]
    scores: list[RowScore]
    best: str
    facts: dict[str, RowFacts]
    seeds: list[int]
    judged: dict[str, PageVerdict]
    verdict: ShortVerdict


def variants_of(path: Path) -> Variants | None:
    """The finished variants of a group; None where fewer than two share a seed.

    Args:
        path: the folder of the group.
    """
    several, _ = group.split(read_file(path / CONFIG))
    by_variant: dict[str, dict[int, Path]] = {}
    lost = []
    settings = several.settings()
    runs = group.members(path)
    for index, run in enumerate(runs):
        variant = _label(settings[index // several.seeds])
        if (run.folder / FILE).is_file():
            by_variant.setdefault(variant, {})[run.job.main.seed] = run.folder
        else:
            lost.append(run.folder.name)
    return variants_together(by_variant, lost)


def variants_together(
    by_variant: Mapping[str, Mapping[int, Path]], lost: Sequence[str]
) -> Variants | None:
    """Finished variants together; None where fewer than two share a seed.

    Args:
        by_variant: {label: {seed: the folder of its run}}.
        lost: the names of the runs that have no scores.
    """
    if len(by_variant) < 2:
        return None
    seeds = sorted(set.intersection(*map(set, by_variant.values())))
    if not seeds:
        return None
    folders = {}
    unshared = []
    for variant, of_seeds in by_variant.items():
        folders[variant] = [of_seeds[seed] for seed in seeds]
        unshared += [run.name for seed, run in of_seeds.items() if seed not in seeds]
    return _judged(folders, seeds, lost, unshared)


def _label(setting: Mapping[str, float]) -> str:
    """The name of a variant: its numbers in full, as the names of its folders hold them."""
    return ", ".join(f"{name}={value!r}" for name, value in setting.items())


def _judged(
    folders: dict[str, list[Path]],
    seeds: list[int],
    lost: Sequence[str],
    unshared: Sequence[str],
) -> Variants:
    pools = {}
    judged = {}
    facts = {}
    values = {}
    means = {}
    metric = ""
    for label, of_variant in folders.items():
        pools[label] = pool(of_variant)
        judged[label] = summary_text.judged(of_variant, pools[label])
        facts[label] = pools[label].facts[DISCOVERED]
        of_lives = lives(of_variant, [DISCOVERED])
        metric = of_lives.metric
        values[label] = of_lives.rows[DISCOVERED]
        mean = float(np.mean([np.mean(each) for each in values[label]]))
        if np.isfinite(mean):
            means[label] = mean
    best = next(iter(folders))
    if means:
        best = table.best(means, metric)
    scores = table.scores(values, metric, best)
    verdict = variants_verdict(scores, best, facts, seeds, lost, unshared, judged[best])
    return Variants(folders, pools, scores, best, facts, seeds, judged, verdict)
