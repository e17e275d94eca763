"""A rule in another network: roles of edges, and the rule of the nearest one."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.reuse.load import load_rule
from metaplast.runs.config import read_yaml
from metaplast.runs.job import parse
from metaplast.training.carried import carried, nearest, roles

CONFIG = """
task: {name: prototypes, n_in: 4, n_classes: 2, shots: 2, queries: 2}
network: {name: feedforward, hidden: [3, 3, 3]}
genome: {name: random, learn_gain: true}
rule: {name: polynomial, terms: [error*pre], initial: [-1]}
outer: {name: bptt, steps: 1}
"""
CHAIN = ["input_to_hidden_1", "hidden_1_to_hidden_2", "hidden_2_to_output"]


def _config():
    return parse(read_yaml(CONFIG, "test")).main


def _two_rules():
    """Rules of two edges, told apart by their coefficients."""
    rule = load_rule("zoo/categories", "input_to_hidden_1")
    other = load_rule("zoo/categories", "hidden_1_to_output")
    return {"input_to_hidden_1": rule, "hidden_1_to_output": other}


def test_roles_of_a_chain_of_a_readout_and_of_a_recurrent_network():
    assert list(roles(CHAIN).values()) == ["first", "hidden", "last"]
    assert roles(["input_to_output"]) == {"input_to_output": "last"}
    recurrent = ["input_to_recurrent", "recurrent_to_recurrent", "recurrent_to_output"]
    assert list(roles(recurrent).values()) == ["first", "hidden", "last"]


def test_an_edge_gets_the_rule_of_its_name_or_of_its_role():
    sources = ["input_to_hidden_1", "hidden_1_to_output"]
    assert nearest(sources, CHAIN) == {
        "input_to_hidden_1": "input_to_hidden_1",
        "hidden_1_to_hidden_2": "input_to_hidden_1",  # no hidden one: the first is nearer
        "hidden_2_to_output": "hidden_1_to_output",
    }
    assert nearest(CHAIN, ["input_to_output"]) == {"input_to_output": "hidden_2_to_output"}
    assert set(nearest(["input_to_output"], CHAIN).values()) == {"input_to_output"}


def test_a_deeper_network_has_the_numbers_of_the_nearest_edges_and_says_so():
    rules = _two_rules()
    found = carried(rules, {}, _config())
    for edge, source in (
        ("input_to_hidden_1", "input_to_hidden_1"),
        ("hidden_1_to_hidden_2", "input_to_hidden_1"),
        ("hidden_2_to_hidden_3", "input_to_hidden_1"),
        ("hidden_3_to_output", "hidden_1_to_output"),
    ):
        mine = jax.tree.leaves(found.theta["rules"][edge])
        for leaf, expected in zip(mine, jax.tree.leaves(rules[source].theta), strict=True):
            np.testing.assert_array_equal(leaf, expected)
    assert "hidden_3_to_output has the rule of hidden_1_to_output" in found.notes
    assert not any(note.startswith("input_to_hidden_1 ") for note in found.notes)


def test_gains_of_known_edges_are_kept_and_the_others_start_anew():
    gain = np.asarray(0.7, np.float32)
    rest = {"genome": {"input_to_hidden_1": {"log_gain": gain}}}
    found = carried(_two_rules(), rest, _config())
    assert float(found.theta["genome"]["input_to_hidden_1"]["log_gain"]) == pytest.approx(0.7)
    assert float(found.theta["genome"]["hidden_3_to_output"]["log_gain"]) == 0.0
    assert "3 of its numbers beside the rule (genome) start anew" in found.notes


def test_one_rule_goes_to_every_edge_without_a_note():
    config = replace(_config(), genome=_config().genome.__class__(learn_gain=False))
    found = carried({"input_to_output": load_rule("zoo/readout")}, {}, config)
    assert len(found.theta["rules"]) == 4
    assert found.notes == ()


def test_numbers_of_every_synapse_belong_to_their_network():
    rule = replace(load_rule("zoo/readout"), theta={"table": np.zeros((5, 7), np.float32)})
    with pytest.raises(BadInput, match="one number per synapse"):
        carried({"input_to_output": rule}, {}, _config())


def test_a_signal_that_is_not_there_is_refused():
    plain = read_yaml(CONFIG, "test")
    plain["task"] = {"name": "teacher_student", "n_in": 4, "n_out": 3}
    plain["rule"] = {"name": "polynomial", "terms": ["pre"], "initial": [-1]}
    plain["feedback"] = {"name": "none"}
    plain["objective"] = {"name": "final_loss"}
    config = parse(plain, check=False).main
    with pytest.raises(BadInput):
        carried({"input_to_output": load_rule("zoo/readout")}, {}, config)
