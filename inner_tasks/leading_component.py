"""Inputs whose leading component the weights have to find, from activity alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

EDGE = "input_to_output"


@pytree
class Frames:
    """One life.

    shown [n_frames, n_in]: the activity of the inputs in every frame.
    final: {edge: the leading component [1, n_in]}.
    """

    shown: Array
    final: dict[str, Array]


@register("task", "leading_component")
@spec
class LeadingComponent(AbstractTaskFamily):
    """The weights onto one output have to become the leading component of the inputs.

        x_i = loud a_i        where i is in the group, while the group is active
        x_i = quiet a_i       where i is another input, while it is active
        C = sum_t x_t x_t^T
        C v = lambda v        for the largest lambda, with |v| = 1
        loss = (y - v^T x)^2

    x [n_in]: activity of the inputs; 0 but for these two cases.
    t: the frames of a life.
    y: activity of the output.
    a [n_in]: drawn from U(0.5, 1.5), fixed within a life.
    v [n_in]: no entry is below 0. It comes as the final weights of the edge input_to_output, for
        the objective `final_weights`.

    n_in: the number of inputs.
    group: the number of inputs that are active together; the life draws them.
    together: the share of the frames in which the group is active, rounded to whole frames.
    alone: the chance that another input is active in a frame, each drawn for itself.
    loud: the activity of the group.
    quiet: the activity of the others.
    n_frames: frames of a life.
    frame: steps of a frame.

    The group and the others have about the same mean, so that the mean of the inputs is no
    substitute for v. On rate cells 1 is an activity. For spiking inputs, `network.source={name:
    poisson, scale: r}` makes it r hertz. `loss` then says little, and the weights are judged. The
    task tells no error.
    Splits: disjoint streams of the key.
    Known answer: Oja's rule. Where |w| = 1, |w - v|^2 / 2 is 1 minus the cosine of w and v.
    Source: Oja 1982; the inputs are of this library.
    """

    n_in: Count = 20
    group: Count = 5
    together: Probability = 0.12
    alone: Probability = 0.3
    loud: Positive = 1.8
    quiet: NonNegative = 0.7
    n_frames: Count = 100
    frame: Count = 100

    def __post_init__(self) -> None:
        if self.group > self.n_in:
            raise BadInput(
                f"group={self.group}", f"at most n_in={self.n_in} inputs", "change one of the two"
            )

    def shape(self) -> TaskShape:
        phases = ((self.n_frames * self.frame, True),)
        offers = frozenset({"final_weights"})
        return TaskShape({"input": self.n_in}, 1, phases, offers, differentiable=True)

    def halved(self) -> "LeadingComponent":
        return replace(self, frame=2 * self.frame)

    def sample(self, key: Key, split: Split) -> Frames:
        keys = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 4)
        k_group, k_size, k_together, k_alone = keys
        size = jax.random.uniform(k_size, (self.n_in,), minval=0.5, maxval=1.5)
        in_group = jax.random.permutation(k_group, self.n_in) < self.group
        together = jax.random.permutation(k_together, self.n_frames) < self.n_together()
        alone = jax.random.bernoulli(k_alone, self.alone, (self.n_frames, self.n_in))
        loud = jnp.where(together[:, None], self.loud, 0.0)
        quiet = jnp.where(alone, self.quiet, 0.0)
        shown = size[None, :] * jnp.where(in_group[None, :], loud, quiet)
        component = jnp.abs(jnp.linalg.eigh(shown.T @ shown)[1][:, -1])
        return Frames(shown=shown, final={EDGE: component[None, :]})

    def n_together(self) -> int:
        """The frames of a life in which the group is active."""
        return round(self.together * self.n_frames)

    def begin(self, task: Frames, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)  # steps gone by

    def stimulus(self, task: Frames, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": self._shown(task, state)}

    def step(
        self, task: Frames, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        projection = jnp.sum(task.final[EDGE][0] * self._shown(task, state))
        loss = (output.activity[0] - projection) ** 2
        score = Score(loss=loss, weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=feedback(1), score=score)

    def _shown(self, task: Frames, t: Array) -> Array:
        """The activity of the inputs in step t [n_in]."""
        return task.shown[jnp.minimum(t // self.frame, self.n_frames - 1)]
