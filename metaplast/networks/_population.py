"""One step of a population in a network, and its slopes.

An input of the step is a part of the state before it or the drive of a port. An outcome is a part
of the state after it or the activity. Their names are `state.v`, `state.inner.v`, `drive.soma`,
`activity`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.neurons.base import AbstractNeuron
from metaplast.signals import NeuronView, Theta

ACTIVITY = "activity"
Named = dict[str, Array]
Step = Callable[[Theta, Mapping[str, Array]], tuple[Theta, NeuronView]]
"""(state, drive of every port [n]) -> (state, view)."""
Varied = Mapping[str, Any]
"""Input -> 1 at the elements that are varied, 0 at all others; in its shape [size]."""
Slopes = Mapping[str, Mapping[str, Array]]
"""Outcome -> input -> the derivative of each of its elements along the varied input [size]."""


class Response(NamedTuple):
    """The step of a population as a function of some of its inputs.

    Attributes:
        at: inputs -> (outcomes, (state after the step, view)).
        here: the inputs of the present step.
    """

    at: Callable[[Named], tuple[Named, tuple[Theta, NeuronView]]]
    here: Named


def one_step(neuron: AbstractNeuron, theta: Theta, dt: float, key: Array) -> Step:
    """One step of the neurons, with the drive of ports that are not signed cut at 0.

    Args:
        neuron: the dynamics.
        theta: learned parameters.
        dt: seconds.
        key: the key of the step.
    """

    def step(state: Theta, drive: Mapping[str, Array]) -> tuple[Theta, NeuronView]:
        return neuron.step(theta, state, _not_below_0(neuron, drive), dt, key)

    return step


def _not_below_0(neuron: AbstractNeuron, drive: Mapping[str, Array]) -> dict[str, Array]:
    """The drives of all ports, cut at 0 at ports that are not signed.

    It is not `maximum`: the slope of that at 0, where nothing arrives, is a half.
    """
    cut = {}
    for port, arriving in drive.items():
        if port in neuron.signed:
            cut[port] = arriving
        else:
            cut[port] = jnp.where(arriving < 0.0, 0.0, arriving)
    return cut


def named(**trees: Any) -> Named:
    """The leaves of some trees, by name."""
    leaves = {}
    for path, leaf in jax.tree.leaves_with_path(trees):
        leaves[jax.tree_util.keystr(path, simple=True, separator=".")] = leaf
    return leaves


def response(step: Step, state: Theta, drive: Mapping[str, Array]) -> Response:
    """A step as a function of its inputs. Inputs that are left out stay as they are here.

    Args:
        step: the step.
        state: the state before it.
        drive: port -> arriving sum [n].
    """
    here = named(state=state, drive=drive)
    tree = jax.tree.structure({"drive": drive, "state": state})

    def at(inputs: Named) -> tuple[Named, tuple[Theta, NeuronView]]:
        moved = jax.tree.unflatten(tree, list({**here, **inputs}.values()))
        after, view = step(moved["state"], moved["drive"])
        return {ACTIVITY: view.activity, **named(state=after)}, (after, view)

    return Response(at, here)


def with_slopes(
    step: Step, state: Theta, drive: Mapping[str, Array], varied: Varied
) -> tuple[tuple[Theta, NeuronView], Slopes]:
    """One step, and its slopes along some inputs.

    Units have to be independent: the slopes of all of them are taken at once.

    Args:
        step: the step.
        state: the state before it.
        drive: port -> arriving sum [n].
        varied: the inputs.

    Returns:
        ((the state after the step, its view), the slopes).
    """
    at, here = response(step, state, drive)
    inputs = {name: here[name] for name in varied}
    _, along, stepped = jax.linearize(at, inputs, has_aux=True)
    directions = {}
    for place, (name, ones) in enumerate(varied.items()):
        direction = np.zeros((len(varied), *np.shape(ones)), inputs[name].dtype)
        direction[place] = ones
        directions[name] = direction
    changes = jax.vmap(along)(directions)
    slopes = {}
    for outcome, change in changes.items():
        slopes[outcome] = dict(zip(varied, change, strict=True))
    return stepped, slopes
