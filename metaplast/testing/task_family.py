"""What every task family promises (metaplast.testing.check_task_family)."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.signals import FEEDBACK_FIELDS, Feedback, Outcome, Score, TaskShape, neuron_view
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split
from metaplast.testing.base import demand, demand_close, demand_same_type, keys, quick_jit

DT = 1e-3
SCALES = (1.0, 20.0, 0.0, -20.0)
Oracle = Callable[[Any, Any], Array]  # (task, state) -> the activity [n_out] that answers well


def _show(activity: Array) -> Any:
    return neuron_view(activity, activity, jnp.ones_like(activity))


def check_shapes(family: AbstractTaskFamily, task: Any) -> None:
    """Stimuli, feedback and score have the declared sizes; a scan can carry the state."""
    shape, key = family.shape(), jax.random.key(0)
    state = jax.eval_shape(lambda t: family.begin(t, key, DT), task)
    stimulus = jax.eval_shape(lambda t, s: family.stimulus(t, s, key, DT), task, state)
    sizes = {name: x.shape for name, x in stimulus.items()}
    demand(
        sizes == {n: (size,) for n, size in shape.inputs.items()},
        f"stimuli have the declared sizes {shape.inputs}, not {sizes}",
    )
    answer = _show(jnp.zeros(shape.n_seen))
    after, outcome = jax.eval_shape(lambda t, s: family.step(t, s, answer, key, DT), task, state)
    demand_same_type(
        state, after, "the task's state that comes out has the type of the one that went in"
    )
    feedback, score = outcome.feedback, outcome.score
    given = {name: getattr(feedback, name).shape for name in ("error", "target", "gate", "reset")}
    expected = {"error": (shape.n_out,), "target": (shape.n_out,), "gate": (), "reset": ()}
    demand(given == expected, f"feedback has the shapes {expected}, not {given}")
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
    demand(
        shape.n_steps > 0 and all(n > 0 for n, _ in shape.phases),
        f"every phase has steps, not {shape.phases}",
    )
    for name, field in (("weights", "weights"), ("final_weights", "final")):
        demand(
            name not in shape.offers or bool(getattr(task, field, None)),
            f"a task that offers {name} brings them",
        )
    if "subject" in shape.offers:
        whole = task.subject.shape == () and jnp.issubdtype(task.subject.dtype, jnp.integer)
        demand(whole, f"the subject that is offered is an integer scalar, not {task.subject}")


def check_halved(family: AbstractTaskFamily) -> None:
    """The tasks of half a dt, where there are such, have twice the steps in each phase, and are the
    same otherwise.
    """
    if (half := family.halved()) is not None:
        one, two = family.shape(), half.shape()
        doubled = tuple((2 * n, plastic) for n, plastic in one.phases)
        demand(
            two == one._replace(phases=doubled),
            f"half of dt doubles the phases {one.phases} alone, not {two}",
        )


def check_splits(tasks: dict[str, list[Any]]) -> None:
    """One key gives different tasks in different splits, two keys different tasks in one."""
    for a, b in itertools.combinations(SPLITS, 2):
        demand(
            _differ(tasks[a][0], tasks[b][0]), f"the splits {a} and {b} differ under the same key"
        )
    for split in SPLITS:
        demand(_differ(*tasks[split]), f"two keys give two tasks in split {split}")


def check_whole(family: AbstractTaskFamily, tasks: dict[str, list[Any]]) -> None:
    """Of a finite family: tasks are drawn from the whole of their split, and the splits share no
    recorded value.
    """
    wholes = {split: jax.tree.map(np.asarray, family.whole(split)) for split in SPLITS}
    shape = family.shape()
    for split, whole in wholes.items():
        every = [jax.tree.map(lambda x, i=i: x[i], whole) for i in range(_size(whole))]
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
        for life in values[a].keys() & values[b].keys():
            for one, other in itertools.product(values[a][life], values[b][life]):
                shared = [
                    np.any((x == y) & np.isfinite(x)) for x, y in zip(one, other, strict=True)
                ]
                demand(not any(shared), f"the splits {a} and {b} share no recorded value")


def is_judged(family: AbstractTaskFamily, split: Split) -> bool:
    """Whether the loss of a split looks at the output: not where last weights alone are
    measured.
    """
    observed = getattr(family.whole(split), "observed", None)
    return observed is None or bool(np.any(observed))


def _recorded_values(whole: Any) -> dict[bytes, list[list[np.ndarray]]]:
    """{what was lived, as bytes: of each such life, the targets and last weights that the split
    looks at, or nan}.
    """
    found = defaultdict(list)
    for i in range(_size(whole)):
        task = jax.tree.map(lambda x: np.asarray(x[i]), whole)  # noqa: B023
        if not hasattr(task, "observed"):  # no recording: the task itself is the value
            found[_bytes(task)].append([np.ones(1)])
            continue
        looked_at = np.where(task.observed > 0, np.asarray(task.target, float), np.nan)
        lived = (task.stimulus, task.target, task.gate, task.reset, task.modulators, task.weights)
        found[_bytes(lived)].append(
            [looked_at, *(np.asarray(x, float) for x in jax.tree.leaves(task.final))]
        )
    return found


def _bytes(tree: Any) -> bytes:
    return b"".join(np.ascontiguousarray(x).tobytes() for x in jax.tree.leaves(tree))


def _size(whole: Any) -> int:
    return jax.tree.leaves(whole)[0].shape[0]


def _same(a: Any, b: Any) -> bool:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(
        np.array_equal(np.asarray(x, float), np.asarray(y, float), equal_nan=True) for x, y in pairs
    )


def _differ(a: Any, b: Any) -> bool:
    return any(
        np.any(np.asarray(x) != np.asarray(y))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def live(
    family: AbstractTaskFamily, task: Any, answer: Callable[[Any, Outcome], Array], seed: int = 0
) -> dict[str, Any]:
    """A life in which `answer(state, outcome of answering zero)` is the output: outcomes and slopes
    of every step.
    """
    shape = family.shape()

    def step(state: Any, now: tuple[Array, Array]) -> tuple[Any, dict[str, Any]]:
        loss = lambda y: (lambda s, o: (o.score.loss, (s, o)))(
            *family.step(task, state, _show(y), now[0], DT)
        )
        blank = family.step(task, state, _show(jnp.zeros(shape.n_seen)), now[0], DT)[1]
        (_, (new, outcome)), slope = jax.value_and_grad(loss, has_aux=True)(answer(state, blank))
        seen = family.stimulus(task, state, now[1], DT)
        return new, {"outcome": outcome, "slope": slope, "stimulus": seen}

    noise = (keys(seed, shape.n_steps), keys(seed + 1, shape.n_steps))
    return lax.scan(step, family.begin(task, keys(seed + 2, 1)[0], DT), noise)[1]


def check_feedback(shape: TaskShape, out: dict[str, Any], judged: bool = True) -> None:
    """What is offered is really there, and what is not is neutral; the error is d loss / d
    activity.

    judged: whether the loss depends on the output at all.
    """
    feedback: Feedback = out["outcome"].feedback
    plastic = np.repeat([on for _, on in shape.phases], [n for n, _ in shape.phases])
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
    """Whether what the family offers says what a good answer is."""
    return "target" in shape.offers or shape.differentiable


def answers(family: AbstractTaskFamily, task: Any, oracle: Oracle | None) -> dict[str, Any]:
    """Lives that differ in their output, stacked: the oracle's answer times 1, 20, 0 and -20, and
    random numbers.

    Without an oracle the answer is the target, or a step down the slope of the loss, or else random
    numbers. Of recordings it is taken at an activity of 1, to which all answers are added: at 0,
    the edge of what a rate can be, counts have no slope.
    """
    shape = family.shape()
    blind = oracle is None and not can_answer(shape)
    recorded = oracle is None and "target" not in shape.offers and family.whole("train") is not None
    rest = np.full(shape.n_seen, 1.0 if recorded else 0.0, np.float32)

    def slope(task: Any, state: Any) -> Array:
        at = lambda y: family.step(task, state, _show(y), keys(0, 1)[0], DT)[1].score.loss
        return jax.grad(at)(jnp.asarray(rest, float))

    guess = jnp.asarray(np.random.default_rng(1).normal(size=shape.n_seen), np.float32)

    def good(task: Any, state: Any, blank: Outcome) -> Array:
        if oracle is not None:
            return oracle(task, state)
        if blind:
            return guess
        return blank.feedback.target if "target" in shape.offers else -0.1 * slope(task, state)

    def one(task: Any, scale: Array, offset: Array) -> dict[str, Any]:
        return live(family, task, lambda state, blank: scale * good(task, state, blank) + offset)

    scales = np.asarray([*SCALES, 0.0], np.float32)
    offsets = np.tile(rest, (len(scales), 1))
    offsets[-1] += np.random.default_rng(0).normal(size=shape.n_seen)
    return jax.tree.map(np.asarray, quick_jit(jax.vmap(one, (None, 0, 0)))(task, scales, offsets))


def check_bracket(score: Score) -> None:
    """Answering well is better than answering nothing, and answering ill is worse."""
    loss = (score.weight * score.loss).sum(axis=1) / score.weight.sum(axis=1)
    best, chance, ill = min(loss[:2]), loss[2], loss[3]
    demand(
        best < chance < ill,
        f"oracle < chance < wrong answers, in loss: {best:.4g}, {chance:.4g}, {ill:.4g}",
    )


def check_differs(score: Score) -> None:
    """Where nobody can say what a good answer is, answers still matter."""
    loss = (score.weight * score.loss).sum(axis=1) / score.weight.sum(axis=1)
    demand(
        np.ptp(loss) > 0, f"some answers are better than others, and not all of loss {loss[0]:.4g}"
    )


def check(family: AbstractTaskFamily, oracle: Oracle | None = None) -> None:
    """Everything above (metaplast.testing.check_task_family)."""
    sample = quick_jit(family.sample, static_argnums=1)
    tasks = {split: [sample(key, split) for key in keys(3, 2)] for split in SPLITS}
    task = tasks["train"][0]
    check_shapes(family, task)
    check_halved(family)
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
