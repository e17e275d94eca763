"""mp.sweep makes the folder that `metaplast sweep` makes. Its members do not train here."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import metaplast as mp
from metaplast.cli.main import main
from metaplast.registry import BadInput
from metaplast.sweeping import kind
from metaplast.sweeping.outcome import MemberOutcome, MembersFailed

WORDS = (
    *("experiment=oja", "outer=es,bptt", "rows={}", "outer.steps=2"),
    *("outer.learning_rate=0.1,0.2", "network.output=tanh,relu"),
)
OVER = {
    "outer": ["es", "bptt"],
    "outer.learning_rate": [0.1, 0.2],
    "network.output": ("tanh", "relu"),
}


@pytest.fixture(autouse=True)
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, members: Iterable[Any], *_: object) -> list[MemberOutcome]:
        return [MemberOutcome(member.name, 5, "no disk") for member in members]

    monkeypatch.setattr(kind, "work_through", fail)


def test_a_sweep_is_that_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    with pytest.raises(MembersFailed) as caught:
        mp.sweep("oja", over=OVER, rows={}, steps=2, run_dir="python", quiet=True)
    assert caught.value.code == 5
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *WORDS, "--run-dir", "shell", "--quiet"])
    assert ended.value.code == 5
    told = {}
    for name in ("python", "shell"):
        told[name] = json.loads(Path(name, "sweep.json").read_text())
    assert told["python"] == told["shell"]
    assert Path("python", "config.yaml").read_text() == Path("shell", "config.yaml").read_text()
    assert len(told["python"]["members"]) == 4
    run = mp.open("python")
    assert not run.finished
    assert run.config["sweep"][:2] == ["experiment=oja", "outer=es,bptt"]


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ({"seed": "0..9"}, "over['seed']='0..9' - expected a list of values"),
        ({"seed": []}, "seed without a value"),
        ({"seed": [1, 1.0]}, "seed=1.0 beside seed=1"),
        ({"task": [{"n_in": 3, "n_out": 2}]}, "over['task']: {'n_in': 3, 'n_out': 2}"),
        ({}, "words with one value each"),
    ],
)
def test_values_that_make_no_sweep_are_refused(
    over: dict[str, Any], line: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as caught:
        mp.sweep("oja", over=over, run_dir=tmp_path / "sweep", quiet=True)
    assert str(caught.value).startswith(line)
    assert not list(tmp_path.iterdir())
