"""Rows that contain other rows. The embedded theta lives the same lives."""

import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.runs.nesting import contained, contains, embed

EXPECTED = {
    "digits": {
        "discovered": ["no_plasticity", "feedback_alignment"],
        "discovered_synapse": ["no_plasticity", "feedback_alignment"],
        "backprop_with_terms": ["no_plasticity", "backprop_sgd", "backprop_sgd_per_layer"],
        "feedback_alignment": ["no_plasticity"],
        "backprop_sgd_per_layer": ["no_plasticity", "backprop_sgd"],
    },
    "categories": {
        "discovered": ["feedback_alignment", "no_plasticity"],
        "feedback_alignment": ["no_plasticity"],
        "backprop_sgd": ["no_plasticity"],
        "backprop_adam": ["no_plasticity"],
        "backprop_adagrad": ["backprop_sgd", "no_plasticity"],
    },
    "contest": {
        "discovered": ["products", "no_plasticity", "feedback_alignment", "readout_alone"],
        "products": ["no_plasticity", "feedback_alignment"],
        "ageing": ["products", "no_plasticity", "feedback_alignment"],
        "consolidating": ["products", "no_plasticity", "feedback_alignment"],
        "pool_synapse": ["no_plasticity", "feedback_alignment"],
        "pool_layer": ["no_plasticity", "feedback_alignment"],
        "normalised": ["no_plasticity", "feedback_alignment"],
        "mlp": ["no_plasticity", "feedback_alignment"],
        "three_factor": ["no_plasticity", "feedback_alignment"],
        "feedback_alignment": ["no_plasticity"],
        "backprop_sgd_per_layer": ["no_plasticity"],
        "backprop_confidence": ["no_plasticity", "backprop_sgd_per_layer"],
        "backprop_with_terms": ["no_plasticity", "backprop_sgd_per_layer", "backprop_confidence"],
        "readout_alone": ["no_plasticity"],
        "linear_confidence": ["linear_readout"],
        "linear_confidence_bias": ["linear_readout", "linear_confidence"],
        "linear_with_terms": ["linear_readout", "linear_confidence", "linear_confidence_bias"],
    },
}


@pytest.mark.parametrize("experiment", EXPECTED)
def test_the_shipped_experiments(experiment):
    job = parse(compose([f"experiment={experiment}"], Sources()), check=False)
    by_row = {name: rows for name, rows in contained(job.rows).items() if rows}
    assert by_row == EXPECTED[experiment]


def _poly(terms, **fields):
    return {"name": "polynomial", "rate": 0.05, "learn": "both", "terms": terms, **fields}


SGD = _poly(["error*pre", "weight"], initial=[-1, 0])
POOL = _poly(
    ["error*pre - error", "0.5*error", "0.01*weight", "post*pre"], rate=0.2, initial=[-1, 0, 0, 0.1]
)


def _clip(rule, limit=0.1):
    return {"name": "clip", "limit": limit, "rule": rule}


def _metaplastic(rule, **fields):
    return {"name": "metaplastic", "by": "change", "rule": rule, **fields}


def _sum(**rules):
    return {"name": "sum", "rules": rules}


def _row(rule, shared=False, gain=True, **fields):
    return parse(
        {
            "task": {"name": "teacher_student", "n_in": 3, "n_out": 2, "n_steps": 6, "n_test": 3},
            "network": {"name": "feedforward", "hidden": [3]},
            "genome": {"name": "random", "learn_gain": gain},
            "outer": {"name": "bptt", "steps": 2},
            "problem": {"n_tasks": 3},
            "rule": rule,
            "shared": shared,
            **fields,
        }
    ).main


READOUT = {"rule": None, "rules": {"readout": {"edges": "*_to_output", "rule": SGD}}}
MLP = {"name": "mlp", "inputs": ["pre", "post"], "hidden": [2], "n_state": 1}
ADAM = {"name": "adam", "rule": _poly(["error*pre"], initial=[-1], learn="coefficients")}
PAIRS = {
    "a pool and a shared step": (
        _row(POOL),
        _row(_poly(["error*pre"], learn="rate", initial=[-1]), True, False),
    ),
    "a limit of confidence": (_row(_clip(_metaplastic(POOL))), _row(_clip(SGD))),
    "another horizon": (
        _row(_metaplastic(SGD)),
        _row(_metaplastic(SGD, horizon=3.0, power=0.7, learn=False)),
    ),
    "a limit of consolidation": (_row({"name": "consolidating", "rule": SGD}), _row(SGD, True)),
    "a sum": (_row(_sum(pool=POOL, adam=ADAM, network=MLP)), _row(SGD)),
    "a readout alone": (_row(POOL), _row(**READOUT)),
    "nothing at all": (_row(_clip(ADAM)), _row(None, gain=False)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_embedded_theta_lives_the_same_lives(name):
    wide, narrow = PAIRS[name]
    inside, outside = narrow.meta_problem(), wide.meta_problem()
    key = jax.random.key(3)
    theta = inside.init(key)
    leaves, tree = jax.tree.flatten(theta)
    moved = [leaf + 0.05 * (1 + index) for index, leaf in enumerate(leaves)]
    theta = jax.tree.unflatten(tree, moved)
    embedded = embed(wide, narrow, theta, outside.init(jax.random.key(4)))
    assert embedded is not None
    batch = search_loop.sample(wide.task, jax.random.key(5), 3, "train")
    lived = [
        search_loop.evaluate(problem, jax.tree.map(lambda x: x[None], each), batch)[1]["life_loss"]
        for problem, each in ((outside, embedded), (inside, theta))
    ]
    assert np.isfinite(lived[1]).all()
    np.testing.assert_allclose(lived[0], lived[1], rtol=2e-5)
    assert not contains(narrow, wide)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (_row(_clip(POOL)), _row(_clip(SGD, limit=0.2))),
        (_row(POOL), _row(_poly(["error*pre", "post"]))),
        (_row(POOL, shared=True), _row(SGD)),
        (_row(POOL), _row(SGD, feedback={"name": "symmetric"})),
        (_row(POOL), _row(SGD, network={"name": "feedforward", "hidden": []})),
        (_row(_metaplastic(SGD, learn=False)), _row(SGD)),
        (_row({"name": "adam", "rule": SGD}), _row(SGD)),
        (_row(_poly(["error*pre"], learn="rate", initial=[-1])), _row(None)),
        (
            _row(_poly(["error*pre"], learn="rate", initial=[-1])),
            _row(_poly(["error*pre"], learn="rate", initial=[1])),
        ),
        (_row(POOL, gain=False), _row(SGD)),
        (
            _row(
                POOL,
                space={"rates": {"leaves": "*log_rate", "transform": "box", "low": -1, "high": 1}},
            ),
            _row(SGD),
        ),
    ],
)
def test_what_is_not_contained(wide, narrow):
    assert not contains(wide, narrow)
