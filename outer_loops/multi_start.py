"""Several starts of one outer loop, the best of them kept."""

from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.layout import each
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, NonNegative, plugin, spec
from outer_loops._nested import own, prefixed
from outer_loops.bptt import Bptt


@pytree
class MultiStartState:
    """Leading axis n: inner, the states; mean, the running mean of the training loss; seen, the
    steps in it; blown, steps in a row that were not finite."""

    inner: Any
    mean: Array
    seen: Array
    blown: Array
    skipped: Array


@register("outer", "multi_start")
@spec
class MultiStart(AbstractOuterLoop):
    """`n` runs of the loop `inner` from different starts, in one program; theta is that of the
    best.

    The first starts where `inner` alone would; the others at theta drawn anew from the problem, or,
    with spread > 0, at the first one's theta + spread N(0, 1). All live through the same tasks at
    every step, so that the running means of their training losses, over the last `memory` steps or
    so, compare like with like. A start whose loss is not finite ranks behind all that are, and is
    no longer so once it is finite again.
    Metrics: those of the start that was the best before the step, its number `best_start`, the
    lowest and the highest running mean; lives and diverged lives of all. `skipped`: steps without
    any finite loss.
    Hyper-parameters: inner_..., and spread. A rule that draws no theta starts everywhere alike: set
    spread.
    Raises: BadInput for an inner loop whose state changes its shape (es with restarts), and for
    what it refuses.
    """

    n: Members = 4
    inner: Annotated[AbstractOuterLoop, plugin("outer")] = Bptt()
    spread: NonNegative = 0.0
    memory: Count = 20

    @property
    def n_steps(self) -> int:
        return self.inner.n_steps

    def hyper(self) -> dict[str, Array]:
        return {**prefixed("inner", self.inner.hyper()), "spread": jnp.asarray(self.spread)}

    def check(self, problem: Problem, key: Key) -> None:
        self.inner.check(problem, key)

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> MultiStartState:
        mine, (flat, unravel) = own("inner", hyper), ravel_pytree(theta)

        def start(i: Array) -> Any:
            k_theta, k_inner = jax.random.split(jax.random.fold_in(key, i))
            noise = hyper["spread"].astype(flat.dtype) * jax.random.normal(
                k_theta, flat.shape, flat.dtype
            )
            drawn = unravel(flat + noise) if self.spread else problem.init(k_theta)
            first = jax.tree.map(lambda a, b: jnp.where(i == 0, a, b), theta, drawn)
            return self.inner.init(problem, first, k_inner, mine)

        inner = each(start, jnp.arange(self.n))
        if len(self.inner.forms(jax.tree.map(lambda x: x[0], inner))) > 1:
            given = f"outer multi_start: inner {name_of(type(self.inner))} with restarts"
            raise BadInput(
                given,
                "a state of one shape",
                "set restarts=0: several starts are what multi_start makes",
            )
        zeros = jnp.zeros(self.n, jnp.int32)
        return MultiStartState(
            inner=inner,
            mean=jnp.zeros(self.n),
            seen=zeros,
            blown=zeros,
            skipped=jnp.zeros((), jnp.int32),
        )

    def step(
        self, problem: Problem, state: MultiStartState, batch: Batch, key: Key
    ) -> tuple[MultiStartState, Metrics]:
        def one(args: tuple[Any, Array]) -> tuple[Any, Metrics]:
            return self.inner.step(problem, args[0], batch, jax.random.fold_in(key, args[1]))

        inner, told = each(one, (state.inner, jnp.arange(self.n)))
        finite = jnp.isfinite(told["loss"])
        seen = state.seen + finite.astype(jnp.int32)
        share = 1.0 / jnp.clip(seen, 1, self.memory).astype(state.mean.dtype)
        new = MultiStartState(
            inner=inner,
            mean=jnp.where(finite, state.mean + share * (told["loss"] - state.mean), state.mean),
            seen=seen,
            blown=jnp.where(finite, 0, state.blown + 1),
            skipped=state.skipped + (~jnp.any(finite)).astype(jnp.int32),
        )
        best = _best(state)
        ranked = jnp.where(new.seen > 0, new.mean, jnp.nan)
        metrics = {
            **{name: values[best] for name, values in told.items()},
            **{name: jnp.sum(told[name]) for name in ("lives", "diverged")},
            "best_start": best,
            "lowest_mean": jnp.nanmin(ranked),
            "highest_mean": jnp.nanmax(ranked),
            "skipped": new.skipped,
        }
        return new, metrics

    def slower(self, state: MultiStartState, factor: float) -> MultiStartState:
        return replace(state, inner=self.inner.slower(state.inner, factor))

    def theta(self, state: MultiStartState) -> Theta:
        best = _best(state)
        return self.inner.theta(jax.tree.map(lambda x: x[best], state.inner))


def _best(state: MultiStartState) -> Array:
    """Of the starts that were finite most lately, the one with the lowest running mean."""
    latest = state.blown == jnp.min(state.blown)
    return jnp.argmin(jnp.where(latest, state.mean, jnp.inf))
