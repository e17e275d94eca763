"""The places of the arrays of a search on several devices, before its first step."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from metaplast.problem.layout import Layout, devices_for, on_each, shared_out
from metaplast.problem.lives import Lives

MANY = 10**9
"""More lives than there are devices."""


def placed(state: Any, n_devices: int, n_tasks: int) -> Any:
    """The state of a search on the devices of its lives.

    Every device gets a copy, so that the first outer step has the program of all others. Lives that
    go on between outer steps are shared out, where all devices get equally many. Otherwise the
    compiler would spread more than the lives, and gather it at every outer step.

    Args:
        state: the outer state. It stays as it is where one device has all lives, and where there
            are fewer tasks than devices and no lives tell how many devices take part.
        n_devices: of the problem, see `Layout`.
        n_tasks: tasks of an outer step.
    """
    found = [each for each in jax.tree.leaves(state, is_leaf=_is_lives) if _is_lives(each)]
    n_lives = n_tasks
    if found:
        n_lives = len(found[0].member)
    layout = Layout(n_lives, 1, n_devices)
    if devices_for(layout) == 1:
        return state
    if not found and devices_for(layout) < devices_for(layout._replace(n=MANY)):
        return state
    everywhere = on_each(layout)
    apart = everywhere
    if layout.n % devices_for(layout) == 0:
        apart = shared_out(layout)

    def of_part(part: Any) -> Any:
        if not _is_lives(part):
            return _put(part, everywhere)
        time = _put(part.life.t, everywhere)
        life = replace(jax.tree.map(lambda leaf: _put(leaf, apart), part.life), t=time)
        rest = jax.tree.map(lambda leaf: _put(leaf, everywhere), replace(part, life=()))
        return replace(rest, life=life)

    return jax.tree.map(of_part, state, is_leaf=_is_lives)


def _is_lives(part: Any) -> bool:
    return isinstance(part, Lives)


def _put(leaf: Any, where: NamedSharding) -> Any:
    """An array on several devices, unless it is there. Each process puts what it has itself."""
    if isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1:
        return leaf
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, where, lambda index: values[index])
