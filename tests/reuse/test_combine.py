"""A combined rule makes the sum of the changes of its parts, and its file names them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import metaplast as mp
from metaplast.registry import BadInput
from metaplast.reuse.reference import view_at


def _changes(rule: Any, reward: float, n: int = 3) -> np.ndarray:
    """The changes of a rule on the reference signals [n, 2, 3]."""
    state = rule.init(np.zeros((2, 3)))
    changes = []
    for step in range(n):
        view = view_at(step, ("reward",))
        modulators = {"reward": jax.numpy.asarray(reward)}
        view = mp.SynapseView(**{**vars(view), "modulators": modulators})
        state, change = rule.update(view, state, dt=1e-3)
        changes.append(np.asarray(change))
    return np.stack(changes)


PARTS = ("oja", "zoo/stdp", "zoo/bcm")


def test_a_combination_is_the_sum_with_factors_and_gates() -> None:
    rules = {"a": mp.load_rule("oja"), "b": mp.load_rule("zoo/stdp")}
    whole = mp.combine(rules, factors={"a": 0.5}, gates={"b": "reward"})
    expected = 0.5 * _changes(rules["a"], 1.0) + 0.3 * _changes(rules["b"], 1.0)
    np.testing.assert_allclose(_changes(whole, 0.3), expected, rtol=1e-5, atol=1e-8)
    assert "modulators.reward" in whole.reads


def test_a_combination_with_learned_numbers_goes_through_a_file(tmp_path: Path) -> None:
    rules = {"found": mp.load_rule("zoo/readout"), "delta": mp.load_rule("delta")}
    whole = mp.combine(rules, factors={"found": 2.0})
    whole.save(tmp_path / "both.safetensors")
    again = mp.load_rule(tmp_path / "both.safetensors")
    np.testing.assert_array_equal(_changes(again, 1.0), _changes(whole, 1.0))
    first, second = again.ancestry
    assert first == {
        "rule": "zoo/readout",
        "sha256": rules["found"].sha256,
        "change": "part found of a sum",
    }
    assert second["sha256"] == ""
    assert len(first["sha256"]) == 64


def test_an_ancestor_of_an_ancestor_is_kept(tmp_path: Path) -> None:
    one = mp.combine({"a": mp.load_rule("oja")})
    one.save(tmp_path / "one.safetensors")
    two = mp.combine({"b": mp.load_rule(tmp_path / "one.safetensors")})
    two.save(tmp_path / "two.safetensors")
    ancestry = mp.load_rule(tmp_path / "two.safetensors").ancestry
    assert [ancestor["change"] for ancestor in ancestry] == ["part a of a sum", "part b of a sum"]


def test_a_list_of_rules_is_refused_in_one_line() -> None:
    rules: Any = [mp.load_rule("oja")]
    with pytest.raises(BadInput, match=r"type list - expected \{label: rule\}"):
        mp.combine(rules)


def test_a_label_without_a_rule_is_refused() -> None:
    with pytest.raises(BadInput, match="label 'b'"):
        mp.combine({"a": mp.load_rule("oja")}, gates={"b": "reward"})
