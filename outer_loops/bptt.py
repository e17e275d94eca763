"""Backpropagation through learning: gradient descent on theta through whole lives."""

from metaplast.interfaces import Metrics
from metaplast.problem import Batch, MetaProblem
from metaplast.registry import register
from metaplast.signals import Key, Theta
from metaplast.spec import spec
from outer_loops._descent import AbstractDescent, DescentState, demand_differentiable


@register("outer", "bptt")
@spec
class Bptt(AbstractDescent):
    """Descent along d loss / d theta, exact, in reverse mode: memory grows as the square root of a life's steps.

    optimiser, schedule, clip, skipped steps: as in `AbstractDescent`. Raises: BadInput for a task that passes no
    gradient.
    """

    def carry(self, problem: MetaProblem, theta: Theta) -> tuple[()]:
        demand_differentiable(self, problem)
        return ()

    def gradient(
        self, problem: MetaProblem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[tuple[()], Theta, Metrics]:
        _, grad, metrics = problem.value_and_grad(state.theta, batch)
        return (), grad, metrics
