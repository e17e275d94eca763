"""The origin of a run: recorded at its start, and shown without paths of a machine."""

import hashlib
import json
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from inner_tasks.categories import Categories
from inner_tasks.digits import Digits
from inner_tasks.recordings import Recordings
from inner_tasks.tabular import Tabular
from inner_tasks.teacher_student import TeacherStudent
from metaplast.cli import _run
from metaplast.registry import Plain
from metaplast.runs import lifecycle, provenance
from metaplast.runs.lifecycle import Means, Request
from metaplast.spec import encode
from metaplast.tasks import AbstractTaskFamily
from metaplast.training.kind import KIND

IRIS = Tabular(data="iris", shown=4, queries=2)


def test_the_origin_is_read_back(tmp_path: Path) -> None:
    provenance.record(tmp_path, "metaplast train seed=1", {"a.npz": "ab" * 32})
    origin = provenance.read(tmp_path)
    assert origin is not None
    assert origin.command == "metaplast train seed=1"
    assert origin.data == {"a.npz": "ab" * 32}
    facts = dict(provenance.facts(tmp_path, 61.4))
    assert facts["config"] == f"{tmp_path.name}/config.yaml"
    assert facts["command"] == "metaplast train seed=1"
    assert facts["data"] == f"a.npz, SHA-256 {'ab' * 8}"
    assert facts["begun"] == f"{origin.begun} UTC"
    assert facts["took"] == "61 s"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"command": 1}', '{"data": [], "begun": ""}'])
def test_a_damaged_record_is_named_and_hides_nothing_else(tmp_path: Path, text: str) -> None:
    (tmp_path / provenance.FILE).write_text(text)
    assert provenance.read(tmp_path) is None
    facts = dict(provenance.facts(tmp_path, 61.4, "metaplast train --config run/config.yaml"))
    assert facts == {
        "damaged": "provenance.json (the command, the data and the beginning of the run) cannot "
        "be read",
        "config": f"{tmp_path.name}/config.yaml",
        "command": "metaplast train --config run/config.yaml (made from config.yaml)",
        "metaplast": provenance.NOT_RECORDED,
        "took": "61 s",
    }


def test_damaged_versions_are_named(tmp_path: Path) -> None:
    provenance.record(tmp_path, "metaplast train seed=1", {})
    (tmp_path / "environment.json").write_text("{")
    facts = dict(provenance.facts(tmp_path, 61.4))
    assert facts["damaged"] == "environment.json (the versions) cannot be read"
    assert facts["command"] == "metaplast train seed=1"
    assert "metaplast" not in facts


def test_a_run_without_a_record_says_so_and_how_it_is_made_again(tmp_path: Path) -> None:
    facts = dict(provenance.facts(tmp_path, None, "metaplast train --config run/config.yaml"))
    again = "metaplast train --config run/config.yaml (made from config.yaml)"
    assert facts.pop("command") == again
    del facts["config"]
    assert set(facts.values()) == {provenance.NOT_RECORDED}


def test_no_page_shows_a_path_of_a_machine() -> None:
    words = ["metaplast", "fit", "/home/me/a b.npz", "task.path=/home/me/b.npz", "--run-dir", "r"]
    shown = provenance.shown_command(shlex.join(words))
    assert shlex.split(shown) == ["metaplast", "fit", "a b.npz", "task.path=b.npz", *words[4:]]


def test_a_command_is_run_again_without_its_folder() -> None:
    command = "metaplast fit a.npz --run-dir old --quiet seed=1 --run-dir=other --json"
    assert provenance.words_again(command) == ["metaplast", "fit", "a.npz", "seed=1"]


def test_the_command_of_the_process_is_recorded() -> None:
    said = []

    @click.command()
    def verb() -> None:
        said.append(_run._command())

    verb.main([], standalone_mode=False, obj=["train", "rows={a: {seed: 1}}"])
    CliRunner().invoke(verb, [])
    assert said == ["metaplast train 'rows={a: {seed: 1}}'", ""]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Digits(), "digits.csv.gz"),
        (Categories(), "digits.csv.gz"),
        (IRIS, "iris.csv"),
    ],
)
def test_bundled_data_have_the_hash_of_their_file(task: AbstractTaskFamily, name: str) -> None:
    import sklearn

    file = Path(sklearn.__file__).parent / "datasets" / "data" / name
    assert task.files() == {name: hashlib.sha256(file.read_bytes()).hexdigest()}


def test_a_recording_has_the_hash_of_its_file_and_a_drawn_task_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, a=np.zeros(3))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Recordings(path=str(path)).files() == {"mine.npz": digest}
    assert Recordings().files() == {}
    assert TeacherStudent().files() == {}


def test_a_run_records_its_command_and_its_data(tmp_path: Path) -> None:
    plain: Plain = {"task": encode(IRIS), "outer": {"name": "bptt"}}
    means = Means(command="metaplast train task=tabular")
    with lifecycle.opened(KIND, Request(plain), tmp_path / "run", means):
        pass
    record = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert record["command"] == "metaplast train task=tabular"
    assert record["data"] == IRIS.files()


@pytest.mark.parametrize("option", ["--import mine", "--import=mine"])
def test_the_plug_ins_of_runs_are_words_of_their_next_commands(tmp_path: Path, option: str) -> None:
    runs = [tmp_path / name for name in ("old", "python", "plain", "none")]
    for run in runs:
        run.mkdir()
    provenance.record(runs[0], f"metaplast train {option} seed=1", {})  # before they were recorded
    provenance.record(runs[1], "", {}, ["mine", "others.too"])
    provenance.record(runs[2], "metaplast train seed=1", {})
    assert provenance.imports(runs) == ["--import", "mine", "--import", "others.too"]
    assert provenance.imports(runs[2:]) == []


def test_a_run_from_python_records_the_plug_ins_that_it_uses(tmp_path: Path) -> None:
    plain: Plain = {"task": encode(IRIS), "outer": {"name": "bptt"}}
    with lifecycle.opened(
        KIND,
        Request(plain),
        tmp_path / "run",
        Means(modules=("inner_tasks.digits", IRIS.__module__)),
    ):
        pass
    assert provenance.imports([tmp_path / "run"]) == ["--import", "inner_tasks.tabular"]


@pytest.mark.parametrize("command", ["", "metaplast train 'cut"])
def test_a_run_without_a_readable_command_line_is_not_damaged(command: str, tmp_path: Path) -> None:
    provenance.record(tmp_path, command, {})
    origin = provenance.read(tmp_path)
    assert origin is not None
    assert (origin.command, list(origin.modules)) == (command, [])
