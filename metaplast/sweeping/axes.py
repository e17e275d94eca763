"""The words of a sweep: `outer=bptt,es` and `seed=0..9` have several values, `rows={}` has one."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from metaplast.registry import BadInput
from metaplast.runs.config import value_of
from metaplast.runs.values import split_values

MAX_RUNS = 10_000
"""Runs of a sweep."""
SEED = "seed"
_RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})")
_OF_A_GROUP = {"seeds": "seed=0..7", "vary": "outer.learning_rate=0.01,0.03"}
"""{key of a group of runs: the word of a sweep that says the same}"""


class Axis(NamedTuple):
    """A word with several values.

    key: the part before `=`.
    values: the texts that may stand behind it.
    """

    key: str
    values: tuple[str, ...]


Word = str | Axis
Point = dict[str, str]
"""{key of an axis: one of its values}"""


def axis(key: str, values: Iterable[str]) -> Axis:
    """The axis of a field with several values.

    Args:
        key: the field.
        values: its values, as texts.

    Raises: BadInput where there is none, and for two that are equal.
    """
    found = Axis(key, tuple(values))
    if not found.values:
        raise BadInput(f"{key} without a value", "at least one", "give values, or leave it out")
    seen: dict[Hashable, str] = {}
    for text in found.values:
        value = _hashable(value_of(f"{key}={text}"))
        if value in seen:
            raise BadInput(
                f"{key}={text} beside {key}={seen[value]}", "distinct values", "give each once"
            )
        seen[value] = text
    return found


def words_of(texts: Sequence[str]) -> list[Word]:
    """The words of a sweep, from those of the command line.

    Args:
        texts: `a.b=value`, `a.b=value,value`, `a.b=FIRST..LAST`, in any mixture.

    Raises: BadInput for an empty range, an empty or equal value, or a key with several words of
        which one has several values.
    """
    words: list[Word] = []
    for text in texts:
        key, equals, values = text.partition("=")
        several = split_values(values)
        is_swept = len(several) > 1 or _RANGE.fullmatch(values) is not None
        if not equals or not is_swept:
            words.append(text)
            continue
        if not all(several):
            raise BadInput(f"{text}: an empty value", "a value at each comma", "correct the word")
        words.append(axis(key, _expanded(text, several)))
    check(words)
    return words


def check(words: Sequence[Word]) -> None:
    """Check that words go together.

    Raises: BadInput for a word of a group of runs, a key that an axis shares with another word, no
        axis, and too many runs.
    """
    keys = Counter(_key(word) for word in words)
    n_runs = 1
    for word in words:
        key = _key(word)
        first = key.partition(".")[0]
        if first in _OF_A_GROUP:
            fix = f"a sweep makes groups by itself: write {_OF_A_GROUP[first]}"
            raise BadInput(f"{key} in a sweep", "words with several values", fix)
        if isinstance(word, Axis):
            n_runs *= len(word.values)
            if keys[key] > 1:
                raise BadInput(f"{key} in {keys[key]} words", "one word", "give all values in one")
    if not axes_of(words):
        fix = "write A.B=VALUE,VALUE or seed=0..9; metaplast train makes one run"
        raise BadInput("words with one value each", "a word with several values", fix)
    if n_runs > MAX_RUNS:
        raise BadInput(f"{n_runs:,} runs", f"at most {MAX_RUNS:,}", "give fewer values")


def axes_of(words: Sequence[Word]) -> list[Axis]:
    """The words with several values."""
    return [word for word in words if isinstance(word, Axis)]


def points(axes: Sequence[Axis]) -> Iterator[Point]:
    """Every combination of the values of some axes; the values of the last change first."""
    keys = [axis.key for axis in axes]
    for values in itertools.product(*(axis.values for axis in axes)):
        yield dict(zip(keys, values, strict=True))


def at(words: Sequence[Word], point: Mapping[str, str]) -> list[str]:
    """The words of one point, in their order. An axis that the point does not have is left out."""
    texts = []
    for word in words:
        if isinstance(word, str):
            texts.append(word)
        elif word.key in point:
            texts.append(f"{word.key}={point[word.key]}")
    return texts


def _key(word: Word) -> str:
    return word.key if isinstance(word, Axis) else word.partition("=")[0]


def _expanded(text: str, values: Sequence[str]) -> list[str]:
    """The values of a word, with every range written out. Raises: BadInput for an empty range."""
    expanded: list[str] = []
    for value in values:
        ends = _RANGE.fullmatch(value)
        if ends is None:
            expanded.append(value)
            continue
        first, last = map(int, ends.groups())
        if last < first:
            raise BadInput(f"{text}: an empty range", "FIRST..LAST", f"write {last}..{first}")
        if last - first >= MAX_RUNS:
            raise BadInput(
                f"{text}: {last - first + 1:,} values", f"at most {MAX_RUNS:,}", "give fewer"
            )
        expanded += map(str, range(first, last + 1))
    return expanded


def _hashable(value: Any) -> Hashable:
    """A value that can be looked up. True and 1 differ, 1 and 1.0 are equal."""
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return isinstance(value, bool), value
