"""The verdict on a searched rule in one changed world, where nothing was tuned."""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metaplast.inspection import verdict
from metaplast.inspection.worlds_in_words import name_of, own_score, sentence
from metaplast.results import table
from metaplast.results.changed_world import Cell
from metaplast.results.table import RowFacts


class ShortVerdict(NamedTuple):
    """A verdict: what was found, how sure it is, why not to believe it, and what to run next."""

    found: str
    sure: str
    doubts: str
    next_command: str

    @property
    def text(self) -> str:
        """The head of a text on the terminal."""
        return f"{self.found}\n{self.sure}\n{self.doubts}\n\nNext: {self.next_command}"


def world_verdict(
    world: Cell,
    facts: Mapping[str, RowFacts],
    searched: str,
    runs: Sequence[str],
    outer_steps: int,
    is_changed: bool,
    imports: Sequence[str] = (),
) -> ShortVerdict:
    """The verdict on finished runs in one world.

    Args:
        world: the scores of all rows there.
        facts: {row: facts}, as the rows were trained.
        searched: the name of the searched row.
        runs: the folders of the runs, as a command names them.
        outer_steps: of every trained row.
        is_changed: whether the world is another one than that of the search.
        imports: the words of a command that import the plug-ins of the runs.
    """
    has_failed = facts[searched].failed
    found = sentence(world, facts, searched)
    if has_failed:
        reason = verdict.failure(facts[searched])
        found = f"Nothing was found: the search of the rule failed ({reason}). {found}"
    judged = [score.name for score in world.scores]
    failed = []
    for name in verdict.failed_baselines(facts, searched):
        if name in judged:
            failed.append(name)
    sure = [verdict.splits_in_words(world.seeds)]
    if failed:
        named = [table.marked(name, facts[name]) for name in failed]
        sure.append(verdict.failed_in_words(named))
    elif world.baseline is not None:
        sure.append(verdict.NONE_FAILED)
    doubts = [*_doubts(world, is_changed), *table.ahead(world.scores, facts, searched)]
    next_command = shlex.join(["metaplast", "inspect", *imports, *runs])
    if has_failed or failed:
        next_command = verdict.with_more_steps(runs[0], outer_steps, imports)
    elif world.baseline is None and own_score(world, searched).mean is not None:
        tuned = verdict.with_a_baseline(runs[0], facts, searched, imports)
        next_command = tuned or next_command
    elif is_changed:
        next_command = _tuned_there(world, runs[0], imports)
    return ShortVerdict(
        found, " ".join(sure), f"Why not to believe it: {' '.join(doubts)}", next_command
    )


def _doubts(world: Cell, is_changed: bool) -> list[str]:
    """The reasons to doubt the first sentence; at least one."""
    doubts = []
    for score in world.scores:
        if score.not_finite and score.mean is None:
            doubts.append(
                f"{score.name} has no score: {score.not_finite} of its {score.n} lives are not "
                "finite."
            )
    if world.baseline is None:
        doubts.append("There is no tuned baseline to hold it against.")
    if is_changed:
        doubts.append(
            f"No row was tuned in {name_of(world)}: a baseline that is tuned there may be better."
        )
    if world.baseline is not None:
        doubts.append("The best baseline is best on these very lives, which favours it.")
    return doubts


def _tuned_there(world: Cell, run: str, imports: Sequence[str]) -> str:
    """The command that tunes the baselines in this world too.

    Words are laid in their order, so the word for a whole (`task=NAME`) stands before the words for
    its fields (`task.n_in=5`). The factor of a grid is laid last.
    """
    *others, last = sorted(world.changes, key=_depth)
    return shlex.join(["metaplast", "eval", *imports, run, *others, "--grid", "--factor", last])


def _depth(word: str) -> int:
    """The depth of the field that a word of a config changes; 0 for a whole group."""
    return word.partition("=")[0].count(".")
