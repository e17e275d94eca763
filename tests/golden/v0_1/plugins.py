"""A plug-in module as it was written for version 0.1.0: one class of most kinds, by the base classes of then.

It is never changed: `tests/golden/test_golden.py` holds that it goes on loading, with the same numbers.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from metaplast.connections.base import Term
from metaplast.connections.dense import Dense
from metaplast.feedback.base import AbstractFeedback, credit
from metaplast.genomes.base import AbstractGenome, synapses
from metaplast.interfaces import SPLITS, AbstractOuterLoop, AbstractTaskFamily
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.base import AbstractNeuron, NeuronWrapper, RateNeuron, SpikingNeuron
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.base import AbstractObjective, part_of_mean, weighted_mean
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, KernelRule, TermRule, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Outcome, Score, TaskShape, feedback, neuron_view, rule_state
from metaplast.spec import Count, Positive, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.wiring import Edge, Population, Wiring


@register("rule", "golden_trace")
@spec
class GoldenTrace(TermRule):
    """delta_w = rate exp(5 log_rate) post x, x a trace of pre."""

    rate: Positive = 0.05
    tau: Positive = 0.02

    def init(self, key, connection):
        return {"log_rate": jnp.zeros(())}

    def init_state(self, theta, connection):
        return rule_state(pre={"golden": jnp.zeros(connection.n_pre)})

    def products(self, theta, state, view, dt):
        trace = jnp.exp(-dt / self.tau) * state.pre["golden"] + view.pre.activity
        rate = self.rate * jnp.exp(5.0 * theta["log_rate"])
        return rule_state(pre={"golden": trace}), [Term(rate * view.post.activity, trace)]


@register("rule", "golden_kernel")
@spec
class GoldenKernel(KernelRule):
    """delta_w = a pre post - b^2 w at every synapse; its theta has no name that the library knows."""

    @property
    def per_synapse(self):
        return False

    def init(self, key, connection):
        return {"a": jnp.zeros(()), "b": jnp.zeros(())}

    def kernel(self, theta, state, synapse, dt):
        hebb = theta["a"] * synapse.pre.activity * synapse.post.activity
        return state, hebb - theta["b"] ** 2 * synapse.weight


@register("rule", "golden_half")
@spec
class GoldenHalf(Wrapper):
    """Half of what the rule inside says."""

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()

    def step(self, theta, state, connection, view, dt):
        state, delta = self.rule.step(self.inner(theta), state, connection, view, dt)
        return state, 0.5 * delta


@register("neuron", "golden_square")
@spec
class GoldenSquare(RateNeuron):
    """f(u) = u^2."""

    def activate(self, potential):
        return potential**2, 2.0 * potential


@register("neuron", "golden_spiker")
@spec
class GoldenSpiker(SpikingNeuron):
    """v <- v + dt (drive - v) / tau; a spike above 0.5, then 0."""

    tau: Positive = 0.01

    def init(self, key, n):
        return {}

    def init_state(self, theta, n):
        return {"v": jnp.zeros(n)}

    def integrate(self, theta, state, drive, dt):
        return {"v": state["v"] + dt / self.tau * (drive["soma"] - state["v"])}

    def fire(self, theta, state, dt, key):
        spikes = (state["v"] > 0.5).astype(state["v"].dtype)
        return neuron_view(spikes, state["v"], jnp.ones_like(spikes))

    def reset(self, theta, state, spikes):
        return {"v": jnp.where(spikes > 0.0, 0.0, state["v"])}


@register("neuron", "golden_shifted")
@spec
class GoldenShifted(NeuronWrapper):
    """The neuron inside, its drive raised by a tenth."""

    neuron: Annotated[AbstractNeuron, plugin("neuron")] = Tanh()

    def init_state(self, theta, n):
        return self.neuron.init_state(theta, n)

    def step(self, theta, state, drive, dt, key):
        return self.neuron.step(theta, state, {**drive, "soma": drive["soma"] + 0.1}, dt, key)


@register("transmission", "golden_late")
@spec
class GoldenLate(AbstractTransmission):
    """What was sent a step ago."""

    def init_state(self, n_pre, dt):
        return {"sent": jnp.zeros(n_pre)}

    def step(self, state, pre, dt):
        return {"sent": pre}, state["sent"]


@register("network", "golden_pair")
@spec
class GoldenPair(AbstractNetwork):
    """input -> output, late."""

    def wiring(self, inputs, n_out):
        sources = [Population(name, n, Tanh()) for name, n in inputs.items()]
        output = Population("output", n_out, GoldenShifted())
        edges = [
            Edge(p.name, "output", Dense(n_out, p.n), GoldenLate(), bounds=(-10.0, 10.0))
            for p in sources
        ]
        return Wiring((*sources, output), tuple(edges))


@register("feedback", "golden_error")
@spec
class GoldenError(AbstractFeedback):
    """The error at the output, twice, and nothing elsewhere."""

    def init(self, key, wiring):
        return {}

    def init_state(self, theta, wiring, key):
        return {}

    def step(self, theta, state, wiring, synapses, views, feedback, dt):
        signals = {p.name: jnp.zeros(p.n) for p in wiring.populations}
        return state, credit(signals | {wiring.output.name: 2.0 * feedback.error}, views, feedback)


@register("genome", "golden_ramp")
@spec
class GoldenRamp(AbstractGenome):
    """Weights that rise from -0.5 to 0.5."""

    def init(self, key, wiring):
        return {}

    def weights(self, theta, wiring, task, key):
        born = {}
        for edge in wiring.edges:
            n = edge.connection.n_post * edge.connection.n_pre
            born[edge.name] = jnp.linspace(-0.5, 0.5, n).reshape(edge.connection.shape)
        return synapses(wiring, born)


@register("objective", "golden_double")
@spec
class GoldenDouble(AbstractObjective):
    """Twice the mean loss."""

    def loss(self, theta, lived):
        return 2.0 * weighted_mean(lived.trace.score)

    def window(self, theta, score, shape, start):
        return 2.0 * part_of_mean(score, start, 0, shape.n_steps)


@register("task", "golden_echo")
@spec
class GoldenEcho(AbstractTaskFamily):
    """Two inputs to be given back; the same ones in every life of a split."""

    n_steps: Count = 5

    def shape(self):
        phases = ((self.n_steps, True),)
        return TaskShape(
            {"input": 2}, 2, phases, frozenset({"error", "target"}), differentiable=True
        )

    def sample(self, key, split):
        steps = jnp.arange(2.0 * self.n_steps).reshape(self.n_steps, 2)
        return jnp.sin(steps + 1.0 + SPLITS.index(split))

    def begin(self, task, key, dt):
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task, state, key, dt):
        return {"input": task[state]}

    def step(self, task, state, output, key, dt):
        error = output.activity - task[state]
        said = feedback(2, error=error, target=task[state])
        score = Score(loss=jnp.mean(error**2), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=said, score=score)


@register("outer", "golden_sign")
@spec
class GoldenSign(AbstractOuterLoop):
    """theta <- theta - rate sign(gradient)."""

    steps: Count = 3
    rate: Positive = 0.05

    @property
    def n_steps(self):
        return self.steps

    def hyper(self):
        return {"rate": jnp.zeros(()) + self.rate}

    def init(self, problem, theta, key, hyper):
        return {"theta": theta, "hyper": hyper, "skipped": jnp.zeros((), jnp.int32)}

    def step(self, problem, state, batch, key):
        loss, gradient, seen = problem.value_and_grad(state["theta"], batch)
        old, unravel = ravel_pytree(state["theta"])
        theta = unravel(old - state["hyper"]["rate"] * jnp.sign(ravel_pytree(gradient)[0]))
        metrics = {
            "loss": loss,
            "lives": seen["lives"],
            "diverged": seen["diverged"],
            "skipped": state["skipped"],
        }
        return {**state, "theta": theta}, metrics

    def theta(self, state):
        return jax.tree.map(lambda leaf: leaf, state["theta"])
