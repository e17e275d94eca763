"""The base of families that show images, one after the other, to spiking cells.

Every pixel has two inputs, ON and OFF. Where the pixel has contrast, both send one spike in a
showing. The ON input is the earlier the brighter the pixel is, the OFF input the earlier the darker
it is.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, NonNegative, spec
from metaplast.tasks import AbstractTaskFamily


class Sizes(NamedTuple):
    """The sizes of a life.

    n_pixels: of an image; the network has twice as many inputs.
    n_out: the number of cells.
    n_learned: showings with plasticity on, first.
    n_judged: showings with plasticity off, after them.
    """

    n_pixels: int
    n_out: int
    n_learned: int
    n_judged: int


@pytree
class Shown:
    """The state of a life.

    t []: steps gone by.
    counts [n_judged, n_out]: the spikes of every cell in every judged showing so far.
    """

    t: Array
    counts: Array


@spec
class Showings(AbstractTaskFamily):
    """A life of showings: the cells learn from the first ones, and are judged by the last ones.

        time = round(span (1 - c) / 2 + jitter u)

    time [n_in]: the step of the showing in which an input sends its spike.
    c [n_in]: contrast of the pixel, from -1 to 1, for its ON input; -contrast for its OFF input.
    u [n_in]: uniform in [0, 1), drawn anew in every showing.
    Both are silent where the contrast is below `floor`.
    floor: the least contrast, of either sign, that is seen.
    span: steps between the spikes of contrast 1 and of contrast -1.
    jitter: steps by which chance delays a spike, at most.
    pause: silent steps after the last possible spike.

    A task has the field `times` [n_showings, n_in]. The last step of a life alone is scored.
    A negative activity counts as no spike.
    """

    floor: NonNegative = 0.2
    span: Count = 16
    jitter: Natural = 4
    pause: Natural = 9

    @abstractmethod
    def sizes(self) -> Sizes:
        """The sizes of a life."""

    @abstractmethod
    def judge(self, task: Any, counts: Array) -> tuple[Array, dict[str, Array]]:
        """The loss [] of a life, and its metrics.

        Args:
            task: from `sample`.
            counts: spikes in the judged showings [n_judged, n_out].
        """

    @property
    def showing_steps(self) -> int:
        """Steps from the beginning of one showing to the beginning of the next."""
        return self.span + self.jitter + 1 + self.pause

    def shape(self) -> TaskShape:
        sizes = self.sizes()
        learned = (sizes.n_learned * self.showing_steps, True)
        judged = (sizes.n_judged * self.showing_steps, False)
        inputs = {"input": 2 * sizes.n_pixels}
        return TaskShape(inputs, sizes.n_out, (learned, judged), frozenset(), differentiable=False)

    def times(self, key: Key, contrast: Array) -> Array:
        """The step of every input's spike within its showing [n_showings, n_in]; -1: none.

        Args:
            key: of the jitter.
            contrast: of the pixels [n_showings, n_pixels], cut to [-1, 1].
        """
        seen = jnp.clip(jnp.concatenate([contrast, -contrast], axis=1), -1.0, 1.0)
        late = self.jitter * jax.random.uniform(key, seen.shape)
        time = jnp.round(0.5 * self.span * (1.0 - seen) + late)
        return jnp.where(jnp.abs(seen) < self.floor, -1.0, time)

    def begin(self, task: Any, key: Key, dt: float) -> Shown:
        sizes = self.sizes()
        counts = jnp.zeros((sizes.n_judged, sizes.n_out))
        return Shown(t=jnp.zeros((), jnp.int32), counts=counts)

    def stimulus(self, task: Any, state: Shown, key: Key, dt: float) -> dict[str, Array]:
        showing = jnp.minimum(state.t // self.showing_steps, len(task.times) - 1)
        within = (state.t % self.showing_steps).astype(task.times.dtype)
        return {"input": (task.times[showing] == within).astype(task.times.dtype)}

    def step(
        self, task: Any, state: Shown, output: NeuronView, key: Key, dt: float
    ) -> tuple[Shown, Outcome]:
        sizes = self.sizes()
        row = state.t // self.showing_steps - sizes.n_learned
        spikes = jnp.where(row >= 0, jnp.maximum(output.activity, 0.0), 0.0)
        counts = state.counts.at[jnp.clip(row, 0, sizes.n_judged - 1)].add(spikes)
        last = state.t == self.shape().n_steps - 1
        judged = jax.eval_shape(self.judge, task, counts)
        unjudged = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), judged)
        loss, metrics = lax.cond(
            last, lambda counts: self.judge(task, counts), lambda counts: unjudged, counts
        )
        score = Score(loss=loss, weight=last.astype(loss.dtype), metrics=metrics)
        after = Shown(t=state.t + 1, counts=counts)
        return after, Outcome(feedback=feedback(sizes.n_out), score=score)
