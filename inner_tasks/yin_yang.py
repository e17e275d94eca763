"""Points of the yin-yang sign, as latencies."""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _few_shot
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape
from metaplast.spec import Count, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

BIG = 0.5
"""The radius of the sign."""
HALF = 0.25
"""The radius of its two halves, and the distance of their centres from its own."""
DOT = 0.1
"""The radius of a dot."""
RING = np.pi * (HALF**2 - DOT**2)
CRESCENT = np.pi * (BIG**2 / 2 - HALF**2)
"""The areas of the two parts of yin: a ring around a dot, and what is left of its half of the sign.
"""


@register("task", "yin_yang")
@spec
class YinYang(AbstractTaskFamily):
    """Each point of the unit square is in the yin, the yang or the dots of one sign.

        inputs = (x, y, 1 - x, 1 - y, 1)
        step = round(span (1 - input))                 under `latency`

    x, y: the point; the three classes are equally frequent, and points are uniform within a class.
        No point is drawn in vain: crescent, ring and dots have polar coordinates of their own.
    n_train: points that are shown, with plasticity on.
    n_test: other points that are asked, with plasticity off.
    code: with `value`, a point is one step and shows its inputs (network `event_driven` makes
        latencies of them). With `latency`, a point is `point_steps` steps, and each input sends one
        spike, at `step`.
    span: steps between the spikes of inputs 1 and 0.
    point_steps: steps of a point.

    The answer is a softmax over the activities of the output, and its loss the cross-entropy. Under
    `latency` it is asked and told in the last step of a point: loss, error, modulators and gate are
    0 in all others, and a new trial begins after it (reset). The fifth input is the bias.
    Metric `accuracy`: the share of right answers.

    Raises: BadInput where the last spike of a point is not within its steps.
    Source: Kriener, Goeltz & Petrovici 2022.
    """

    n_train: Count = 500
    n_test: Count = 100
    code: Literal["value", "latency"] = "value"
    span: Count = 20
    point_steps: Count = 40

    def __post_init__(self) -> None:
        if self.code == "latency" and self.span >= self.point_steps:
            what = f"task yin_yang: span={self.span} in point_steps={self.point_steps}"
            raise BadInput(what, "span below point_steps", "lower span or raise point_steps")

    @property
    def _steps(self) -> int:
        """Steps of a point."""
        return self.point_steps if self.code == "latency" else 1

    def shape(self) -> TaskShape:
        points = _few_shot.shape(5, 3, self.n_train, self.n_test, per_class=False)
        if self.code == "value":
            return points
        phases = tuple((n * self._steps, plastic) for n, plastic in points.phases)
        offers = points.offers | {"gate", "reset"}
        return points._replace(phases=phases, offers=offers, classes=False)

    def chance(self) -> float:
        return 1.0 / 3.0

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        uniform = jax.random.uniform(
            jax.random.fold_in(key, SPLITS.index(split)), (self.n_train + self.n_test, 5)
        )
        points, labels = jax.vmap(point)(uniform)
        ones = jnp.ones((len(points), 1), points.dtype)
        return _few_shot.Stream(
            inputs=jnp.concatenate([points, 1.0 - points, ones], axis=1), labels=labels
        )

    def begin(self, task: _few_shot.Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(
        self, task: _few_shot.Stream, state: Array, key: Key, dt: float
    ) -> dict[str, Array]:
        inputs = task.inputs[state // self._steps]
        if self.code == "value":
            return {"input": inputs}
        step = jnp.round(self.span * (1.0 - inputs)).astype(state.dtype)
        return {"input": (step == state % self._steps).astype(inputs.dtype)}

    def step(
        self, task: _few_shot.Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        _, outcome = _few_shot.answer(task, state // self._steps, output)
        if self.code == "value":
            return state + 1, outcome
        answer = outcome.feedback
        end = (state % self._steps == self._steps - 1).astype(answer.error.dtype)
        modulators = {name: end * value for name, value in answer.modulators.items()}
        signals = replace(
            answer, error=end * answer.error, modulators=modulators, gate=end, reset=end
        )
        score = replace(outcome.score, loss=end * outcome.score.loss, weight=end)
        return state + 1, Outcome(feedback=signals, score=score)


def point(uniform: Array) -> tuple[Array, Array]:
    """A point of the sign and its class: 0 yin, 1 yang, 2 dots.

    The crescent lies between the circle of the sign and the two circles of the halves: at the angle
    phi its distances from the centre are BIG |cos phi| to BIG. So phi has the density
    2 sin^2 phi / pi, which is that of the angle whose cosine is a coordinate of a point in a disc.

    Args:
        uniform: numbers in [0, 1) [5].

    Returns:
        (the point [2], the class [], an integer).
    """
    which, part, far, around, along = uniform
    label = jnp.minimum(3.0 * which, 2.0).astype(int)
    angle = 2.0 * jnp.pi * around
    cosine = jnp.sqrt(along) * jnp.cos(angle)
    sine = jnp.sqrt(1.0 - cosine**2)
    distance = BIG * jnp.sqrt(cosine**2 + far * sine**2)
    crescent = distance * jnp.stack([cosine, sine])
    direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    ring = jnp.sqrt(DOT**2 + far * (HALF**2 - DOT**2)) * direction - jnp.array([HALF, 0.0])
    yin = jnp.where(part < CRESCENT / (CRESCENT + RING), crescent, ring)
    centre = jnp.where(part < 0.5, -HALF, HALF) * jnp.array([1.0, 0.0])
    dot = centre + DOT * jnp.sqrt(far) * direction
    place = jnp.where(label == 2, dot, jnp.where(label == 1, -yin, yin))
    return BIG + place, label
