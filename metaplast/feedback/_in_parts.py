"""Feedbacks of earlier versions, whose `step` takes what it sees in parts."""

import inspect
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

PARTS = ("wiring", "synapses", "views", "feedback", "dt")
"""What a step of version 0.1 takes behind `theta` and `state`, in this order."""


def in_parts(step: Callable[..., Any]) -> bool:
    """Whether a step takes its view in parts.

    Args:
        step: the function in the body of a class.
    """
    return len(inspect.signature(step).parameters) == len(("self", "theta", "state", *PARTS))


def with_parts(owner: str, step: Callable[..., Any]) -> Callable[..., Any]:
    """The same step for a view as a whole; it warns that the form is of an earlier version.

    Args:
        owner: the name of the class.
        step: the function in its body.
    """
    message = (
        f"{owner}.step(theta, state, {', '.join(PARTS)}) is step(theta, state, seen) now, with "
        "seen.wiring and so on; the old form still works"
    )
    warnings.warn(message, FutureWarning, stacklevel=4)

    @wraps(step)
    def whole(self: Any, theta: Any, state: Any, seen: Any) -> Any:
        return step(self, theta, state, *(getattr(seen, part) for part in PARTS))

    return whole
