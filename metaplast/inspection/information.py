"""What a rule inherits and what its lives learn, in bits: all measures, in words and as data."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.innate import Innate, chance_of, innate, scores_at_birth
from metaplast.inspection.number_bits import (
    LOSS,
    MOST_BITS,
    N_LIVES,
    NumberBits,
    PartBits,
    number_bits,
)
from metaplast.inspection.side_by_side import scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.task_bits import LIVES_PER_TASK, N_TASKS, LearnedBits, learned_bits
from metaplast.inspection.tree_bits import TreeBits, tree_bits
from metaplast.registry import Plain
from metaplast.results.numbers import interval, json_list, json_number, number
from metaplast.results.statistics import Estimate
from metaplast.tasks import Split


class Sizes(NamedTuple):
    """The lives of a measurement.

    n_lives: for the bits of numbers, and for the innate share.
    n_tasks: the most tasks that are decoded.
    lives_per_task: lives of each.
    """

    n_lives: int = N_LIVES
    n_tasks: int = N_TASKS
    lives_per_task: int = LIVES_PER_TASK


FEW = Sizes()
"""The lives of an inspection."""


class Information(NamedTuple):
    """The information of a rule in its task.

    metric: the name of the score.
    split: of the tasks.
    numbers: the bits of the searched numbers; None where no life is finite.
    trees: the bits of the form of expression trees; with 0 nodes for rules without.
    learned: the bits that a life learns; None where nothing is plastic, or the task is one alone.
    innate: the share of the score at birth; None where the score of guessing is not known.
    """

    metric: str
    split: Split
    numbers: NumberBits | None
    trees: TreeBits
    learned: LearnedBits | None
    innate: Innate | None

    @property
    def inborn(self) -> float | None:
        """The bits of all searched numbers and of the trees; None where a part has no bits."""
        if self.numbers is None:
            return None
        total = self.trees.form
        for part in self.numbers.parts.values():
            if part.total is None:
                return None
            total += part.total
        return total


def information(
    subject: Subject,
    split: Split = "validation",
    sizes: Sizes = FEW,
    chance: float | None = None,
) -> Information:
    """Every measure of information of a rule in its task. A loss holds no penalty of theta.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        sizes: the lives that are lived.
        chance: the score of guessing; None: that of `chance_of`, where it is known.
    """
    subject = replace(subject, problem=unpenalised(subject.problem))
    if chance is None:
        chance = chance_of(subject.problem.lifetime.task, subject.metric)
    share = None
    if chance is not None:
        at_birth = scores_at_birth(subject, split, sizes.n_lives)
        learned = scores(subject, [subject.theta], split, sizes.n_lives)[0]
        share = innate([at_birth], [learned], chance, subject.larger_is_better)
    return Information(
        subject.metric,
        split,
        number_bits(subject, split, sizes.n_lives, chance),
        tree_bits(subject.problem.lifetime),
        learned_bits(subject, split, sizes.n_tasks, sizes.lives_per_task),
        share,
    )


def words(bits: Information) -> list[str]:
    """The information in sentences, a paragraph for each measure."""
    paragraphs = _words_on_numbers(bits)
    if bits.learned is None:
        paragraphs.append(
            "No task was decoded from weights: nothing is plastic, or the task is one alone."
        )
    else:
        paragraphs.append(_words_on_learned(bits.learned))
    paragraphs.append(_words_on_innate(bits.innate))
    return paragraphs


def plain(bits: Information) -> Plain:
    """The information as plain data."""
    data: dict[str, Any] = {"metric": bits.metric, "split": bits.split}
    if bits.numbers is not None:
        data["numbers"] = {
            "score": json_list(bits.numbers.score),
            "floor": json_list(bits.numbers.floor),
            "floor_is": "chance" if bits.numbers.by_chance else "no plasticity",
            "learned": json_list(bits.numbers.learned),
            "parts": {name: _plain_part(part) for name, part in bits.numbers.parts.items()},
        }
    if bits.trees.n_nodes:
        data["trees"] = {
            "nodes": bits.trees.n_nodes,
            "constants": bits.trees.n_constants,
            "operators": bits.trees.n_operators,
            "terminals": bits.trees.n_terminals,
            "form": json_number(bits.trees.form),
        }
    if bits.inborn is not None:
        data["inborn"] = json_number(bits.inborn)
    if bits.learned is not None:
        data["learned"] = {
            "tasks": bits.learned.n_tasks,
            "bits_task": json_number(bits.learned.bits_task),
            "lives": bits.learned.n_lives,
            "read": bits.learned.read,
            "error": json_list(bits.learned.error),
            "bits": json_number(bits.learned.bits),
            "low": json_number(bits.learned.low),
            "high": json_number(bits.learned.high),
            "error_at_birth": json_list(bits.learned.error_at_birth),
            "bits_at_birth": json_number(bits.learned.bits_at_birth),
            "error_shuffled": json_list(bits.learned.error_shuffled),
            "bits_shuffled": json_number(bits.learned.bits_shuffled),
            "error_by_chance": json_number(bits.learned.error_by_chance),
            "births_tell": bits.learned.births_tell,
        }
    innate = bits.innate
    if innate is not None and innate.chance is not None and innate.share is not None:
        data["innate"] = {
            "at_birth": json_list(innate.at_birth),
            "learned": json_list(innate.learned),
            "chance": json_number(innate.chance),
            "share": json_list(innate.share),
        }
    return data


def _plain_part(part: PartBits) -> Plain:
    return {
        "numbers": part.n_numbers,
        "leaves": part.n_leaves,
        "bits": part.bits,
        "interval": [part.low, part.high],
        "total": part.total,
        "range_bits": part.range_bits,
        "worse": [json_list(coded.worse) for coded in part.coded],
    }


def _words_on_numbers(bits: Information) -> list[str]:
    sentences = []
    numbers = bits.numbers
    if numbers is None:
        return ["No bits of numbers are known: no life is finite."]
    lives = {"heldout": "held-out"}.get(bits.split, bits.split)
    floor = "the score without plasticity"
    if numbers.by_chance:
        floor = "the score of guessing"
    sentences.append(
        f"The {bits.metric} is {_estimate(numbers.score, '.4g')}, and {floor} "
        f"{number(numbers.floor.mean, '.4g')} ({numbers.score.n} {lives} lives). "
        f"{LOSS:.0%} of the distance, {number(LOSS * numbers.learned.mean, '.2g')}, may be lost."
    )
    if not numbers.learned.low > 0:
        sentences.append(
            "The score is not better than that by its interval: no bits are needed to keep it, and "
            "none are counted."
        )
        return sentences
    if not numbers.parts:
        sentences.append("No number was searched: theta holds none.")
    for name, part in numbers.parts.items():
        sentences.append(_words_on_part(name, part))
    if bits.trees.n_nodes:
        sentences.append(
            f"The form of the expression, {bits.trees.n_nodes} nodes, each one of "
            f"{bits.trees.n_operators} operators and {bits.trees.n_terminals} terminals, takes "
            f"{number(bits.trees.form, '.0f')} bits. Its {bits.trees.n_constants} constants are "
            f"among the numbers of the rules."
        )
    if bits.inborn is not None:
        sentences.append(f"Bits inborn: {number(bits.inborn, '.0f')}.")
    return sentences


def _words_on_part(name: str, part: PartBits) -> str:
    if part.bits is None:
        return (
            f"{name}: {part.n_numbers} numbers do not keep the score at {MOST_BITS} bits or fewer."
        )
    at_most = f"more than {MOST_BITS}" if part.high is None else str(part.high)
    return (
        f"{name}: {part.bits} bits [{part.low}, {at_most}] for each of {part.n_numbers} numbers, "
        f"{part.total} in all (ranges: {part.range_bits} bits more)."
    )


def _words_on_learned(learned: LearnedBits) -> str:
    source = "the final weights"
    if learned.read == "products":
        source = "products of successive final weights"
    bits_task = "bits of a task are not known, each is one draw"
    if math.isfinite(learned.bits_task):
        bits_task = f"a task of the family has {learned.bits_task:.3g} bits"
    decoding = (
        f"From {source}, the task of a life among {learned.n_tasks} ({bits_task}) is decoded with "
        f"an error of {_estimate(learned.error, '.3g')} ({learned.n_lives} lives; without "
        f"plasticity {_estimate(learned.error_at_birth, '.3g')}, with shuffled labels "
        f"{_estimate(learned.error_shuffled, '.3g')}, by chance {learned.error_by_chance:.3g})"
    )
    if learned.births_tell:
        return (
            f"{decoding}: the births tell of the task already, by the interval of their error, so "
            "this says nothing about learning."
        )
    if learned.low <= 0:
        return (
            f"{decoding}: no bits can be claimed, since the upper end of the error allows for none "
            f"({number(learned.bits, '.2g')} at the error itself)."
        )
    return (
        f"{decoding}: a life learns at least {number(learned.low, '.2g')} bits on its task, at the "
        f"upper end of the error ({number(learned.bits, '.2g')} at the error itself; "
        f"{math.log2(learned.n_tasks):.3g} can be shown)."
    )


def _words_on_innate(share: Innate | None) -> str:
    if share is None or share.share is None or share.chance is None:
        return "There is no innate share: the score of this task has no known value for guessing."
    if not math.isfinite(share.share.mean):
        return (
            f"There is no innate share: the score with the rule, "
            f"{_estimate(share.learned, '.3g')}, is not better than chance, {share.chance:.3g}, by "
            f"its interval. At birth it is {_estimate(share.at_birth, '.3g')} ({share.share.n} "
            f"lives)."
        )
    return (
        f"At birth the score is {_estimate(share.at_birth, '.3g')}, with chance at "
        f"{share.chance:.3g}: {_estimate(share.share, '.2g')} of what the rule reaches above "
        f"chance ({_estimate(share.learned, '.3g')}) is innate ({share.share.n} lives)."
    )


def _estimate(estimate: Estimate, form: str) -> str:
    bounds = interval([estimate.low, estimate.high], form)
    return f"{number(estimate.mean, form)} {bounds}"
