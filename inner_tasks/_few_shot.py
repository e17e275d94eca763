"""The common parts of few-shot classification: a stream of examples, then queries.

Plasticity is on while examples are shown, and off for the queries.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.tasks import AbstractTaskFamily


@pytree
class Stream:
    """One whole life, in the order in which it is shown.

    inputs [n_steps, n_in]: the stimuli.
    labels [n_steps]: the classes.
    """

    inputs: Array
    labels: Array


class Labelled(Protocol):
    """A task with the class labels [n_steps] of a life."""

    @property
    def labels(self) -> Array: ...


class Difficulty(NamedTuple):
    """Settings that make a stream harder.

    blocks: the classes are shown in so many groups, one group after the other.
    label_noise: the share of shown examples whose label is drawn at random.
    input_noise: standard deviation that is added to every input.
    """

    blocks: int = 1
    label_noise: float = 0.0
    input_noise: float = 0.0


def check_blocks(n_classes: int, blocks: int) -> None:
    """Raises: BadInput where the classes cannot be cut into so many equal groups."""
    if n_classes % blocks:
        expected = f"a divisor of n_classes={n_classes}"
        raise BadInput(f"blocks={blocks}", expected, "choose one of the two anew")


def shape(n_in: int, n_classes: int, shots: int, queries: int, per_class: bool = True) -> TaskShape:
    """The shape of a task that shows examples one at a time, then asks queries.

    Args:
        n_in: the number of inputs.
        n_classes: the number of classes.
        shots: examples that are shown, with plasticity on.
        queries: examples that are asked, with plasticity off.
        per_class: whether `shots` and `queries` are numbers of one class, or of all classes.
    """
    times = n_classes if per_class else 1
    phases = ((shots * times, True), (queries * times, False))
    offers = frozenset({"error", "target", "surprise", "reward"})
    return TaskShape({"input": n_in}, n_classes, phases, offers, differentiable=True, classes=True)


class Padded(NamedTuple):
    """The rows of every class as one table.

    table [n_classes, n_max]: the rows, filled up with zeros.
    counts [n_classes]: how many rows of each class are real.
    """

    table: np.ndarray
    counts: np.ndarray


def padded(rows: list[np.ndarray]) -> Padded:
    """The rows of each class as one table."""
    counts = np.asarray(list(map(len, rows)))
    table = np.zeros((len(rows), max(counts)), np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return Padded(table, counts)


def picked(uniform: Array, table: Array, counts: Array, n: int) -> Array:
    """Different real entries of every row of a padded table.

    Args:
        uniform: numbers in [0, 1) [table.size], which decide the entries.
        table: [n_classes, n_max].
        counts: the number of real entries of each row [n_classes].
        n: the number of entries to pick.

    Returns: the entries [n_classes, n].
    """
    real = jnp.arange(table.shape[1])[None, :] < counts[:, None]
    order = jnp.argsort(jnp.where(real, uniform.reshape(table.shape), 2.0), axis=1)[:, :n]
    return jnp.take_along_axis(table, order, axis=1)


class Passes(NamedTuple):
    """How often the shown examples of a life come.

    shots: examples of each class.
    n: passes over them.
    rewarp: from the second pass on, the examples come under a variation of their own: each of its
        six numbers lies within `rewarp` of that of the life, and in [-1, 1]. 0: they come as in the
        first pass.
    """

    shots: int
    n: int = 1
    rewarp: float = 0.0


def in_passes(
    key: Key,
    uniform: Array,
    features: Array,
    passes: Passes,
    vary: Callable[[Array, Array], Array],
) -> Array:
    """The examples of a life, varied: those of every pass, then those that are asked.

    A fresh variation draws from a stream of random numbers of its own: without it, the life stays
    as it was.

    Args:
        key: the key of the life.
        uniform: six numbers in [0, 1), which decide the variation of the life.
        features: [n_classes, shots + queries, n_in].
        passes: the passes.
        vary: (six numbers in [-1, 1], features) -> the features under that variation.

    Returns: [n_classes, shots * n + queries, n_in].
    """
    own = 2.0 * uniform - 1.0
    varied = vary(own, features)
    shown = varied[:, : passes.shots]
    asked = varied[:, passes.shots :]
    repeats = [shown] * (passes.n - 1)
    if passes.rewarp and passes.n > 1:
        k_warps = jax.random.fold_in(key, 2)
        moves = jax.random.uniform(k_warps, (passes.n - 1, *own.shape), minval=-1.0)
        warps = jnp.clip(own[None] + passes.rewarp * moves, -1.0, 1.0)
        again = features[:, : passes.shots]
        repeats = list(jax.vmap(vary, (0, None))(warps, again))
    return jnp.concatenate([shown, *repeats, asked], axis=1)


def shuffled(
    uniform: Array, inputs: Array, shots: int, blocks: int = 1, n_passes: int = 1
) -> Stream:
    """A stream in random order.

    Args:
        uniform: numbers in [0, 1) [n_classes * (shots * n_passes + queries)], which decide the
            order.
        inputs: [n_classes, shots * n_passes + queries, n_in]. The first `shots * n_passes` of a
            class are shown.
        shots: examples of each class that are shown in one pass.
        blocks: the classes are shown in so many groups, one group after the other.
        n_passes: the passes over the examples of a block, one after the other.
    """
    n_classes = inputs.shape[0]
    block = jnp.arange(n_classes)[:, None] * blocks // n_classes
    in_pass = jnp.arange(shots * n_passes)[None] // shots
    return staged(uniform, inputs, block * n_passes + in_pass)


def staged(uniform: Array, inputs: Array, stages: Array) -> Stream:
    """A stream that shows examples stage after stage, then asks the queries.

    The order is random within a stage, and among the queries. Labels are the classes.

    Args:
        uniform: numbers in [0, 1) [n_classes * (shots + queries)], which decide the order.
        inputs: [n_classes, shots + queries, n_in]. The first `shots` of a class are shown.
        stages: the stage of every shown example, whole numbers [n_classes, shots].
    """
    n_classes, n_each, n_in = inputs.shape
    labels = jnp.broadcast_to(jnp.arange(n_classes)[:, None], (n_classes, n_each))
    n_shown = stages.size
    shots = stages.shape[1]

    def in_order(u: Array, x: Array, y: Array) -> Stream:
        index = jnp.argsort(u)
        return Stream(inputs=x.reshape(-1, n_in)[index], labels=y.reshape(-1)[index])

    stage = stages.reshape(-1).astype(uniform.dtype)
    shown = in_order(uniform[:n_shown] + stage, inputs[:, :shots], labels[:, :shots])
    asked = in_order(uniform[n_shown:], inputs[:, shots:], labels[:, shots:])
    return Stream(
        inputs=jnp.concatenate([shown.inputs, asked.inputs]),
        labels=jnp.concatenate([shown.labels, asked.labels]),
    )


def harder(
    key: Key, stream: Stream, n_shown: int, n_classes: int, difficulty: Difficulty
) -> Stream:
    """The stream with wrong labels among the shown examples, and with noise on every input.

    It draws from a stream of random numbers of its own: without noise, the stream stays as it was.

    Args:
        key: the key of the life.
        stream: the stream before.
        n_shown: the number of shown examples, which come first.
        n_classes: the number of classes.
        difficulty: the noise.
    """
    k_wrong, k_label, k_input = jax.random.split(jax.random.fold_in(key, 1), 3)
    inputs = stream.inputs
    labels = stream.labels
    if difficulty.label_noise:
        wrong = jax.random.uniform(k_wrong, labels.shape) < difficulty.label_noise
        drawn = jax.random.randint(k_label, labels.shape, 0, n_classes, labels.dtype)
        labels = jnp.where(wrong & (jnp.arange(labels.size) < n_shown), drawn, labels)
    if difficulty.input_noise:
        inputs = inputs + difficulty.input_noise * jax.random.normal(k_input, inputs.shape)
    return Stream(inputs=inputs, labels=labels)


def pieces(flat: Array, *sizes: int) -> list[Array]:
    """One flat draw, cut into pieces of these sizes.

    Each separate draw would cost about 0.3 s of compilation.
    """
    cut = []
    start = 0
    for size in sizes:
        cut.append(flat[start : start + size])
        start += size
    return cut


def answer(task: Labelled, t: Array, output: NeuronView, blocks: int = 1) -> tuple[Array, Outcome]:
    """The next step, and the outcome of this one: softmax and cross-entropy.

        error = p - target = d loss / d output

    Modulators: `surprise`, the loss of this step; `reward`, 1 where the answer is right, else 0.
    Metric `accuracy`: as `reward`. With several blocks, `accuracy_new` is the accuracy on the
    classes of the last block, and `accuracy_old` on the classes before it. Both are 0 at the other
    classes. They are scaled such that their mean over equally frequent classes is that accuracy.

    Args:
        task: the labels of the life.
        t: the number of the step [].
        output: the output neurons.
        blocks: the number of groups in which classes are shown.
    """
    n_out = output.activity.shape[0]
    label = task.labels[t]
    target = jax.nn.one_hot(label, n_out, dtype=output.activity.dtype)
    log_p = jax.nn.log_softmax(output.activity)
    correct = (jnp.argmax(output.activity) == label).astype(output.activity.dtype)
    metrics = {"accuracy": correct}
    if blocks > 1:
        new = (label * blocks // n_out == blocks - 1).astype(correct.dtype)
        metrics |= {
            "accuracy_new": correct * new * blocks,
            "accuracy_old": correct * (1.0 - new) * blocks / (blocks - 1),
        }
    score = Score(loss=-log_p[label], weight=jnp.ones(()), metrics=metrics)
    signals = feedback(
        n_out,
        error=jnp.exp(log_p) - target,
        target=target,
        modulators={"surprise": score.loss, "reward": correct},
    )
    return t + 1, Outcome(feedback=signals, score=score)


class FewShot(AbstractTaskFamily):
    """A family whose tasks are streams of examples and queries."""

    @property
    def difficulty(self) -> Difficulty:
        """The settings that make the streams harder."""
        return Difficulty()

    def begin(self, task: Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Stream, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        return answer(task, state, output, self.difficulty.blocks)
