"""A life whose backward pass takes changes back, told by its steps (see life/rollback.py)."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from metaplast.life.apart import Parts, places
from metaplast.life.rollback import After, Steps, rolled_back
from metaplast.life.scan import scan
from metaplast.signals import Theta


class Living(NamedTuple):
    """The steps of a life.

    edges: the names of the edges that rules change.
    step: (theta, task, life, bounded) -> (life, trace, the signals that rules read). Without
        `bounded`, weights may leave their bounds.
    before: (theta, life without weights, the signals, weights after a step) -> the weights of every
        edge before it.
    touched: weights of every edge -> whether one of them is at a bound [].
    """

    edges: list[str]
    step: Callable[[Theta, Any, Any, bool], tuple[Any, Any, Any]]
    before: Callable[[Theta, Any, Any, list[Array]], list[Array]]
    touched: Callable[[list[Array]], Array]


def live(living: Living, theta: Theta, task: Any, life: Any, n_steps: int) -> tuple[Any, Any]:
    """(The life after `n_steps` steps, the traces of all steps).

    Args:
        living: the steps.
        theta: learned parameters.
        task: the task of the life.
        life: the life so far.
        n_steps: the number of steps.
    """

    def next_life(theta: Theta, task: Any, life: Any) -> tuple[Any, Any]:
        after, trace, _ = living.step(theta, task, life, True)
        return after, trace

    at = places(life, living.edges, lambda life: next_life(theta, task, life)[0])

    def one(constants: Any, weights: list[Array], moving: list[Array], bounded: bool) -> After:
        theta, task, fixed = constants
        start = at.together(Parts(weights, moving, fixed))
        life, trace, signals = living.step(theta, task, start, bounded)
        after = at.apart(life)
        return After(after.weights, after.moving, trace, signals)

    def before(
        constants: Any, moving: list[Array], signals: Any, weights: list[Array]
    ) -> list[Array]:
        theta, _, fixed = constants
        return living.before(theta, at.without_weights(moving, fixed), signals, weights)

    def ordinary(constants: Any, weights: list[Array], moving: list[Array]) -> Any:
        theta, task, fixed = constants
        begin = at.together(Parts(weights, moving, fixed))
        life, trace = scan(lambda life: next_life(theta, task, life), begin, n_steps, True)
        end = at.apart(life)
        return end.weights, end.moving, trace

    steps = Steps(
        bounded=lambda *parts: one(*parts, bounded=True),
        free=lambda *parts: one(*parts, bounded=False),
        before=before,
        touched=living.touched,
        ordinary=ordinary,
    )
    parts = at.apart(life)
    constants = (theta, task, parts.fixed)
    weights, moving, trace = rolled_back(steps, constants, parts.weights, parts.moving, n_steps)
    return at.together(Parts(weights, moving, parts.fixed)), trace
