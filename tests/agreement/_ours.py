"""Any wiring under given spike trains, with nothing of a task but the trains."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.feedback.none import None_ as NoFeedback
from metaplast.genomes.given import Given
from metaplast.life.at_synapse import SpikeTimes
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import spec
from metaplast.tasks import AbstractTaskFamily, Split
from metaplast.testing.base import quick_jit
from metaplast.wiring import Wiring


@pytree
class Trains:
    """spikes: input population -> [T, n]; weights: of every edge, at birth; modulators: channel ->
    [T].
    """

    spikes: dict[str, Array]
    weights: dict[str, Array]
    modulators: dict[str, Array]


@register("task", "replay")
@spec
class Replay(AbstractTaskFamily):
    """The trains of the task, step by step."""

    sizes: tuple[tuple[str, int], ...] = ()
    n_out: int = 1
    n_steps: int = 1
    channels: tuple[str, ...] = ()

    def shape(self) -> TaskShape:
        offers = frozenset({"weights", *self.channels})
        return TaskShape(
            dict(self.sizes), self.n_out, ((self.n_steps, True),), offers, differentiable=False
        )

    def sample(self, key: Key, split: Split) -> Trains:
        raise BadInput(
            "a sample of replayed trains", "trains that are given", "call Lifetime.advance"
        )

    def begin(self, task: Trains, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Trains, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {name: spikes[state] for name, spikes in task.spikes.items()}

    def step(
        self, task: Trains, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        score = Score(loss=jnp.zeros(()), weight=jnp.ones(()), metrics={})
        modulators = {name: channel[state] for name, channel in task.modulators.items()}
        return state + 1, Outcome(feedback=feedback(self.n_out, modulators=modulators), score=score)


@register("network", "fixed")
@spec
class Fixed(AbstractNetwork):
    """The very graph it was given."""

    graph: Wiring = Wiring()

    def wiring(self, inputs: Any, n_out: int) -> Wiring:
        return self.graph


def run(
    graph: Wiring,
    rules: dict[str, Any],
    spikes: dict[str, np.ndarray],
    weights: dict[str, np.ndarray],
    dt: float,
    spike_times: SpikeTimes = "synapse",
    modulators: dict[str, np.ndarray] | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(spikes of every population [T, n], weights of every edge at the end), in float64. rules:
    edge -> its rule; modulators: channel -> [T].
    """
    n_steps = len(next(iter(spikes.values())))
    channels = modulators or {}
    sizes = tuple((name, s.shape[1]) for name, s in spikes.items())
    task = Replay(sizes, graph.output.n, n_steps, tuple(channels))
    slots = tuple(Slot(f"slot_{edge}", edge, rule) for edge, rule in rules.items())
    life = Lifetime(
        task,
        Fixed(graph),
        NoFeedback(),
        Given(),
        slots,
        dt,
        record=("activity",),
        spike_times=spike_times,
    )
    with jax.enable_x64(True):
        trains = jax.tree.map(
            lambda x: jnp.asarray(x, float),
            Trains(spikes=spikes, weights=weights, modulators=channels),
        )
        activity, ended = _live(life, trains, n_steps)
        return jax.tree.map(np.asarray, (activity, ended))


@partial(quick_jit, static_argnums=(0, 2))
def _live(life: Lifetime, trains: Trains, n_steps: int) -> Any:
    key = jax.random.key(0)
    theta = life._init(key)  # `init` would check the life on a sampled task, and there is none
    last, trace = life.advance(theta, trains, life.begin(theta, trains, key), n_steps, start=0)
    return trace.recorded["activity"], {
        name: synapses.weight for name, synapses in last.synapses.items()
    }
