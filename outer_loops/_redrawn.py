"""Members that are drawn group by group, and drawn again for the update: none is kept.

Every other strategy of evosax draws its whole population in `ask` and reads it again in `tell`. The
strategies here read only sums over members, so that a member can be forgotten once it has lived.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from evosax.algorithms.distribution_based.sep_cma_es import eigen_decomposition
from jax import Array

from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.signals import Key, Metrics, Theta
from outer_loops import _evosax
from outer_loops._cloud import Cloud
from outer_loops._foreign import relaxed

LARGE = 2**20
"""The numbers of a population, members times theta, beyond which its members are drawn again.

It is 4 MiB in float32. CPU ms of a generation held and drawn again, for 35,328 numbers and 64, 32,
16, 8 members: 121, 71; 50, 39; 21, 20; 13, 12. Below, little is to be gained, and the draw stays
the one of evosax.
"""


class Redrawn(NamedTuple):
    """A generation of a strategy of `STRATEGIES`; see `es._Held` for all others.

    name: the strategy
    asked: its state
    cloud: its members
    """

    name: str
    asked: Any
    cloud: Cloud

    def losses(
        self, problem: Problem, batch: Batch, unravel: Callable[[Any], Theta]
    ) -> tuple[Array, Metrics]:
        """The losses of all members, and metrics. See `Cloud.losses`."""
        return self.cloud.losses(problem, batch, unravel)

    def tell(self, fitness: Array, hyper: dict[str, Array], key: Key) -> tuple[Any, Array]:
        """The state after the generation, and its centre [n]. See `_evosax.tell`.

        key: not used: no strategy here draws in its update.
        """
        state = self.asked
        n_members = len(fitness)
        strategy, params = _evosax.with_std(self.name, n_members, self.cloud.mean, hyper["std"])
        best = jnp.argmin(fitness)
        is_better = fitness[best] < state.best_fitness
        state = replace(
            state,
            best_fitness=jnp.where(is_better, fitness[best], state.best_fitness),
            best_solution=jnp.where(is_better, self.cloud.member(best), state.best_solution),
        )
        with relaxed():
            # The shaping goes by ranks alone: it reads no member.
            utilities = strategy.fitness_shaping_fn(fitness[:, None], fitness, state, params)
            after = _UPDATES[self.name](strategy, params, state, self.cloud, utilities)
        after = replace(after, generation_counter=state.generation_counter + 1)
        return _evosax.concluded(self.name, self.asked, after, hyper)

    def width(self, strategy: Any) -> Array:
        """The standard deviation [] of the members, mean over theta. See `_evosax.width`."""
        return _evosax.width(strategy, self.cloud.mean[None])


def serves(name: str, n_members: int, n: int) -> bool:
    """Whether members are drawn again: a large population of a strategy of `STRATEGIES`.

    Args:
        name: the strategy.
        n_members: the number of members.
        n: the numbers of theta.
    """
    return name in STRATEGIES and n_members * n > LARGE


def ask(name: str, state: Any, n_members: int, key: Key) -> Redrawn:
    """The members of a generation.

    Args:
        name: the strategy.
        state: its state before the generation.
        n_members: the number of members.
        key: the randomness of the generation.
    """
    scale = jnp.broadcast_to(state.std, state.mean.shape)
    if name == "Sep_CMA_ES":
        with relaxed():
            variances, deviations = eigen_decomposition(state.C)
        state = replace(state, C=variances, D=deviations)
        scale = state.std * deviations
    signs = (1, -1) if name in _MIRRORED else (1,)
    return Redrawn(name, state, Cloud(state.mean, scale, key, n_members // len(signs), signs))


# The updates of evosax, from sums over draws. utilities [n_members]: the shaped fitness, small is
# good where a gradient is estimated and large is good elsewhere.


def _snes(strategy: Any, params: Any, state: Any, cloud: Cloud, utilities: Array) -> Any:
    """mean + std sum u z,  std exp(lr / 2 sum u (z^2 - 1))."""
    first, second = cloud.moments(utilities, utilities)
    updates, optimiser = strategy.optimizer.update(-state.std * first, state.opt_state, state.mean)
    slope = second - jnp.sum(utilities)
    return replace(
        state,
        mean=optax.apply_updates(state.mean, updates),
        std=state.std * jnp.exp(0.5 * state.lr_std * slope),
        opt_state=optimiser,
    )


def _open_es(strategy: Any, params: Any, state: Any, cloud: Cloud, utilities: Array) -> Any:
    """The gradient  sum u z / (n_members std)."""
    plus, minus = utilities.reshape(2, -1)
    (first,) = cloud.moments(plus - minus)
    gradient = first / (len(utilities) * state.std)
    updates, optimiser = strategy.optimizer.update(gradient, state.opt_state, state.mean)
    return replace(state, mean=optax.apply_updates(state.mean, updates), opt_state=optimiser)


def _pgpe(strategy: Any, params: Any, state: Any, cloud: Cloud, utilities: Array) -> Any:
    """The gradients by mean and by std; std changes by at most a share of itself."""
    plus, minus = utilities.reshape(2, -1)
    surplus = plus + minus - 2.0 * jnp.mean(utilities)
    first, second = cloud.moments(plus - minus, surplus)
    by_mean = state.std * first / len(utilities)
    by_std = state.std * (second - jnp.sum(surplus)) / len(utilities)
    updates, optimiser = strategy.optimizer.update(by_mean, state.opt_state, state.mean)
    change = params.std_max_change * state.std
    std = jnp.clip(state.std - params.std_lr * by_std, state.std - change, state.std + change)
    return replace(
        state, mean=optax.apply_updates(state.mean, updates), std=std, opt_state=optimiser
    )


def _sep_cma_es(strategy: Any, params: Any, state: Any, cloud: Cloud, utilities: Array) -> Any:
    """y = D z: the mean, the two paths and the variances move by sum u y and sum u y^2.

    No utility is negative: evosax switches negative weights off.
    """
    first, second = cloud.moments(utilities, utilities)
    step = state.D * first
    p_std = strategy.update_p_std(state.p_std, first, params)
    norm = jnp.linalg.norm(p_std)
    is_moving = strategy.h_std(norm, state.generation_counter + 1, params)
    p_c = strategy.update_p_c(state.p_c, is_moving, step, params)
    variances = strategy.update_C(
        state.C,
        strategy.delta_h_std(is_moving, params),
        strategy.rank_one(p_c),
        state.D**2 * second,
        params,
    )
    return replace(
        state,
        mean=state.mean + params.c_mean * state.std * step,
        std=strategy.update_std(state.std, norm, params),
        p_std=p_std,
        p_c=p_c,
        C=variances,
    )


_UPDATES = {"SNES": _snes, "Open_ES": _open_es, "PGPE": _pgpe, "Sep_CMA_ES": _sep_cma_es}
_MIRRORED = ("Open_ES", "PGPE")

STRATEGIES = tuple(_UPDATES)
"""The strategies whose update is a function of sums over members.

CMA_ES keeps a matrix over theta, so that theta is small. SimpleGA and every other strategy with a
population keep members as their state. The others that evosax registers are untested.
"""
