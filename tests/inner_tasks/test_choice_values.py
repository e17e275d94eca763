"""Choices in the conventions of real files: each is coded as meant, or refused, or warned of."""

from typing import Any

import numpy as np
import pytest

from inner_tasks.recordings import Recordings
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.registry import BadInput

MADE = np.asarray([0, 1, 1, 0, 1, 0, 0, 1, 1, 0])  # which option, of two
MISSED = np.asarray([0, 0, 1, 0, 0, 0, 0, 0, 1, 0], bool)
WORDS = np.where(MADE == 1, "right", "left")


def _family(path, choice, likelihood: AbstractLikelihood, values=(), **arrays) -> Recordings:
    rng = np.random.default_rng(0)
    stimulus = rng.normal(size=(len(MADE), 2))
    np.savez(path / "a.npz", stimulus=stimulus, choice=choice, **arrays)
    return Recordings(path=str(path / "a.npz"), choice_values=values, likelihood=likelihood)


MEANT: dict[
    str, tuple[Any, tuple[Any, ...], bool]
] = {  # case -> (the array, choice_values, are MISSED rows no choice)
    "0 and 1": (MADE, (), False),
    "true and false": (MADE.astype(bool), (), False),
    "NaN for misses": (np.where(MISSED, np.nan, MADE), (), True),
    "-1 for misses": (np.where(MISSED, -1, MADE), (), True),
    "-1 and 1": (2 * MADE - 1, (-1, 1), False),
    "-1, 1, and 0 for misses": (np.where(MISSED, 0, 2 * MADE - 1), (-1, 1), True),
    "-1., 1., and NaN": (np.where(MISSED, np.nan, 2.0 * MADE - 1), (-1, 1), True),
    "1 and 2": (MADE + 1, (1, 2), False),
    "1, 2, and 0 for misses": (np.where(MISSED, 0, MADE + 1), (1, 2), True),
    "0, 1, and 2 for ignored": (np.where(MISSED, 2, MADE), (0, 1), True),
    "text": (WORDS, ("left", "right"), False),
    "text, empty for misses": (np.where(MISSED, "", WORDS), ("left", "right"), True),
    "text of numbers": (np.where(MADE == 1, "2", "1"), ("1", "2"), False),
    "halves": (np.where(MISSED, 0.25, 0.5 * MADE), (0, 0.5), True),
}


@pytest.mark.parametrize("what", MEANT)
def test_choices_are_the_options_that_were_meant(tmp_path, what):
    choice, values, misses = MEANT[what]
    family = _family(tmp_path, choice, Bernoulli(), values)
    s = family.recorded().sessions
    missed = MISSED if misses else np.zeros(len(MADE), bool)
    np.testing.assert_array_equal(s.observed[0, :, 0], ~missed)
    np.testing.assert_array_equal(s.target[0, :, 0], np.where(missed, 0, MADE))
    assert family.implied()["likelihood"] == {"name": "bernoulli"}
    counted = [
        line for line in family.warnings() if "no choice made in 2 of 10 rows (20.0 %)" in line
    ]
    assert len(counted) == misses


def test_the_order_of_the_values_is_that_of_the_options(tmp_path):
    target = _family(tmp_path, WORDS, Bernoulli(), ("right", "left")).recorded().sessions.target
    np.testing.assert_array_equal(target[0, :, 0], 1 - MADE)


