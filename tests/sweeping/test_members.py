"""The members of a sweep: groups where arrays differ, runs of their own elsewhere."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from metaplast.registry import BadInput
from metaplast.runs.config import Sources, compose, to_yaml, value_of
from metaplast.sweeping.axes import words_of
from metaplast.sweeping.members import Member, Origin, members_of
from metaplast.sweeping.request import request_of, sweep_of
from metaplast.training import group
from metaplast.training.group import MAX_SETTINGS

COMMON = ("experiment=oja", "rows={}", "outer.steps=2")
ORIGIN = Origin(Sources())


def made(*texts: str) -> list[Member]:
    return members_of(words_of([*COMMON[:2], *texts]), ORIGIN)


def test_seeds_and_numbers_of_the_loop_are_one_group() -> None:
    (member,) = made("seed=3..5", "outer.learning_rate=1e-3,3e-3")
    assert member.name == "all"
    assert member.words[2:] == ["seed=3", "seeds=3", "vary.learning_rate=[1e-3,3e-3]"]
    assert member.config == compose(member.words, Sources())
    assert [run.folder for run in member.runs][:2] == [
        "all/seed-3-learning_rate-0.001",
        "all/seed-4-learning_rate-0.001",
    ]
    assert member.runs[-1].settings == {"seed": "5", "outer.learning_rate": "3e-3"}


def test_the_settings_of_every_run_stand_in_its_config() -> None:
    members = made("outer=es,bptt", "task.n_in=3,4", "outer.learning_rate=0.1,0.2", "seed=1,2,9")
    names = [member.name for member in members]
    assert names[:3] == [
        "outer-es-task.n_in-3-seed-1-2",
        "outer-es-task.n_in-3-seed-9",
        "outer-es-task.n_in-4-seed-1-2",
    ]
    assert len(names) == len(set(names)) == 8
    assert sum(len(member.runs) for member in members) == 2 * 2 * 2 * 3
    for member in members:
        several, plain = group.split(member.config)
        runs = several.runs(group.parse(plain, check=False), Path(member.name))
        for run, listed in zip(runs, member.runs, strict=True):
            assert run.folder.as_posix() == listed.folder
            for key, value in listed.settings.items():
                assert _at(run.job.plain, key) == value_of(f"{key}={value}")


def _at(plain: dict, key: str) -> object:
    value: object = plain
    for part in key.split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value["name"] if isinstance(value, dict) else value


def test_numbers_that_no_group_can_vary_make_members() -> None:
    members = made("outer=es", "outer.learning_rate=0,0.5")  # 0 means the default of the strategy
    assert [member.name for member in members] == [
        "outer.learning_rate-0",
        "outer.learning_rate-0.5",
    ]
    members = made("outer.steps=2,3", "seed=0..1")  # it is no number of `hyper`
    assert [len(member.runs) for member in members] == [2, 2]
    rates = ",".join(f"0.{n:02}" for n in range(1, MAX_SETTINGS + 2))
    assert len(made(f"outer.learning_rate={rates}")) == MAX_SETTINGS + 1


def test_a_value_that_is_no_name_of_a_folder_gets_a_digest() -> None:
    members = made("genome=random", "network.hidden=[],[3]")
    names = [member.name for member in members]
    assert names[0].startswith("network.hidden-")
    assert names[1].startswith("network.hidden-3-")
    assert "[" not in "".join(names)
    members = made("note=../a,../b")
    assert [Path(member.name).name for member in members] == [member.name for member in members]


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (
            ["outer=bptt,es", "outer.clip=0.1,0.2"],
            ["member outer=es outer.clip=0.1: outer.clip=0.1: outer: unknown field 'clip'"],
        ),
        (
            ["outer=bptt,es", "outer.population=8"],
            ["member outer-bptt: outer.population=8: outer: unknown field 'population'"],
        ),
        (["outer=es,ess"], ["member outer-ess: outer=ess - expected one of", "'es'"]),
        (["seed=0,-1"], ["member seed--1: seed=-1 - expected"]),
        (["outer.std=1,1.0"], ["outer.std=1.0 beside outer.std=1"]),
        (["task={n_in: 3},{'n_in': 3}"], ["task={'n_in': 3} beside task={n_in: 3}"]),
        (["outer=es,{name: es}"], ["the same setting - expected distinct settings"]),
    ],
)
def test_a_word_that_fits_one_member_only_is_refused(
    texts: Sequence[str], parts: Sequence[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        made(*texts)
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line


def test_a_sweep_goes_through_json_unchanged() -> None:
    request = request_of(words_of([*COMMON, "seed=0..2", "task.n_in=3,4"]), ORIGIN)
    assert request.plain == {"sweep": [*COMMON, "seed=0,1,2", "task.n_in=3,4"]}
    read = sweep_of(json.loads(json.dumps(request.options)))
    assert read.axes == ["seed", "task.n_in"]
    assert read.n_runs == 6
    assert read.command(read.members[0], Path("runs/a/b")) == (
        "metaplast train experiment=oja 'rows={}' outer.steps=2 seed=0 task.n_in=3 seeds=3 "
        "--run-dir runs/a/b"
    )
    assert read.members == made("outer.steps=2", "seed=0..2", "task.n_in=3,4")


def test_the_command_of_a_member_names_the_files_of_the_sweep(tmp_path: Path) -> None:
    file = tmp_path / "whole.yaml"
    file.write_text(to_yaml(compose(COMMON, Sources())))
    origin = Origin(Sources(tmp_path), file)
    sweep = sweep_of(request_of(words_of(["seed=4,5"]), origin).options)
    assert shlex.split(sweep.command(sweep.members[0], Path("a")))[2:] == [
        *("--config-dir", str(tmp_path), "--config", str(file)),
        *("seed=4", "seeds=2", "--run-dir", "a"),
    ]


@pytest.mark.parametrize("name", ["../b", "/b"])
def test_a_damaged_file_leads_to_no_folder_outside(name: str) -> None:
    request = request_of(words_of([*COMMON, "seed=0..1"]), ORIGIN)
    request.options["members"][0]["name"] = name
    with pytest.raises(BadInput, match="a folder in the sweep"):
        sweep_of(request.options)
