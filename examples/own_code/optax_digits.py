"""Rules as optimisers of a perceptron on digits, beside Adam, each with its step size tuned.

The images of scikit-learn's digits are split into 1,000 for training, 300 for the choice of the
step and 497 for the judgement. Every optimiser sees 20 passes in batches of 25 over the same
weights at birth. The factor of the step is chosen on one seed, and the judgement is over five
others.
"""

import math
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import t as student
from sklearn.datasets import load_digits

import metaplast as mp

PASSES = int(sys.argv[1]) if len(sys.argv) > 1 else 20
BATCH = 25
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
data = load_digits()
images = jnp.asarray(data.data / 16.0, jnp.float32)
labels = jnp.asarray(data.target)
order = np.random.default_rng(0).permutation(len(images))
TRAIN, CHOICE, TEST = order[:1000], order[1000:1300], order[1300:]


def optimisers(factor):
    """{name: (transformation, the way of the errors)}."""
    by_name = {}
    for name, rule, feedback in (
        ("delta, errors by backprop", "zoo/delta", "symmetric"),
        ("delta, random errors (feedback alignment)", "zoo/feedback_alignment", "random"),
        ("three terms, random errors", "zoo/shervani_tabar_three", "random"),
        ("ten terms, random errors", "zoo/shervani_tabar_ten", "random"),
    ):
        transformation = mp.optax(mp.load_rule(rule))
        by_name[name] = (optax.chain(transformation, optax.scale(factor)), feedback)
    by_name["Adam"] = (optax.with_extra_args_support(optax.adam(1e-2 * factor)), "symmetric")
    return by_name


def accuracy(name, factor, seed, judged):
    """The share of judged images that the trained network names rightly."""
    optimiser, feedback = optimisers(factor)[name]
    birth, shuffle, back = jax.random.split(jax.random.key(seed), 3)
    model = eqx.nn.MLP(64, 10, 40, 1, activation=jax.nn.softplus, use_bias=False, key=birth)
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def step(carry, chosen):
        params, state = carry
        model = eqx.combine(params, static)
        wanted = jax.nn.one_hot(labels[chosen], 10)

        def losses(outputs):
            return optax.softmax_cross_entropy(outputs, wanted)

        signals = mp.layer_signals(model, images[chosen], losses, feedback=feedback, key=back)

        def mean_loss(params):
            return losses(jax.vmap(eqx.combine(params, static))(images[chosen])).mean()

        gradient = jax.grad(mean_loss)(params)  # Adam reads it; the rules do not
        updates, state = optimiser.update(gradient, state, params, signals=signals)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(shuffle, PASSES)
    batches = jax.vmap(lambda key: jax.random.permutation(key, jnp.asarray(TRAIN)))(keys)
    start = (params, optimiser.init(params))
    (params, _), _ = jax.jit(lambda s, b: jax.lax.scan(step, s, b))(
        start, batches.reshape(-1, BATCH)
    )
    named = jax.vmap(eqx.combine(params, static))(images[judged]).argmax(axis=1)
    return float((named == labels[judged]).mean())


for name in optimisers(1.0):
    best = max(FACTORS, key=lambda factor: accuracy(name, factor, 0, CHOICE))
    scores = np.asarray([accuracy(name, best, seed, TEST) for seed in range(1, 6)])
    half = student.ppf(0.975, 4) * scores.std(ddof=1) / math.sqrt(5)
    print(f"{name}: accuracy {scores.mean():.3f} +- {half:.3f} (n 5, factor {best:g})")
