"""The bits of a rule, and the bits that a life learns."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.inspection.ends import ends_of
from metaplast.inspection.subject import Subject
from metaplast.language import expression
from metaplast.language.grammar import SIGNALS
from metaplast.problem.lives import Batch
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, estimate
from metaplast.reuse.node import nodes, tree, walk
from metaplast.tasks import Split

N_LIVES = 64
MOST_BITS = 16
LOSS = 0.01
"""The share of the score that may be lost."""
N_TASKS = 8
LIVES_PER_TASK = 4


class Coded(NamedTuple):
    """The rule's numbers at one resolution.

    bits: of each number.
    worse: how much worse the score is than that of the exact numbers, on the same lives; more than
        0 is worse.
    """

    bits: int
    worse: Estimate


class RuleBits(NamedTuple):
    """The bits of a rule.

    n_numbers: the numbers of the rule.
    coded: every resolution.
    bits: the fewest bits of a number whose mean score is at most LOSS worse; None where MOST_BITS
        do not suffice.
    total: bits times numbers; None likewise.
    score: the score of the exact numbers.
    tree_nodes: nodes of the expression trees, 0 for a rule without.
    form: bits of these trees without their numbers.
    """

    n_numbers: int
    coded: list[Coded]
    bits: int | None
    total: int | None
    score: Estimate
    tree_nodes: int
    form: float


class LearnedBits(NamedTuple):
    """The bits on its task that the weights at the end of a life hold, at least.

    n_tasks: tasks, equally likely.
    n_lives: lives that were decoded.
    read: what the decoder reads: `weights`, or `products` of successive matrices.
    error: share of lives whose task was decoded wrongly, with Wilson's interval.
    bits: Fano's bound at that error.
    low: Fano's bound at the upper end of the error: the bits that can be claimed.
    error_at_birth: the same share from the weights at birth, with its interval.
    error_by_chance: (n_tasks - 1) / n_tasks.
    """

    n_tasks: int
    n_lives: int
    read: str
    error: Estimate
    bits: float
    low: float
    error_at_birth: Estimate
    error_by_chance: float

    @property
    def births_tell(self) -> bool:
        """Whether the weights at birth tell the task: their error is below chance by its interval.

        The bits at the end of a life are then not known to be learned.
        """
        return self.error_at_birth.high < self.error_by_chance


def rule_bits(
    subject: Subject, split: Split = "validation", n_lives: int = N_LIVES
) -> RuleBits | None:
    """The fewest bits that keep a rule's score within LOSS of itself.

        bits = min over b of b #theta,  with mean score(b) at most 1 % worse than the exact score

    All numbers of the rules are quantised uniformly to 2^b levels between the smallest and the
    largest of them. Of a symbolic rule, `form` adds nodes log2(#operators + #terminals). Only lives
    count that are finite under the exact numbers.

    None for fewer than three numbers: the ends of the range would hold them all.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives, the same at every resolution.

    Source:
        own definition.
    """
    n_numbers = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(subject.theta["rules"]))
    if n_numbers < 3:
        return None
    problem = subject.problem.whole()
    batch = _some(subject, split, n_lives)
    members = [jax.tree.map(np.asarray, subject.theta)]
    for bits in range(1, MOST_BITS + 1):
        rules = _quantised(members[0]["rules"], bits)
        members.append({**members[0], "rules": rules})
    thetas = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    _, metrics = search_loop.evaluate(problem, thetas, batch)
    name = "life_loss" if subject.metric == "loss" else subject.metric
    scores = np.asarray(metrics[name], np.float64)
    finite = np.isfinite(scores[0])
    exact = scores[0][finite]
    coded = []
    enough: int | None = None
    for bits in range(1, MOST_BITS + 1):
        worse = estimate([subject.better_by(exact, scores[bits][finite])])
        coded.append(Coded(bits, worse))
        if enough is None and worse.mean <= LOSS * abs(float(np.mean(exact))):
            enough = bits
    total = None
    if enough is not None:
        total = enough * n_numbers
    n_nodes, form = _form(subject)
    return RuleBits(n_numbers, coded, enough, total, estimate([exact]), n_nodes, form)


def _quantised(rules: Any, bits: int) -> Any:
    """All numbers at the nearest of 2^bits levels between the least and the largest of them."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(rules) if np.size(leaf)]
    if not leaves:
        return rules
    low = min(float(leaf.min()) for leaf in leaves)
    high = max(float(leaf.max()) for leaf in leaves)
    width = (high - low) / (2**bits - 1)

    def nearest(leaf: np.ndarray) -> np.ndarray:
        if width == 0:
            return leaf
        return (low + width * np.round((leaf - low) / width)).astype(leaf.dtype)

    return jax.tree.map(nearest, rules)


def _form(subject: Subject) -> tuple[int, float]:
    """(Nodes of the expression trees of a rule file, bits of them without their numbers)."""
    n_nodes = 0
    if not subject.file.document:
        return 0, 0.0
    for rule in nodes(subject.file.document, subject.file.tensors).values():
        for _, part in walk(rule):
            if part.account.shows == "expression":
                n_nodes += len(list(expression.nodes(tree(part))))
    n_symbols = len(expression.OPERATORS) + len(SIGNALS) + 1
    return n_nodes, n_nodes * math.log2(n_symbols)


def learned_bits(
    subject: Subject,
    split: Split = "validation",
    n_tasks: int = N_TASKS,
    lives_per_task: int = LIVES_PER_TASK,
) -> LearnedBits:
    """The bits on its task that the weights at the end of a life hold, at least.

        I >= log2 K - H_b(P_e) - P_e log2(K - 1)

    K tasks are drawn, and each is lived several times from other births. The task of a life is
    decoded from its final plastic weights: it is that of the nearest mean of other lives. With the
    error P_e, Fano's inequality bounds the information from below, and log2 K from above. A task is
    all that a family draws, so it may be a set of images and not only a name.

    Hidden units have no names, so weights of lives from other births are hard to compare. Where two
    matrices of plastic weights follow each other, a second decoder reads their product instead. The
    better of the two counts, with intervals for two tries.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_tasks: K.
        lives_per_task: lives of each task, at least 2.

    Source:
        Fano 1961, Transmission of Information; Cover & Thomas 2006, theorem 2.10.1.
    """
    batch = _some(subject, split, n_tasks)
    n = batch.keys.shape[0]
    labels = np.tile(np.arange(n), lives_per_task)
    rounds = np.repeat(np.arange(lives_per_task), n)
    tasks = jax.tree.map(lambda leaf: leaf[labels], batch.tasks)
    keys = jax.random.split(search_loop.stream(subject.seed, split, 1), len(labels))
    lived = ends_of(subject.problem, [subject.theta], Batch(tasks=tasks, keys=keys))
    at_end = features(subject, lived.final)
    at_birth = features(subject, lived.born)
    best = ""
    errors = {}
    for name, values in at_end.items():
        finite = np.all(np.isfinite(values), axis=1)
        known = np.where(finite[:, None], values, 0.0)
        errors[name] = int((decoded_wrongly(known, labels, rounds) | ~finite).sum())
        if not best or errors[name] < errors[best]:
            best = name
    error = wilson(errors[best], len(labels), len(errors))
    return LearnedBits(
        n,
        len(labels),
        best,
        error,
        fano(error.mean, n),
        fano(error.high, n),
        wilson(int(decoded_wrongly(at_birth[best], labels, rounds).sum()), len(labels)),
        (n - 1) / n,
    )


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


def decoded_wrongly(values: np.ndarray, labels: np.ndarray, rounds: np.ndarray) -> np.ndarray:
    """Marks [n] of the lives whose label is not that of the nearest mean of the other rounds.

    A whole round is left out at a time, so that the means of all labels have equally many lives.

    Args:
        values: [n, n_features].
        labels: [n].
        rounds: [n]; every round holds each label once.
    """
    every = np.unique(labels)
    wrong = np.zeros(len(labels), bool)
    for left_out in np.unique(rounds):
        known = rounds != left_out
        means = np.stack([values[known & (labels == each)].mean(axis=0) for each in every])
        for life in np.flatnonzero(~known):
            distances = np.sum((means - values[life]) ** 2, axis=1)
            wrong[life] = every[int(np.argmin(distances))] != labels[life]
    return wrong


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


def wilson(k: int, n: int, tries: int = 1) -> Estimate:
    """The share k / n with Wilson's 95 % interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209).

    Args:
        k: the number that counts.
        n: of how many.
        tries: the number of shares of which the best is taken; each interval is wider then.
    """
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0)
    z = NormalDist().inv_cdf(1 - 0.025 / tries)
    share = k / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def _some(subject: Subject, split: Split, n: int) -> Batch:
    """The first n lives of a split."""
    batch = batches(subject.problem, subject.seed, split, n)[0]
    return jax.tree.map(lambda leaf: leaf[:n], batch)
