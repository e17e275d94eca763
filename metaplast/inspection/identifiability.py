"""The curvature of the loss: which combinations of a rule's numbers its task pins down."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.numbers import acting, names
from metaplast.inspection.subject import Subject
from metaplast.numerics.compiler import program
from metaplast.problem.layout import Layout, spread
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import BadInput
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, student
from metaplast.signals import Theta
from metaplast.tasks import Split

WORK = 2.5e9
"""Synapses times steps of all lives that are differentiated, by default."""
MOST_NUMBERS = 128
FEWEST_LIVES = 8
MOST_LIVES = 64
RISE = 0.01
"""The share of the loss by which a unit move of one number alone raises it."""
LONGEST = 0.02
SHORTEST = 1e-5
"""Bounds of the steps of differences, as shares of a number or of 1, whichever is larger."""
OF_UNIT = 0.1
"""The step of a difference of gradients, as a share of the unit."""
LIFE_CLIP = 10.0
"""The largest norm of the Hessian of one life, in medians of all lives."""
FLOOR = 1e-4
"""A curvature is told from 0 beyond this share of the largest: rounding hides less."""
PILOT_LIVES = 2
PILOT_ROUNDS = 4
MEMBERS = 32
"""Thetas in one call of the evaluation."""
PAIRS = 64
"""Pairs of a theta and a life in one call of the gradient."""
AT_ONCE = 2
"""Calls of the gradient at a time: one life after another leaves the second core idle."""

By = Literal["gradients", "losses"]


class Curvature(NamedTuple):
    """The Hessian of the mean loss of lives with respect to the searched numbers.

    All matrices are in units: entry (j, k) is divided by 2 RISE |loss| and multiplied by the units
    of j and k. A direction of eigenvalue 1 thus raises the loss by RISE of it over one unit.

    names: of the numbers [n].
    values: the numbers as they act [n].
    units: the move of each number alone that raises the loss by RISE of it [n]. A move is at most
        as long as the number, or 1 where the number is smaller.
    hessian: the mean over lives [n, n].
    eigenvalues: of the mean, the largest first [n].
    directions: the unit eigenvectors, one a row [n, n].
    estimates: the cross-validated curvature along each direction, with its interval over lives.
    alone: the curvature along each number alone, with its interval over lives.
    by: central differences of gradients, or differences of losses where the task has no gradient.
    n_lives: the lives that count.
    left_out: lives left out, because a number of them was not finite.
    clipped: lives whose Hessian was scaled down to LIFE_CLIP medians.
    asymmetry: of the differentiated gradients, as a share of the largest entry; the error of the
        differences. 0 for losses.
    loss: the mean loss, without a penalty of theta.
    penalised: whether the search had a penalty of theta, which is no part of this loss.
    pilots_left_out: lives that were to set the units and are not finite under the rule itself.
    unmeasured: the numbers whose every tried step makes these lives not finite. Their units are
        the shortest steps.
    """

    names: list[str]
    values: np.ndarray
    units: np.ndarray
    hessian: np.ndarray
    eigenvalues: np.ndarray
    directions: np.ndarray
    estimates: list[Estimate]
    alone: list[Estimate]
    by: By
    n_lives: int
    left_out: int
    clipped: int
    asymmetry: float
    loss: float
    penalised: bool
    pilots_left_out: int
    unmeasured: list[str]

    @property
    def stiff(self) -> np.ndarray:
        """Marks [n] of the directions along which the loss rises: the interval is above 0."""
        floor = FLOOR * max(float(self.eigenvalues[0]), 0.0)
        return np.asarray([estimate.low > floor for estimate in self.estimates])

    @property
    def falling(self) -> np.ndarray:
        """Marks [n] of the directions along which the loss bends down: the interval is below 0."""
        floor = FLOOR * float(np.abs(self.eigenvalues).max())
        return np.asarray([estimate.high < -floor for estimate in self.estimates])

    @property
    def felt(self) -> np.ndarray:
        """Marks [n] of the numbers whose move alone raises the loss: the interval is above 0."""
        return np.asarray([estimate.low > 0 for estimate in self.alone])

    @property
    def shares(self) -> np.ndarray:
        """The share [n] of each number's own direction that lies in the stiff directions."""
        return np.sum(self.directions[self.stiff] ** 2, axis=0)

    @property
    def flat_alone(self) -> np.ndarray:
        """Marks [n] of the numbers that may double, or move by 1, without a rise by RISE."""
        return self.units >= np.maximum(1.0, np.abs(self.values))

    def loadings(self, index: int, least: float = 0.2, most: int = 4) -> dict[str, float]:
        """{name: weight} of the largest weights of one direction, in units.

        Args:
            index: of the direction.
            least: the smallest weight that is named.
            most: the largest number of weights.
        """
        direction = self.directions[index]
        largest = np.argsort(-np.abs(direction))[:most]
        named = {}
        for place in largest:
            if abs(direction[place]) >= least or place == largest[0]:
                named[self.names[place]] = float(direction[place])
        return named


