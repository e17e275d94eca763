"""The folding of terms into few outer products."""

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.language.terms import fold, products

RNG = np.random.default_rng(0)
N_POST, N_PRE = 3, 4
WEIGHT = RNG.normal(size=(N_POST, N_PRE))
POST, ERROR, PRE = (RNG.normal(size=n) for n in (N_POST, N_POST, N_PRE))
REWARD, NOVELTY = 0.7, -1.3
SIGNALS = {
    "post": POST,
    "error": ERROR,
    "pre": PRE,
    "modulator.reward": np.asarray(REWARD),
    "modulator.novelty": np.asarray(NOVELTY),
}
TERMS = {
    "weight": WEIGHT,
    "post^2*weight": POST[:, None] ** 2 * WEIGHT,
    "pre*weight": PRE * WEIGHT,
    "post*pre - 0.5*post^2*weight": POST[:, None] * PRE - 0.5 * POST[:, None] ** 2 * WEIGHT,
    "modulator.reward*error*pre": REWARD * ERROR[:, None] * PRE,
    "modulator.reward^2*modulator.novelty*post*pre": REWARD**2 * NOVELTY * POST[:, None] * PRE,
    "modulator.novelty*post": NOVELTY * POST[:, None] * np.ones(N_PRE),
    "modulator.reward": REWARD * np.ones((N_POST, N_PRE)),
}


def _change(names, coefficients):
    every = products(tuple(names), traces=False)
    folded = fold(every, coefficients, lambda name: jnp.asarray(SIGNALS[name]))
    return folded, Dense(N_POST, N_PRE).outer(folded, jnp.asarray(WEIGHT))


def test_folded_terms_sum_to_their_formula_and_its_slope():
    with jax.enable_x64(True):
        for names in (list(TERMS), list(TERMS)[::-1], *([name] for name in TERMS)):
            coefficients = jnp.asarray(RNG.normal(size=len(names)))
            values = np.stack([TERMS[name] for name in names])
            _, change = _change(names, coefficients)
            slope = jax.jacrev(lambda c, names=names: _change(names, c)[1])(coefficients)
            np.testing.assert_allclose(change, np.tensordot(coefficients, values, 1), rtol=1e-12)
            np.testing.assert_allclose(np.moveaxis(slope, -1, 0), values, rtol=1e-12)


def test_a_term_of_one_side_has_no_vector_of_the_other():
    """Its gradient then sums over the synapses once."""
    folded, _ = _change(["error*pre", "post^2*weight"], jnp.ones(2))
    assert [(term.post is None, term.pre is None) for term in folded] == [
        (False, False),
        (False, True),
    ]
