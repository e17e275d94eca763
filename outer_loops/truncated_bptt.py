"""Truncated backpropagation through learning: lives go on, the gradient goes back one window."""

from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta
from metaplast.spec import Natural, spec
from outer_loops._descent import AbstractDescent, DescentState, demand_differentiable
from outer_loops._windows import UnderWay, births, cut, embark, resume, settle


@register("outer", "truncated_bptt")
@spec
class TruncatedBptt(AbstractDescent):
    """Descent along d (loss of the present window) / d theta, what came before the window taken as
    given.

    gradient = mean over lives of d l / d theta,      l: the window's part of the loss of a life,
        times n_windows

    n_windows = (steps of a life) / window. Biased: what theta did in earlier windows is left out,
    so that slow effects are not seen at all; with one window to a life it is `bptt`. window: steps,
    a divisor of those of a life; 0 takes the smallest that is at least their square root. The lives
    of a batch are spread over the
    windows of a life: all are born at the first step, and the first of life i is i n_windows /
    n_tasks windows short. A life that is not finite is left out, counted in `diverged`, and born
    anew at the next step. loss: of a whole life, each window of it as last lived; lives: the steps
    lived, in whole lives.
    Optimiser, schedule, clip: as in `AbstractDescent`.
    Source: Williams & Peng 1990. Raises: BadInput for a task that passes no gradient, a window that
    does not divide a life, and an objective that is no sum over steps.
    """

    window: Natural = 0

    def carry(self, problem: MetaProblem, theta: Theta) -> UnderWay:
        demand_differentiable(self, problem)
        return embark(problem, theta, self.window)

    def gradient(
        self, problem: MetaProblem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[UnderWay, Theta, Metrics]:
        going, size = resume(state.carried, problem, self.window), cut(problem, self.window).size
        lives, (gradient, told, losses) = problem.window_gradient(
            state.theta, *births(going, batch, 1), size
        )
        going, metrics = settle(going, lives, size, losses)
        return going, gradient, {**told, **metrics}
