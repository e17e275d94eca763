"""The bits that a life learns: the kind of its task, decoded from its final weights."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from metaplast import search_loop
from metaplast.inspection.ends import ends_of
from metaplast.inspection.subject import Subject
from metaplast.numerics.compiler import program
from metaplast.problem.lives import Batch
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, binomial
from metaplast.signals import Key
from metaplast.tasks import AbstractTaskFamily, Split

N_TASKS = 8
LIVES_PER_TASK = 4
STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001)
"""Of the ridge regression that decodes a task, in mean eigenvalues."""


class LearnedBits(NamedTuple):
    """The bits on its task that the weights at the end of a life hold, at least.

    n_tasks: tasks, equally likely.
    bits_task: of the family (`bits_task`); infinite where its tasks have no kinds with numbers. A
        task is then all that the family draws, and every life of a task has it whole.
    n_lives: lives that were decoded.
    read: what the decoder reads: `weights`, or `products` of successive matrices.
    error: share of lives whose task was decoded wrongly, with the interval of Clopper and Pearson.
    bits: Fano's bound at that error.
    low: Fano's bound at the upper end of the error: the bits that can be claimed.
    high: Fano's bound at the lower end.
    error_at_birth: the error from the weights of lives without plasticity, which are those at
        birth, with its interval.
    error_shuffled: the error from the final weights under labels that say nothing, likewise.
    error_by_chance: (n_tasks - 1) / n_tasks.
    """

    n_tasks: int
    bits_task: float
    n_lives: int
    read: str
    error: Estimate
    bits: float
    low: float
    high: float
    error_at_birth: Estimate
    error_shuffled: Estimate
    error_by_chance: float

    @property
    def births_tell(self) -> bool:
        """Whether the weights at birth tell the task: their error is below chance by its interval.

        The bits at the end of a life are then not known to be learned.
        """
        return self.error_at_birth.high < self.error_by_chance

    @property
    def bits_at_birth(self) -> float:
        """Fano's bound from the weights at birth."""
        return fano(self.error_at_birth.mean, self.n_tasks)

    @property
    def bits_shuffled(self) -> float:
        """Fano's bound under labels that say nothing."""
        return fano(self.error_shuffled.mean, self.n_tasks)


def learned_bits(
    subject: Subject,
    split: Split,
    n_tasks: int = N_TASKS,
    lives_per_task: int = LIVES_PER_TASK,
) -> LearnedBits | None:
    """The bits on its task that the weights at the end of a life hold, at least.

        I >= log2 K - H_b(P_e) - P_e log2(K - 1)

    K tasks are drawn, and each is lived several times. The task of a life is decoded from its final
    plastic weights, by the nearest mean or a ridge regression over other lives. With the error P_e,
    Fano's inequality bounds the information from below, whatever the decoder. log2 K bounds what
    can be shown.

    Where the family numbers the kinds of its tasks, a task is a kind, and every life draws the rest
    anew, such as images. Else a task is all that the family draws once. Each life has a birth of
    its own.

    Hidden units have no names, so weights of lives from other births are hard to compare. Where two
    matrices of plastic weights follow each other, a second decoder reads their product instead. The
    better of the two counts, with intervals for two tries.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_tasks: the most tasks K; fewer where the family has fewer kinds.
        lives_per_task: lives of each task, at least 2.

    Returns: the bits; None where there is no plastic edge, or one task alone.

    Source:
        Fano 1961, Transmission of Information; Cover & Thomas 2006, theorem 2.10.1.
    """
    if not subject.problem.lifetime.plastic():
        return None
    batch, labels, rounds = lessons(subject, split, n_tasks, lives_per_task)
    k = int(labels.max()) + 1
    if k < 2:
        return None
    lived = ends_of(subject.problem, [subject.theta], batch)
    at_end = features(subject, lived.final)
    errors = {name: _n_wrong(values, labels, rounds) for name, values in at_end.items()}
    read = min(errors, key=lambda name: errors[name])
    n = len(labels)
    error = binomial(errors[read], n, len(errors))
    at_birth = _n_wrong(features(subject, lived.born)[read], labels, rounds)
    shuffled = _n_wrong(at_end[read], _shuffled(labels, rounds, subject.seed), rounds)
    return LearnedBits(
        n_tasks=k,
        bits_task=subject.problem.lifetime.task.bits_task(split),
        n_lives=n,
        read=read,
        error=error,
        bits=fano(error.mean, k),
        low=fano(error.high, k),
        high=fano(error.low, k),
        error_at_birth=binomial(at_birth, n),
        error_shuffled=binomial(shuffled, n),
        error_by_chance=(k - 1) / k,
    )


