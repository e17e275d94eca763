"""Several starts of one outer loop, the best of them kept."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop, all_loops
from metaplast.problem.layout import each
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, NonNegative, plugin, spec
from outer_loops._nested import of_inner, prefixed
from outer_loops.bptt import Bptt
from outer_loops.proposals import Proposals


@pytree
class MultiStartState:
    """The states of several starts.

    inner: the states of the inner loop, a tree of arrays [n, ...]
    mean [n]: the running mean of the training loss
    seen [n]: the number of steps in that mean
    blown [n]: the number of steps in a row that were not finite
    skipped []: the number of steps without any finite loss
    """

    inner: Any
    mean: Array
    seen: Array
    blown: Array
    skipped: Array


@register("outer", "multi_start")
@spec
class MultiStart(AbstractOuterLoop):
    """`n` runs of the loop `inner` from different starts, in one program; the best gives theta.

    n: the number of starts
    inner: the outer loop of each
    spread: the first starts where `inner` alone would. The others start at thetas drawn anew from
        the problem, or, with spread > 0, at the first one's theta + spread N(0, 1). A rule that
        draws no theta starts everywhere alike: set spread.
    memory: the steps of a running mean

    All starts live through the same tasks at every step, so that the running means of their
    training losses, over the last `memory` steps or so, compare like with like. A start whose loss
    is not finite ranks behind all that are finite, until its loss is finite again.

    Metrics are the ones of the start that was the best before the step, its number `best_start`,
    the lowest and the highest running mean, and the lives and diverged lives of all. `skipped`
    counts steps without any finite loss. Hyper-parameters: inner_..., and spread.

    Raises:
        BadInput: an inner loop whose state changes its shape (es with restarts), one that asks
            another process (proposals, at any depth), or a problem that the inner loop refuses.

    Source: elementary.
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
        if any(isinstance(loop, Proposals) for loop in all_loops(self.inner)):
            raise BadInput(
                "outer multi_start: inner proposals",
                "a loop that asks no other process",
                "run proposals with several seeds: every seed has its own folder",
            )
        self.inner.check(problem, key)

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> MultiStartState:
        hyper_inner = of_inner("inner", hyper)
        flat, unravel = ravel_pytree(theta)

        def start(i: Array) -> Any:
            k_theta, k_inner = jax.random.split(jax.random.fold_in(key, i))
            noise = jax.random.normal(k_theta, flat.shape, flat.dtype)
            if self.spread:
                drawn = unravel(flat + hyper["spread"].astype(flat.dtype) * noise)
            else:
                drawn = problem.init(k_theta)
            first = jax.tree.map(lambda a, b: jnp.where(i == 0, a, b), theta, drawn)
            return self.inner.init(problem, first, k_inner, hyper_inner)

        inner = each(start, jnp.arange(self.n))
        if len(self.inner.forms(jax.tree.map(lambda x: x[0], inner))) > 1:
            raise BadInput(
                f"outer multi_start: inner {name_of(type(self.inner))} with restarts",
                "a state of one shape",
                "set restarts=0: multi_start makes several starts itself",
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
            inner, i = args
            return self.inner.step(problem, inner, batch, jax.random.fold_in(key, i))

        inner, metrics = each(one, (state.inner, jnp.arange(self.n)))
        loss = metrics["loss"]
        finite = jnp.isfinite(loss)
        seen = state.seen + finite.astype(jnp.int32)
        share = 1.0 / jnp.clip(seen, 1, self.memory).astype(state.mean.dtype)
        after = MultiStartState(
            inner=inner,
            mean=jnp.where(finite, state.mean + share * (loss - state.mean), state.mean),
            seen=seen,
            blown=jnp.where(finite, 0, state.blown + 1),
            skipped=state.skipped + (~jnp.any(finite)).astype(jnp.int32),
        )
        best = _best(state)
        ranked = jnp.where(after.seen > 0, after.mean, jnp.nan)
        metrics_of_best = {name: values[best] for name, values in metrics.items()}
        own_metrics = {
            "lives": jnp.sum(metrics["lives"]),
            "diverged": jnp.sum(metrics["diverged"]),
            "best_start": best,
            "lowest_mean": jnp.nanmin(ranked),
            "highest_mean": jnp.nanmax(ranked),
            "skipped": after.skipped,
        }
        return after, {**metrics_of_best, **own_metrics}

    def slower(self, state: MultiStartState, factor: float) -> MultiStartState:
        return replace(state, inner=self.inner.slower(state.inner, factor))

    def regrown(self, state: MultiStartState, key: Key) -> MultiStartState:
        if type(self.inner).regrown is AbstractOuterLoop.regrown:
            return state
        before = [_start(state, i) for i in range(self.n)]
        after = []
        for i, inner in enumerate(before):
            after.append(self.inner.regrown(inner, jax.random.fold_in(key, i)))
        if all(new is old for new, old in zip(after, before, strict=True)):
            return state
        return replace(state, inner=jax.tree.map(lambda *x: jnp.stack(x), *after))

    def front(
        self, problem: Problem, state: MultiStartState, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        return self.inner.front(problem, _start(state, _best(state)), at)

    def theta(self, state: MultiStartState) -> Theta:
        return self.inner.theta(_start(state, _best(state)))


def _start(state: MultiStartState, i: Array | int) -> Any:
    """The inner state of start i."""
    return jax.tree.map(lambda x: x[i], state.inner)


def _best(state: MultiStartState) -> Array:
    """The start with the lowest running mean, among those that were finite most lately."""
    latest = state.blown == jnp.min(state.blown)
    return jnp.argmin(jnp.where(latest, state.mean, jnp.inf))
