"""The bounds of weights go from the edge to the rule file, and from there into exports."""

import math
from pathlib import Path
from typing import Any

import pytest

from metaplast.reuse.export.exported import export
from metaplast.reuse.export.source import subject_of
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.stdp import Stdp
from tests.reuse._exports import subject


def test_a_rule_file_holds_the_bounds_of_its_edges(files: dict[str, Path]) -> None:
    document = read_rule(files["shared"]).document
    ends = [-10.0, 10.0]  # of every edge of a feedforward network
    assert document["provenance"]["bounds"] == {
        "input_to_hidden_1": ends,
        "hidden_1_to_output": ends,
    }
    found = subject_of(files["shared"])
    assert found.bounds == (-10.0, 10.0)
    result = export(found, "brian2")
    assert "low=-10.0," in result.text
    assert "clipped to [-10, 10], the bounds of the edge" in " ".join(result.reasons)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ([0.0, 2.0], (0.0, 2.0)),
        ([None, 2], (-math.inf, 2.0)),
        ([None, None], (-math.inf, math.inf)),
        ([2.0, 0.0], None),
        (["__import__('os')", 1.0], None),
        ([True, 3.0], None),
        ("abc", None),
        ([0.0], None),
        ([0, 10**400], None),
    ],
)
def test_the_bounds_of_a_file_are_two_numbers_in_order_or_nothing(
    bounds: Any, expected: Any, files: dict[str, Path], tmp_path: Path
) -> None:
    file = read_rule(files["shared"])
    by_edge = dict.fromkeys(file.document["provenance"]["bounds"], bounds)
    origin = {**file.document["provenance"], "bounds": by_edge}
    path = tmp_path / "changed.safetensors"
    save_rule(path, {**file.document, "provenance": origin}, file.tensors)
    assert subject_of(path).bounds == expected


def test_edges_of_different_bounds_have_none(files: dict[str, Path], tmp_path: Path) -> None:
    file = read_rule(files["shared"])
    by_edge = {"input_to_hidden_1": [0.0, 1.0], "hidden_1_to_output": [0.0, 2.0]}
    origin = {**file.document["provenance"], "bounds": by_edge}
    path = tmp_path / "changed.safetensors"
    save_rule(path, {**file.document, "provenance": origin}, file.tensors)
    assert subject_of(path).bounds is None


def test_nestml_has_the_bounds_of_the_edge_or_says_that_it_has_none() -> None:
    found = subject(Stdp(mu_potentiation=1.0), {})
    open_ends = export(found, "nestml")
    assert "are 0 and 1 until you set them" in open_ends.reasons[0]
    closed = export(found._replace(bounds=(0.0, 2.0)), "nestml")
    assert "clipped to [0, 2]" in closed.reasons[0]
    assert "        high real = 2.0" in closed.text
    assert "weights in [0, 2]" in closed.text  # the header
    assert "weight_max" not in closed.text.partition("\nmodel ")[2]  # the bound is `high`
