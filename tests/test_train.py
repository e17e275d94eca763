"""The outer loop as a generator: all of it is a function of (seed, step), and stopping changes no bit."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast._checks.outer_loop import quadratic
from outer_loops.bptt import Bptt

PROBLEM, OUTER = quadratic(), Bptt()


def _bits(tree: Any) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]


def test_a_run_in_pieces_is_the_same_to_the_bit():
    start = train.begin(PROBLEM, OUTER, 3)
    whole = list(train.steps(PROBLEM, OUTER, 3, start, 0, 4))
    first = list(train.steps(PROBLEM, OUTER, 3, train.begin(PROBLEM, OUTER, 3), 0, 2))
    saved = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), first[-1][1])  # as a checkpoint would bring it back
    second = list(train.steps(PROBLEM, OUTER, 3, saved, 2, 4))
    assert [n for n, _, _ in whole] == [n for n, _, _ in first + second] == [1, 2, 3, 4]
    for (_, a, m), (_, b, n) in zip(whole, first + second, strict=True):
        assert _bits(a) == _bits(b)
        assert _bits(m) == _bits(n)


def test_seeds_and_steps_differ():
    one, other = (train.begin(PROBLEM, OUTER, seed) for seed in (3, 4))
    assert _bits(OUTER.theta(one)) != _bits(OUTER.theta(other))
    (_, _, m), (_, _, n) = train.steps(PROBLEM, OUTER, 3, one, 0, 2)
    assert float(m["loss"]) != float(n["loss"])


def test_every_stream_of_randomness_is_its_own():
    names = ("theta", "outer", "tasks", "step", "validation", "heldout")
    keys = [train.stream(seed, name, index) for seed, name, index in itertools.product((0, 1), names, (0, 1))]
    assert len({np.asarray(jax.random.key_data(key)).tobytes() for key in keys}) == len(keys)
    same = (train.stream(1, "tasks", 5), train.stream(1, "tasks", jnp.asarray(5)))
    np.testing.assert_array_equal(*(jax.random.key_data(key) for key in same))
