"""A watch over a search: it leads the search back where it gets lost.

A step of theta may enter a region where lives are chaotic. Their gradients are huge and point
anywhere. Clipped to the norm of sound gradients they no longer lead back (Metz, Freeman, Schoenholz
& Kachman 2021, "Gradients are not all you need"). The watch sees the running median of the loss on
training lives. It works between outer steps, and for all outer loops alike, from the metrics
`loss`, `diverged` and `lives`.
"""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.signals import Metrics, pytree

WINDOW = 9
"""Outer steps of a median."""

PATIENCE = 45
"""Steps in a row without a gain, after which a search is lost.

Sound searches of the digits passed through chaotic regions for up to 35 steps and came back by
themselves. Led back after 5 steps, they ended up to .57 lower.
"""

EXPLODED = 300.0
"""The median loss at which a search is lost at once, in units of the loss at the start.

The median reached 24 times that loss in searches that came back by themselves, and 4,200 times in
one that was lost (92 trainings).
"""

FACTOR = 0.5
"""The factor of the step size after each fall."""

SPREADS = 2.0
"""The distance from the first median that is no noise, in standard deviations of the loss."""

LARGEST = 1e30
"""The loss of a step in which most lives were not finite; checkpoints hold finite numbers only."""

TO_DEVIATION = 1.4826 / np.sqrt(2.0)
"""Median |difference of two normal numbers| times this is their standard deviation."""


@pytree
class Watch:
    """The history of a search, as far as it matters for a fall.

    losses [WINDOW]: the latest losses, the last one last; places from before the search began, or
        began anew, do not count
    seen []: the number of losses that count
    above []: the steps in a row whose median was above the first one
    first []: the median loss of the first block of WINDOW steps
    spread []: the standard deviation of the loss in that block
    lowest []: the median loss of the best block
    best: the outer state before the best block: WINDOW sound steps began there
    block: the outer state before the present block
    falls []: the number of times the search was led back
    scale []: the present step size, relative to a search without any fall
    """

    losses: Any
    seen: Any
    above: Any
    first: Any
    spread: Any
    lowest: Any
    best: Any
    block: Any
    falls: Any
    scale: Any


def begin(state: Any) -> Watch:
    """The watch of a search before its first step. state: its outer state."""
    largest = np.float32(LARGEST)
    return Watch(
        losses=np.full(WINDOW, largest),
        seen=np.int32(0),
        above=np.int32(0),
        first=largest,
        spread=np.float32(0.0),
        lowest=largest,
        best=state,
        block=state,
        falls=np.int32(0),
        scale=np.float32(1.0),
    )


def anew(watch: Watch, state: Any) -> Watch:
    """The watch of a search whose next losses do not compare with the ones before.

    This is so where lives get longer, and where an outer loop restarts.

    Args:
        watch: the watch so far; its falls and its scale stay.
        state: the outer state from which the search goes on.
    """
    return replace(begin(state), falls=watch.falls, scale=watch.scale)


def after(
    watch: Watch, outer: AbstractOuterLoop, state: Any, metrics: Metrics
) -> tuple[Watch, Any, Metrics]:
    """The watch after an outer step, and the state from which the search goes on.

    A search is lost where PATIENCE steps in a row leave the median of the last WINDOW losses above
    the median of the first block by more than SPREADS standard deviations. All its gains are gone,
    and it does not come back by itself.

    A search is lost at once where that median is above EXPLODED times the sum of the first median
    and its spread. This compares only losses that are positive at the start, beyond their spread.
    It is also lost at once where most of WINDOW steps had no finite loss, or had mostly lives that
    were not finite; such steps count as the largest loss.

    A lost search goes on from the state before its best block, with steps FACTOR as large
    (`AbstractOuterLoop.slower`). A search without a sound block is left alone, and so is every bit
    of a search that is never lost.

    Args:
        watch: the watch before the step.
        outer: the outer loop.
        state: the outer state after the step.
        metrics: the metrics of the step.

    Returns:
        (watch, state to go on from, metrics with `falls` and `step_scale`).
    """
    losses = np.append(np.asarray(watch.losses)[1:], np.float32(_observed(metrics)))
    seen = int(watch.seen) + 1
    watch = replace(watch, losses=losses, seen=np.int32(seen))
    above = int(watch.above) + 1 if _above(watch) else 0
    watch = replace(watch, above=np.int32(above))
    if above >= PATIENCE or (above and _exploded(watch)):
        state = outer.slower(watch.best, FACTOR)
        watch = replace(
            watch,
            seen=np.int32(0),
            above=np.int32(0),
            best=state,
            block=state,
            falls=np.int32(int(watch.falls) + 1),
            scale=np.float32(FACTOR * float(watch.scale)),
        )
    elif seen % WINDOW == 0:
        watch = _with_block(watch, state)
    return watch, state, {**metrics, **metrics_of(watch)}


def metrics_of(watch: Watch) -> Metrics:
    """The metrics `falls` and `step_scale` of a step."""
    return {"falls": jax.device_put(watch.falls), "step_scale": jax.device_put(watch.scale)}


def _observed(metrics: Metrics) -> float:
    """The loss of a step, as it counts for the watch."""
    loss = float(metrics["loss"])
    most_diverged = 2 * int(metrics["diverged"]) > int(metrics["lives"])
    return LARGEST if most_diverged or not np.isfinite(loss) else min(loss, LARGEST)


def _above(watch: Watch) -> bool:
    """Whether all gains of a search with a sound block are gone."""
    if int(watch.seen) < WINDOW or float(watch.first) >= LARGEST:
        return False
    return _median(watch.losses) > float(watch.first) + SPREADS * float(watch.spread)


def _exploded(watch: Watch) -> bool:
    """Whether the median loss is so large that the search is lost at once."""
    median = _median(watch.losses)
    if median >= LARGEST:
        return True
    first = float(watch.first)
    spread = float(watch.spread)
    compares = first > spread  # a loss near zero, or below, is no unit
    return compares and median > EXPLODED * (first + spread)


def _with_block(watch: Watch, state: Any) -> Watch:
    """The watch at the end of a block that began from the state `watch.block`."""
    median = np.float32(_median(watch.losses))
    is_first = float(watch.first) >= LARGEST
    is_lowest = median <= float(watch.lowest)
    if is_first:
        changes = np.abs(np.diff(np.asarray(watch.losses)))
        spread = np.float32(TO_DEVIATION * np.median(changes))
        watch = replace(watch, first=median, spread=spread)
    if is_lowest:
        watch = replace(watch, best=watch.block, lowest=median)
    return replace(watch, block=state)


def _median(losses: Array | np.ndarray) -> float:
    return float(np.median(np.asarray(losses)))
