"""Evolution first, a gradient then: far from the start by the one, to the bottom by the other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import plugin, spec
from outer_loops._foreign import strong
from outer_loops._nested import in_form, own, prefixed
from outer_loops.bptt import Bptt
from outer_loops.es import Es


@pytree
class HybridState:
    """first, then: states of the two loops; hyper: numbers of the second; skipped: steps that the
    first skipped.
    """

    first: Any
    then: Any
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "hybrid")
@spec
class Hybrid(AbstractOuterLoop):
    """All steps of the outer loop `first`, then all those of `then`, which starts from the theta of
    the first.

    With an evolution strategy as the first this is the mean of its members. `then` begins as it
    would alone: its optimiser is fresh, its schedule at the start. steps: those of both. Metrics:
    those of the loop at work, `stage` 0 or 1; what only the other one measures is not a number, its
    counts 0. `skipped` counts through. Hyper-parameters:
    first_..., then_...  Raises: BadInput for what either loop refuses, at the start.
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
        zero, later = jnp.zeros((), jnp.int32), strong(own("then", hyper))
        first = self.first.init(problem, theta, key, own("first", hyper))
        then = self.then.init(problem, theta, key, later)  # a place for what begins at the change
        return HybridState(first=first, then=then, hyper=later, step=zero, skipped=zero)

    def step(
        self, problem: Problem, state: HybridState, batch: Batch, key: Key
    ) -> tuple[HybridState, Metrics]:
        def earlier(state: HybridState) -> tuple[HybridState, Metrics]:
            first, metrics = self.first.step(problem, state.first, batch, key)
            return replace(state, first=first, skipped=metrics["skipped"]), metrics

        def later(state: HybridState) -> tuple[HybridState, Metrics]:
            k_begin = jax.random.fold_in(
                key, 3
            )  # what a step does with its own key is its own affair
            begin = lambda: self.then.init(
                problem, self.first.theta(state.first), k_begin, state.hyper
            )
            then = lax.cond(state.step == self.first.n_steps, begin, lambda: state.then)
            then, metrics = self.then.step(problem, then, batch, key)
            return replace(state, then=then), {
                **metrics,
                "skipped": state.skipped + metrics["skipped"],
            }

        forms = [jax.eval_shape(stage, state)[1] for stage in (earlier, later)]

        def alike(
            stage: Callable[..., tuple[HybridState, Metrics]],
        ) -> Callable[..., tuple[HybridState, Metrics]]:
            def run(state: HybridState) -> tuple[HybridState, Metrics]:
                new, metrics = stage(state)
                return new, in_form(metrics, *forms)

            return run

        stage = (state.step >= self.first.n_steps).astype(jnp.int32)
        new, metrics = lax.cond(stage > 0, alike(later), alike(earlier), state)
        return replace(new, step=state.step + 1), {**metrics, "stage": stage}

    def theta(self, state: HybridState) -> Theta:
        early = state.step <= self.first.n_steps
        choose = lambda a, b: jnp.where(early, a, b)
        return jax.tree.map(choose, self.first.theta(state.first), self.then.theta(state.then))

    def slower(self, state: HybridState, factor: float) -> HybridState:
        if int(state.step) < self.first.n_steps:
            return replace(state, first=self.first.slower(state.first, factor))
        return replace(state, then=self.then.slower(state.then, factor))

    def regrown(self, state: HybridState, key: Key) -> HybridState:
        name, loop = (
            ("first", self.first) if int(state.step) <= self.first.n_steps else ("then", self.then)
        )
        before = getattr(state, name)
        after = loop.regrown(before, key)
        if int(state.step) == self.first.n_steps:
            return replace(state, **{name: after})  # a search of its own
        return state if after is before else replace(state, **{name: after})

    def forms(self, state: HybridState) -> tuple[Any, ...]:
        both = [(a, b) for a in self.first.forms(state.first) for b in self.then.forms(state.then)]
        return tuple(replace(state, first=a, then=b) for a, b in both)
