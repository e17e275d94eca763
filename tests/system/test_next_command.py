"""The command that a page prints next runs, from one verdict to the next, as a user would go on."""

import json
import shlex
from pathlib import Path

import pytest

from tests.system._commands import metaplast

pytestmark = pytest.mark.system

SMALL = (
    *("experiment=oja", "task.n_in=4", "task.n_out=2", "task.n_steps=20", "outer.steps=20"),
    *(
        "rule.terms=[post*pre,post^2*weight]",
        "rule.initial=[1,-1]",
        "evaluation.validation=64",
        "evaluation.heldout=64",
    ),
    "evaluation.candidates=1",
)


def run(words: list[str], folder: Path) -> str:
    done = metaplast(*words, cwd=folder)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
    return done.stdout


def next_of(runs: list[str], folder: Path) -> list[str]:
    """The words of the command that the page on some runs prints."""
    written = run(["inspect", *runs, "--lives", "4"], folder).splitlines()
    data = json.loads((folder / written[1]).read_text())
    program, *words = shlex.split(data["verdict"]["next_command"])
    assert program == "metaplast"
    return words


def test_every_next_command_runs_and_answers_its_question(tmp_path: Path) -> None:
    run(["train", *SMALL, "--run-dir", "first"], tmp_path)
    a_baseline = next_of(["first"], tmp_path)
    assert a_baseline[0] == "train" and a_baseline[-1].startswith("rows=")
    run([*a_baseline, "--run-dir", "second"], tmp_path)
    more_seeds = next_of(["second"], tmp_path)
    assert more_seeds[-2:] == ["seed=1", "seeds=4"]
    run([*more_seeds, "--run-dir", "group"], tmp_path)
    runs = ["second", "group/seed-1"]
    another_world = next_of(runs, tmp_path)
    assert another_world == ["eval", *runs, "task.n_steps=40"]
    run(another_world, tmp_path)
    assert next_of(runs, tmp_path) == ["compare", *runs]
    run(["compare", *runs], tmp_path)
