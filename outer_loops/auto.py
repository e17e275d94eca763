"""The outer loop that a diagnosis of the problem advises."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta
from metaplast.spec import Count, plugin, spec
from outer_loops._nested import of_inner, prefixed
from outer_loops.bptt import Bptt

log = logging.getLogger(__name__)


@register("outer", "auto")
@spec
class Auto(AbstractOuterLoop):
    """The loop that `metaplast diagnose` advises for the problem, chosen before the run begins.

    steps: outer steps of a run
    chosen: the loop that was chosen, with its settings; it makes `steps` steps
    reason: why it was chosen; empty where no choice was made
    measured: the numbers of the diagnosis, as name=value

    `metaplast train` and `mp.train` measure the gradient of the main rule at theta of birth, and
    write `chosen`, `reason` and `measured` into config.yaml. All rows and seeds share the choice. A
    resumed run reads it there, and never chooses again. The log and summary.json hold it too. In a
    search that is written in Python there is no config: the loop is `chosen` then, with a warning.

    Hyper-parameters: chosen_...

    Raises:
        BadInput: a problem that the chosen loop refuses.

    Source: this library.
    """

    steps: Count = 200
    chosen: Annotated[AbstractOuterLoop, plugin("outer")] = Bptt()
    reason: str = ""
    measured: tuple[str, ...] = ()

    @property
    def loop(self) -> Any:
        """The chosen loop with the steps of the run."""
        if self.chosen.n_steps == self.steps:
            return self.chosen
        chosen: Any = self.chosen
        return replace(chosen, steps=self.steps)

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return prefixed("chosen", self.chosen.hyper())

    def check(self, problem: Problem, key: Key) -> None:
        if not self.reason:
            log.warning(
                "outer auto: nothing was measured, so the loop is %s", type(self.chosen).__name__
            )
        self.loop.check(problem, key)

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        return self.loop.init(problem, theta, key, of_inner("chosen", hyper))

    def step(self, problem: Problem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        return self.loop.step(problem, state, batch, key)

    def theta(self, state: Any) -> Theta:
        return self.loop.theta(state)

    def regrown(self, state: Any, key: Key) -> Any:
        return self.loop.regrown(state, key)

    def slower(self, state: Any, factor: float) -> Any:
        return self.loop.slower(state, factor)

    def front(
        self, problem: Problem, state: Any, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        return self.loop.front(problem, state, at)

    def forms(self, state: Any) -> tuple[Any, ...]:
        return self.loop.forms(state)
