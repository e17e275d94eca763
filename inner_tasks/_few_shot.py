"""What few-shot classification families share: a stream of examples, then queries with plasticity
off.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree


@pytree
class Stream:
    """A whole life's stimuli [n_steps, n_in] and class labels [n_steps], in the order shown."""

    inputs: Array
    labels: Array


class Labelled(Protocol):
    """A life's class labels [n_steps]."""

    @property
    def labels(self) -> Array: ...


class Difficulty(NamedTuple):
    """What makes a stream harder. blocks: the classes are shown in so many groups, one after the
    other; label_noise: the share of shown examples whose label is drawn at random; input_noise:
    standard deviation added to every input.
    """

    blocks: int = 1
    label_noise: float = 0.0
    input_noise: float = 0.0


def check_blocks(n_classes: int, blocks: int) -> None:
    """Raises: BadInput where the classes cannot be cut into so many equal groups."""
    if n_classes % blocks:
        raise BadInput(
            f"blocks={blocks}", f"a divisor of n_classes={n_classes}", "choose one of the two anew"
        )


def shape(n_in: int, n_classes: int, shots: int, queries: int, per_class: bool = True) -> TaskShape:
    """`shots` examples (of every class, or in all) one at a time with plasticity on, then `queries`
    with it off.
    """
    times = n_classes if per_class else 1
    phases = ((shots * times, True), (queries * times, False))
    offers = frozenset({"error", "target", "surprise", "reward"})
    return TaskShape({"input": n_in}, n_classes, phases, offers, differentiable=True, classes=True)


def padded(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(the rows of every class [n_classes, n_max], filled up with zeros, how many of them are real
    [n_classes]).
    """
    counts = np.asarray([len(row) for row in rows])
    table = np.zeros((len(rows), max(counts)), np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table, counts


def picked(uniform: Array, table: Array, counts: Array, n: int) -> Array:
    """`n` different real entries of every row of a padded table: [n_classes, n]; uniform
    [table.size] decides which.
    """
    real = jnp.arange(table.shape[1])[None, :] < counts[:, None]
    order = jnp.argsort(jnp.where(real, uniform.reshape(table.shape), 2.0), axis=1)[:, :n]
    return jnp.take_along_axis(table, order, axis=1)


def shuffled(uniform: Array, inputs: Array, shots: int, blocks: int = 1) -> Stream:
    """A stream in random order from inputs [n_classes, shots + queries, n_in]: the first `shots` of
    a class are shown, class after class in `blocks` groups. uniform: as in `staged`."""
    n_classes = inputs.shape[0]
    block = jnp.arange(n_classes)[:, None] * blocks // n_classes
    return staged(uniform, inputs, jnp.broadcast_to(block, (n_classes, shots)))


def staged(uniform: Array, inputs: Array, stages: Array) -> Stream:
    """A stream from inputs [n_classes, shots + queries, n_in]: those shown stage after stage, in
    random order within a stage, then the queries in random order.

    stages [n_classes, shots]: whole numbers; uniform [n_classes * (shots + queries)]: the random
    numbers in [0, 1) that decide the order. Labels are the classes.
    """
    n_classes, n_each, n_in = inputs.shape
    labels = jnp.broadcast_to(jnp.arange(n_classes)[:, None], (n_classes, n_each))
    n_shown, shots = stages.size, stages.shape[1]

    def order(u: Array, x: Array, y: Array) -> tuple[Array, Array]:
        index = jnp.argsort(u)
        return x.reshape(-1, n_in)[index], y.reshape(-1)[index]

    stage = stages.reshape(-1).astype(uniform.dtype)
    shown = order(uniform[:n_shown] + stage, inputs[:, :shots], labels[:, :shots])
    asked = order(uniform[n_shown:], inputs[:, shots:], labels[:, shots:])
    return Stream(
        inputs=jnp.concatenate([shown[0], asked[0]]), labels=jnp.concatenate([shown[1], asked[1]])
    )


def harder(
    key: Key, stream: Stream, n_shown: int, n_classes: int, difficulty: Difficulty
) -> Stream:
    """The stream with wrong labels among the `n_shown` examples and noise on every input. Its
    random numbers are its
    own: without noise the stream is what it was."""
    k_wrong, k_label, k_input = jax.random.split(jax.random.fold_in(key, 1), 3)
    inputs, labels = stream.inputs, stream.labels
    if difficulty.label_noise:
        wrong = jax.random.uniform(k_wrong, labels.shape) < difficulty.label_noise
        drawn = jax.random.randint(k_label, labels.shape, 0, n_classes, labels.dtype)
        labels = jnp.where(wrong & (jnp.arange(labels.size) < n_shown), drawn, labels)
    if difficulty.input_noise:
        inputs = inputs + difficulty.input_noise * jax.random.normal(k_input, inputs.shape)
    return Stream(inputs=inputs, labels=labels)


def pieces(flat: Array, *sizes: int) -> list[Array]:
    """One flat draw cut into pieces: each separate draw would cost about 0.3 s of compilation."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [flat[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def answer(task: Labelled, t: Array, output: NeuronView, blocks: int = 1) -> tuple[Array, Outcome]:
    """Softmax and cross-entropy: error = p - target, which is d loss / d output; accuracy is 1 for
    the right class.

    Modulators: surprise, this step's loss; reward, 1 where the answer is right. With several blocks
    the metrics also tell accuracy on the classes of the last one (`new`) and of those before
    (`old`), scaled such that their mean over equally frequent classes is the accuracy on the
    classes they are about.
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
    told = feedback(
        n_out,
        error=jnp.exp(log_p) - target,
        target=target,
        modulators={"surprise": score.loss, "reward": correct},
    )
    return t + 1, Outcome(feedback=told, score=score)
