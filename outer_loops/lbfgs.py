"""A quasi-Newton method: for a loss that is the same at every step, such as a fit to recordings."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Positive, spec
from outer_loops._descent import demand_differentiable
from outer_loops._foreign import relaxed, strong
from outer_loops._nested import scaled


@pytree
class LbfgsState:
    """The state of the quasi-Newton method.

    theta: the present theta
    optimiser: optax's state, with the last gradients
    hyper: the numbers of `hyper`
    skipped []: the number of steps that changed nothing
    """

    theta: Theta
    optimiser: Any
    hyper: dict[str, Array]
    skipped: Array


class _LineSearch(NamedTuple):
    """A line search under way.

    size []: the last step size tried
    loss []: the loss there; infinite where more lives diverged than at the start
    tried []: the number of tries
    """

    size: Array
    loss: Array
    tried: Array


@register("outer", "lbfgs")
@spec
class Lbfgs(AbstractOuterLoop):
    """Limited-memory BFGS (optax).

        theta <- theta - s H^-1 d loss / d theta

    steps: outer steps of a run
    memory: gradients from which the curvature is estimated
    max_step: the first step size of a line search
    backtrack: the ratio of a step size to the one tried before, below 1
    tries: the largest number of step sizes that are tried
    H^-1: the inverse Hessian, from the last `memory` gradients
    s: the first of max_step, backtrack max_step, backtrack^2 max_step ... that lowers the loss
        enough (Armijo, slope 1e-4), at most `tries`

    Every try takes the loss and the gradient of whole lives, and they count in `lives`. The step of
    the first iteration is scaled to the gradient. The method is meant for batches that hold the
    same lives at every step (a recording, with n_tasks at least the number of its sessions). With
    fresh lives the curvature in memory belongs to other losses.

    A step that finds nothing as low leaves theta and forgets the old gradients. A step whose loss
    or gradient is not finite changes nothing but the counter `skipped`.

    Raises:
        BadInput: the task passes no gradient.

    Source: Liu & Nocedal 1989.
    """

    steps: Count = 200
    memory: Count = 20
    max_step: Positive = 1.0
    backtrack: Positive = 0.3
    tries: Count = 8

    def __post_init__(self) -> None:
        if self.backtrack >= 1.0:
            raise BadInput(f"backtrack={self.backtrack}", "a value below 1", "lower it")

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {"max_step": jnp.asarray(self.max_step)}

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> LbfgsState:
        demand_differentiable(self, problem)
        with relaxed():
            optimiser = strong(_optimiser(self.memory).init(theta))
        return LbfgsState(
            theta=theta, optimiser=optimiser, hyper=strong(hyper), skipped=jnp.zeros((), jnp.int32)
        )

    def step(
        self, problem: Problem, state: LbfgsState, batch: Batch, key: Key
    ) -> tuple[LbfgsState, Metrics]:
        loss, gradient, metrics = problem.value_and_grad(state.theta, batch)
        norm = optax.tree.norm(gradient)
        with relaxed():
            direction, optimiser = _optimiser(self.memory).update(
                gradient, state.optimiser, state.theta
            )
        slope = optax.tree.vdot(gradient, direction)

        def moved(size: Array) -> Theta:
            return jax.tree.map(lambda t, d: t + size * d, state.theta, direction)

        def too_long(search: _LineSearch) -> Array:
            low_enough = search.loss <= loss + 1e-4 * search.size * slope
            enough = jnp.isfinite(search.loss) & low_enough
            return ~enough & (search.tried < self.tries) & jnp.isfinite(loss)

        def shorter(search: _LineSearch) -> _LineSearch:
            size = search.size * jnp.where(search.tried > 0, self.backtrack, 1.0)
            value, _, metrics_there = problem.value_and_grad(moved(size), batch)
            # A mean over fewer lives is no lower loss.
            lost_lives = metrics_there["diverged"] > metrics["diverged"]
            return _LineSearch(size, jnp.where(lost_lives, jnp.inf, value), search.tried + 1)

        first = _LineSearch(
            size=state.hyper["max_step"],
            loss=jnp.full_like(loss, jnp.nan),
            tried=jnp.zeros((), jnp.int32),
        )
        end = jax.lax.while_loop(too_long, shorter, first)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(slope)
        lower = finite & jnp.isfinite(end.loss) & (end.loss <= loss)

        def choose(on: Array, new: Any, old: Any) -> Any:
            return jax.tree.map(lambda a, b: jnp.where(on, a, b), new, old)

        with relaxed():
            forgotten = strong(_optimiser(self.memory).init(state.theta))
        after = LbfgsState(
            theta=choose(lower, moved(end.size), state.theta),
            optimiser=choose(finite, choose(lower, strong(optimiser), forgotten), state.optimiser),
            hyper=state.hyper,
            skipped=state.skipped + (~finite).astype(jnp.int32),
        )
        own_metrics = {
            "grad_norm": norm,
            "lives": metrics["lives"] * (1 + end.tried),
            "tries": end.tried,
            "step_size": end.size,
            "skipped": after.skipped,
        }
        return after, {**metrics, **own_metrics}

    def slower(self, state: LbfgsState, factor: float) -> LbfgsState:
        return scaled(state, "max_step", factor)

    def theta(self, state: LbfgsState) -> Theta:
        return state.theta


@lru_cache(maxsize=16)
def _optimiser(memory: int) -> optax.GradientTransformation:
    return optax.chain(optax.scale_by_lbfgs(memory_size=memory), optax.scale(-1.0))
