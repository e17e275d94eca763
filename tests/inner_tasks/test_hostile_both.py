"""Activity and choices that do not suit each other or their likelihood.

Each is refused in one line that names the field and the fix.
"""

import numpy as np
import pytest

from inner_tasks.recordings import Recordings
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.joint import Joint
from metaplast.likelihoods.poisson import Poisson
from metaplast.registry import BadInput

N = 6
ALONE = {"stimulus": np.arange(2.0 * N).reshape(N, 2), "activity": np.ones((N, 3))}
BOTH = {**ALONE, "choice": np.asarray([0, 1, 1, 0, -1, 1])}

WRONG = {  # case -> (arrays, fields of the task, words of the message)
    "both by one likelihood": (
        BOTH,
        {"target": "both"},
        "task.target=both.*expected likelihood joint - set "
        "task.likelihood={name: joint.*choices: bernoulli",
    ),
    "both, one missing": (
        ALONE,
        {"target": "both", "likelihood": Joint()},
        "task.target=both.*an array 'choice'",
    ),
    "one by a joint likelihood": (
        ALONE,
        {"likelihood": Joint()},
        "'activity' alone.*expected task.target=both",
    ),
    "both, choices as numbers": (
        BOTH,
        {"target": "both", "likelihood": Joint(choices=Poisson())},
        "'choice' with a likelihood of numbers.*set task.likelihood.choices=bernoulli",
    ),
    "both, activity as choices": (
        BOTH,
        {"target": "both", "likelihood": Joint(units=Categorical())},
        "'activity' with likelihood categorical.*task.likelihood.units=bernoulli",
    ),
    "both, activity that is no count": (
        {**BOTH, "activity": np.full((N, 3), 0.5)},
        {"target": "both", "likelihood": Joint(units=Poisson())},
        "'activity'.*counts",
    ),
    "both, too few options": (
        {**BOTH, "choice": np.arange(N)},
        {"target": "both", "likelihood": Joint(choices=Categorical(), n_choices=3)},
        "n_choices=3 - expected 6.*set task.likelihood.n_choices=6",
    ),
    "both, two units for yes or no": (
        BOTH,
        {"target": "both", "likelihood": Joint(n_choices=2)},
        "n_choices=2 - expected 1",
    ),
    "both, no choice made": (
        {**BOTH, "choice": np.full(N, -1)},
        {"target": "both", "likelihood": Joint()},
        "'choice': nothing recorded",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_together_is_refused_by_name(tmp_path, what):
    arrays, fields, words = WRONG[what]
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(BadInput, match=words) as caught:
        Recordings(path=str(tmp_path / "a.npz"), **fields).recorded()
    assert "\n" not in str(caught.value)


def test_the_example_holds_choices_where_they_are_asked_for():
    both, alone = (
        Recordings(target=t, likelihood=x).recorded().sessions
        for t, x in (("both", Joint()), ("", Recordings().likelihood))
    )
    np.testing.assert_array_equal(both.target[..., :2], alone.target)
    assert set(np.unique(both.target[..., 2])) == {0.0, 1.0}
