"""Pattern completion: a network sees a few patterns, and recalls one of them from a part of it."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Album:
    """One life.

    patterns [n_patterns, n_bits]: +1 or -1.
    asked []: the index of the pattern to recall.
    kept [n_bits]: 1 where a bit is shown in the cue, 0 where it is hidden.
    """

    patterns: Array
    asked: Array
    kept: Array


@register("task", "association")
@spec
class Association(AbstractTaskFamily):
    """A network sees `n_patterns` random patterns once each, then recalls one of them from a cue.

    A pattern has `n_bits` bits of +1 or -1. It is shown for `present` steps, and `pause` silent
    steps follow. The cue is one of the patterns, with a share `degraded` of its bits at zero. It is
    shown for `recall` steps with plasticity off.

        stimulus = drive * pattern
        loss = mean_k (output_k - pattern_k)^2       over the bits k
        error = d loss / d output
        target = pattern

    n_patterns: the patterns of a life.
    n_bits: the bits of a pattern, and so the inputs and outputs.
    present: steps for which a pattern is shown.
    pause: silent steps after a pattern.
    recall: steps for which the cue is shown.
    degraded: the share of bits of the cue that are zero.
    drive: 3 puts a tanh unit at 0.995.

    error and target are 0 in a pause. A step counts with weight 1 in the last half of the recall,
    and with weight 0 before. Metric `accuracy`: the share of hidden bits whose sign is right.
    The network is `autoassociative`, or any other with as many outputs as inputs.
    Splits: disjoint streams of the key.
    Source: the simple pattern-completion task of Miconi, Clune & Stanley 2018. There a pattern has
    1,000 bits, and 5 patterns are shown for 10 + 3 steps each.
    """

    n_patterns: Count = 3
    n_bits: Count = 40
    present: Count = 4
    pause: Natural = 2
    recall: Count = 6
    degraded: Probability = 0.5
    drive: Positive = 3.0

    @property
    def _n_shown(self) -> int:
        return self.n_patterns * (self.present + self.pause)

    def shape(self) -> TaskShape:
        phases = ((self._n_shown, True), (self.recall, False))
        offers = frozenset({"error", "target"})
        return TaskShape({"input": self.n_bits}, self.n_bits, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Album:
        k_bits, k_asked, k_kept = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 3)
        bits = jax.random.bernoulli(k_bits, 0.5, (self.n_patterns, self.n_bits))
        order = jnp.argsort(jax.random.uniform(k_kept, (self.n_bits,)))
        return Album(
            patterns=jnp.where(bits, 1.0, -1.0),
            asked=jax.random.randint(k_asked, (), 0, self.n_patterns, jnp.int32),
            kept=(order >= round(self.degraded * self.n_bits)).astype(jnp.zeros(()).dtype),
        )

    def begin(self, task: Album, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def _now(self, task: Album, t: Array) -> tuple[Array, Array]:
        """(the pattern of this step, 0 in a pause; whether the network has to recall it)."""
        cycle = self.present + self.pause
        asked = t >= self._n_shown
        shown = jnp.minimum(t // cycle, self.n_patterns - 1)
        on = (asked | (t % cycle < self.present)).astype(task.kept.dtype)
        return on * task.patterns[jnp.where(asked, task.asked, shown)], asked

    def stimulus(self, task: Album, state: Array, key: Key, dt: float) -> dict[str, Array]:
        pattern, asked = self._now(task, state)
        return {"input": self.drive * jnp.where(asked, task.kept, 1.0) * pattern}

    def step(
        self, task: Album, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        pattern, asked = self._now(task, state)
        on = jnp.max(jnp.abs(pattern))
        error = on * (output.activity - pattern)
        hidden = 1.0 - task.kept
        right = jnp.sum(hidden * (output.activity * pattern > 0).astype(hidden.dtype))
        late = state >= self._n_shown + self.recall // 2
        score = Score(
            loss=jnp.mean(error**2),
            weight=(asked & late).astype(hidden.dtype),
            metrics={"accuracy": right / jnp.maximum(jnp.sum(hidden), 1.0)},
        )
        signals = feedback(self.n_bits, error=2.0 * error / self.n_bits, target=pattern)
        return state + 1, Outcome(feedback=signals, score=score)
