"""The promises of every task family (metaplast.testing.check_task_family)."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.signals import (
    FEEDBACK_FIELDS,
    Feedback,
    NeuronView,
    Outcome,
    Score,
    TaskShape,
    neuron_view,
)
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split
from metaplast.testing.base import demand, demand_close, demand_same_type, keys, quick_jit

DT = 1e-3
SCALES = (1.0, 20.0, 0.0, -20.0)
Oracle = Callable[[Any, Any], Array]
"""(task, state) -> the activity [n_out] of a good answer."""


def _show(activity: Array) -> NeuronView:
    """The view of an output with this activity."""
    return neuron_view(activity, activity, jnp.ones_like(activity))


def check_shapes(family: AbstractTaskFamily, task: Any) -> None:
    """Check the sizes of stimuli, feedback and score, and that a scan can carry the state."""
    shape = family.shape()
    # The shape of a key: a key itself takes three programs, and a training calls this.
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(lambda t, k: family.begin(t, k, DT), task, key)
    stimulus = jax.eval_shape(lambda t, s, k: family.stimulus(t, s, k, DT), task, state, key)
    sizes = {name: x.shape for name, x in stimulus.items()}
    demand(
        sizes == {n: (size,) for n, size in shape.inputs.items()},
        f"stimuli have the declared sizes {shape.inputs}, not {sizes}",
    )

    def step(task: Any, state: Any, key: Array) -> Any:
        return family.step(task, state, _show(jnp.zeros(shape.n_seen)), key, DT)

    after, outcome = jax.eval_shape(step, task, state, key)
    demand_same_type(
        state, after, "the task's state that comes out has the type of the one that went in"
    )
    _check_outcome(shape, outcome)
    demand(
        shape.n_steps > 0 and all(n > 0 for n, _ in shape.phases),
        f"every phase has steps, not {shape.phases}",
    )
    _check_task(shape, task)


def _check_outcome(shape: TaskShape, outcome: Outcome) -> None:
    """Check the shapes of the feedback and the score of a step.

    Args:
        shape: the declared shape.
        outcome: the outcome, as shapes and dtypes.
    """
    feedback = outcome.feedback
    score = outcome.score
    shapes = {name: getattr(feedback, name).shape for name in ("error", "target", "gate", "reset")}
    expected = {"error": (shape.n_out,), "target": (shape.n_out,), "gate": (), "reset": ()}
    demand(shapes == expected, f"feedback has the shapes {expected}, not {shapes}")
    channels = shape.offers - FEEDBACK_FIELDS
    demand(
        set(feedback.modulators) == channels,
        f"modulators are the offered {sorted(channels)}, not {sorted(feedback.modulators)}",
    )
    scalars = {"loss": score.loss, "weight": score.weight, **score.metrics, **feedback.modulators}
    for name, value in scalars.items():
        demand(
            value.shape == () and jnp.issubdtype(value.dtype, jnp.floating),
            f"{name} is a float scalar, not {value}",
        )


def _check_task(shape: TaskShape, task: Any) -> None:
    """Check that a task brings the weights and the subject that its family offers."""
    for name, field in (("weights", "weights"), ("final_weights", "final")):
        demand(
            name not in shape.offers or bool(getattr(task, field, None)),
            f"a task that offers {name} brings them",
        )
    if "subject" in shape.offers:
        is_integer = task.subject.shape == () and jnp.issubdtype(task.subject.dtype, jnp.integer)
        demand(is_integer, f"the subject that is offered is an integer scalar, not {task.subject}")


def check_halved(family: AbstractTaskFamily) -> None:
    """Check the tasks of half a dt, where there are such.

    They have twice the steps in each phase, and are the same otherwise.
    """
    half = family.halved()
    if half is None:
        return
    shape = family.shape()
    doubled = tuple((2 * n, plastic) for n, plastic in shape.phases)
    demand(
        half.shape() == shape._replace(phases=doubled),
        f"half of dt doubles the phases {shape.phases} alone, not {half.shape()}",
    )


def check_kinds(family: AbstractTaskFamily, split: Split, task: Any) -> None:
    """Check the first and the last kind of a split, where its kinds have numbers.

    Args:
        family: the family.
        split: the split.
        task: a task of the split, from `sample`.
    """
    n_kinds = family.n_kinds(split)
    if n_kinds is None:
        return
    demand(n_kinds >= 1, f"split {split} has at least one kind, not {n_kinds}")
    sample_kind = quick_jit(family.sample_kind, static_argnums=1)
    key = keys(5, 1)[0]
    ends = []
    for kind in (0, n_kinds - 1):
        of_kind = sample_kind(key, split, jnp.asarray(kind, jnp.int32))
        form = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), of_kind)
        expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), task)
        demand(form == expected, f"kind {kind} has the form of `sample`: {expected}, not {form}")
        ends.append(of_kind)
    demand(
        n_kinds == 1 or _differ(*ends), f"the first and the last of {n_kinds} kinds are different"
    )


def check_splits(tasks: dict[str, list[Any]]) -> None:
    """Check that one key gives different tasks in two splits, and two keys two tasks in one."""
    for a, b in itertools.combinations(SPLITS, 2):
        demand(
            _differ(tasks[a][0], tasks[b][0]), f"the splits {a} and {b} differ under the same key"
        )
    for split in SPLITS:
        demand(_differ(*tasks[split]), f"two keys give two tasks in split {split}")


def check_whole(family: AbstractTaskFamily, tasks: dict[str, list[Any]]) -> None:
    """Check a finite family.

    Tasks are drawn from the whole of their split, and the splits share no recorded value.
    """
    wholes = {split: jax.tree.map(np.asarray, family.whole(split)) for split in SPLITS}
    shape = family.shape()
    for split, whole in wholes.items():
        every = _each(whole)
        for task in tasks[split]:
            demand(
                any(_same(task, one) for one in every),
                f"`sample` draws from the whole of split {split}",
            )
        if not is_judged(family, split):
            promise = f"split {split} has an observed value, or the family offers final_weights"
            demand("final_weights" in shape.offers, promise)
            measured = any(np.isfinite(x).any() for x in jax.tree.leaves(whole.final))
            demand(measured, f"split {split} has a measured last weight")
    values = {split: _recorded_values(whole) for split, whole in wholes.items()}
    for a, b in itertools.combinations(SPLITS, 2):
        shared = _share_a_value(values[a], values[b])
        demand(not shared, f"the splits {a} and {b} share no recorded value")


Values = dict[bytes, list[list[np.ndarray]]]
"""The life, as bytes -> for each session of this life, its recorded values; nan: not looked at."""


def _share_a_value(values: Values, others: Values) -> bool:
    """Whether two splits look at the same value of the same life."""
    for life in values.keys() & others.keys():
        for one, other in itertools.product(values[life], others[life]):
            for x, y in zip(one, other, strict=True):
                if np.any((x == y) & np.isfinite(x)):
                    return True
    return False


def is_judged(family: AbstractTaskFamily, split: Split) -> bool:
    """Whether the loss of a split depends on the output.

    It does not where last weights alone are measured.
    """
    observed = getattr(family.whole(split), "observed", None)
    return observed is None or bool(np.any(observed))


def _recorded_values(whole: Any) -> Values:
    """The targets and the last weights that a split looks at, by the life to which they belong."""
    values = defaultdict(list)
    for task in _each(whole):
        if not hasattr(task, "observed"):  # no recording: the task itself is the value
            values[_bytes(task)].append([np.ones(1)])
            continue
        targets = np.where(task.observed > 0, np.asarray(task.target, float), np.nan)
        last_weights = [np.asarray(x, float) for x in jax.tree.leaves(task.final)]
        life = (task.stimulus, task.target, task.gate, task.reset, task.modulators, task.weights)
        values[_bytes(life)].append([targets, *last_weights])
    return values


def _bytes(tree: Any) -> bytes:
    return b"".join(np.ascontiguousarray(x).tobytes() for x in jax.tree.leaves(tree))


def _each(whole: Any) -> list[Any]:
    """The stacked tasks one by one, in NumPy."""
    leaves, structure = jax.tree.flatten(whole)
    tasks = []
    for i in range(len(leaves[0])):
        leaves_of_task = [np.asarray(leaf[i]) for leaf in leaves]
        tasks.append(jax.tree.unflatten(structure, leaves_of_task))
    return tasks


def _same(a: Any, b: Any) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    for x, y in pairs:
        if not np.array_equal(np.asarray(x, float), np.asarray(y, float), equal_nan=True):
            return False
    return True


def _differ(a: Any, b: Any) -> bool:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if np.any(np.asarray(x) != np.asarray(y)):
            return True
    return False


def live(
    family: AbstractTaskFamily, task: Any, answer: Callable[[Any, Outcome], Array], seed: int = 0
) -> dict[str, Any]:
    """The life of a task whose output is given.

    Args:
        family: the task family.
        task: the task.
        answer: (state, outcome of the answer 0) -> the output [n_seen].
        seed: the seed of the life.

    Returns:
        {"outcome", "slope": d loss / d output, "stimulus"} of every step.
    """
    shape = family.shape()

    def step(state: Any, now: tuple[Array, Array]) -> tuple[Any, dict[str, Any]]:
        k_step, k_stimulus = now

        def loss(output: Array) -> tuple[Array, tuple[Any, Outcome]]:
            after, outcome = family.step(task, state, _show(output), k_step, DT)
            return outcome.score.loss, (after, outcome)

        blank = family.step(task, state, _show(jnp.zeros(shape.n_seen)), k_step, DT)[1]
        output = answer(state, blank)
        (_, (after, outcome)), slope = jax.value_and_grad(loss, has_aux=True)(output)
        stimulus = family.stimulus(task, state, k_stimulus, DT)
        return after, {"outcome": outcome, "slope": slope, "stimulus": stimulus}

    noise = (keys(seed, shape.n_steps), keys(seed + 1, shape.n_steps))
    return lax.scan(step, family.begin(task, keys(seed + 2, 1)[0], DT), noise)[1]


def check_feedback(shape: TaskShape, out: dict[str, Any], judged: bool = True) -> None:
    """Check that offered signals are there, others are neutral, and error is d loss / d activity.

    Args:
        shape: the declared shape.
        out: the life, from `live`.
        judged: whether the loss depends on the output at all.
    """
    feedback: Feedback = out["outcome"].feedback
    lengths, is_plastic = zip(*shape.phases, strict=True)
    plastic = np.repeat(is_plastic, lengths)
    if "error" in shape.offers:
        demand_close(
            feedback.error[plastic], out["slope"][plastic], "error is d loss / d activity", 1e-5
        )
        demand(np.any(feedback.error[plastic] != 0), "the error that is offered is not always zero")
    neutral = {"error": 0.0, "target": 0.0, "gate": 1.0, "reset": 0.0}
    for name, value in neutral.items():
        if name not in shape.offers:
            demand(
                np.all(getattr(feedback, name) == value),
                f"{name} is {value} where it is not offered",
            )
    for channel, values in feedback.modulators.items():
        demand(np.any(values != 0), f"the modulator {channel} that is offered is not always zero")
    if shape.differentiable and judged:
        demand(
            np.any(out["slope"] != 0),
            "a differentiable task passes the gradient of its loss to the output",
        )


def can_answer(shape: TaskShape) -> bool:
    """Whether the offered signals tell a good answer."""
    return "target" in shape.offers or shape.differentiable


def answers(family: AbstractTaskFamily, task: Any, oracle: Oracle | None) -> dict[str, Any]:
    """Lives that differ in their output, stacked.

    The outputs are the good answer times 1, 20, 0 and -20, and random numbers. The good answer is
    the oracle's. Without an oracle it is the target, or a step down the slope of the loss, or else
    random numbers. In a recording the slope is taken at an activity of 1, to which all answers are
    added: at 0, the least value of a rate, counts have no slope.
    """
    shape = family.shape()
    blind = oracle is None and not can_answer(shape)
    recorded = oracle is None and "target" not in shape.offers and family.whole("train") is not None
    rest = np.full(shape.n_seen, float(recorded), np.float32)

    def slope(task: Any, state: Any) -> Array:
        def loss(output: Array) -> Array:
            return family.step(task, state, _show(output), keys(0, 1)[0], DT)[1].score.loss

        return jax.grad(loss)(jnp.asarray(rest, float))

    guess = jnp.asarray(np.random.default_rng(1).normal(size=shape.n_seen), np.float32)

    def good(task: Any, state: Any, blank: Outcome) -> Array:
        if oracle is not None:
            return oracle(task, state)
        if blind:
            return guess
        if "target" in shape.offers:
            return blank.feedback.target
        return -0.1 * slope(task, state)

    def one(task: Any, scale: Array, offset: Array) -> dict[str, Any]:
        return live(family, task, lambda state, blank: scale * good(task, state, blank) + offset)

    scales = np.asarray([*SCALES, 0.0], np.float32)
    offsets = np.tile(rest, (len(scales), 1))
    offsets[-1] += np.random.default_rng(0).normal(size=shape.n_seen)
    return jax.tree.map(np.asarray, quick_jit(jax.vmap(one, (None, 0, 0)))(task, scales, offsets))


def _mean_losses(score: Score) -> np.ndarray:
    """The weighted mean loss of each life."""
    return (score.weight * score.loss).sum(axis=1) / score.weight.sum(axis=1)


def check_bracket(score: Score) -> None:
    """Check that a good answer is better than none, and a wrong answer is worse."""
    losses = _mean_losses(score)
    best = min(losses[:2])
    none = losses[2]
    wrong = losses[3]
    demand(
        best < none < wrong,
        f"oracle < chance < wrong answers, in loss: {best:.4g}, {none:.4g}, {wrong:.4g}",
    )


def check_differs(score: Score) -> None:
    """Check that answers matter, where no signal tells a good answer."""
    losses = _mean_losses(score)
    demand(
        np.ptp(losses) > 0,
        f"some answers are better than others, and not all of loss {losses[0]:.4g}",
    )


def check(family: AbstractTaskFamily, oracle: Oracle | None = None) -> None:
    """All checks of a task family (metaplast.testing.check_task_family)."""
    sample = quick_jit(family.sample, static_argnums=1)
    tasks: dict[str, list[Any]] = {}
    for split in SPLITS:
        tasks[split] = [sample(key, split) for key in keys(3, 2)]
    task = tasks["train"][0]
    check_shapes(family, task)
    check_halved(family)
    for split in SPLITS:
        check_kinds(family, split, tasks[split][0])
    if family.whole("train") is None:
        check_splits(tasks)
    else:
        check_whole(family, tasks)
    judged = is_judged(family, "train")
    out = answers(family, task, oracle)
    score = out["outcome"].score
    demand(np.isfinite(score.loss).all(), "the loss is finite")
    demand((score.weight >= 0).all(), "no step has a negative weight")
    check_feedback(family.shape(), jax.tree.map(lambda x: x[-1], out), judged)
    if judged and (oracle is not None or can_answer(family.shape())):
        check_bracket(score)
    elif judged:
        check_differs(score)