class Lessons(NamedTuple):
    """Lives of several tasks.

    batch: the tasks and the keys of the lives.
    labels: the task of each life [n_lives].
    rounds: the round of each life [n_lives]; a round has each task once.
    """

    batch: Batch
    labels: np.ndarray
    rounds: np.ndarray


def lessons(subject: Subject, split: Split, n_tasks: int, lives_per_task: int) -> Lessons:
    """The lives whose tasks are decoded. The arguments are those of `learned_bits`."""
    family = subject.problem.lifetime.task
    key = search_loop.stream(subject.seed, split, 1)
    n_kinds = family.n_kinds(split)
    drawn = None
    k = n_tasks
    if n_kinds is None:
        drawn = batches(subject.problem, subject.seed, split, n_tasks)[0]
        k = min(k, drawn.keys.shape[0])
    else:
        k = min(k, n_kinds)
    labels = np.tile(np.arange(k), lives_per_task)
    rounds = np.repeat(np.arange(lives_per_task), k)
    if drawn is not None:
        tasks = jax.tree.map(lambda leaf: leaf[labels], drawn.tasks)
    else:
        k_kinds, k_tasks = jax.random.split(jax.random.fold_in(key, 1))
        kinds = jax.random.permutation(k_kinds, np.arange(n_kinds, dtype=np.int32))[labels]
        tasks = _of_kinds(family, jax.random.split(k_tasks, len(labels)), kinds, split)
    batch = Batch(tasks=tasks, keys=jax.random.split(key, len(labels)))
    return Lessons(batch, labels, rounds)


@program("family", "split", small=True)
def _of_kinds(family: AbstractTaskFamily, keys: Key, kinds: Array, split: Split) -> Any:
    """A task of each kind."""
    return jax.vmap(lambda key, kind: family.sample_kind(key, split, kind))(keys, kinds)


