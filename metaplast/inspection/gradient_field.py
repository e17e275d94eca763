"""Is a rule a gradient? The symmetry of how its mean change depends on the weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import existing
from metaplast.life.alignment import hidden
from metaplast.life.lifetime import Life
from metaplast.life.phases import stretches
from metaplast.numerics.compiler import program
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import BadInput
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate, estimate
from metaplast.signals import Theta

N_LIVES = 8
N_INPUTS = 48
"""Steps of a life whose inputs are averaged over."""
N_POST = 4
N_PRE = 8
"""Neurons of an edge, and synapses of each of them, whose weights are varied."""
RESAMPLES = 500
ROUNDING = 1e-4
"""An asymmetry below it is rounding: the field is computed in single precision."""
SHARE = 0.1
"""The share of the plastic steps that counts as early, and as late."""


class GradientField(NamedTuple):
    """The asymmetry of the Jacobian of the mean change, 0 for a gradient.

    one_neuron: {edge: asymmetry over the weights of one postsynaptic neuron}.
    together: asymmetry over the weights of all chosen neurons of all edges.
    n_synapses: {edge: number of synapses whose weights are varied}.
    n_lives, n_inputs: lives, and inputs of each.
    surrogate: whether a neuron spikes, so that its slope is a surrogate.
    """

    one_neuron: dict[str, Estimate]
    together: Estimate
    n_synapses: dict[str, int]
    n_lives: int
    n_inputs: int
    surrogate: bool


class Alignment(NamedTuple):
    """The angle between credit and gradient of one population, in degrees, over lives.

    early, late: means over the first and the last tenth of the plastic steps.
    """

    early: Estimate
    late: Estimate


class _Chosen(NamedTuple):
    """The synapses of one edge whose weights are varied.

    places: in the flattened weights [n_lives, n].
    posts: number of their postsynaptic neuron [n_lives, n].
    """

    places: np.ndarray
    posts: np.ndarray


def gradient_field(
    subject: Subject, n_lives: int = N_LIVES, n_inputs: int = N_INPUTS
) -> GradientField:
    """The asymmetry of the Jacobian of the mean change with respect to the weights.

        A = |J - J^T| / |J + J^T|,   J = d E[delta_w] / d w

    A vector field is the gradient of a function exactly where J is symmetric. A is 0 for a
    gradient, and about 1 for a matrix of independent entries.

    E: the mean over inputs that the life meets in plastic steps. The weights and the states of
        rules are those in the middle of the life.
    delta_w(w): one step of the life itself. The response to the input is that of the network's own
        neurons, and errors are those of the task: both follow w.

    A factor of its own for every synapse or edge makes a gradient asymmetric too: a gradient in
    another metric counts as none here.

    Args:
        subject: the rule in its task.
        n_lives: validation lives; each has its own synapses.
        n_inputs: inputs of each life.
    """
    problem = subject.problem
    batch = batches(problem, subject.seed, "validation", n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    n_lives = len(batch.keys)
    generator = np.random.default_rng(subject.seed)
    chosen = {}
    for name, (edge, _) in problem.lifetime.plastic().items():
        chosen[name] = _choose(edge.connection, generator, n_lives)
    steps = _plastic_steps(problem)
    count = min(n_inputs, len(steps))
    inputs: Any = np.stack([generator.choice(steps, count, replace=False) for _ in range(n_lives)])
    places = {name: each.places for name, each in chosen.items()}
    jacobians = np.asarray(_jacobians(problem, subject.theta, batch, places, inputs), np.float64)
    one_neuron = {}
    owner = _owners(chosen)
    edges = np.concatenate(
        [np.full(each.places.shape[1], k) for k, each in enumerate(chosen.values())]
    )
    alike = owner[:, :, None] == owner[:, None, :]
    for k, name in enumerate(chosen):
        within = alike & (edges[:, None] == k) & (edges[None, :] == k)
        one_neuron[name] = asymmetry(jacobians * within[:, None])
    wiring = problem.lifetime.wiring()
    return GradientField(
        one_neuron,
        asymmetry(jacobians),
        {name: each.places.shape[1] for name, each in chosen.items()},
        n_lives,
        count,
        any(wiring.spikes(population) for population in wiring.populations),
    )


def asymmetry(jacobians: np.ndarray) -> Estimate:
    """A of the mean over inputs, with a 95 % interval over resampled lives and inputs.

    Args:
        jacobians: [n_lives, n_inputs, n, n]. The lives are pooled: |.| is over all of them.
    """
    n_lives, n_inputs = jacobians.shape[:2]
    value = _ratio(jacobians.mean(axis=1))
    if not np.isfinite(value):
        return Estimate(np.nan, np.nan, np.nan, n_lives * n_inputs)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        lives = generator.integers(n_lives, size=n_lives)
        weights = np.zeros((n_lives, n_inputs))
        for row in range(n_lives):
            drawn = generator.integers(n_inputs, size=n_inputs)
            weights[row] = np.bincount(drawn, minlength=n_inputs) / n_inputs
        means = np.einsum("li,lijk->ljk", weights, jacobians[lives], optimize=True)
        draws.append(_ratio(means))
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n_lives * n_inputs)


def _ratio(means: np.ndarray) -> float:
    turned = np.swapaxes(means, 1, 2)
    symmetric = float(np.sum((means + turned) ** 2))
    if not symmetric > 0:
        return float("nan")
    return float(np.sqrt(np.sum((means - turned) ** 2) / symmetric))


def _choose(connection: Any, generator: np.random.Generator, n_lives: int) -> _Chosen:
    """N_PRE existing synapses of each of N_POST neurons that have so many, in every life."""
    numbers: Any = np.arange(connection.n_post)
    at_post = np.asarray(connection.at_post(numbers))
    owners = np.broadcast_to(at_post, connection.shape).reshape(-1)
    there = existing(connection)
    sizes = np.bincount(owners[there], minlength=connection.n_post)
    n_pre = min(N_PRE, int(sizes.max()))
    large = np.flatnonzero(sizes >= n_pre)
    n_post = min(N_POST, len(large))
    places = []
    posts = []
    for _ in range(n_lives):
        of_life = []
        for neuron in np.sort(generator.choice(large, n_post, replace=False)):
            own = there[owners[there] == neuron]
            of_life.append(np.sort(generator.choice(own, n_pre, replace=False)))
        places.append(np.concatenate(of_life))
        posts.append(owners[places[-1]])
    return _Chosen(np.stack(places), np.stack(posts))


def _owners(chosen: Mapping[str, _Chosen]) -> np.ndarray:
    """A number of the postsynaptic neuron of every chosen synapse [n_lives, n]."""
    parts = []
    first = 0
    for each in chosen.values():
        parts.append(each.posts + first)
        first += int(each.posts.max()) + 1
    return np.concatenate(parts, axis=1)


def _plastic_steps(problem: MetaProblem) -> np.ndarray:
    """The numbers of the steps in which rules are at work."""
    shape = problem.lifetime.task.shape()
    steps: list[int] = []
    start = 0
    for stretch in stretches(shape.phases, 0, shape.n_steps):
        if stretch.plastic is not False:
            steps += range(start, start + stretch.n_steps)
        start += stretch.n_steps
    if not steps:
        raise BadInput("a task without plastic steps", "a plastic phase", "choose another task")
    return np.asarray(steps)


@program("problem")
def _jacobians(
    problem: MetaProblem,
    theta: Theta,
    batch: Batch,
    places: Mapping[str, Array],
    inputs: Array,
) -> Array:
    """[n_lives, n_inputs, n, n]."""
    lifetime = problem.lifetime
    n_steps = lifetime.task.shape().n_steps
    middle = int(np.median(_plastic_steps(problem)))

    def moving(life: Life) -> Life:
        """The life without what a rule moves, which is large."""
        return replace(life, synapses={}, born={}, rules={}, feedback={})

    def live(one: tuple[Any, Any, Mapping[str, Array], Array]) -> Array:
        task, key, at, steps = one
        birth = lifetime.begin(theta, task, key)
        then = birth
        if middle:
            then, _ = lifetime.advance(theta, task, birth, middle, start=0)
        pieces = []
        life = birth
        for stretch in stretches(lifetime.task.shape().phases, 0, n_steps):
            plastic = stretch.plastic is not False

            def step(life: Life, _: None, plastic: bool = plastic) -> tuple[Life, Life]:
                after, _trace, _at_work = lifetime.witnessed(theta, task, life, plastic)
                return after, moving(life)

            life, piece = lax.scan(step, life, None, stretch.n_steps)
            pieces.append(piece)
        everywhere = jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)

        def jacobian(number: Array) -> Array:
            met = jax.tree.map(lambda leaf: leaf[number], everywhere)
            start = replace(
                met,
                synapses=then.synapses,
                born=then.born,
                rules=then.rules,
                feedback=then.feedback,
            )

            def changes(weights: list[Array]) -> list[Array]:
                synapses = dict(start.synapses)
                for name, values in zip(at, weights, strict=True):
                    whole = synapses[name].weight
                    flat = whole.reshape(-1).at[at[name]].set(values)
                    synapses[name] = replace(synapses[name], weight=flat.reshape(whole.shape))
                varied = replace(start, synapses=synapses)
                _, _, at_work = lifetime.witnessed(theta, task, varied, True)
                return [at_work[name].change.reshape(-1)[at[name]] for name in at]

            weights = [then.synapses[name].weight.reshape(-1)[at[name]] for name in at]
            rows = jax.jacfwd(changes)(weights)
            return jnp.concatenate([jnp.concatenate(row, axis=1) for row in rows], axis=0)

        return jax.vmap(jacobian)(steps)

    return lax.map(live, (batch.tasks, batch.keys, dict(places), inputs))


def alignment(subject: Subject, n_lives: int = 32) -> dict[str, Alignment]:
    """{hidden population: the angle between its credit and the gradient of the loss of the step}.

    0 degrees is the gradient, 90 no relation. It is empty where the task tells no error, or where
    no population is hidden.

    Args:
        subject: the rule in its task.
        n_lives: held-out lives.
    """
    lifetime = subject.problem.lifetime
    shape = lifetime.task.shape()
    inner = hidden(lifetime.wiring(), set(shape.inputs))
    if "error" not in shape.offers or not inner:
        return {}
    measured = replace(lifetime, measure=tuple({*lifetime.measure, "alignment"}))
    problem = replace(subject.problem, lifetime=measured)
    batch = batches(problem, subject.seed, "heldout", n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    angles = _angles(problem, subject.theta, batch)
    steps = _plastic_steps(subject.problem)
    n = max(1, int(SHARE * len(steps)))
    of_populations = {}
    for name in inner:
        values = np.asarray(angles[f"angle_{name}"], np.float64)
        early = _mean(values[:, steps[:n]])
        late = _mean(values[:, steps[-n:]])
        of_populations[name] = Alignment(early, late)
    return of_populations


def _mean(values: np.ndarray) -> Estimate:
    """The mean over lives; lives whose angles are not finite do not count."""
    of_lives = values.mean(axis=1)
    finite = of_lives[np.isfinite(of_lives)]
    if len(finite) < 2:
        return Estimate(np.nan, np.nan, np.nan, len(finite))
    return estimate([finite])


@program("problem")
def _angles(problem: MetaProblem, theta: Theta, batch: Batch) -> dict[str, Array]:
    """{angle_<population>: degrees [n_lives, n_steps]}."""
    lifetime = problem.lifetime

    def live(one: tuple[Any, Any]) -> dict[str, Array]:
        task, key = one
        life = lifetime.begin(theta, task, key)
        n_steps = lifetime.task.shape().n_steps
        _, trace = lifetime.advance(theta, task, life, n_steps, start=0)
        angles = {}
        for name, values in trace.score.metrics.items():
            if name.startswith("angle_"):
                angles[name] = values
        return angles

    return lax.map(live, (batch.tasks, batch.keys))
