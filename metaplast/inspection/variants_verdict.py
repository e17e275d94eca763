"""The verdict on variants of one search, which differ in numbers of the outer loop."""

from collections.abc import Mapping, Sequence

from metaplast.inspection import verdict
from metaplast.inspection.gain import gain_over
from metaplast.inspection.verdict import PageVerdict
from metaplast.inspection.world_verdict import ShortVerdict
from metaplast.results.changed_world import better_by
from metaplast.results.numbers import interval, number
from metaplast.results.summary import RowScore
from metaplast.results.table import RowFacts


def variants_verdict(
    scores: Sequence[RowScore],
    best: str,
    facts: Mapping[str, RowFacts],
    seeds: Sequence[int],
    lost: Sequence[str],
    unshared: Sequence[str],
    of_best: PageVerdict,
) -> ShortVerdict:
    """The verdict on the searched rule of several variants.

    Args:
        scores: {name: label of a variant}, with paired differences to the best one.
        best: the label of the variant with the best mean.
        facts: {label: facts of the searched row}.
        seeds: of each variant.
        lost: the names of the runs that have no scores.
        unshared: the names of the finished runs whose seed is lost in another variant.
        of_best: the verdict on the best variant alone, against its own baselines.
    """
    first = next(score for score in scores if score.name == best)
    found = (
        f"Of {len(scores)} variants, {best} has the best {first.metric} on {first.n} held-out "
        f"lives, {number(first.mean)} {interval(first.ci95)}; {_against_the_others(scores, best)}."
    )
    if first.mean is None:
        found = f"Nothing was found: no variant of {len(scores)} has a finite score."
    sure = [verdict.splits_in_words(seeds)]
    failed = []
    for label, of_row in facts.items():
        if of_row.failed:
            failed.append(f"{label} ({verdict.failure(of_row)})")
    if failed:
        sure.append(f"A search failed: {', '.join(failed)}.")
    else:
        sure.append("No variant's search failed.")
    doubts = []
    for score in scores:
        if score.mean is None:
            doubts.append(f"{score.name} has no score: {score.not_finite} lives are not finite.")
    if lost:
        doubts.append(f"Without scores, so left out: {', '.join(lost)}.")
    if unshared:
        doubts.append(
            f"Finished, but left out, for another variant has no scores of their seed: "
            f"{', '.join(unshared)}."
        )
    doubts.append("The best variant is best on these very lives, which favours it.")
    doubts.append(f"Of {best} alone: {of_best.found}")
    return ShortVerdict(
        found,
        " ".join(sure),
        f"Why not to believe it: {' '.join(doubts)}",
        of_best.next_command,
    )


def _against_the_others(scores: Sequence[RowScore], best: str) -> str:
    """The best variant beside the others, in words: those that are level with it, else the worse.

    A variant without a difference to the best one is neither.
    """
    level = []
    n_worse = 0
    for score in scores:
        if score.name == best or score.difference.mean is None:
            continue
        gain = gain_over(score.name, better_by(score))
        if gain.relation == "level":
            level.append(f"{score.name} (difference {gain.amount()})")
        else:
            n_worse += 1
    n_others = len(scores) - 1
    if level:
        return f"it is not told apart from {', '.join(level)}"
    if n_worse == n_others:
        return "every other one is worse"
    return f"worse than it are {n_worse} of the {n_others} others"
