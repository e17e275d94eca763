"""Files of version 0.1.0 go on loading, for ever, and give the numbers that they gave then.

rule_2/ holds rule files of the second version of their schema, with the numbers that the code of
their day computed from them.

v0_1/ was written once, with the code of commit 66ff38f (see make.py), and values.json beside it
says what that code computed from it. Neither is changed. A difference here is a broken promise, not
an old test.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaplast.training import side_by_side
from tests._runs import resume_run
from tests.golden import _values
from tests.golden._values import FOLDER

TOLD = json.loads((FOLDER / "values.json").read_text())
RULES = sorted(path.stem for path in (FOLDER / "rules").iterdir())
SECOND = Path(__file__).parent / "rule_2"
TOLD_OF_SECOND = json.loads((SECOND / "values.json").read_text())
CLOSE = {"rtol": 1e-4, "atol": 1e-6}  # other machines and versions of JAX have other last digits


def same(now: Any, then: Any, where: str = "") -> None:
    """Numbers as then; nothing that was told then is missing. What is told beside it now may be
    more.
    """
    if isinstance(then, dict):
        for name, value in then.items():
            assert name in now, f"{where}.{name} is gone"
            same(now[name], value, f"{where}.{name}")
    elif isinstance(then, list) and any(isinstance(item, dict | list) for item in then):
        assert len(now) == len(then), where
        for index, (ours, theirs) in enumerate(zip(now, then, strict=True)):
            same(ours, theirs, f"{where}.{index}")
    elif isinstance(then, float | int | list) and not isinstance(then, bool):
        np.testing.assert_allclose(now, then, err_msg=where, **CLOSE)
    else:
        assert now == then, where


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    """As `--import` does; not when the file is read, for other tests list what is registered."""
    _values.plugins()


def test_values_differ_where_a_number_does() -> None:
    """The comparison can fail: by a number, by a name, by a length."""
    for now in ({"a": [1.0, 2.001]}, {"b": [1.0, 2.0]}, {"a": [1.0]}):
        with pytest.raises(AssertionError):
            same(now, {"a": [1.0, 2.0]})


def test_there_is_a_value_for_every_file() -> None:
    assert sorted(TOLD["rules"]) == RULES
    assert len(RULES) > 30


@pytest.mark.filterwarnings("ignore:rule 'voltage' is called 'clopath':FutureWarning")
@pytest.mark.filterwarnings("ignore:rule .* is called .* now:FutureWarning")
@pytest.mark.parametrize("name", RULES)
def test_a_rule_file(name: str) -> None:
    same(_values.of_rule(FOLDER / "rules" / f"{name}.safetensors"), TOLD["rules"][name], name)


@pytest.mark.parametrize("name", sorted(TOLD_OF_SECOND))
def test_a_rule_file_of_the_second_schema(name: str) -> None:
    file = SECOND / "rules" / f"{name}.safetensors"
    same(_values.of_rule(file), TOLD_OF_SECOND[name], name)


def test_the_files_of_each_schema_say_their_version() -> None:
    """A file of today's version that is written as another one would not be told apart."""
    for folder, version in ((FOLDER, 1), (SECOND, 2)):
        for path in (folder / "rules").iterdir():
            assert f"metaplast.rule/{version}".encode() in path.read_bytes()


def test_a_run_folder(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "run", tmp_path / "run"))
    same(_values.of_run(folder), TOLD["run"])
    table = side_by_side.compare([folder])
    for score in TOLD["run"]["scores"]:
        assert f"{score['mean']:.3g}" in table


def test_a_checkpoint(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "halted", tmp_path / "halted"))
    same(_values.of_checkpoint(folder), TOLD["checkpoint"])
    assert TOLD["checkpoint"]["step"] == 4


def test_a_plugin_module() -> None:
    told = _values.of_plugins()
    same(told, TOLD["plugins"])
    assert told["losses"][-1] < told["losses"][0]


@pytest.mark.system
def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """Its rule and its metrics are those of the finished run beside it, which had one row more."""
    folder = Path(shutil.copytree(FOLDER / "halted", tmp_path / "halted"))
    resume_run(folder, 1)
    now = _values.of_run(folder)
    for part in ("theta", "terms", "metrics"):
        same(now[part], TOLD["run"][part], part)
