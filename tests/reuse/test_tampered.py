"""Rule files that are whole but wrong. Only a run of the rule shows the fault."""

import copy
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import metaplast as mp
from metaplast.life.lifetime import Slot
from metaplast.registry import BadInput
from metaplast.reuse.reference import reference
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.base import AbstractRule
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import rule_state
from metaplast.spec import spec
from tests.reuse.conftest import describe


def _tampered(made: Any, kind: str, path: Path, change: Any) -> Path:
    document, tensors = copy.deepcopy(made[kind][0]), dict(made[kind][1])
    change(document, tensors)
    save_rule(path / "tampered.safetensors", document, tensors)
    return path / "tampered.safetensors"


def _coefficient(document: Any, tensors: Any) -> None:
    tensors["rule.coefficients"] = tensors["rule.coefficients"] + np.array([0, 1e-3, 0], np.float32)


def _vector(document: Any, tensors: Any) -> None:
    document["reference"]["rule"][3][1][2] *= 1.01


def _term(document: Any, tensors: Any) -> None:
    document["slots"]["rule"]["rule"]["terms"][2] = "0.02*weight"


@pytest.mark.parametrize("change", [_coefficient, _vector, _term])
def test_a_changed_rule_is_told_by_its_reference_vector(change: Any, made, tmp_path: Path) -> None:
    path = _tampered(made, "shared", tmp_path, change)
    read_rule(path)
    with pytest.raises(BadInput, match="reference vector differs"):
        mp.load_rule(path)


def test_the_reference_vector_sees_state(made, tmp_path: Path) -> None:
    """Adam's moments act from the second step on. So the vector has several steps."""

    def decay(document: Any, tensors: Any) -> None:
        document["slots"]["rule"]["rule"]["rule"]["b1"] = 0.8

    vector = np.asarray(made["per_edge"][0]["reference"]["rule/hidden_1_to_output"])
    assert np.ptp(np.abs(vector), axis=0).max() > 1e-3
    with pytest.raises(BadInput, match="reference vector differs"):
        mp.load_rule(_tampered(made, "per_edge", tmp_path, decay), edge="hidden_1_to_output")


@spec
class Drawing(AbstractRule):
    """delta_w ~ N(0, 1)."""

    def init(self, key: Any, connection: Any) -> Any:
        return {}

    def init_state(self, theta: Any, connection: Any) -> Any:
        return rule_state()

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        return state, jax.random.normal(view.key, connection.shape)


def test_a_rule_that_draws_is_asked_with_the_keys_of_the_files_of_before() -> None:
    vector = reference(Drawing(), {}, (), 1e-3)
    drawn = [
        jax.random.normal(jax.random.fold_in(jax.random.key(0), k), vector.shape[1:])
        for k in range(len(vector))
    ]
    np.testing.assert_allclose(vector, np.stack(drawn), rtol=1e-6)


def _extra(document: Any, tensors: Any) -> None:
    tensors["rule.more"] = np.zeros(1, np.float32)


def _field(document: Any, tensors: Any) -> None:
    document["slots"]["rule"]["rule"]["sclae"] = 1.0


def _type(document: Any, tensors: Any) -> None:
    document["slots"]["rule"]["rule"]["scale"] = "1"


def _reach(document: Any, tensors: Any) -> None:
    document["slots"]["rule"] |= {"reads": ["weight"], "reach": "synapse"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_extra, "extra tensor 'rule.more'"),
        (_field, "unknown field 'sclae'.*did you mean 'scale'"),
        (_type, "rule.scale='1'"),
        (_reach, "layer, as measured"),
    ],
)
def test_what_the_form_itself_refuses(change: Any, expected: str, made, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=expected):
        mp.load_rule(_tampered(made, "shared", tmp_path, change))


def test_shapes_of_each_edge_are_checked(made, tmp_path: Path) -> None:
    def cut(document: Any, tensors: Any) -> None:
        tensors["rule.hidden_1_to_output.b"] = tensors["rule.hidden_1_to_output.b"][:, :3]

    def missing(document: Any, tensors: Any) -> None:
        del tensors["rule.hidden_1_to_output.b"]

    for change, expected in (
        (cut, r"b of shape \(2, 3\)"),
        (missing, "missing tensor 'rule.hidden_1_to_output.b'"),
    ):
        with pytest.raises(BadInput, match=expected):
            mp.load_rule(
                _tampered(made, "per_synapse", tmp_path, change), edge="hidden_1_to_output"
            )


def test_a_state_of_many_numbers_is_read_and_one_without_measure_is_refused_at_once(
    tmp_path: Path,
) -> None:
    made = {"memory": describe(5, Slot(rule=Mlp(n_state=64)))}
    path = _tampered(made, "memory", tmp_path, lambda *_: None)
    assert mp.load_rule(path).spec == Mlp(n_state=64)

    def huge(document: Any, tensors: Any) -> None:
        document["slots"]["rule"]["rule"]["n_state"] = 10**7

    with pytest.raises(BadInput, match=r"n_state=10000000 - expected .*1000"):
        mp.load_rule(_tampered(made, "memory", tmp_path, huge))


def test_a_rule_that_reads_a_channel_is_loaded_and_asks_for_it(tmp_path: Path) -> None:
    terms = ("modulator.surprise*pre", "post")
    made = {
        "paid": describe(
            6, Slot(rule=Polynomial(terms=terms, initial=(1.0, 2.0), rate=0.5, learn="none"))
        )
    }
    rule = mp.load_rule(_tampered(made, "paid", tmp_path, lambda *_: None))
    weights = np.zeros((2, 3), np.float32)
    seen = {"pre": np.ones(3, np.float32), "post": np.ones(2, np.float32), "weight": weights}
    _, delta = rule.update(
        mp.synapse_view(**seen, modulators={"surprise": -3.0}), rule.init(weights), dt=1e-3
    )
    np.testing.assert_allclose(delta, np.full((2, 3), 0.5 * (-3.0 + 2.0)))
    with pytest.raises(BadInput, match=r"reads modulators?\.surprise"):
        rule.update(mp.synapse_view(**seen), rule.init(weights), dt=1e-3)
