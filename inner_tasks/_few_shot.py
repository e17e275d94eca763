"""What few-shot classification families share: a stream of examples, then queries with plasticity off."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import NeuronView, Outcome, Score, TaskShape, feedback, pytree


@pytree
class Stream:
    """A whole life's stimuli [n_steps, n_in] and class labels [n_steps], in the order shown."""

    inputs: Array
    labels: Array


def shape(n_in: int, n_classes: int, shots: int, queries: int) -> TaskShape:
    """`shots` examples per class one at a time with plasticity on, then `queries` per class with plasticity off."""
    phases = ((shots * n_classes, True), (queries * n_classes, False))
    return TaskShape({"input": n_in}, n_classes, phases, frozenset({"error", "target"}), differentiable=True)


def shuffled(uniform: Array, inputs: Array, shots: int) -> Stream:
    """A stream in random order from inputs [n_classes, shots + queries, n_in]: the first `shots` of a class are shown.

    uniform [n_classes * (shots + queries)]: the random numbers that decide the order.
    """
    n_classes, n_each, n_in = inputs.shape
    labels = jnp.broadcast_to(jnp.arange(n_classes)[:, None], (n_classes, n_each))
    n_shown = n_classes * shots

    def order(u: Array, x: Array, y: Array) -> tuple[Array, Array]:
        index = jnp.argsort(u)
        return x.reshape(-1, n_in)[index], y.reshape(-1)[index]

    shown = order(uniform[:n_shown], inputs[:, :shots], labels[:, :shots])
    asked = order(uniform[n_shown:], inputs[:, shots:], labels[:, shots:])
    return Stream(inputs=jnp.concatenate([shown[0], asked[0]]), labels=jnp.concatenate([shown[1], asked[1]]))


def pieces(flat: Array, *sizes: int) -> list[Array]:
    """One flat draw cut into pieces: each separate draw would cost about 0.3 s of compilation."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [flat[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def answer(task: Stream, t: Array, output: NeuronView) -> tuple[Array, Outcome]:
    """Softmax and cross-entropy: error = p - target, which is d loss / d output; accuracy is 1 for the right class."""
    n_out = output.activity.shape[0]
    label = task.labels[t]
    target = jax.nn.one_hot(label, n_out, dtype=output.activity.dtype)
    log_p = jax.nn.log_softmax(output.activity)
    correct = (jnp.argmax(output.activity) == label).astype(output.activity.dtype)
    score = Score(loss=-log_p[label], weight=jnp.ones(()), metrics={"accuracy": correct})
    return t + 1, Outcome(feedback=feedback(n_out, error=jnp.exp(log_p) - target, target=target), score=score)
