"""Cells that have to fire at a set rate, whatever drives them."""

from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Gt, Lt
from jax import Array, lax

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

SLOWEST = 0.1  # hertz; a life whose population is slower has blown up
FASTEST = 100.0  # hertz; a life whose population is faster has blown up
WATCH = 0.1  # seconds over which that rate is taken
BLOWN = 160.0  # the loss of a life that blows up at its very end; twice that at its beginning


@pytree
class Watched:
    """The state of a life.

    t []: steps gone by.
    spikes [n_out]: spikes in the window of this stretch so far.
    rate []: the running rate of the population, in hertz.
    blown []: the step at which the rate left its bounds; n_steps while it has not.
    """

    t: Array
    spikes: Array
    rate: Array
    blown: Array


@register("task", "homeostasis")
@spec
class Homeostasis(AbstractTaskFamily):
    """Every output cell has to fire at `target` hertz at the end of every stretch of a life.

        loss = min(160, mean_j (r_j - target)^2 / (r_j + 0.1))
        loss = 160 (1 + exp(-t / T))                             in a life that blew up

    n_in: the number of inputs.
    n_out: the number of output cells.
    target: the rate to fire at, in hertz.
    rate: of the inputs before both factors, in hertz.
    spread: standard deviation of the logarithm of either factor.
    n_steps: steps of a life.
    window: steps at the end of a stretch that are scored.
    n_stretches: stretches of a life, all of one length. Each has input factors of its own.
    r_j: spikes of cell j in the window, over the length of the window, in hertz.
    t: the time at which the running rate of the population left 0.1 to 100 Hz.
    T: the length of the life.

    The running rate starts at the target and has a time constant of 0.1 s. To blow up late costs
    less. Activities have to be spikes.

        stimulus_i = rate exp(spread a) exp(spread b_i)

    stimulus [n_in]: the rate of each input, in hertz; `source: poisson` of a network makes spikes
        of it.
    a []: drawn from N(0, 1), one number of a stretch.
    b [n_in]: drawn from N(0, 1), one number of an input in a stretch.

    A rule can learn from the activity alone: the task offers nothing else. Gradients are those of
    mean_j (r_j - target)^2 / (r_j + 0.1), also in a life that costs 160 or blew up.
    Metrics: `rate`, `median_rate`, `max_rate` (mean, median and largest r_j), `median_error`
    (|median of r_j - target| / target), `within_half` (the share of cells with |r_j - target| at
    most target / 2), `blown` (0/1).
    Splits: disjoint streams of the key.
    Raises: BadInput where n_stretches does not divide n_steps.
    Source: Confavreux et al. 2025, with lives of seconds instead of minutes.
    """

    n_in: Count = 40
    n_out: Count = 40
    target: Annotated[float, Gt(SLOWEST), Lt(FASTEST)] = 10.0
    rate: Positive = 20.0
    spread: NonNegative = 0.3
    n_steps: Count = 2000
    window: Count = 1000
    n_stretches: Count = 1

    def __post_init__(self) -> None:
        if self.n_steps % self.n_stretches:
            what = f"n_stretches={self.n_stretches} with n_steps={self.n_steps}"
            raise BadInput(what, "stretches of one length", "change one of the two")

    @property
    def stretch_steps(self) -> int:
        """Steps of a stretch."""
        return self.n_steps // self.n_stretches

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        return TaskShape({"input": self.n_in}, self.n_out, phases, frozenset(), differentiable=True)

    def halved(self) -> "Homeostasis":
        return replace(self, n_steps=2 * self.n_steps, window=2 * self.window)

    def sample(self, key: Key, split: Split) -> Array:
        k_life, k_inputs = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        of_all = jax.random.normal(k_life, (self.n_stretches, 1))
        faster = of_all + jax.random.normal(k_inputs, (self.n_stretches, self.n_in))
        return self.rate * jnp.exp(self.spread * faster)

    def begin(self, task: Array, key: Key, dt: float) -> Watched:
        return Watched(
            t=jnp.zeros((), jnp.int32),
            spikes=jnp.zeros(self.n_out),
            rate=jnp.full((), self.target),
            blown=jnp.full((), self.n_steps, jnp.int32),
        )

    def stimulus(self, task: Array, state: Watched, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task[state.t // self.stretch_steps]}

    def step(
        self, task: Array, state: Watched, output: NeuronView, key: Key, dt: float
    ) -> tuple[Watched, Outcome]:
        kept = jnp.exp(-dt / WATCH)
        rate = kept * state.rate + (1.0 - kept) * jnp.mean(output.activity) / dt
        outside = (rate < SLOWEST) | (rate > FASTEST)
        blown = jnp.where(outside, jnp.minimum(state.blown, state.t), state.blown)
        window = min(self.window, self.stretch_steps)
        within = state.t % self.stretch_steps
        before = jnp.where(within == 0, 0.0, state.spikes)
        spikes = before + jnp.where(within >= self.stretch_steps - window, output.activity, 0.0)
        r = spikes / (window * dt)
        deviation = jnp.mean((r - self.target) ** 2 / (jnp.maximum(r, 0.0) + 0.1))
        burst = blown < self.n_steps
        lost = BLOWN * (1.0 + jnp.exp(-blown.astype(rate.dtype) / self.n_steps))
        worth = lax.stop_gradient(jnp.where(burst, lost, jnp.minimum(BLOWN, deviation)))
        loss = worth + (deviation - lax.stop_gradient(deviation))
        last = (within == self.stretch_steps - 1).astype(rate.dtype)
        middle = _median(r)
        metrics = {
            "rate": jnp.mean(r),
            "median_rate": middle,
            "max_rate": jnp.max(r),
            "median_error": jnp.abs(middle - self.target) / self.target,
            "within_half": jnp.mean((jnp.abs(r - self.target) <= self.target / 2).astype(r.dtype)),
            "blown": burst.astype(rate.dtype),
        }
        score = Score(loss=loss, weight=last, metrics=metrics)
        after = Watched(t=state.t + 1, spikes=spikes, rate=rate, blown=blown)
        return after, Outcome(feedback=feedback(self.n_out), score=score)


def _median(values: Array) -> Array:
    """The median [] of values [n], by ranks: a sort takes as long as all the rest of a step."""
    n = len(values)
    at_most = jnp.sum(values[None, :] <= values[:, None], axis=1)
    low = jnp.min(jnp.where(at_most >= (n + 1) // 2, values, jnp.inf))
    high = jnp.min(jnp.where(at_most >= n // 2 + 1, values, jnp.inf))
    return (low + high) / 2.0
