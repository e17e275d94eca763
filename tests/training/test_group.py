"""Groups of runs: each run has the bits of a run alone, and goes on when another one fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from metaplast import search_loop
from metaplast.cli.main import report
from metaplast.registry import BadInput
from metaplast.runs import planned, same_setting
from metaplast.runs.config import read_yaml, to_yaml
from metaplast.runs.job import parse
from metaplast.training import group, group_result, table_run, variants
from metaplast.training.train_row import Diverged
from metaplast.watching.folder_watch import FolderWatch
from metaplast.watching.seen import DIVERGED, DONE
from tests._runs import resume_run, start_run
from tests.system._commands import bits

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: [], bounds: [-1.0e+38, 1.0e+38]}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre, post^2*weight]}
outer: {name: bptt, steps: 24}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 1}
checkpoint_every: 4
"""
RESTARTS = {"name": "es", "steps": 2, "population": 4, "restarts": 1}
RATES = (0.01, 0.03, 1e30)  # the last one diverges
CLOSE = [0.1234567, 0.1234568]


class Halt(Exception):
    """An error that stops a run as a kill would."""


def _halt_at(wanted: int):
    def progress(_: str, done: int, __: int) -> None:
        if done == wanted:
            raise Halt

    return progress


@pytest.mark.exact
def test_each_run_is_as_it_is_alone_though_one_diverges_and_all_are_interrupted(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        table_run, "inspect_runs", lambda paths, *_, **__: (paths[0] / "report.html").touch()
    )  # figures
    plain, folder = read_yaml(CONFIG, "test"), tmp_path / "group"
    compiled = search_loop._step._cache_size()
    with pytest.raises(Halt):  # in the sixth step, when one of three is told of it
        start_run(
            {**plain, "seed": 5, "vary": {"learning_rate": list(RATES)}}, folder, 1, _halt_at(16)
        )
    names = [f"seed-5-learning_rate-{rate!r}" for rate in RATES]
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(names)
    resume_run(folder, 1)
    assert search_loop._step._cache_size() - compiled == 1
    with pytest.raises(Diverged) as caught:
        group_result.demand_whole(folder)
    assert report(caught.value) == 6
    assert f"diverged: {names[2]}" in capsys.readouterr().err
    assert planned.read(folder) == ({"discovered": 24}, tuple(names))
    seen = FolderWatch(folder).look()
    assert (seen.state, seen.process) == (DIVERGED, None)
    assert [part.state for part in seen.parts] == [DONE, DONE, DIVERGED]
    steps = [len((folder / name / "metrics.jsonl").read_text().splitlines()) for name in names]
    assert steps[:2] == [24, 24]
    assert 20 <= steps[2] < 24
    alone = start_run(
        {**plain, "seed": 5, "outer": {**plain["outer"], "learning_rate": RATES[1]}},
        tmp_path / "a",
        1,
        lambda *_: None,
    )
    assert search_loop._step._cache_size() - compiled == 2
    assert bits(folder / names[1]) == bits(alone)
    assert bits(folder / names[0]) != bits(alone)
    assert (folder / names[1] / "config.yaml").read_text() == (alone / "config.yaml").read_text()
    said, told = group_result.render(folder), json.loads(group_result.as_json(folder))
    assert "outer.learning_rate=0.03; 1 runs" in said
    assert "3 runs by one compiled program" in said
    assert [entry["diverged"] for entry in told["runs"]] == [False, False, True]
    assert [entry["runs"] for entry in told["settings"]] == [[names[0]], [names[1]]]
    data = json.loads((folder / "inspect.json").read_text())
    assert [row["name"] for row in data["variants"]["table"]] == (
        ["learning_rate=0.01", "learning_rate=0.03"]
    )
    assert set(data["training"]["loss"]) == {"learning_rate=0.01", "learning_rate=0.03"}
    assert said.startswith(data["verdict"]["found"]) and "Next: metaplast train" in said
    assert f"Without scores, so left out: {names[2]}." in data["verdict"]["doubts"]
    page = (folder / "report.html").read_text()
    assert data["verdict"]["found"] in page and "Variants of one search" in page
    before = {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".txt"
    }
    with pytest.raises(BadInput, match="a group of runs - expected a run folder"):
        same_setting.runs_by_setting([folder])
    assert {path: path.read_bytes() for path in before} == before


