"""Accumulation of evidence: cues come from two sides, and the side with more of them is asked for
after a delay.
"""

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks._decision import decide
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, pytree
from metaplast.spec import Count, Natural, NonNegative, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Run:
    """One life.

    sides [n_cues]: the side of each cue: 0 for left, 1 for right.
    wait []: steps before the first cue.
    majority []: the side with more cues.
    """

    sides: Array
    wait: Array
    majority: Array


@pytree
class Underway:
    """The state of a life.

    t []: steps gone by.
    total [2]: the output summed over the steps of the decision so far.
    """

    t: Array
    total: Array


@register("task", "cue_accumulation")
@spec
class CueAccumulation(AbstractTaskFamily):
    """A network sees cues from two sides, and tells after a delay which side had more of them.

        y = mean_t output_t                        over the steps of the decision so far
        loss = -ln softmax(y)_s
        error = d loss / d output
        target_k = 1 for k = s, else 0

    n_cues: cues of a life; an odd number.
    cue_steps: steps of a cue.
    gap_steps: silent steps after a cue.
    shortest, longest: steps from the last gap to the decision, drawn uniformly.
    decision_steps: steps of the decision, at the end of a life.
    group: inputs of each of the four groups left, right, decision and noise.
    rate: of the inputs of a group that is on, in hertz. A group that is off is silent.
    noise: the rate of the noise group throughout, in hertz.
    bias: the probability of a cue to come from the favoured side of its life.
    s: the side with more cues, 0 for left and 1 for right.
    stimulus [4 group]: the rate of each input, in hertz; `source: poisson` of a network makes
        spikes of it.

    Either side is favoured with probability 1/2. A life with a short delay has its cues later: the
    decision is always at its end.
    Only the last step of the decision counts. error and target are 0 before the decision.
    Metric `accuracy`: whether y is largest at s.
    Splits: disjoint streams of the key.
    Source: Bellec et al. 2020, after Morcos & Harvey 2016.

    Raises: BadInput for an even number of cues, or for a shortest delay above the longest.
    """

    n_cues: Count = 7
    cue_steps: Count = 100
    gap_steps: Natural = 50
    shortest: Natural = 500
    longest: Natural = 1500
    decision_steps: Count = 150
    group: Count = 10
    rate: Positive = 40.0
    noise: NonNegative = 10.0
    bias: Probability = 0.7

    def __post_init__(self) -> None:
        if self.n_cues % 2 == 0:
            raise BadInput(
                f"n_cues={self.n_cues}", "an odd number: one side has more", "add or drop a cue"
            )
        if self.shortest > self.longest:
            delays = f"shortest={self.shortest}, longest={self.longest}"
            raise BadInput(delays, "shortest <= longest", "swap them")

    @property
    def _cycle(self) -> int:
        """Steps from one cue to the next."""
        return self.cue_steps + self.gap_steps

    @property
    def _decision(self) -> int:
        """The first step of the decision."""
        return self.n_cues * self._cycle + self.longest

    def shape(self) -> TaskShape:
        phases = ((self._decision + self.decision_steps, True),)
        offers = frozenset({"error", "target"})
        return TaskShape({"input": 4 * self.group}, 2, phases, offers, differentiable=True)

    def chance(self) -> float:
        return 0.5

    def sample(self, key: Key, split: Split) -> Run:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_favoured, k_cues, k_delay = jax.random.split(split_key, 3)
        favoured = jax.random.bernoulli(k_favoured, 0.5)
        agrees = jax.random.bernoulli(k_cues, self.bias, (self.n_cues,))
        sides = jnp.where(agrees, favoured, ~favoured).astype(jnp.zeros(()).dtype)
        delay = jax.random.randint(k_delay, (), self.shortest, self.longest + 1, jnp.int32)
        return Run(
            sides=sides,
            wait=self.longest - delay,
            majority=(2.0 * jnp.sum(sides) > self.n_cues).astype(jnp.int32),
        )

    def begin(self, task: Run, key: Key, dt: float) -> Underway:
        return Underway(t=jnp.zeros((), jnp.int32), total=jnp.zeros(2))

    def stimulus(self, task: Run, state: Underway, key: Key, dt: float) -> dict[str, Array]:
        since = state.t - task.wait
        index = jnp.clip(since // self._cycle, 0, self.n_cues - 1)
        among_cues = (since >= 0) & (since < self.n_cues * self._cycle)
        cue = among_cues & (since % self._cycle < self.cue_steps)
        side = task.sides[index]
        left = cue & (side < 0.5)
        right = cue & (side > 0.5)
        on = jnp.stack([left, right, state.t >= self._decision]).astype(side.dtype)
        rates = jnp.append(self.rate * on, self.noise)
        return {"input": jnp.repeat(rates, self.group)}

    def step(
        self, task: Run, state: Underway, output: NeuronView, key: Key, dt: float
    ) -> tuple[Underway, Outcome]:
        count = state.t - self._decision + 1
        decision = decide(state.total, output.activity, task.majority, count, self.decision_steps)
        return Underway(t=state.t + 1, total=decision.total), decision.outcome
