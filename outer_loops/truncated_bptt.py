"""Truncated backpropagation through learning: lives go on, the gradient goes back one window."""

from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Theta
from metaplast.spec import Natural, spec
from outer_loops._descent import AbstractDescent, DescentState, Estimate, demand_differentiable
from outer_loops._windows import UnderWay, births, cut, embark, resume, settle


@register("outer", "truncated_bptt")
@spec
class TruncatedBptt(AbstractDescent):
    """Descent along d (loss of the present window) / d theta, from a given start of the window.

        gradient = mean_i d l_i / d theta

    l_i: the window's part of the loss of life i, times n_windows = (steps of a life) / window
    window: steps, a divisor of the steps of a life; 0: the smallest divisor that is at least their
        square root

    The gradient is biased. It leaves out the effect of theta in earlier windows, so that slow
    effects are not seen at all. With one window to a life it is `bptt`.

    The lives of a batch are spread over the windows of a life. All are born at the first step. The
    first life in place i is i n_windows / n_tasks windows shorter than a whole one. A life that is
    not finite is left out, counted in `diverged`, and born anew at the next step.
    optimiser, schedule, clip: see `AbstractDescent`.

    Metrics:
    `loss`: of a whole life, each window of it as last lived.
    `lives`: the steps lived, in whole lives.

    Raises:
        BadInput: a task that passes no gradient, a window that does not divide a life, or an
            objective that is no sum over steps.

    Source: Williams & Peng 1990.
    """

    window: Natural = 0

    def carry(self, problem: Problem, theta: Theta) -> UnderWay:
        demand_differentiable(self, problem)
        return embark(problem, theta, self.window)

    def gradient(self, problem: Problem, state: DescentState, batch: Batch, key: Key) -> Estimate:
        going = resume(state.carried, problem, self.window)
        size = cut(problem, self.window).size
        lives, due = births(going, batch, 1)
        window = problem.window_gradient(state.theta, lives, due, size)
        going, metrics = settle(going, window.lives, size, window.losses)
        return Estimate(going, window.gradient, {**window.metrics, **metrics})
