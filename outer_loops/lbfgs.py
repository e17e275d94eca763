"""A quasi-Newton method: for losses that are the same at every step, such as a fit to
recordings.
"""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Positive, spec
from outer_loops._descent import demand_differentiable
from outer_loops._foreign import relaxed, strong
from outer_loops._nested import scaled


@pytree
class LbfgsState:
    """theta: the current guess.
    optimiser: the memory of L-BFGS.
    hyper: the numbers of `hyper`.
    skipped: outer steps that were not finite.
    """

    theta: Theta
    optimiser: Any
    hyper: dict[str, Array]
    skipped: Array


@register("outer", "lbfgs")
@spec
class Lbfgs(AbstractOuterLoop):
    """theta <- theta - s H^-1 d loss / d theta: H^-1 from the last `memory` gradients
    (limited-memory BFGS, optax).

    s: the first of max_step, backtrack max_step, backtrack^2 max_step ... that lowers the loss
    enough (Armijo, slope 1e-4), at most `tries`; every try takes the loss and gradient of whole
    lives, and they count in `lives`. The step of the first iteration is scaled to the gradient.
    Meant for batches that hold the same lives at every step (a recording, with n_tasks at least the
    number of its sessions): with fresh lives the curvature it remembers is that of other losses.
    A step that finds nothing as low leaves theta and forgets the old gradients; one whose loss or
    gradient is not finite changes nothing but the counter `skipped`.
    Source: Liu & Nocedal 1989. Raises: BadInput for a task that passes no gradient.
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

    def init(
        self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> LbfgsState:
        demand_differentiable(self, problem)
        with relaxed():
            optimiser = strong(_optimiser(self.memory).init(theta))
        return LbfgsState(
            theta=theta, optimiser=optimiser, hyper=strong(hyper), skipped=jnp.zeros((), jnp.int32)
        )

    def step(
        self, problem: MetaProblem, state: LbfgsState, batch: Batch, key: Key
    ) -> tuple[LbfgsState, Metrics]:
        loss, grad, metrics = problem.value_and_grad(state.theta, batch)
        norm = optax.tree.norm(grad)
        with relaxed():
            direction, optimiser = _optimiser(self.memory).update(
                grad, state.optimiser, state.theta
            )
        slope = optax.tree.vdot(grad, direction)
        moved = lambda s: jax.tree.map(lambda t, d: t + s * d, state.theta, direction)

        def too_long(search: tuple[Array, Array, Array]) -> Array:
            size, found, tried = search
            enough = jnp.isfinite(found) & (found <= loss + 1e-4 * size * slope)
            return ~enough & (tried < self.tries) & jnp.isfinite(loss)

        def shorter(search: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            size = search[0] * jnp.where(search[2] > 0, self.backtrack, 1.0)
            value, _, told = problem.value_and_grad(moved(size), batch)
            lost = (
                told["diverged"] > metrics["diverged"]
            )  # a mean over fewer lives is no lower loss
            return size, jnp.where(lost, jnp.inf, value), search[2] + 1

        first = (state.hyper["max_step"], jnp.full_like(loss, jnp.nan), jnp.zeros((), jnp.int32))
        size, found, tried = jax.lax.while_loop(too_long, shorter, first)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(slope)
        lower = finite & jnp.isfinite(found) & (found <= loss)
        choose = lambda on, new, old: jax.tree.map(lambda a, b: jnp.where(on, a, b), new, old)
        with relaxed():
            forgotten = strong(_optimiser(self.memory).init(state.theta))
        new = LbfgsState(
            theta=choose(lower, moved(size), state.theta),
            optimiser=choose(finite, choose(lower, strong(optimiser), forgotten), state.optimiser),
            hyper=state.hyper,
            skipped=state.skipped + (~finite).astype(jnp.int32),
        )
        told = {
            "lives": metrics["lives"] * (1 + tried),
            "tries": tried,
            "step_size": size,
            "skipped": new.skipped,
        }
        return new, {**metrics, "grad_norm": norm, **told}

    def slower(self, state: LbfgsState, factor: float) -> LbfgsState:
        return scaled(state, "max_step", factor)

    def theta(self, state: LbfgsState) -> Theta:
        return state.theta


@lru_cache(maxsize=16)
def _optimiser(memory: int) -> optax.GradientTransformation:
    return optax.chain(optax.scale_by_lbfgs(memory_size=memory), optax.scale(-1.0))
