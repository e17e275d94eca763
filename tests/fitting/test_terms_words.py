"""The words that fit the terms of a family alone, taken up by the config of the fit."""

from pathlib import Path

import numpy as np
import pytest

from metaplast.fitting.doubts import terms_words
from metaplast.fitting.request import request_of
from metaplast.fitting.result import TermsPlace
from metaplast.fitting.summary import terms_place
from metaplast.registry import Plain
from metaplast.rules.base import TermList
from metaplast.runs.config import Sources
from metaplast.runs.job import Config
from tests._runs import fit_job
from tests.fitting._results import row_result

N = 40
TERMS = ("pre", "post*pre")
FAMILY = row_result(numbers=dict.fromkeys(TERMS, 1.0))
MLP = "{name: mlp, inputs: [pre, post], hidden: [2], n_state: 0}"
LIST = "{name: polynomial}"
FIRST = ("rule.terms=[pre]", "rule.initial=[0.5]")


def _file(path: Path) -> str:
    rng = np.random.default_rng(0)
    np.savez(
        path,
        stimulus=rng.normal(size=(N, 2)),
        activity=rng.normal(size=(N, 2)),
        choice=rng.integers(0, 2, N),
        reward=rng.integers(0, 2, N),
        session=np.arange(N) // 10,
    )
    return str(path)


def _plain(experiment: str, file: Path, *words: str) -> Plain:
    data = []
    if experiment.endswith("recordings"):
        data.append(_file(file))
    if experiment == "recordings":
        data.append("task.target=activity")
    words = (*data, f"experiment={experiment}", *words, "rows={}")
    return request_of(words, (), Sources()).config


def _main(experiment: str, file: Path, *words: str) -> Config:
    return fit_job(_plain(experiment, file, *words)).main


@pytest.mark.parametrize(
    ("experiment", "given", "path"),
    [
        ("recordings", (), "rule"),
        ("recordings", FIRST, "rule"),
        ("reward_from_choices", (), "rules.first.rule"),
        ("reward_from_choices", tuple(f"rules.first.{word}" for word in FIRST), "rules.first.rule"),
        ("joint_recordings", (), "rules.recorded.rule"),
    ],
)
def test_the_printed_words_compose(
    experiment: str, given: tuple[str, ...], path: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.npz"
    place = terms_place(_main(experiment, file, *given))
    assert place == TermsPlace(path, initial=bool(given))
    again = _main(experiment, file, *given, *terms_words(FAMILY, place))
    (slot,) = again.slots()
    assert isinstance(slot.rule, TermList)
    assert slot.rule.terms == TERMS
    assert slot.rule.initial == ()


@pytest.mark.parametrize(
    "words",
    [
        (f"rule={MLP}",),
        ("rule.initial=[1.0]", "rule.terms=[pre]", "rule.learn=rate"),
        ("rule=null",),
        (
            "network.hidden=[2]",
            "rule=null",
            f"rules={{a: {{edges: input_*, rule: {LIST}}}, b: {{edges: hidden_*, rule: {LIST}}}}}",
        ),
    ],
)
def test_a_rule_without_one_list_of_searched_terms_has_no_words(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    place = terms_place(_main("recordings", tmp_path / "a.npz", *words))
    assert place == TermsPlace("")
    assert terms_words(FAMILY, place) == ()
