"""The settings that a data file implies, and the words that change them field by field."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaplast.fitting.kind import plan_of
from metaplast.fitting.request import request_of
from metaplast.registry import BadInput
from metaplast.runs.config import Sources
from metaplast.runs.lifecycle import Request

RNG = np.random.default_rng(0)
N = 60


def _file(path: Path, **more: Any) -> str:
    session = np.repeat(np.arange(6), N // 6)
    np.savez(path, stimulus=RNG.normal(size=(N, 2)), session=session, **more)
    return str(path)


def _likelihood(*words: str) -> Any:
    return request_of(words, (), Sources()).config["task"]["likelihood"]


def test_both_are_weighed_by_the_sd_of_the_training_values(tmp_path: Path) -> None:
    activity = RNG.normal(size=(N, 3)) * [1.0, 2.0, 3.0] + [0.0, 10.0, -20.0]
    activity[RNG.random(activity.shape) < 0.2] = np.nan
    choice = RNG.integers(-1, 3, N)
    words = (_file(tmp_path / "a.npz", activity=activity, choice=choice), "task.target=both")
    likelihood = _likelihood(*words)
    family: Any = plan_of(Request(request_of(words, (), Sources()).config)).job.main.task
    train = family.whole("train")
    seen = train.observed[:, :, :3] > 0
    residuals = []
    for unit in range(3):
        y = train.target[..., unit][seen[..., unit]]
        residuals.append(y - y.mean())
    sd = np.sqrt(np.mean(np.concatenate(residuals) ** 2))
    assert likelihood["units"] == {"name": "gaussian", "sd": pytest.approx(sd, rel=1e-3)}
    assert sd < np.nanstd(activity) / 2
    assert (likelihood["choices"], likelihood["n_choices"]) == ({"name": "categorical"}, 3)
    columns = {part.name: part.columns for part in family.parts()}
    assert columns == {"activity": slice(0, 3), "choice": slice(3, 6)}
    # three columns are one choice
    np.testing.assert_allclose(train.observed[:, :, 3:].max(), 1 / 3)

    other = {**likelihood, "units": {"name": "gaussian", "sd": 0.25}}
    assert _likelihood(*words, "task.likelihood.units.sd=0.25") == other
    assert _likelihood(*words, "task.likelihood.units.name=poisson")["units"] == {"name": "poisson"}
    assert (
        _likelihood(*words, "task.held={subjects: 0.5}")["units"]["sd"] != likelihood["units"]["sd"]
    )


def test_one_kind_of_values_is_judged_by_what_suits_it(tmp_path: Path) -> None:
    yes = _file(tmp_path / "a.npz", choice=RNG.integers(0, 2, N), activity=RNG.normal(size=(N, 2)))
    assert _likelihood(yes, "task.target=choice") == {"name": "bernoulli"}
    assert _likelihood(yes, "task.target=activity", "task.likelihood.sd=2.0") == {
        "name": "gaussian",
        "sd": 2.0,
    }
    assert _likelihood(yes, "task.target=activity", "task.likelihood=poisson") == "poisson"
    constant = _file(tmp_path / "b.npz", choice=np.ones(N, int), activity=np.ones((N, 2)))
    assert _likelihood(constant, "task.target=both")["units"]["sd"] == 1.0


def test_a_task_beside_the_file_and_a_split_without_choices_are_refused(tmp_path: Path) -> None:
    choice = np.where(np.arange(N) < 10, np.arange(N) % 2, -1)
    path = _file(tmp_path / "a.npz", choice=choice, activity=np.ones((N, 2)))
    for word in ("task=taught", "task=recordings", "task.path=other.npz", "task.target=none"):
        with pytest.raises(BadInput, match="task"):
            request_of([path, word], (), Sources())
    words = [path, "task.target=both", "task.held={subjects: 0.5, seed: 2}"]
    with pytest.raises(BadInput, match=r"split \w+: no value of choice is left for it"):
        plan_of(Request(request_of(words, (), Sources()).config))


def test_data_may_lie_in_a_folder_that_is_named_like_a_setting(tmp_path: Path) -> None:
    (tmp_path / "alpha=0.1").mkdir()
    path = _file(tmp_path / "alpha=0.1" / "a.npz", choice=RNG.integers(0, 2, N))
    assert request_of([path, "seed=3"], (), Sources()).config["task"]["path"] == path


def test_a_name_that_takes_back_what_was_said_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.npz", choice=RNG.integers(0, 2, N))
    terms = "rule.terms=[pre]"
    name = "rule=polynomial"
    assert request_of([path, name, terms], (), Sources()).config["rule"]["terms"] == ["pre"]
    message = r"rule=polynomial after rule.terms=\[pre\].* - say rule=polynomial first"
    for words, truth in (([path, terms, name], ()), ([path], (terms, name))):
        with pytest.raises(BadInput, match=message):
            request_of(words, truth, Sources())
