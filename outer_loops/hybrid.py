"""Evolution first, then a gradient: the one goes far from the start, the other to the bottom."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import plugin, spec
from outer_loops._foreign import strong
from outer_loops._nested import in_form, of_inner, prefixed
from outer_loops.bptt import Bptt
from outer_loops.es import Es


@pytree
class HybridState:
    """The state of two loops, one after the other.

    first: the state of the first loop
    then: the state of the second loop; before the change only its place
    hyper: the numbers of the second loop
    step []: the number of steps done
    skipped []: the number of steps that the first loop skipped
    """

    first: Any
    then: Any
    hyper: dict[str, Array]
    step: Array
    skipped: Array


BEGINNING = 2**31
"""The key of the start of the second loop, in that of a step: no loop splits a key that far."""

Stage = Callable[[HybridState], tuple[HybridState, Metrics]]


@register("outer", "hybrid")
@spec
class Hybrid(AbstractOuterLoop):
    """All steps of the outer loop `first`, then all steps of `then`, from the theta of the first.

    first: the loop of the first steps
    then: the loop of the steps after these

    With an evolution strategy as the first loop, that theta is the mean of its members. `then`
    begins as it would alone: its optimiser is fresh, its schedule at the start. The steps of a run
    are the steps of both.

    Metrics are the ones of the loop at work, and `stage` 0 or 1. A metric of the other loop alone
    is not a number, its counts are 0. `skipped` counts through. Hyper-parameters: first_...,
    then_...

    Raises:
        BadInput: a problem that either loop refuses, at the start.

    Source: elementary.
    """

    first: Annotated[AbstractOuterLoop, plugin("outer")] = Es(steps=100)
    then: Annotated[AbstractOuterLoop, plugin("outer")] = Bptt(steps=100)

    @property
    def n_steps(self) -> int:
        return self.first.n_steps + self.then.n_steps

    def hyper(self) -> dict[str, Array]:
        return prefixed("first", self.first.hyper()) | prefixed("then", self.then.hyper())

    def check(self, problem: Problem, key: Key) -> None:
        self.first.check(problem, key)
        self.then.check(problem, key)

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> HybridState:
        zero = jnp.zeros((), jnp.int32)
        hyper_then = strong(of_inner("then", hyper))
        first = self.first.init(problem, theta, key, of_inner("first", hyper))
        then = self.then.init(problem, theta, key, hyper_then)  # a place for the state to come
        return HybridState(first=first, then=then, hyper=hyper_then, step=zero, skipped=zero)

    def step(
        self, problem: Problem, state: HybridState, batch: Batch, key: Key
    ) -> tuple[HybridState, Metrics]:
        def earlier(state: HybridState) -> tuple[HybridState, Metrics]:
            first, metrics = self.first.step(problem, state.first, batch, key)
            return replace(state, first=first, skipped=metrics["skipped"]), metrics

        def later(state: HybridState) -> tuple[HybridState, Metrics]:
            # split(key, n)[i] is fold_in(key, i), and the step below splits the same key.
            k_begin = jax.random.fold_in(key, BEGINNING)
            begin = lambda: self.then.init(
                problem, self.first.theta(state.first), k_begin, state.hyper
            )
            then = lax.cond(state.step == self.first.n_steps, begin, lambda: state.then)
            then, metrics = self.then.step(problem, then, batch, key)
            skipped = state.skipped + metrics["skipped"]
            return replace(state, then=then), {**metrics, "skipped": skipped}

        forms = [jax.eval_shape(stage, state)[1] for stage in (earlier, later)]

        def in_common_form(stage: Stage) -> Stage:
            def run(state: HybridState) -> tuple[HybridState, Metrics]:
                after, metrics = stage(state)
                return after, in_form(metrics, *forms)

            return run

        number = (state.step >= self.first.n_steps).astype(jnp.int32)
        after, metrics = lax.cond(number > 0, in_common_form(later), in_common_form(earlier), state)
        return replace(after, step=state.step + 1), {**metrics, "stage": number}

    def theta(self, state: HybridState) -> Theta:
        early = state.step <= self.first.n_steps
        choose = lambda a, b: jnp.where(early, a, b)
        return jax.tree.map(choose, self.first.theta(state.first), self.then.theta(state.then))

    def slower(self, state: HybridState, factor: float) -> HybridState:
        if int(state.step) < self.first.n_steps:
            return replace(state, first=self.first.slower(state.first, factor))
        return replace(state, then=self.then.slower(state.then, factor))

    def regrown(self, state: HybridState, key: Key) -> HybridState:
        name = "first" if int(state.step) <= self.first.n_steps else "then"
        loop = getattr(self, name)
        before = getattr(state, name)
        after = loop.regrown(before, key)
        begins_anew = int(state.step) == self.first.n_steps  # `then` is a search of its own
        if after is before and not begins_anew:
            return state
        return replace(state, **{name: after})

    def front(
        self, problem: Problem, state: HybridState, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        if int(state.step) <= self.first.n_steps:
            return self.first.front(problem, state.first, at)
        return self.then.front(problem, state.then, at)

    def forms(self, state: HybridState) -> tuple[Any, ...]:
        forms = []
        for first in self.first.forms(state.first):
            for then in self.then.forms(state.then):
                forms.append(replace(state, first=first, then=then))
        return tuple(forms)