def test_every_combination_is_a_run_with_a_config_of_its_own():
    words = {
        "outer": {"name": "hybrid"},
        "seeds": 2,
        "vary": {"then_learning_rate": [0.1, 0.2], "first_std": [1, 2], "first_learning_rate": [3]},
    }
    several, first = group.split({**read_yaml(CONFIG, "test"), "seed": 7, **words})
    job = parse(first)
    runs = several.runs(job, Path("group"))
    assert [one.folder.name for one in runs[1:4]] == [
        "seed-8-then_learning_rate-0.1-first_std-1.0-first_learning_rate-3.0",
        "seed-7-then_learning_rate-0.1-first_std-2.0-first_learning_rate-3.0",
        "seed-8-then_learning_rate-0.1-first_std-2.0-first_learning_rate-3.0",
    ]
    assert (len(runs), several.label(7), len(group.programs(runs))) == (8, "7-8", 1)
    outer = runs[-1].job.main.outer_loop().hyper()
    assert runs[-1].job.plain["seed"] == 8
    assert {name: round(float(x), 3) for name, x in outer.items()} == {
        "first_std": 2.0,
        "first_learning_rate": 3.0,
        "then_learning_rate": 0.2,
    }
    alone = group.split({**first, "seeds": 1})[0].runs(job, Path("run"))
    assert alone == [(Path("run"), job, job, None)]
    task = {"name": "digits", "split_seed": "${seed}"}
    assert (
        len(
            group.programs(
                group.RunGroup(seeds=3).runs(parse({**first, "task": task}), Path("group"))
            )
        )
        == 3
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seeds": 0}, "seeds=0 - expected .*greater than or equal to 1"),
        ({"seeds": 2.0}, "seeds=2.0 - expected .*integer"),
        ({"seeds": 2, "seed": 2**31 - 1}, "seed=2147483648"),
        (
            {"vary": {"rate": [1.0]}},
            "vary.rate - expected a number of the outer loop: learning_rate",
        ),
        (
            {"vary": {"steps": [1]}},
            "vary.steps - expected a number of the outer loop: learning_rate",
        ),
        ({"vary": {"learning_rat": [1]}}, "did you mean 'learning_rate'"),
        ({"vary": {"learning_rate": []}}, "vary.* at least 1"),
        ({"vary": {"learning_rate": [0.0]}}, "greater than 0"),
        ({"vary": {"learning_rate": [float("inf")]}}, "finite"),
        ({"vary": {"learning_rate": [True]}}, "number"),
        ({"vary": {"learning_rate": ["fast"]}}, "number"),
        ({"vary": {"learning_rate": 0.1}}, "vary.*a list - write .0.1."),
        ({"vary": {"learning_rate": [1.0, 1.0]}}, "distinct values"),
        ({"vary": {"learning_rate": [float(i) for i in range(1, 28)]}}, "at most 26"),
        ({"vary": 3}, "vary=3"),
        ({"seeds": 2, "lockstep": 1}, "lockstep=1 - expected .*boolean"),
        (
            {"seeds": 2, "lockstep": True, "outer": RESTARTS},
            "lockstep=true - expected an outer loop whose state keeps",
        ),
    ],
)
def test_what_is_no_group_is_refused_and_nothing_is_written(given, words, tmp_path):
    with pytest.raises(BadInput, match=words):
        start_run({**read_yaml(CONFIG, "test"), **given}, tmp_path / "group", 1)
    assert not list(tmp_path.iterdir())


def test_variants_have_names_of_their_own_and_runs_of_lost_seeds_are_kept_in_mind(
    tmp_path, monkeypatch
):
    plain = {**read_yaml(CONFIG, "test"), "seeds": 2, "vary": {"learning_rate": CLOSE}}
    (tmp_path / "config.yaml").write_text(to_yaml(plain))
    *finished, _ = group.members(tmp_path)
    for run in finished:
        run.folder.mkdir()
        (run.folder / "summary.json").touch()
    monkeypatch.setattr(variants, "_judged", lambda *given: given)
    given: Any = variants.variants_of(tmp_path)
    folders, seeds, lost, unshared = given
    assert list(folders) == ["learning_rate=0.1234567", "learning_rate=0.1234568"]
    assert seeds == [0]
    assert lost == ["seed-1-learning_rate-0.1234568"]
    assert unshared == ["seed-1-learning_rate-0.1234567"]
