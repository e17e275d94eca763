"""Few-shot learning on real handwritten digits that are coded as spikes."""

from dataclasses import replace
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks import _few_shot
from inner_tasks.digits import Digits
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape
from metaplast.spec import Count, Positive, Probability, plugin, spec
from metaplast.tasks import AbstractTaskFamily, Split

DIGITS = Digits(shots=5, queries=5)


@register("task", "spike_classification")
@spec
class SpikeClassification(AbstractTaskFamily):
    """The lives of `digits`, of which each image is shown as spikes of its 64 pixels.

        step = round((1 - b) / (1 - dimmest) (image_steps - 1))        under `latency`
        p = 1 - exp(-rate b dt)                                        under `poisson`

    digits: the lives, see task digits: their classes, shots, queries, variations and splits.
    code: with `latency`, a pixel sends one spike an image, at `step`; with `poisson`, it sends one
        with probability p in each step.
    image_steps: steps in which an image is shown.
    dimmest: a pixel of this brightness or less never fires.
    rate: the rate of a pixel of brightness 1 under `poisson`, in hertz.
    b: brightness of a pixel, between 0 and 1. What the variations bring beyond is cut.

    The network is asked and told once an image, in its last step: loss and error (softmax and
    cross-entropy), modulators and gate are 0 in all other steps. So a rule needs a memory of the
    spikes before. After that step a new trial begins (reset).
    Metric `accuracy`: the share of right answers, over these steps.

    Raises: BadInput for another task than digits, and from `sample` as in task digits.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
    """

    digits: Annotated[Digits, plugin("task")] = DIGITS
    code: Literal["latency", "poisson"] = "latency"
    image_steps: Count = 20
    dimmest: Probability = 0.2
    rate: Positive = 200.0

    def __post_init__(self) -> None:
        if not isinstance(self.digits, Digits):
            images = f"task spike_classification: digits={name_of(type(self.digits))}"
            raise BadInput(images, "task digits", "write digits: {name: digits, ...}")

    def shape(self) -> TaskShape:
        images = self.digits.shape()
        phases = tuple((n * self.image_steps, plastic) for n, plastic in images.phases)
        offers = images.offers | {"gate", "reset"}
        return images._replace(phases=phases, offers=offers, classes=False)

    def chance(self) -> float | None:
        return self.digits.chance()

    def files(self) -> dict[str, str]:
        return self.digits.files()

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        stream = self.digits.sample(key, split)
        return replace(stream, inputs=self.digits.brightness(stream.inputs))

    def begin(self, task: _few_shot.Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(
        self, task: _few_shot.Stream, state: Array, key: Key, dt: float
    ) -> dict[str, Array]:
        brightness = task.inputs[state // self.image_steps]
        lit = brightness > self.dimmest
        if self.code == "latency":
            late = (1.0 - brightness) / (1.0 - self.dimmest)
            step = jnp.round(late * (self.image_steps - 1)).astype(state.dtype)
            spikes = lit & (step == state % self.image_steps)
        else:
            p = -jnp.expm1(-self.rate * dt * brightness)
            spikes = lit & (jax.random.uniform(key, p.shape, p.dtype) < p)
        return {"input": spikes.astype(brightness.dtype)}

    def step(
        self, task: _few_shot.Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        image = state // self.image_steps
        _, answered = _few_shot.answer(task, image, output, self.digits.blocks)
        answer = answered.feedback
        end = (state % self.image_steps == self.image_steps - 1).astype(answer.error.dtype)
        modulators = {name: end * value for name, value in answer.modulators.items()}
        signals = replace(
            answer, error=end * answer.error, modulators=modulators, gate=end, reset=end
        )
        score = replace(answered.score, loss=end * answered.score.loss, weight=end)
        return state + 1, Outcome(feedback=signals, score=score)
