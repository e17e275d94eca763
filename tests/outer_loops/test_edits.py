"""Edits of a tree: what they give, read as text, and that every code stays within its limits."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.language import expression as e
from metaplast.testing.base import quick_jit
from outer_loops import _edits

LEAVES = (e.Signal("pre"), e.Signal("post"), e.Number(1.0))
SIZE = 5
N = 2000
BOUNDS = np.asarray(e.limits(len(LEAVES), SIZE), np.float32)


def _code(text):
    code = e.encode(e.parse(text), LEAVES, SIZE)
    return jnp.asarray([float(gene or 0) for gene in code])


def _texts(codes):
    codes = np.asarray(codes)
    assert (codes == np.round(codes)).all()
    assert ((codes >= 0) & (codes < BOUNDS)).all()
    return Counter(e.show(e.decode(code.tolist(), LEAVES)) for code in codes)


@quick_jit
def grown(code):
    def one(key):
        k_reserve, k_edit = jax.random.split(key)
        reserve = jnp.floor(jax.random.uniform(k_reserve, BOUNDS.shape) * BOUNDS)
        return _edits.grown(code, reserve, len(LEAVES), k_edit)

    return jax.vmap(one)(jax.random.split(jax.random.key(0), N))


@quick_jit
def shrunk(code):
    shrink = lambda key: _edits.shrunk(code, len(LEAVES), key)
    return jax.vmap(shrink)(jax.random.split(jax.random.key(0), N))


def _leaves(text):
    """How often a tree reads each signal."""
    return text.count("pre"), text.count("post")


def test_a_grown_tree_holds_the_old_one_and_one_operand_more():
    texts = _texts(grown(_code("pre*post")))
    for text in texts:
        assert _leaves(text) >= (1, 1)
    at_every_place = {"pre*post - post", "(pre + 1)*post", "pre*(post - pre)"}
    assert at_every_place <= set(texts)
    with_a_new_node = {"(pre - post*post)*post", "pre*(post + pre/post)"}
    assert with_a_new_node <= set(texts)


def test_half_of_what_grows_is_a_leaf():
    one_operator = 0
    for text, count in _texts(grown(_code("pre"))).items():
        one_operator += count * (sum(text.count(sign) for sign in "+-*/") == 1)
    assert one_operator / N == pytest.approx(0.5, abs=0.05)


def test_a_tree_without_room_stays_as_it_is():
    full = "pre*post - (pre + 1)/post"  # four of five operators
    assert set(_texts(grown(_code(full)))) == {full}


def test_a_shrunk_tree_is_the_old_one_with_an_operand_in_place_of_a_node():
    texts = _texts(shrunk(_code("(pre - post*1)*post")))
    expected = {"pre - post*1", "post", "pre*post", "post*1*post", "(pre - post)*post"}
    assert set(texts) == expected | {"(pre - 1)*post"}
    assert min(texts.values()) == pytest.approx(N / 6, rel=0.25)
    assert set(_texts(shrunk(_code("pre")))) == {"pre"}


def test_nodes_that_are_used_twice_grow_in_one_place():
    """(pre + 1) is one node, read twice."""
    shared = jnp.asarray([0, 0, 2, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4], float)
    assert set(_texts(shared[None])) == {"(pre + 1)*(pre + 1)"}
    texts = _texts(grown(shared))
    assert "(pre + 1 - post)*(pre + 1)" in texts
    assert "(pre - post + 1)*(pre - post + 1)" in texts  # within the shared node
