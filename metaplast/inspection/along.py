"""Any rule along the signals that followed synapses meet, with its state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.inspection.visited import Visited
from metaplast.locality.mixing import SYNAPTIC
from metaplast.locality.reads import blank_view
from metaplast.numerics.compiler import program
from metaplast.results.surfaces import ONE, for_one_synapse
from metaplast.reuse.reference import floats
from metaplast.rules.base import AbstractRule
from metaplast.signals import SynapseView, Theta

_TRANSMITTED = "transmitted."


def changes(
    rules: Mapping[str, tuple[AbstractRule, Theta]], followed: Visited, dt: float
) -> dict[str, np.ndarray]:
    """The changes that rules would make at the followed synapses, were they at work there.

    Every rule sees the signals of the life as it was, so the weight that it reads is the weight of
    that life. A rule with state carries it from step to step, from birth; what a new trial clears
    is not cleared. A number per synapse is replaced by its mean.

    Args:
        rules: {name: (form, numbers)}.
        followed: the signals.
        dt: seconds of a step.

    Returns: {name: changes times the gate [n_lives, n_steps, n_synapses]}.
    """
    specs = []
    thetas = []
    for spec, theta in rules.values():
        specs.append(spec)
        thetas.append(for_one_synapse(spec, jax.tree.map(np.asarray, theta)).theta)
    signals = _columns(followed.signals)
    every = _along(tuple(specs), dt, thetas, signals)
    shape = followed.change.shape
    by_name = {}
    for name, change in zip(rules, every, strict=True):
        by_name[name] = _rows(change, shape) * followed.gate
    return by_name


def columns(spec: AbstractRule, thetas: Theta, followed: Visited, dt: float) -> np.ndarray:
    """The changes of one rule under several thetas [n_thetas, n_lives, n_steps, n_synapses].

    Args:
        spec: the form of the rule.
        thetas: its numbers for a single synapse, with a leading axis.
        followed: the signals.
        dt: seconds of a step.
    """
    every = _along_thetas(spec, dt, floats(thetas), _columns(followed.signals))
    shape = followed.change.shape
    return np.stack([_rows(change, shape) * followed.gate for change in np.asarray(every)])


def _columns(signals: Mapping[str, np.ndarray]) -> dict[str, Array]:
    """Signals [n_steps, n_lives * n_synapses] in JAX's float."""
    by_step = {}
    for name, values in signals.items():
        by_step[name] = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
    return floats(by_step)


def _rows(change: Any, shape: tuple[int, ...]) -> np.ndarray:
    """[n_steps, n_lives * n_synapses] as [n_lives, n_steps, n_synapses]."""
    n_lives, n_steps, n_synapses = shape
    values = np.asarray(change, np.float64).reshape(n_steps, n_lives, n_synapses)
    return np.moveaxis(values, 0, 1)


@program("specs", "dt", small=True)
def _along(
    specs: tuple[AbstractRule, ...],
    dt: float,
    thetas: Sequence[Theta],
    signals: Mapping[str, Array],
) -> list[Array]:
    """[n_steps, n] of every rule."""
    every = []
    for spec, theta in zip(specs, thetas, strict=True):
        every.append(_one(spec, dt, theta, signals))
    return every


@program("spec", "dt", small=True)
def _along_thetas(
    spec: AbstractRule, dt: float, thetas: Theta, signals: Mapping[str, Array]
) -> Array:
    return lax.map(lambda theta: _one(spec, dt, theta, signals), thetas)


def _one(spec: AbstractRule, dt: float, theta: Theta, signals: Mapping[str, Array]) -> Array:
    n = next(iter(signals.values())).shape[1]
    birth = spec.init_state(theta, ONE)
    states = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n, *leaf.shape)), birth)

    def synapse(state: Any, now: Mapping[str, Array]) -> tuple[Any, Array]:
        after, delta = spec.step(theta, state, ONE, view_of(now), dt)
        return after, delta[0, 0]

    def step(states: Any, now: Mapping[str, Array]) -> tuple[Any, Array]:
        return jax.vmap(synapse)(states, now)

    return lax.scan(step, states, dict(signals))[1]


def view_of(signals: Mapping[str, Array]) -> SynapseView:
    """The view of a single synapse; signals that are not given are 0.

    Args:
        signals: {field of the view, such as `pre.activity` or `modulators.reward`: []}.
    """
    modulators = {}
    sides: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
    transmitted = {}
    for name, value in signals.items():
        side, _, field = name.partition(".")
        if name.startswith(_TRANSMITTED):
            transmitted[name.removeprefix(_TRANSMITTED)] = value
        elif side == "modulators":
            modulators[field] = value
        elif side in sides:
            sides[side][field] = value[None]
    view = blank_view(ONE, tuple(modulators))
    plain = {}
    for name in SYNAPTIC:
        if name in signals:
            plain[name] = signals[name][None, None]
    view = replace(
        view,
        pre=replace(view.pre, **sides["pre"]),
        post=replace(view.post, **sides["post"]),
        modulators=modulators,
        weight_max=signals.get("weight_max", jnp.ones(())),
        **plain,
    )
    if transmitted:
        view = replace(view, transmitted=view_of(transmitted))
    return view