def curvature(
    subject: Subject,
    split: Split = "validation",
    n_lives: int | None = None,
    work: float = WORK,
    by: By | None = None,
    life_clip: float = LIFE_CLIP,
) -> Curvature:
    """The Hessian of the mean loss at a rule's numbers, its spectrum, and what lives say of it.

    The loss is that of lives. A penalty of theta, such as `l1`, is left out: where the loss of
    lives is near 0, the penalty alone would make every direction rise.

        H_i = d^2 (loss of life i) / d theta^2
        H = mean_i H_i min(1, life_clip median_j |H_j| / |H_i|) = sum_k lambda_k v_k v_k^T

    So no single life rules: a life that is about to diverge has a loss of any curvature.

    A life's Hessian comes from central differences of its gradient. Where the task has no gradient,
    it comes from differences of its losses, with the same lives at all thetas:

        H_jk = [f(+j+k) + f(-j-k) - f(+j) - f(-j) - f(+k) - f(-k) + 2 f(0)] / (2 h_j h_k)

    An eigenvalue of a noisy matrix is biased outwards. The curvature along direction k is therefore
    cross-validated: v_k^T H_i v_k of life i takes the direction from all other lives (Bartz 2016,
    arXiv:1611.00798). An interval of Student's t over lives that covers 0 means that this curvature
    is not told from 0. Intervals are of 95 % each: of 40 directions without curvature, one is
    expected to seem stiff.

    Spikes have no true gradient: where neurons spike, gradients are those of the surrogate.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives; None: as many as `work` allows, from 8 to 64.
        work: synapses times steps of all lives that are differentiated.
        by: gradients or losses; None: gradients where the task has them.
        life_clip: the largest norm of the Hessian of one life, in medians of all; 0: any.

    Raises:
        BadInput: more numbers than MOST_NUMBERS, none, or too few finite lives.

    Source:
        own definition; the flat spectra are those of Gutenkunst et al. 2007, PLoS Comput. Biol. 3,
        e189.
    """
    problem = replace(unpenalised(subject.problem.whole()), life_clip=0.0)
    flat = np.asarray(ravel_pytree(subject.theta)[0], np.float64)
    n = len(flat)
    if not 0 < n <= MOST_NUMBERS:
        raise BadInput(
            f"{n} searched numbers", f"1 to {MOST_NUMBERS}", "ask for terms that are collinear"
        )
    if by is None:
        by = "gradients" if problem.lifetime.task.shape().differentiable else "losses"
    n_thetas = 2 * n if by == "gradients" else (n * n + n + 1) // 5
    if n_lives is None:
        n_lives = lives_within(problem, n_thetas, work)
    batch = batches(problem, subject.seed, split, n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    values = acting(subject, subject.theta)
    sizes = np.maximum(1.0, np.abs(values))
    units, steps, unmeasured, left_out = _units(problem, subject.theta, batch, flat, sizes)
    if by == "gradients":
        steps = np.maximum(OF_UNIT * units, SHORTEST * sizes)
        of_lives = _by_gradients(problem, subject.theta, batch, flat, steps)
    else:
        of_lives = _by_losses(problem, subject.theta, batch, flat, steps)
    named = names(subject)
    found = spectrum(Numbers(named, values, units), of_lives, by, life_clip)
    return found._replace(
        penalised=problem.objective != subject.problem.objective,
        pilots_left_out=left_out,
        unmeasured=[named[place] for place in unmeasured],
    )


class Numbers(NamedTuple):
    """The searched numbers.

    names: of the numbers.
    values: the numbers as they act [n].
    units: of a curvature [n].
    """

    names: list[str]
    values: np.ndarray
    units: np.ndarray


def lives_within(problem: MetaProblem, n_thetas: int, work: float) -> int:
    """The number of lives for which `n_thetas` thetas cost at most `work`, from 8 to 64.

    Args:
        problem: whose lives are lived.
        n_thetas: the number of thetas under which each life is lived.
        work: synapses times steps.
    """
    n_synapses = 0
    for edge in problem.lifetime.wiring().edges:
        n_synapses += int(np.prod(edge.connection.shape))
    # A step costs as much as some hundreds of synapses even where there are few.
    of_life = (n_synapses + 500) * problem.lifetime.task.shape().n_steps
    return int(np.clip(work / (of_life * n_thetas), FEWEST_LIVES, MOST_LIVES))


class Hessians(NamedTuple):
    """The Hessian of every life.

    matrices: [n_lives, n, n], not yet symmetric.
    losses: [n_lives].
    """

    matrices: np.ndarray
    losses: np.ndarray


def spectrum(
    numbers: Numbers, of_lives: Hessians, by: By, life_clip: float = LIFE_CLIP
) -> Curvature:
    """The spectrum of the mean of lives' Hessians, with cross-validated curvatures.

    Args:
        numbers: the searched numbers.
        of_lives: the Hessian of every life.
        by: gradients or losses.
        life_clip: the largest norm of the Hessian of one life, in medians of all; 0: any.

    Raises:
        BadInput: fewer than four lives are finite.
    """
    matrices, losses = of_lives
    finite = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(losses)
    n_lives = int(finite.sum())
    if n_lives < 4:
        raise BadInput(
            f"{n_lives} of {len(losses)} lives with finite second differences",
            "at least 4",
            "look at the share of diverging lives",
        )
    loss = float(losses[finite].mean())
    kept = matrices[finite] * np.outer(numbers.units, numbers.units) / (2 * RISE * _scale(loss))
    norms = np.linalg.norm(kept, axis=(1, 2))
    limit = life_clip * float(np.median(norms))
    clipped = (norms > limit) & (life_clip > 0)
    kept[clipped] *= (limit / norms[clipped])[:, None, None]
    mean = kept.mean(axis=0)
    largest = float(np.abs(mean).max())
    asymmetry = 0.0
    if largest > 0:
        asymmetry = float(np.abs(mean - mean.T).max()) / largest
    kept = (kept + kept.transpose(0, 2, 1)) / 2
    values, directions = _largest_first(kept.mean(axis=0))
    return Curvature(
        *numbers,
        kept.mean(axis=0),
        values,
        directions,
        _cross_validated(kept, directions),
        [student(each) for each in np.diagonal(kept, axis1=1, axis2=2).T],
        by,
        n_lives,
        int(len(losses) - n_lives),
        int(clipped.sum()),
        asymmetry,
        loss,
        False,
        0,
        [],
    )


def _scale(loss: float) -> float:
    """The size of the loss in which curvatures are counted: 1 where the loss is 0."""
    return abs(loss) or 1.0


def _largest_first(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(eigenvalues [n], unit eigenvectors as rows [n, n]) of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1], vectors.T[::-1]


def _cross_validated(matrices: np.ndarray, directions: np.ndarray) -> list[Estimate]:
    """The curvature along each direction, of every life along the direction of all others.

    Args:
        matrices: the Hessian of every life [n_lives, n, n].
        directions: of the mean of all lives [n, n]; those of the others are matched to them.
    """
    from scipy.optimize import linear_sum_assignment  # 0.2 s, and a plain training needs none

    total = matrices.sum(axis=0)
    curvatures = np.empty(matrices.shape[:2])
    for life, matrix in enumerate(matrices):
        _, of_others = _largest_first(total - matrix)
        _, match = linear_sum_assignment(-np.abs(directions @ of_others.T))
        matched = of_others[match]
        curvatures[life] = np.einsum("kj,jl,kl->k", matched, matrix, matched)
    return [student(values) for values in curvatures.T]


def _units(
    problem: MetaProblem, theta: Theta, batch: Batch, flat: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The unit of every number [n] and the step of its differences [n], from a few lives.

    A step begins at LONGEST and becomes shorter until it raises the loss by RISE or less. Lives
    that are not finite under the rule itself are left out.

    Args:
        problem: whose lives are lived.
        theta: its form.
        batch: the lives.
        flat: the numbers of theta [n].
        size: the longest unit of each number [n].

    Returns: (units, steps, places of the numbers without a finite rise, lives left out).
    """
    n = len(flat)
    few, counts, left_out = _pilots(problem, theta, batch, flat)
    steps = LONGEST * size
    rises = np.zeros(n)
    open_ = np.arange(n)
    for _ in range(PILOT_ROUNDS):
        moves = np.diag(steps)[open_]
        thetas = np.concatenate([flat[None], flat + moves, flat - moves])
        losses = _losses(problem, theta, thetas, few)[:, counts].mean(axis=1)
        there, back = np.split(losses[1:], 2)
        scale = _scale(losses[0])
        rises[open_] = np.abs(there + back - 2 * losses[0]) / 2 / scale
        too_far = ~(rises[open_] <= RISE)
        open_ = open_[too_far & (steps[open_] > SHORTEST * size[open_])]
        if not len(open_):
            break
        shrunk = np.sqrt(RISE / 2 / np.where(np.isfinite(rises[open_]), rises[open_], np.inf))
        factor = np.clip(shrunk, 1 / 16, 1 / 2)
        steps[open_] = np.maximum(steps[open_] * factor, SHORTEST * size[open_])
    unmeasured = np.flatnonzero(~np.isfinite(rises))
    rises[unmeasured] = RISE
    units = steps * np.sqrt(RISE / np.maximum(rises, 1e-12))
    return np.clip(units, SHORTEST * size, size), steps, unmeasured, left_out


def _pilots(
    problem: MetaProblem, theta: Theta, batch: Batch, flat: np.ndarray
) -> tuple[Batch, np.ndarray, int]:
    """(PILOT_LIVES lives, marks of those that are finite, lives passed over and left out).

    Raises:
        BadInput: no life of the batch is finite under the rule itself.
    """
    n_lives = batch.keys.shape[0]
    left_out = 0
    for first in range(0, n_lives - PILOT_LIVES + 1, PILOT_LIVES):
        end = first + PILOT_LIVES
        few = jax.tree.map(lambda leaf, first=first, end=end: leaf[first:end], batch)
        counts = np.isfinite(_losses(problem, theta, flat[None], few)[0])
        left_out += int((~counts).sum())
        if counts.any():
            return few, counts, left_out
    raise BadInput(
        f"{left_out} lives of which none has a finite loss",
        "lives that are finite under the rule itself",
        "look at the share of diverging lives",
    )


def _by_gradients(
    problem: MetaProblem, theta: Theta, batch: Batch, flat: np.ndarray, steps: np.ndarray
) -> Hessians:
    """Central differences of the gradient of every life."""
    n = len(flat)
    moves = np.diag(steps)
    thetas = np.concatenate([flat + moves, flat - moves])
    losses, gradients = _gradients(problem, theta, thetas, batch)
    differences = (gradients[:n] - gradients[n:]) / (2 * steps[:, None, None])
    return Hessians(differences.transpose(1, 0, 2), losses.mean(axis=0))


def _gradients(
    problem: MetaProblem, theta: Theta, thetas: np.ndarray, batch: Batch
) -> tuple[np.ndarray, np.ndarray]:
    """(Losses [n_thetas, n_lives], their gradients [n_thetas, n_lives, n]) of flat thetas."""
    n_lives = batch.keys.shape[0]
    n = len(thetas) * n_lives
    dtype = ravel_pytree(theta)[0].dtype

    def piece(first: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.minimum(np.arange(first, first + PAIRS), n - 1)
        members = jnp.asarray(thetas[places // n_lives], dtype)
        lives = jax.tree.map(lambda leaf: leaf[places % n_lives], batch)
        losses, gradients = _pairs(problem, theta, members, lives)
        return np.asarray(losses, np.float64), np.asarray(gradients, np.float64)

    first, *others = range(0, n, PAIRS)
    pieces = [piece(first)]  # it compiles
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pieces += pool.map(piece, others)
    losses = np.concatenate([losses for losses, _ in pieces])[:n]
    gradients = np.concatenate([gradients for _, gradients in pieces])[:n]
    return losses.reshape(-1, n_lives), gradients.reshape(len(thetas), n_lives, -1)


@program("problem")
def _pairs(problem: MetaProblem, theta: Theta, members: Array, lives: Batch) -> tuple[Array, Array]:
    """(Loss [n], gradient [n, n_numbers]) of each life under its own theta.

    Args:
        problem: whose lives are lived.
        theta: a theta, for its form.
        members: the flat theta of every life [n, n_numbers].
        lives: the lives [n].
    """
    _, unravel = ravel_pytree(theta)

    def one(i: Array, shared: tuple[Array, Batch]) -> tuple[Array, Array]:
        members, lives = shared
        alone = jax.tree.map(lambda leaf: leaf[i][None], lives)
        found = problem.value_and_grad(unravel(members[i]), alone)
        return found.loss, ravel_pytree(found.gradient)[0]

    layout = Layout(len(members), problem.chunk_size(), problem.n_devices)
    return spread(one, layout, (members, lives))


def _by_losses(
    problem: MetaProblem, theta: Theta, batch: Batch, flat: np.ndarray, steps: np.ndarray
) -> Hessians:
    """Differences of the losses of every life."""
    n = len(flat)
    moves = [np.zeros(n)]
    places = {}
    for j in range(n):
        for k in range(j, n):
            places[j, k] = len(moves)
            move = np.zeros(n)
            move[j] += steps[j]
            if k != j:
                move[k] += steps[k]
            moves += [move, -move]
    losses = _losses(problem, theta, flat + np.stack(moves), batch)
    at_theta = losses[0]
    sums = {pair: losses[first] + losses[first + 1] for pair, first in places.items()}
    matrices = np.empty((losses.shape[1], n, n))
    for (j, k), both in sums.items():
        if j == k:
            second = (both - 2 * at_theta) / steps[j] ** 2
        else:
            alone = sums[j, j] + sums[k, k]
            second = (both - alone + 2 * at_theta) / (2 * steps[j] * steps[k])
        matrices[:, j, k] = second
        matrices[:, k, j] = second
    return Hessians(matrices, at_theta)


def _losses(problem: MetaProblem, theta: Theta, thetas: np.ndarray, batch: Batch) -> np.ndarray:
    """The losses [n_thetas, n_lives] of flat thetas [n_thetas, n], by one compiled program."""
    start, unravel = ravel_pytree(theta)
    n = len(thetas)
    n_padded = -(-n // MEMBERS) * MEMBERS
    padded = np.concatenate([thetas, np.tile(thetas[:1], (n_padded - n, 1))])
    pieces = []
    for first in range(0, n_padded, MEMBERS):
        piece = jnp.asarray(padded[first : first + MEMBERS], start.dtype)
        members: Any = jax.vmap(unravel)(piece)
        _, metrics = search_loop.evaluate(problem, members, batch)
        pieces.append(np.asarray(metrics["life_loss"], np.float64))
    return np.concatenate(pieces)[:n]
