"""A file of a run that is damaged, or of another form, is refused in one line."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.comparing.files import read_comparison
from metaplast.comparing.kind import KIND as COMPARING
from metaplast.fitting.kind import KIND as FITTING
from metaplast.fitting.result import read_result
from metaplast.registry import BadInput
from metaplast.runs import environment, lifecycle, metrics, row_files
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import Means, Request
from metaplast.training.group_result import read_group
from metaplast.training.row_record import read_record
from metaplast.training.summary import read_summary

READERS: dict[str, Callable[[Path], Any]] = {
    "compare.json": read_comparison,
    "fit.json": read_result,
    "group.json": read_group,
    "row.json": read_record,
    "summary.json": read_summary,
}

NESTED = "[" * 100_000


@pytest.mark.parametrize("text", ["", "{", "\xff", NESTED], ids=["empty", "cut", "bytes", "deep"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=rf"{name}, damaged - expected JSON as metaplast wrote it"):
        READERS[name](tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", "null"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_form_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=name):
        READERS[name](tmp_path)


def test_the_marker_of_a_run_is_named_where_it_is_damaged(tmp_path: Path) -> None:
    """The marker holds the options of a fit, which a resume reads first."""
    (tmp_path / "config.yaml").write_text("experiment: x\n")
    kind = next(kind for kind in lifecycle.kinds() if kind.marker)
    (tmp_path / kind.marker).write_text("{")
    with pytest.raises(BadInput, match=f"{kind.marker}, damaged"):
        lifecycle._recorded(kind, tmp_path)


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null"])
def test_a_marker_without_options_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("experiment: x\n")
    kind = next(kind for kind in lifecycle.kinds() if kind.marker)
    (tmp_path / kind.marker).write_text(text)
    with pytest.raises(BadInput, match=f"{kind.marker}, of another form"):
        lifecycle._recorded(kind, tmp_path)


@pytest.mark.parametrize("recover", [3, "oja", ["oja"]])
def test_an_option_of_a_fit_that_is_no_config_is_named(recover: Any) -> None:
    with pytest.raises(BadInput, match="recover: "):
        FITTING.check(
            Request(compose(["experiment=fit"], Sources()), {"recover": recover}), None, Means()
        )


@pytest.mark.parametrize("only", [3, "es", [3], None])
def test_an_option_of_a_comparison_that_is_no_list_is_named(only: Any) -> None:
    plain = compose(["experiment=oja", "compare.lives=8"], Sources())
    with pytest.raises(BadInput, match="only: "):
        COMPARING.check(Request(plain, {"only": only}), None, Means())


LINE = '{"outer_step": 1, "loss": 0.5}\n'


@pytest.mark.parametrize("text", ["x\n", "[]\n", LINE + "\x00\n", LINE + f"{NESTED}\n"])
def test_a_damaged_line_of_metrics_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / metrics.METRICS
    file.write_text(text)
    number = text.count("\n")
    with pytest.raises(BadInput, match=rf"metrics\.jsonl, line {number}, damaged"):
        metrics.read(file)


@pytest.mark.parametrize("line", ["{}", '{"loss": "x"}', '{"loss": null}', '{"loss": [1]}'])
def test_a_line_without_a_number_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / metrics.METRICS
    file.write_text(f"{LINE}{line}\n")
    with pytest.raises(BadInput, match="line 2, damaged - expected a number loss"):
        metrics.values(file, "loss")


def test_values_hold_numbers_that_are_not_finite(tmp_path: Path) -> None:
    file = tmp_path / metrics.METRICS
    file.write_text(LINE + '{"loss": "inf"}\n{"loss": "nan"}\n{"cut')
    values = metrics.values(file, "loss")
    assert values[:2] == [0.5, math.inf]
    assert math.isnan(values[2])
    assert len(values) == 3


@pytest.mark.parametrize("text", ["x", "[]", "3", NESTED])
def test_versions_that_cannot_be_read_are_unknown(text: str, tmp_path: Path) -> None:
    (tmp_path / environment.FILE).write_text(text)
    assert environment.recorded(tmp_path) == {}


def test_arrays_that_are_damaged_or_gone_are_named(tmp_path: Path) -> None:
    file = tmp_path / "theta.safetensors"
    arrays = {"a": np.arange(3.0), "b": np.zeros((2, 0), np.float32)}
    row_files.save_arrays(file, arrays)
    read = row_files.read_arrays(file)
    assert read.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name], values, strict=True)
    for n_bytes in (0, 5, 20, file.stat().st_size - 1):
        (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:n_bytes])
        with pytest.raises(BadInput, match=r"cut\.safetensors, damaged - expected arrays"):
            row_files.read_arrays(tmp_path / "cut.safetensors")
    with pytest.raises(BadInput, match=r"none\.safetensors, not there - expected arrays"):
        row_files.read_arrays(tmp_path / "none.safetensors")


def test_a_theta_of_another_row_is_named(tmp_path: Path) -> None:
    problem = parse(compose(["experiment=oja"], Sources()), check=False).main.meta_problem()
    theta = problem.init(jax.random.key(0))
    arrays = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta)[0]:
        arrays[row_files.dotted(path)] = np.asarray(leaf)
    row_files.save_arrays(tmp_path / row_files.THETA, arrays)
    for one, other in zip(
        jax.tree.leaves(row_files.theta_of(tmp_path, problem)), jax.tree.leaves(theta), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    name = max(arrays, key=lambda name: arrays[name].size)
    for changed in ({**arrays, name: arrays[name][:-1]}, {"other": arrays[name]}):
        row_files.save_arrays(tmp_path / row_files.THETA, changed)
        with pytest.raises(BadInput, match="another theta than that"):
            row_files.theta_of(tmp_path, problem)
