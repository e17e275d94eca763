"""Further phases of a step, in which the network moves on under another drive."""

from typing import Any

import jax
from jax import Array

from metaplast.feedback.base import FeedbackView
from metaplast.networks import base as network
from metaplast.networks.base import NetworkState
from metaplast.registry import BadInput
from metaplast.signals import NeuronView
from metaplast.wiring import Wiring


def phase(
    seen: FeedbackView,
    wiring: Wiring,
    state: NetworkState,
    stimulus: dict[str, Array],
    n_steps: int,
) -> dict[str, NeuronView]:
    """The views at the end of a phase.

    Two phases of one step draw the same noise.

    Args:
        seen: the step.
        wiring: the graph in the phase, with the edges of `seen.wiring`.
        state: the state of the network from which the phase begins.
        stimulus: population -> the drive of its soma [n], held in the phase.
        n_steps: the number of steps of the network in the phase, 1 or more.
    """

    def one(index: int | Array, state: NetworkState) -> Any:
        key = jax.random.fold_in(seen.key, index)
        return network.step(wiring, seen.neurons, seen.synapses, state, stimulus, seen.dt, key)

    last = n_steps - 1
    state = jax.lax.fori_loop(0, last, lambda i, state: one(i, state)[0], state)
    return one(last, state)[1].views


def check_loops(feedback: str, wiring: Wiring) -> None:
    """Raises: BadInput where no path leads from the output back to a population that learns.

    Args:
        feedback: the name of the feedback.
        wiring: the graph.
    """
    reached = wiring.distances(wiring.output.name)
    missed = []
    for population in wiring.populations:
        if wiring.into(population.name) and population.name not in reached:
            missed.append(population.name)
    if missed:
        raise BadInput(
            f"feedback {feedback}: no path from {wiring.output.name} to {', '.join(missed)}",
            "edges in both directions, over which the output acts on every population with inputs",
            "take network bidirectional, or another feedback",
        )