def features(subject: Subject, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{name: [n_lives, n_features]} of what a decoder may read from the plastic weights.

    `weights`: all of them. `products`: of two successive matrices, where there are such.

    Args:
        subject: the rule in its task.
        weights: {edge: [1, n_lives, n_synapses]}.
    """
    found = {"weights": np.concatenate([each[0] for each in weights.values()], axis=1)}
    edges = {name: edge for name, (edge, _) in subject.problem.lifetime.plastic().items()}
    products = []
    for first, one in edges.items():
        for second, other in edges.items():
            shapes = (one.connection.shape, other.connection.shape)
            matrices = all(len(shape) == 2 for shape in shapes)
            if one is other or one.post != other.pre or not matrices:
                continue
            left = weights[second][0].reshape(-1, *shapes[1])
            right = weights[first][0].reshape(-1, *shapes[0])
            if left.shape[2] == right.shape[1]:
                products.append((left @ right).reshape(len(left), -1))
    if products:
        found["products"] = np.concatenate(products, axis=1)
    return found


def _n_wrong(values: np.ndarray, labels: np.ndarray, rounds: np.ndarray) -> int:
    """The lives that are decoded wrongly; a life that is not finite always is."""
    finite = np.all(np.isfinite(values), axis=1)
    known = np.where(finite[:, None], values, 0.0)
    return int((decoded_wrongly(known, labels, rounds) | ~finite).sum())


def decoded_wrongly(values: np.ndarray, labels: np.ndarray, rounds: np.ndarray) -> np.ndarray:
    """Marks [n] of the lives whose label is not the decoded one.

    A whole round is left out at a time, so that all labels have equally many known lives. The
    decoder is the nearest mean of a label or a ridge regression onto the labels: the one with the
    fewest wrong answers on the known lives, each being left out in turn. The life that is asked
    plays no part in this choice.

    Args:
        values: [n, n_features].
        labels: [n].
        rounds: [n]; every round holds each label once.
    """
    every = np.unique(labels)
    values = np.asarray(values, np.float64)
    gram = values @ values.T
    wrong = np.zeros(len(labels), bool)
    for left_out in np.unique(rounds):
        known = rounds != left_out
        asked = ~known
        answers = (labels[known][:, None] == every[None, :]).astype(np.float64)
        among, across = gram[np.ix_(known, known)], gram[np.ix_(asked, known)]
        decoders = (_nearest_mean(among, across, answers), _ridge(among, across, answers))
        scores = min(decoders, key=lambda decoder: decoder.n_wrong).scores
        wrong[asked] = every[np.argmax(scores, axis=1)] != labels[asked]
    return wrong


class _Decoder(NamedTuple):
    """The answers of a decoder.

    n_wrong: wrong answers for the known lives, each being left out in turn.
    scores: of each label for the other lives [m, n_labels]; the largest is the answer.
    """

    n_wrong: int
    scores: np.ndarray


def _nearest_mean(gram: np.ndarray, across: np.ndarray, answers: np.ndarray) -> _Decoder:
    """The label whose mean is nearest: that of the largest 2 x m_c - m_c m_c.

    x: the features of a life.
    m_c: their mean over the known lives of label c.

    Args:
        gram: inner products of the known lives [n, n].
        across: inner products of the other lives with the known ones [m, n].
        answers: 1 for the label of a known life, else 0 [n, n_labels].
    """
    n_lives = answers.sum(axis=0)
    sums = gram @ answers
    squares = np.sum(answers * sums, axis=0)
    itself = answers * np.diag(gram)[:, None]
    others = n_lives - answers
    n_others = np.maximum(others, 1.0)
    squares_left = squares - 2.0 * answers * sums + itself
    left_out = 2.0 * (sums - itself) / n_others - squares_left / n_others**2
    left_out = np.where(others > 0, left_out, -np.inf)
    scores = 2.0 * across @ answers / n_lives - squares / n_lives**2
    return _Decoder(_n_unlike(left_out, answers), scores)


def _ridge(gram: np.ndarray, across: np.ndarray, answers: np.ndarray) -> _Decoder:
    """The label with the largest answer of a ridge regression with an intercept.

        scores = A (G + s m I)^-1 Y

    G: `gram`, centred.
    m: the mean eigenvalue of G.
    s: the strength, one of STRENGTHS: the one with the fewest wrong answers for known lives, each
        being left out in turn; of equal ones the largest. These answers need no new fit: they are
        y - (y - fitted) / (1 - leverage).
    A: `across`, centred likewise.
    Y: `answers`, centred.

    Args:
        gram: inner products of the known lives [n, n].
        across: inner products of the other lives with the known ones [m, n].
        answers: 1 for the label of a known life, else 0 [n, n_labels].

    Source: Hastie, Tibshirani & Friedman 2009, sections 3.4 and 7.10.
    """
    n = len(gram)
    means = gram.mean(axis=0)
    centred = gram - means[None, :] - means[:, None] + means.mean()
    across = across - across.mean(axis=1, keepdims=True) - means[None, :] + means.mean()
    wanted = answers - answers.mean(axis=0)
    eigenvalues, vectors = np.linalg.eigh(centred)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    scale = eigenvalues.mean()
    if scale == 0.0:
        return _Decoder(n, np.zeros((len(across), answers.shape[1])))
    along = vectors.T @ wanted
    fewest, best = n + 1, STRENGTHS[0]
    for strength in STRENGTHS:
        kept = eigenvalues / (eigenvalues + strength * scale)
        leverage = vectors**2 @ kept + 1.0 / n
        fitted = vectors @ (kept[:, None] * along)
        left_out = wanted - (wanted - fitted) / (1.0 - leverage)[:, None]
        n_wrong = _n_unlike(left_out, answers)
        if n_wrong < fewest:
            fewest, best = n_wrong, strength
    scores = across @ (vectors @ (along / (eigenvalues + best * scale)[:, None]))
    return _Decoder(fewest, scores)


def _n_unlike(scores: np.ndarray, answers: np.ndarray) -> int:
    """The lives whose largest score is not that of their label; both [n, n_labels]."""
    return int(np.sum(scores.argmax(axis=1) != answers.argmax(axis=1)))


def _shuffled(labels: np.ndarray, rounds: np.ndarray, seed: int) -> np.ndarray:
    """The labels in another order within each round, so that they say nothing of a life."""
    generator = np.random.default_rng(seed)
    shuffled = labels.copy()
    for each in np.unique(rounds):
        shuffled[rounds == each] = generator.permutation(labels[rounds == each])
    return shuffled


def fano(error: float, n_tasks: int) -> float:
    """log2 K - H_b(P_e) - P_e log2(K - 1), and 0 from the error of guessing on.

    Args:
        error: P_e.
        n_tasks: K.
    """
    if n_tasks < 2 or error >= (n_tasks - 1) / n_tasks:
        return 0.0
    entropy = 0.0
    for part in (error, 1 - error):
        if part > 0:
            entropy -= part * math.log2(part)
    return max(0.0, math.log2(n_tasks) - entropy - error * math.log2(n_tasks - 1))
