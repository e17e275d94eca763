"""An action is rewarded seconds after it, so that its synapses have to remember it until then."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, NonNegative, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Session:
    """One life.

    rates [n_cues, n_in]: of the inputs under each cue, in hertz.
    right [n_cues]: the action that is rewarded after each cue.
    order [n_trials]: the cue of each trial.
    delays [n_trials]: steps from the end of the cue to the reward.
    """

    rates: Array
    right: Array
    order: Array
    delays: Array


@pytree
class Trial:
    """The state of a life.

    t []: steps gone by.
    spikes [n_actions]: the output summed over the cue of this trial.
    reward []: the reward that is on its way.
    """

    t: Array
    spikes: Array
    reward: Array


@register("task", "delayed_reward")
@spec
class DelayedReward(AbstractTaskFamily):
    """`n_trials` times a cue is shown, an action follows, and a reward comes a delay later.

        action = argmax_k sum_t output_k(t)          over the steps of the cue
        loss = 1 for a wrong action, else 0

    n_in: the number of inputs.
    n_cues: cues of a life.
    n_actions: the number of actions, and so of outputs.
    n_trials: cues that are shown in a life.
    n_judged: trials at the end of a life that are scored.
    cue_steps: steps of a cue.
    shortest, longest: steps from the end of a cue to its reward, drawn uniformly in each trial.
    further: steps that are added to every delay of a held-out life.
    rest_steps: steps between the longest delay and the next cue.
    share: the probability of an input to be part of a cue.
    rate: of the inputs that are part of the cue, in hertz; the others are silent.
    noise: the rate of every input where no cue is shown, in hertz.
    action: drawn from the largest where several are largest.
    stimulus [n_in]: the rate of each input, in hertz; `source: poisson` of a network makes spikes
        of it.

    The cues of a life are drawn anew, and so is the right action of each; every action is right for
    as many cues as the others, give or take one. The modulator `reward` is +1 in one step after a
    right action, -1 after a wrong one, and 0 in all other steps. Nothing tells the network what it
    is for: the cue is over, and inputs and outputs have been active since. A trial has the same
    length in every split.
    A trial is scored in the last step of its cue. Metric `accuracy`: 1 - loss. Not differentiable.
    Splits: disjoint streams of the key; held-out delays are longer by `further`.
    Source: after the distal reward problem of Izhikevich 2007.

    Raises: BadInput where the shortest delay is above the longest, or more trials are judged than
        there are.
    """

    n_in: Count = 20
    n_cues: Count = 4
    n_actions: Count = 2
    n_trials: Count = 40
    n_judged: Count = 12
    cue_steps: Count = 10
    shortest: Natural = 25
    longest: Natural = 50
    further: Natural = 0
    rest_steps: Natural = 5
    share: Probability = 0.5
    rate: Positive = 20.0
    noise: NonNegative = 2.0

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            delays = f"shortest={self.shortest}, longest={self.longest}"
            raise BadInput(delays, "shortest <= longest", "swap them")
        if self.n_judged > self.n_trials:
            judged = f"n_judged={self.n_judged} of n_trials={self.n_trials}"
            raise BadInput(judged, "no more than there are", "lower n_judged")

    @property
    def trial_steps(self) -> int:
        """Steps from the beginning of one cue to the beginning of the next."""
        return self.cue_steps + self.longest + self.further + self.rest_steps

    def shape(self) -> TaskShape:
        phases = ((self.n_trials * self.trial_steps, True),)
        offers = frozenset({"reward"})
        return TaskShape({"input": self.n_in}, self.n_actions, phases, offers, differentiable=False)

    def sample(self, key: Key, split: Split) -> Session:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_part, k_right, k_order, k_delays = jax.random.split(split_key, 4)
        part = jax.random.bernoulli(k_part, self.share, (self.n_cues, self.n_in))
        actions = jnp.arange(self.n_cues, dtype=jnp.int32) % self.n_actions
        low, high = self.shortest, self.longest + 1
        delays = jax.random.randint(k_delays, (self.n_trials,), low, high, jnp.int32)
        return Session(
            rates=self.rate * part.astype(float),
            right=jax.random.permutation(k_right, actions),
            order=jax.random.randint(k_order, (self.n_trials,), 0, self.n_cues, jnp.int32),
            delays=delays + (self.further if split == "heldout" else 0),
        )

    def begin(self, task: Session, key: Key, dt: float) -> Trial:
        return Trial(
            t=jnp.zeros((), jnp.int32), spikes=jnp.zeros(self.n_actions), reward=jnp.zeros(())
        )

    def stimulus(self, task: Session, state: Trial, key: Key, dt: float) -> dict[str, Array]:
        rates = task.rates[task.order[state.t // self.trial_steps]]
        shown = state.t % self.trial_steps < self.cue_steps
        return {"input": jnp.where(shown, rates, self.noise)}

    def step(
        self, task: Session, state: Trial, output: NeuronView, key: Key, dt: float
    ) -> tuple[Trial, Outcome]:
        trial = state.t // self.trial_steps
        within = state.t % self.trial_steps
        spikes = jnp.where(within == 0, 0.0, state.spikes) + output.activity
        largest = spikes >= jnp.max(spikes)
        lots = jax.random.uniform(key, (self.n_actions,))
        action = jnp.argmax(jnp.where(largest, lots, -1.0)).astype(jnp.int32)
        right = (action == task.right[task.order[trial]]).astype(spikes.dtype)
        acts = within == self.cue_steps - 1
        reward = jnp.where(acts, 2.0 * right - 1.0, state.reward)
        due = within == self.cue_steps - 1 + task.delays[trial]
        signals = feedback(self.n_actions, modulators={"reward": jnp.where(due, reward, 0.0)})
        judged = acts & (trial >= self.n_trials - self.n_judged)
        score = Score(
            loss=1.0 - right, weight=judged.astype(right.dtype), metrics={"accuracy": right}
        )
        spikes = jnp.where(within < self.cue_steps, spikes, state.spikes)
        return Trial(t=state.t + 1, spikes=spikes, reward=reward), Outcome(
            feedback=signals, score=score
        )
