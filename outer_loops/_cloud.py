"""A population around a mean, given by a key: a member can be drawn, forgotten and drawn again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.signals import Key, Metrics, Theta


class Cloud(NamedTuple):
    """A population around a mean, given by a key.

        member (s, i) = mean + s scale z_i,  z_i ~ N(0, 1) from fold_in(key, i)

    mean [n], scale [n]: the centre and the standard deviation of the members
    key: the randomness of the generation
    n_draws: the number of draws i
    signs: the signs s, (1,) or (1, -1); members with the first sign stand first
    """

    mean: Array
    scale: Array
    key: Key
    n_draws: int
    signs: tuple[int, ...]

    def noise(self, draw: Array) -> Array:
        """The noise z [n] of a draw."""
        key = jax.random.fold_in(self.key, draw)
        return jax.random.normal(key, self.mean.shape, self.mean.dtype)

    def member(self, index: Array) -> Array:
        """The member [n] at an index []."""
        sign = jnp.asarray(self.signs, self.mean.dtype)[index // self.n_draws]
        return self.mean + sign * self.scale * self.noise(index % self.n_draws)

    def group(self, draws: Array) -> Array:
        """The members of some draws [n_signs * n_draws, n]."""
        steps = self.scale[None] * lax.map(self.noise, draws)
        return jnp.concatenate([self.mean[None] + sign * steps for sign in self.signs])

    def moments(self, *factors: Array, draws: Array | None = None) -> list[Array]:
        """The sums over draws of  factors[k - 1] z^k,  each [n].

        Args:
            factors: each [n_draws].
            draws: the draws of the sum; all of them where left out.
        """
        if draws is None:
            draws = jnp.arange(self.n_draws)

        def add(sums: list[Array], draw: tuple[Array, tuple[Array, ...]]) -> Any:
            index, shares = draw
            noise = self.noise(index)
            power = jnp.ones_like(noise)
            after = []
            for total, share in zip(sums, shares, strict=True):
                power = power * noise
                after.append(total + share * power)
            return after, None

        start = [jnp.zeros_like(self.mean) for _ in factors]
        return lax.scan(add, start, (draws, factors))[0]

    def losses(
        self, problem: Problem, batch: Batch, unravel: Callable[[Any], Theta]
    ) -> tuple[Array, Metrics]:
        """The losses of all members, and metrics. See `Problem.losses`.

        Groups of members live one after the other. A group has as many members as lives run at
        once. The last draw is repeated to fill the last group.
        """
        at_once = problem.chunk_size() * problem.n_devices
        size = min(self.n_draws, -(-at_once // len(self.signs)))
        n_groups = -(-self.n_draws // size)
        draws = jnp.minimum(jnp.arange(n_groups * size), self.n_draws - 1)

        def of_group(draws: Array) -> tuple[Array, Metrics]:
            return problem.losses(self.group(draws), batch, unravel=unravel)

        def by_member(leaf: Array) -> Array:
            """[n_groups, n_signs * size, ...] -> [n_members, ...]."""
            rest = leaf.shape[2:]
            leaf = leaf.reshape(n_groups, len(self.signs), size, *rest)
            leaf = jnp.moveaxis(leaf, 0, 1).reshape(len(self.signs), n_groups * size, *rest)
            return leaf[:, : self.n_draws].reshape(-1, *rest)

        losses, metrics = lax.map(of_group, draws.reshape(n_groups, size))
        members = {}
        for name, leaf in metrics.items():
            if name not in ("lives", "diverged"):
                members[name] = by_member(leaf)
        life_loss = members["life_loss"]
        counts = {
            "diverged": jnp.sum(~jnp.isfinite(life_loss)),
            "lives": jnp.asarray(life_loss.size),
        }
        return by_member(losses), {**members, **counts}
