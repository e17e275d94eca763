"""A searched rule in changed worlds, in words: one world, or many of them counted."""

from collections.abc import Mapping, Sequence

from metaplast.inspection.gain import gain_over
from metaplast.results import table
from metaplast.results.changed_world import Cell
from metaplast.results.numbers import interval, number, table_form
from metaplast.results.summary import RowScore
from metaplast.results.table import RowFacts


def name_of(world: Cell) -> str:
    """The changes of a world in words."""
    return " ".join(world.changes) or "as trained"


def own_score(world: Cell, searched: str) -> RowScore:
    """The score of the searched row."""
    return next(score for score in world.scores if score.name == searched)


def sentence(world: Cell, facts: Mapping[str, RowFacts], searched: str) -> str:
    """The standing of the rule in one world.

    Args:
        world: the world.
        facts: {row: facts}.
        searched: the name of the searched row.
    """
    ours = own_score(world, searched)
    if ours.mean is None:
        return (
            f"{name_of(world)}: {ours.not_finite} of the rule's {ours.n} held-out lives are not "
            "finite, so it has no score there."
        )
    form = table_form([ours.mean])
    has = (
        f"{name_of(world)}: the rule has {world.metric} {number(ours.mean, form)} "
        f"{interval(ours.ci95, form)}"
    )
    if world.baseline is None:
        return f"{has} (n {world.n}); no tuned baseline has a score there."
    return f"{has}; it is {_standing(world, facts)}."


def counted(subject: str, worlds: Sequence[Cell], searched: str) -> str:
    """In how many worlds the rule keeps up with the best tuned baseline, and the worst of them.

    Args:
        subject: the words before `is`, such as `In changed worlds (3) it`.
        worlds: at least one.
        searched: the name of the searched row.
    """
    gains = {}
    n_failed = 0
    n_alone = 0
    for world in worlds:
        if own_score(world, searched).mean is None:
            n_failed += 1
        elif world.better_by is None or world.baseline is None:
            n_alone += 1
        else:
            gains[name_of(world)] = gain_over(world.baseline, world.better_by)
    relations = [gain.relation for gain in gains.values()]
    counts = {
        "better than the best tuned baseline": relations.count("above"),
        "level with it": relations.count("level"),
        "worse": relations.count("below"),
        "without a tuned baseline": n_alone,
        "without a score": n_failed,
    }
    each = [f"{words} in {count}" for words, count in counts.items() if count]
    words = f"{subject} is {', '.join(each)}"
    if not gains:
        return f"{words}."
    world, worst = min(gains.items(), key=lambda item: item[1].mean)
    against = {
        "above": f"better by {worst.amount()} than {worst.name}",
        "below": f"worse by {worst.turned.amount()} than {worst.name}",
        "level": f"level with {worst.name}, difference {worst.amount()}",
    }
    return f"{words}; at worst in {world}: {against[worst.relation]}."


def _standing(world: Cell, facts: Mapping[str, RowFacts]) -> str:
    """The rule against the best tuned baseline of a world that has one."""
    assert world.baseline is not None and world.better_by is not None
    gain = gain_over(world.baseline, world.better_by)
    name = table.marked(world.baseline, facts.get(world.baseline))
    rival = f"the best tuned baseline there, {name}"
    words = {
        "above": f"better than {rival}, by {gain.amount()}",
        "below": f"worse than {rival}, by {gain.turned.amount()}",
        "level": f"not told apart from {rival}: difference {gain.amount()}",
    }
    return f"{words[gain.relation]} (n {world.n})"
