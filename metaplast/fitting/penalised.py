"""A problem of which some numbers of theta are held at 0 and the rest pay for their size."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.interfaces import Metrics
from metaplast.lifetime import Lifetime
from metaplast.problem import Batch, MetaProblem
from metaplast.signals import Theta


class Penalised(NamedTuple):
    """loss(mask * theta) + strength sum |mask * theta["rules"]|, as any outer loop sees it.

    mask: 0 or 1 for every number of theta; strength []: arrays, so that a path of penalties, and refits on a part of
    the terms, are members of one compiled program.
    """

    problem: MetaProblem
    mask: Theta
    strength: Array

    @property
    def lifetime(self) -> Lifetime:
        return self.problem.lifetime

    def masked(self, theta: Theta) -> Theta:
        return jax.tree.map(jnp.multiply, theta, self.mask)

    def penalty(self, theta: Theta) -> Array:
        size = sum((jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(theta["rules"])), jnp.zeros(()))
        return self.strength * size

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> tuple[Array, Theta, Metrics]:
        inner = self.masked(theta)
        loss, grad, metrics = self.problem.value_and_grad(inner, batch, tangents)
        size = self.penalty(inner)
        slope = jax.tree.map(lambda x: self.strength * jnp.sign(x), inner["rules"])  # JAX's own slope of |x| at 0 is 1
        grad = {**grad, "rules": jax.tree.map(jnp.add, grad["rules"], slope)}
        return loss + size, jax.tree.map(jnp.multiply, grad, self.mask), {**metrics, "loss": loss + size}

    def losses(self, thetas: Theta, batch: Batch, share: int | None = None) -> tuple[Array, Metrics]:
        inner = jax.vmap(self.masked)(thetas)
        losses, metrics = self.problem.losses(inner, batch, share)
        return losses + jax.vmap(self.penalty)(inner), metrics


def everything(theta: Theta) -> Theta:
    """The mask that holds nothing back."""
    return jax.tree.map(jnp.ones_like, theta)


def stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def member(tree: Any, index: Any) -> Any:
    """The leaves at one place, or at several, of their leading axis."""
    return jax.tree.map(lambda x: x[index], tree)