REFUSED: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "-1 and 1 without a word": (
        2 * MADE - 1,
        (),
        r"-1 \(5 rows\), 1 \(5\).*set 'task\.choice_values=\[-1,1\]'",
    ),
    "text without a word": (
        WORDS,
        (),
        r"left \(5 rows\), right \(5\).*set 'task\.choice_values=\[left,right\]'",
    ),
    "yes and no": (
        np.where(MADE == 1, "yes", "no"),
        (),
        r"""set 'task\.choice_values=\["no","yes"\]'""",
    ),
    "values of another file": (MADE, (3, 4), r"0 \(5 rows\), 1 \(5\), none of them an option"),
    "words for numbers": (
        MADE,
        ("left", "right"),
        r"'left' where array 'choice' has 0 \(5 rows\), 1 \(5\)",
    ),
    "infinite": (np.where(MISSED, np.inf, MADE), (), "inf in row 2"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_choices_that_can_mean_two_things_are_refused(tmp_path, what):
    choice, values, words = REFUSED[what]
    with pytest.raises(BadInput, match=words):
        _family(tmp_path, choice, Bernoulli(), values).recorded()


def test_the_proposed_order_of_two_options_says_which_is_fitted(tmp_path):
    """In the order of the alphabet the probability of not licking would be fitted."""
    choice = np.where(MADE == 1, "lick", "no lick")
    with pytest.raises(BadInput) as refused:
        _family(tmp_path, choice, Bernoulli()).recorded()
    said = str(refused.value)
    assert "set 'task.choice_values=[lick,\"no lick\"]', without" in said
    assert said.endswith(
        "the last one, no lick, is option 1, whose probability is fitted: "
        "turn them round if the other is meant"
    )


@pytest.mark.parametrize("values", [(1,), (1, 1), ("left", "left")])
def test_options_are_two_or_more_and_each_stands_once(values):
    with pytest.raises(ValueError, match="two options or more, each once"):
        Recordings(choice_values=values)


def test_three_options_of_which_one_may_be_none(tmp_path):
    """-1 left, 0 none, 1 right: without a word, -1 is dropped as before.

    It is counted with the rewards on it.
    """
    reward = np.where(MADE == 0, 1.0, 0.0)
    both = np.where(MISSED, 0, 2 * MADE - 1)
    family = _family(tmp_path, both, Bernoulli(), reward=reward)
    (line,) = (line for line in family.warnings() if "no choice" in line)
    assert (
        "no choice made in 5 of 10 rows (50.0 %): -1 (5 rows); 5 of these rows have a "
        "reward, 5 another" in line
    )
    advice = "say 'task.choice_values=[-1,0,1]', without the values that are no choice"
    assert f"if they are options, {advice}" in line
    assert f"warning: {line}" in family.describe().splitlines()
    three = _family(tmp_path, both, Categorical(), (-1, 0, 1))
    np.testing.assert_array_equal(np.argmax(three.recorded().sessions.target[0], axis=1), both + 1)
    assert not [line for line in three.warnings() if "choice" in line]
    assert (
        "choices: 10, in 100.0 % of the rows; -1: 5 (50.0 %), 0: 2 (20.0 %), 1: 3 (30.0 %)"
        in three.describe()
    )


def test_options_that_nobody_chose_are_named(tmp_path):
    one_two = _family(tmp_path, MADE + 1, Categorical())
    assert one_two.implied()["likelihood"] == {"name": "categorical"}
    (line,) = (line for line in one_two.warnings() if "choice" in line)
    assert line == (
        "array 'choice': 1 of 3 options never chosen: 0; say 'task.choice_values=[1,2]' "
        "where there are no others"
    )
    gone = _family(tmp_path, WORDS, Categorical(), ("left", "right", "wait"))
    assert gone.shape().n_out == 3
    assert gone.implied()["likelihood"] == {"name": "categorical"}
    (line,) = (line for line in gone.warnings() if "choice" in line)
    assert line.endswith(
        "1 of 3 options never chosen: wait; correct task.choice_values if it is misspelt"
    )
    (line,) = (
        line for line in _family(tmp_path, 99 * MADE, Categorical()).warnings() if "choice" in line
    )
    assert "98 of 100 options never chosen: 1, 2, 3" in line


def test_a_number_that_is_never_rewarded_may_stand_for_no_choice(tmp_path):
    reward = np.where(MISSED, 0.0, 1.0)
    family = _family(tmp_path, np.where(MISSED, 2, MADE), Categorical(), reward=reward)
    (line,) = (line for line in family.warnings() if "choice" in line)
    assert "never rewarded, where other options are: 2 (2 rows), 2 of 10 rows (20.0 %)" in line
    assert line.endswith("say 'task.choice_values=[0,1]'")
    paid = _family(tmp_path, np.where(MISSED, 2, MADE), Categorical(), reward=np.ones(len(MADE)))
    assert not [line for line in paid.warnings() if "choice" in line]


def test_activity_alone_needs_no_choice_to_be_understood(tmp_path):
    activity = np.random.default_rng(1).normal(size=(len(MADE), 2))
    _family(tmp_path, WORDS, Bernoulli(), activity=activity)
    family = Recordings(path=str(tmp_path / "a.npz"), target="activity")
    np.testing.assert_allclose(family.recorded().sessions.target[0], activity, rtol=1e-6)
    assert "  array 'choice': not read, as task.target=activity" in family.describe().splitlines()
    with pytest.raises(BadInput, match=r"task\.choice_values for a file without choices"):
        np.savez(tmp_path / "b.npz", stimulus=activity, activity=activity)
        Recordings(path=str(tmp_path / "b.npz"), choice_values=(0, 1)).recorded()
