"""Lives cut short: the first steps of a life, and more of them as training goes on."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from metaplast.life.phases import Phases
from metaplast.registry import BadInput
from metaplast.spec import Natural


def _pairs(value: Any) -> Any:
    """The mapping {outer step: steps of a life} as pairs; the keys of a config are text."""
    if not isinstance(value, Mapping):
        return value
    pairs = []
    for key, n_steps in value.items():
        first = int(key) if str(key).isdecimal() else key
        pairs.append((first, n_steps))
    return tuple(pairs)


Curriculum = Annotated[tuple[tuple[Natural, Natural], ...], BeforeValidator(_pairs)]


def shortened(phases: Phases, n_steps: int) -> Phases:
    """The phases that the first `n_steps` reach; all phases where `n_steps` is 0.

    The last of them is as long as it is reached.
    """
    reached = []
    position = 0
    for length, plastic in phases:
        left = n_steps - position if n_steps else length
        if left > 0:
            reached.append((min(length, left), plastic))
        position += length
    return tuple(reached)


def steps_at(curriculum: Curriculum, index: int) -> int:
    """The steps of a life at outer step `index`; 0 for a whole life."""
    return [n for first, n in curriculum if first <= index][-1]


def check_unroll(unroll: int, curriculum: Curriculum, n_steps: int) -> None:
    """Refuse lengths of lives that cannot be.

    Args:
        unroll: the steps of a training life; 0 for all.
        curriculum: pairs (outer step, unroll from that step on).
        n_steps: the steps of a whole life.

    Raises:
        BadInput: lives longer than `n_steps`, both an unroll and a curriculum, or a curriculum that
            does not begin at 0 or does not grow.
    """
    if unroll > n_steps:
        raise BadInput(
            f"problem.unroll={unroll}",
            f"at most the {n_steps} steps of a life",
            "lower it, or 0 for all",
        )
    if unroll and curriculum:
        raise BadInput(
            f"problem.unroll={unroll} and a curriculum", "one of the two", "leave unroll at 0"
        )
    if not curriculum:
        return
    text = ", ".join(f"{first}: {n}" for first, n in curriculum)
    setting = f"problem.curriculum={{{text}}}"
    firsts = [first for first, _ in curriculum]
    if firsts[0] != 0 or firsts != sorted(set(firsts)):
        raise BadInput(
            setting, "outer steps that begin at 0 and grow", "write {0: n, later: more, ...}"
        )
    lengths = [n or n_steps for _, n in curriculum]
    if lengths != sorted(set(lengths)):
        raise BadInput(
            setting, "lives that grow longer", "let the number of steps grow; 0 is a whole life"
        )
    if lengths[-1] > n_steps:
        raise BadInput(setting, f"at most the {n_steps} steps of a life", "lower it, or 0 for all")
