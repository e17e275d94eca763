"""Lives cut short: the first steps of a life, and more of them as training goes on."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from metaplast.life.phases import Phases
from metaplast.registry import BadInput
from metaplast.spec import Natural


def _pairs(value: Any) -> Any:
    """{outer step: n} as pairs; the keys of a config are text."""
    if not isinstance(value, Mapping):
        return value
    return tuple((int(key) if str(key).isdecimal() else key, n) for key, n in value.items())


Curriculum = Annotated[tuple[tuple[Natural, Natural], ...], BeforeValidator(_pairs)]


def cut(phases: Phases, n_steps: int) -> Phases:
    """The phases that the first `n_steps` reach, the last of them as far as it is reached; 0:
    all.
    """
    found, position = [], 0
    for length, plastic in phases:
        left = n_steps - position if n_steps else length
        if left > 0:
            found.append((min(length, left), plastic))
        position += length
    return tuple(found)


def steps_at(curriculum: Curriculum, index: int) -> int:
    """How many steps a life has at outer step `index` (0: all)."""
    return [n for first, n in curriculum if first <= index][-1]


def check_unroll(unroll: int, curriculum: Curriculum, n_steps: int) -> None:
    """Raises: BadInput for lives longer than `n_steps`, and a curriculum that does not begin at 0
    or does not grow.
    """
    if unroll > n_steps:
        raise BadInput(
            f"problem.unroll={unroll}",
            f"at most the {n_steps} steps of a life",
            "lower it, or 0 for all",
        )
    given = f"problem.curriculum={{{', '.join(f'{first}: {n}' for first, n in curriculum)}}}"
    if unroll and curriculum:
        raise BadInput(
            f"problem.unroll={unroll} and a curriculum", "one of the two", "leave unroll at 0"
        )
    firsts, lengths = [first for first, _ in curriculum], [n or n_steps for _, n in curriculum]
    if curriculum and (firsts[0] != 0 or firsts != sorted(set(firsts))):
        raise BadInput(
            given, "outer steps that begin at 0 and grow", "write {0: n, later: more, ...}"
        )
    if lengths != sorted(set(lengths)):
        raise BadInput(
            given, "lives that grow longer", "let the number of steps grow; 0 is a whole life"
        )
    if lengths and lengths[-1] > n_steps:
        raise BadInput(given, f"at most the {n_steps} steps of a life", "lower it, or 0 for all")
