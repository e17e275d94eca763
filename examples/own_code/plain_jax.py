"""A rule of the zoo under jit, vmap, grad and scan, with no network of metaplast."""

import jax
import jax.numpy as jnp

import metaplast as mp

rule = mp.load_rule("zoo/oja")
mixing = jnp.asarray([[1.0, 0.5, 0.0], [0.0, 0.4, 0.2], [0.0, 0.0, 0.3]])  # x = mixing^T noise


def live(weight, key):
    """Weights [1, 3] after 2000 inputs."""
    inputs = 0.5 * jax.random.normal(key, (2000, 3)) @ mixing

    def step(carry, x):
        weight, state = carry
        view = mp.synapse_view(pre=x, post=weight @ x, weight=weight)
        state, delta_w = rule.update(view, state, dt=1e-3)
        return (weight + delta_w, state), None

    (weight, _), _ = jax.lax.scan(step, (weight, rule.init(weight)), inputs)
    return weight


born = jnp.asarray([[0.3, 0.1, -0.2]])
keys = jax.random.split(jax.random.key(0), 8)
grown = jax.jit(jax.vmap(live, in_axes=(None, 0)))(born, keys)  # eight lives at once
component = jnp.linalg.eigh(mixing.T @ mixing)[1][:, -1]
print("length", jnp.linalg.norm(grown[:, 0], axis=1).round(2))
print("cosine with the leading component", jnp.abs(grown[:, 0] @ component).round(2))

slope = jax.grad(lambda weight: jnp.sum(live(weight, keys[0]) ** 2))(born)
print("slope of the final length with respect to the weights at birth", slope.round(4))
