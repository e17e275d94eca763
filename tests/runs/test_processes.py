"""The words that tell a process of a job its place."""

import pytest

from metaplast.registry import BadInput
from metaplast.runs.processes import Meeting, split

PLACE = ("distributed.coordinator=node1:12345", "distributed.processes=2", "distributed.id=1")


def test_without_such_words_there_is_one_process():
    assert split(("experiment=oja", "seed=1")) == (None, ("experiment=oja", "seed=1"))


def test_the_cluster_tells():
    assert split(("experiment=oja", "distributed=auto")) == (Meeting(), ("experiment=oja",))


def test_a_place_by_name_in_any_order():
    expected = Meeting("node1:12345", 2, 1)
    for words in (PLACE, PLACE[::-1]):
        assert split((words[0], "experiment=oja", *words[1:])) == (expected, ("experiment=oja",))
    assert split(("distributed.coordinator=[::1]:99", *PLACE[1:]))[0] == Meeting("[::1]:99", 2, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("distributed=yes",), "distributed=yes - expected distributed=auto"),
        (("distributed=auto", *PLACE), "distributed=auto - expected"),
        (PLACE[:2], "no distributed.id"),
        (("distributed.hosts=2",), "distributed.hosts=2"),
        (("distributed.coordinator=node1", *PLACE[1:]), "HOST:PORT"),
        (("distributed.coordinator=:99", *PLACE[1:]), "HOST:PORT"),
        ((*PLACE[:2], "distributed.id=2"), "0 to 1"),
        ((*PLACE[:2], "distributed.id=-1"), "at least 0"),
        ((PLACE[0], "distributed.processes=0", PLACE[2]), "at least 1"),
    ],
)
def test_a_wrong_word_is_named(words: tuple[str, ...], line: str):
    with pytest.raises(BadInput) as error:
        split(words)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
