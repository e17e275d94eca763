"""A grid that is stopped goes on: a cell that is done is not lived again."""

import json
from dataclasses import asdict, replace

import pytest

from metaplast.registry import BadInput, NotInstalled
from metaplast.results.grid import MISFIT, NEEDS_PACKAGE, About, Health
from metaplast.results.numbers import Bounds
from metaplast.results.summary import Difference
from metaplast.settings.names import CONFIG
from metaplast.training import grid
from metaplast.training.grid import GridRequest, check_about, make_grid, subject_of

WORDS = ("experiment=readout", "task.shots=2", "task.queries=2")


HEALTH = Health(
    diverged=0,
    n=4,
    at_bound=0.0,
    idle={},
    over_birth=Difference(0.4, Bounds(0.3, 0.5)),
    how="learns",
)


class Killed(BaseException):
    """It goes through every handler, as a kill does."""


class Lives:
    """Stands for the lives of cells: counts them, and dies at the asked one."""

    def __init__(self, die_at=None):
        self.levels = []
        self.gains = []
        self.die_at = die_at

    def __call__(self, at, subject, empty, note, check):
        if empty.level == self.die_at:
            raise Killed
        self.levels.append(empty.level)
        self.gains.append(subject.gain)
        return replace(empty, notes=["lived"], health=HEALTH)


def _request(tmp_path, **changes):
    request = GridRequest(
        "zoo/readout",
        WORDS,
        ("task.queries=1,2,3",),
        ("linear_readout",),
        budget=1,
        lives=4,
        out=tmp_path / "grid",
    )
    return request._replace(**changes)


def _made(monkeypatch, request, die_at=None):
    lives = Lives(die_at)
    monkeypatch.setattr(grid, "_lived", lives)
    said = []
    try:
        _, made = make_grid(request, said.append)
    except Killed:
        made = None
    return lives.levels, made, said


def test_a_kill_loses_one_cell(tmp_path, monkeypatch):
    request = _request(tmp_path)
    levels, made, _ = _made(monkeypatch, request, die_at="2")
    assert levels == ["as given", "1"] and made is None
    done = json.loads((tmp_path / "grid" / "grid.json").read_text())["cells"]
    assert [one["level"] for one in done] == ["as given", "1"]
    levels, made, said = _made(monkeypatch, request)
    assert levels == ["2", "3"]
    assert said == ["3 of 4: task.queries 2", "4 of 4: task.queries 3"]
    assert [one.level for one in made.cells] == ["as given", "1", "2", "3"]
    assert len(json.loads((tmp_path / "grid" / "grid.json").read_text())["cells"]) == 4
    assert (tmp_path / "grid" / "grid.svg").is_file()
    levels, again, _ = _made(monkeypatch, request)
    assert levels == [] and again == made


def test_every_world_is_held_against_the_gain_in_the_first(tmp_path, monkeypatch):
    lives = Lives()
    monkeypatch.setattr(grid, "_lived", lives)
    make_grid(_request(tmp_path), lambda line: None)
    make_grid(_request(tmp_path, asked=("task.queries=4",)), lambda line: None)
    assert lives.levels == ["as given", "1", "2", "3", "4"]
    assert lives.gains == [None, 0.4, 0.4, 0.4, 0.4]


@pytest.mark.parametrize(("kind", "refusal"), [(NotInstalled, NEEDS_PACKAGE), (BadInput, MISFIT)])
def test_a_refused_cell_has_its_kind_and_is_tried_again(tmp_path, monkeypatch, kind, refusal):
    def refuse(at, subject, empty, note, check):
        raise kind("a data set", "its package", "install it").within("rows.tuned: ")

    monkeypatch.setattr(grid, "_lived", refuse)
    _, made = make_grid(_request(tmp_path), lambda line: None)
    assert "rows.tuned: a data set - expected its package" in made.cells[3].refused
    assert made.cells[3].refusal == refusal
    assert made.cells[3].how == f"refused ({refusal})"
    levels, made, _ = _made(monkeypatch, _request(tmp_path))
    assert len(levels) == 4
    assert made.cells[3].notes == ["lived"] and not made.cells[3].refusal


def test_further_factors_join_a_grid(tmp_path, monkeypatch):
    _made(monkeypatch, _request(tmp_path))
    levels, made, _ = _made(monkeypatch, _request(tmp_path, asked=("noise",)))
    assert levels == ["label 0.1", "label 0.3", "input 0.3", "input 1"]
    worlds = [one.level for one in made.cells]
    assert worlds[:5] == ["as given", *levels]
    assert len(worlds) == 8  # the three of the first request stay
    assert len(json.loads((tmp_path / "grid" / "grid.json").read_text())["cells"]) == 8


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"budget": 2}, "budget: 1 - expected budget 2"),
        ({"rows": ["tuned", "weak"]}, "rows"),
        ({"sha256": "1"}, "sha256"),
        ({"base": "1"}, "base"),
    ],
)
def test_a_folder_holds_one_setting(tmp_path, changes, what):
    about = About(
        rule="zoo/some",
        sha256="",
        setting=["experiment=some"],
        rows=["tuned"],
        searched=None,
        budget=1,
        lives=4,
        base="",
    )
    file = tmp_path / "about.json"
    check_about(file, about)
    file.write_text(json.dumps(asdict(about)))
    check_about(file, about)
    check_about(file, replace(about, rule="./some"))  # the same rule by another name of its file
    check_about(file, replace(about, is_run=True, imports=["--import", "mine"]))
    with pytest.raises(BadInput, match=f"a grid of another {what}"):
        check_about(file, replace(about, **changes))


def test_the_baselines_learn_something_and_are_known(tmp_path):
    about = subject_of(_request(tmp_path, rows=())).about
    assert "no_plasticity" not in about.rows and "linear_adam" in about.rows
    assert (about.searched, about.budget) == (200, 1)
    with pytest.raises(BadInput, match="--row hebb - expected one of"):
        subject_of(_request(tmp_path, rows=("hebb",)))


def test_a_grid_of_a_rule_file_keeps_the_plug_ins_of_its_request(tmp_path):
    about = subject_of(_request(tmp_path, modules=("mine",))).about
    assert about.imports == ["--import", "mine"] and not about.is_run


def test_a_rule_file_needs_a_world(tmp_path):
    with pytest.raises(BadInput, match="experiment=NAME"):
        subject_of(_request(tmp_path, words=()))


def test_a_level_that_the_config_cannot_have_is_a_cell_with_words(tmp_path, monkeypatch):
    _, made, _ = _made(monkeypatch, _request(tmp_path, asked=("width",)))
    assert [one.how for one in made.cells] == ["learns", *["refused (no such world)"] * 3]
    assert "no population" in made.cells[1].refused
    assert CONFIG not in [path.name for path in tmp_path.rglob("*")]


def test_another_seed_than_that_of_the_search_is_refused(tmp_path):
    request = _request(tmp_path, words=(*WORDS, "seed=3"))
    with pytest.raises(BadInput, match="seed=3 - expected 0, the seed of the search"):
        subject_of(request)
