"""A neuron has to answer some patterns of input spikes and not others, for a reward after each."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, NonNegative, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Patterns:
    """One life.

    shown [n_patterns, pattern_steps, n_in]: the stimuli of each pattern.
    wanted [n_patterns]: 1 where the neuron has to spike, else 0.
    order [n_trials]: the pattern of each trial.
    """

    shown: Array
    wanted: Array
    order: Array


@pytree
class Trial:
    """The state of a life.

    t []: steps gone by.
    spikes []: spikes of the output in this trial.
    """

    t: Array
    spikes: Array


@register("task", "spike_pattern_reward")
@spec
class SpikePatternReward(AbstractTaskFamily):
    """One output neuron has to spike in half of `n_patterns` frozen patterns, and in no other.

        s <- exp(-1 / tau_steps) s + spike          under tau_steps > 0
        s = spike                                   under tau_steps = 0

    n_in: the number of inputs.
    n_patterns: patterns of a life; half of them ask for a spike.
    pattern_steps: steps of a pattern.
    pause_steps: silent steps after a pattern.
    n_trials: patterns that are shown in a life.
    n_judged: trials at the end of a life that are scored.
    spike_probability: of an input in a step of a pattern.
    tau_steps: time constant of the traces, in steps; 0: the spikes themselves are shown, for
        network.source=spikes and a cell with a membrane of its own.
    gated: whether plasticity is on in the steps of a reward alone; false: it is always on.
    s [n_in]: the stimulus.
    spike [n_in]: 1 with probability `spike_probability` in each step of a pattern, frozen within a
        life.

    A pattern lasts `pattern_steps`, and `pause_steps` of silence follow. One spike or more answers
    a pattern. In the last step of a pattern, the modulator `reward` is +1 for the right answer and
    -1 for the wrong one, and the modulator `punishment` is 1 for the wrong one alone. So rules that
    tell the two apart, such as (R - 1) E, have a channel for each.
    The loss is 1 for a wrong answer and 0 for a right one, over the last `n_judged` trials. Metric
    `accuracy`: 1 - loss.
    Backward, the answer to n spikes has the slope 1 / (1 + |n - 1/2|)^2 in n (superspike), and the
    modulators have none: a gradient sees what the weights do to the answers, not what the answers
    do to later rewards.
    Splits: disjoint streams of the key, so every life has patterns of its own.
    Source: a smaller relative of the reward task of Jordan et al. 2021.
    """

    n_in: Count = 12
    n_patterns: Count = 4
    pattern_steps: Count = 10
    pause_steps: Natural = 5
    n_trials: Count = 80
    n_judged: Count = 20
    spike_probability: Probability = 0.15
    tau_steps: NonNegative = 3.0
    gated: bool = True

    @property
    def trial_steps(self) -> int:
        """Steps from the beginning of one pattern to the beginning of the next."""
        return self.pattern_steps + self.pause_steps

    def shape(self) -> TaskShape:
        phases = ((self.n_trials * self.trial_steps, True),)
        offers = frozenset({"reward", "punishment"})
        if self.gated:
            offers = offers | {"gate"}
        return TaskShape({"input": self.n_in}, 1, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Patterns:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_spikes, k_wanted, k_order = jax.random.split(split_key, 3)
        shape = (self.n_patterns, self.pattern_steps, self.n_in)
        spikes = jax.random.bernoulli(k_spikes, self.spike_probability, shape).astype(float)
        decay = math.exp(-1.0 / self.tau_steps) if self.tau_steps else 0.0
        lag = jnp.arange(self.pattern_steps)[:, None] - jnp.arange(self.pattern_steps)[None, :]
        kernel = jnp.where(lag >= 0, decay ** jnp.maximum(lag, 0).astype(float), 0.0)
        wanted = jax.random.permutation(k_wanted, jnp.arange(self.n_patterns) % 2)
        return Patterns(
            shown=jnp.einsum("ts,psi->pti", kernel, spikes),
            wanted=wanted.astype(float),
            order=jax.random.randint(k_order, (self.n_trials,), 0, self.n_patterns),
        )

    def begin(self, task: Patterns, key: Key, dt: float) -> Trial:
        return Trial(t=jnp.zeros((), jnp.int32), spikes=jnp.zeros(()))

    def stimulus(self, task: Patterns, state: Trial, key: Key, dt: float) -> dict[str, Array]:
        within = state.t % self.trial_steps
        pattern = task.shown[task.order[state.t // self.trial_steps]]
        shown = pattern[jnp.minimum(within, self.pattern_steps - 1)]
        return {"input": jnp.where(within < self.pattern_steps, shown, 0.0)}

    def step(
        self, task: Patterns, state: Trial, output: NeuronView, key: Key, dt: float
    ) -> tuple[Trial, Outcome]:
        trial = state.t // self.trial_steps
        within = state.t % self.trial_steps
        spikes = jnp.where(within == 0, 0.0, state.spikes) + output.activity[0]
        wanted = task.wanted[task.order[jnp.minimum(trial, self.n_trials - 1)]]
        answer = _answer(spikes)
        right = wanted * answer + (1.0 - wanted) * (1.0 - answer)
        end = (within == self.pattern_steps - 1).astype(spikes.dtype)
        judged = end * (trial >= self.n_trials - self.n_judged).astype(spikes.dtype)
        answer = jax.lax.stop_gradient(right)
        modulators = {"reward": end * (2.0 * answer - 1.0), "punishment": end * (1.0 - answer)}
        gate = end if self.gated else jnp.ones_like(end)
        signals = feedback(1, modulators=modulators, gate=gate)
        score = Score(loss=1.0 - right, weight=judged, metrics={"accuracy": right})
        return Trial(t=state.t + 1, spikes=spikes), Outcome(feedback=signals, score=score)


def _answer(spikes: Array) -> Array:
    """1 where there was a spike, else 0; backward with the slope of superspike."""
    above = spikes - 0.5
    slope = jax.lax.stop_gradient((1.0 + jnp.abs(above)) ** -2)
    passed = slope * (above - jax.lax.stop_gradient(above))  # exactly 0
    return (above > 0.0).astype(spikes.dtype) + passed
