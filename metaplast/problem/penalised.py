"""A problem of which some numbers of theta are held at 0 and the rest pay for their size."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.life.lifetime import Lifetime
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.signals import Metrics, Theta


class Penalised(NamedTuple):
    """loss(mask * theta) + strength sum |mask * coefficients|, as any outer loop sees it, the sum
    over the coefficients of terms in theta["rules"].

    mask: 0 or 1 for every number of theta; strength []: arrays, so that a path of penalties, and
    refits on a part of the terms, are members of one compiled program.
    """

    problem: MetaProblem
    mask: Theta
    strength: Array

    @property
    def lifetime(self) -> Lifetime:
        return self.problem.lifetime

    @property
    def n_devices(self) -> int:
        return self.problem.n_devices

    def masked(self, theta: Theta) -> Theta:
        return jax.tree.map(jnp.multiply, theta, self.mask)

    def penalty(self, theta: Theta) -> Array:
        sizes = of_terms(
            lambda leaf: jnp.sum(jnp.abs(leaf)), lambda _: jnp.zeros(()), theta["rules"]
        )
        return self.strength * sum(jax.tree.leaves(sizes), jnp.zeros(()))

    def value_and_grad(
        self, theta: Theta, batch: Batch, tangents: int = 0
    ) -> tuple[Array, Theta, Metrics]:
        inner = self.masked(theta)
        loss, grad, metrics = self.problem.value_and_grad(inner, batch, tangents)
        size = self.penalty(inner)
        slope = of_terms(
            lambda x: self.strength * jnp.sign(x), jnp.zeros_like, inner["rules"]
        )  # JAX says 1 at 0
        grad = {**grad, "rules": jax.tree.map(jnp.add, grad["rules"], slope)}
        return (
            loss + size,
            jax.tree.map(jnp.multiply, grad, self.mask),
            {**metrics, "loss": loss + size},
        )

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = lambda theta: theta,
    ) -> tuple[Array, Metrics]:
        inner = jax.vmap(lambda theta: self.masked(unravel(theta)))(thetas)
        losses, metrics = self.problem.losses(inner, batch, share)
        return losses + jax.vmap(self.penalty)(inner), metrics


def of_terms(
    coefficients: Callable[[Any], Any], others: Callable[[Any], Any], rules: Theta
) -> Theta:
    """A function of the leaves of theta["rules"] that are coefficients of terms, and another one of
    the rest, such as a
    learned rate: only the first can be taken out of a rule."""
    is_one = lambda path: getattr(path[-1], "key", "") == "coefficients" if path else False
    return jax.tree_util.tree_map_with_path(
        lambda path, x: (coefficients if is_one(path) else others)(x), rules
    )


def everything(theta: Theta) -> Theta:
    """The mask that holds nothing back."""
    return jax.tree.map(jnp.ones_like, theta)


def stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def member(tree: Any, index: Any) -> Any:
    """The leaves at one place, or at several, of their leading axis."""
    return jax.tree.map(lambda x: x[index], tree)
