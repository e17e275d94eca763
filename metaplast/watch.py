"""A search that gets lost is led back: the loss on training lives is watched as a running median.

A step of theta may enter a region where lives are chaotic. Their gradients are huge and point
anywhere; clipped to the norm of sound ones they no longer lead back (Metz, Freeman, Schoenholz &
Kachman 2021, "Gradients are not all you need"). All loops are watched alike, between their steps,
by what they report: `loss`, `diverged` and `lives`.
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.signals import Metrics, pytree

WINDOW = 9  # outer steps of a median
# Steps in a row without anything gained: sound searches of the digits passed through chaotic
# regions for up to 35 of them and came back by themselves; led back after 5, they ended up to .57
# lower.
PATIENCE = 45
# Times the loss at the start. The median reached 24 times it in searches that came back by
# themselves, 4,200 times in one that was lost (92 trainings).
EXPLODED = 300.0
FACTOR = 0.5  # of the step after each fall
SPREADS = 2.0  # above the first median, in standard deviations of the loss: no noise
LARGEST = 1e30  # the loss of a step with most lives not finite: checkpoints hold finite numbers
TO_DEVIATION = 1.4826 / np.sqrt(
    2.0
)  # median |difference of two normal numbers| -> standard deviation


@pytree
class Watch:
    """What is known of a search so far.

    losses [WINDOW]: the latest last; those of before the search began, or began anew, do not count
    seen []: how many of them do
    above []: steps in a row after which the median was above the first one
    first, spread []: median loss of the first block of WINDOW steps, and its standard deviation
    lowest []: median loss of the best block
    best: the outer state before the best block: WINDOW sound steps began there
    block: the outer state before the present block
    falls []: how often the search was led back
    scale []: of its steps by now, relative to those without any fall
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
    """Of a search that is about to take its first step."""
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
    """Of a search whose losses do not compare with those of before, as where lives get longer or a
    loop restarts.
    """
    return replace(begin(state), falls=watch.falls, scale=watch.scale)


def after(
    watch: Watch, outer: AbstractOuterLoop, state: Any, metrics: Metrics
) -> tuple[Watch, Any, Metrics]:
    """(watch, state to go on from, metrics) after an outer step that gave `state` and `metrics`.

    The search is lost where PATIENCE steps in a row leave the median of the last WINDOW losses
    above that of the first block by more than SPREADS standard deviations: all that was gained is
    gone, and it does not come back by itself. It is lost at once where that median is above
    EXPLODED times the first one and its spread (of a loss that is positive at the start, beyond its
    spread), or where most of WINDOW steps had no finite loss or mostly lives that were not finite,
    which count as the largest loss. A lost search goes on from the state before its best block,
    with steps FACTOR as large (`AbstractOuterLoop.slower`). A search without a sound block is left
    alone, and so is every bit of one that is never lost.

    Metrics gain `falls` and `step_scale`.
    """
    losses = np.append(np.asarray(watch.losses)[1:], np.float32(_observed(metrics)))
    seen = int(watch.seen) + 1
    watch = replace(watch, losses=losses, seen=np.int32(seen))
    above = int(watch.above) + 1 if _above(watch) else 0
    watch = replace(watch, above=np.int32(above))
    if above >= PATIENCE or (above and _exploded(watch)):
        state = outer.slower(watch.best, FACTOR)
        watch = replace(
            watch,  # pyright: ignore[reportAttributeAccessIssue]
            seen=np.int32(0),
            above=np.int32(0),
            best=state,
            block=state,
            falls=np.int32(int(watch.falls) + 1),
            scale=np.float32(FACTOR * float(watch.scale)),
        )
    elif seen % WINDOW == 0:
        watch = _with_block(watch, state)
    return watch, state, {**metrics, **told(watch)}


def told(watch: Watch) -> Metrics:
    """What the metrics of a step say of the watch."""
    return {"falls": jnp.asarray(watch.falls), "step_scale": jnp.asarray(watch.scale)}


def _observed(metrics: Metrics) -> float:
    loss = float(metrics["loss"])
    broken = 2 * int(metrics["diverged"]) > int(metrics["lives"])
    return LARGEST if broken or not np.isfinite(loss) else min(loss, LARGEST)


def _above(watch: Watch) -> bool:
    """Whether nothing is left of what the search had gained; it had a sound block."""
    if int(watch.seen) < WINDOW or float(watch.first) >= LARGEST:
        return False
    return _middle(watch.losses) > float(watch.first) + SPREADS * float(watch.spread)


def _exploded(watch: Watch) -> bool:
    first, spread, now = float(watch.first), float(watch.spread), _middle(watch.losses)
    compares = first > spread  # a loss near zero, or below, is no size
    return now >= LARGEST or (compares and now > EXPLODED * (first + spread))


def _with_block(watch: Watch, state: Any) -> Watch:
    """The watch at the end of a block, before whose first step the state was `watch.block`."""
    middle = np.float32(_middle(watch.losses))
    known = {}
    if float(watch.first) >= LARGEST:
        steps = np.abs(np.diff(np.asarray(watch.losses)))
        known |= {"first": middle, "spread": np.float32(TO_DEVIATION * np.median(steps))}
    if middle <= float(watch.lowest):
        known |= {"best": watch.block, "lowest": middle}
    return replace(watch, block=state, **known)


def _middle(losses: Array | np.ndarray) -> float:
    return float(np.median(np.asarray(losses)))
