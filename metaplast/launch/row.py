"""Train one row of a run's table, choose its candidate on validation lives, judge it once on held-out lives."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save

from metaplast import train
from metaplast.inspection import evaluate
from metaplast.interfaces import AbstractOuterLoop
from metaplast.launch import checkpoint, keeper
from metaplast.launch.config import Plain
from metaplast.launch.folder import row_folder, write_bytes, write_json
from metaplast.launch.job import DISCOVERED, PROTOTYPE, Config, parse
from metaplast.launch.metrics import MetricsFile, logged, read
from metaplast.problem import MetaProblem
from metaplast.signals import Theta

MAX_SKIPPED = 20  # outer steps in a row that were not finite
MAX_LOGGED = 256  # numbers of a rule that are written at every outer step


class Diverged(RuntimeError):
    """Too many outer steps in a row were not finite (exit code 6)."""


class Training(NamedTuple):
    """What a checkpoint holds: outer state, candidate thetas stacked [n_candidates, ...], non-finite steps in a row."""

    outer: Any
    candidates: Theta
    bad: Any


def train_row(
    run: Path, plain: Plain, name: str, tick: Callable[[int, dict[str, Any]], None] = lambda *_: None
) -> None:
    """Train, choose and judge one row, from its newest checkpoint on; a finished row is left alone.

    Writes metrics.jsonl, checkpoints/, lives.safetensors and row.json into the row's folder.
    Raises: Diverged, NoCheckpoint.
    """
    folder = row_folder(run, name)
    if (folder / "row.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    job = parse(plain, check=False)
    config = job.row(name)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem, outer = config.meta_problem(), config.outer_loop()
    theta, diverged = _trained(folder, config, problem, outer, _digest(plain, name), tick)
    # The held-out lives are opened here, once per row.
    scores = evaluate.lives(problem, theta, config.seed, "heldout", config.evaluation.heldout)
    facts = {"name": name, "diverged_lives": diverged, "wall_s": round(time.monotonic() - started, 2)}
    _publish(folder, theta, scores, facts)


def _trained(
    folder: Path,
    config: Config,
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    digest: str,
    tick: Callable[[int, dict[str, Any]], None],
) -> tuple[Theta, int]:
    """(the candidate that validation lives prefer, lives that blew up in training)."""
    total = outer.n_steps
    theta = problem.init(train.stream(config.seed, "theta"))
    if not jax.tree.leaves(theta):
        return theta, 0
    steps = candidate_steps(total, config.evaluation.candidates)
    state = Training(
        train.begin(problem, outer, config.seed),
        jax.tree.map(lambda x: jnp.zeros((len(steps), *x.shape), x.dtype), theta),
        jnp.zeros((), jnp.int32),
    )
    path = folder / "metrics.jsonl"
    forms = [state._replace(outer=form) for form in outer.forms(state.outer)]
    restored = checkpoint.restore(folder, forms, digest, logged(path))
    if restored is None:
        checkpoint.write(folder, 0, state, digest)  # a disk that is full is known before the first step
    start, state = restored or (0, state)
    metrics_file = MetricsFile(path, start)
    clock = time.monotonic()
    with keeper.HERE.training(folder, digest, metrics_file):
        for step, outer_state, metrics in train.steps(problem, outer, config.seed, state.outer, start, total):
            values = {key: np.asarray(value) for key, value in metrics.items()}
            bad = jnp.where(np.isfinite(values["loss"]), 0, state.bad + 1).astype(jnp.int32)
            theta, candidates = outer.theta(outer_state), state.candidates
            if step in steps:
                at = steps.index(step)
                candidates = jax.tree.map(lambda s, x: s.at[at].set(x), candidates, theta)  # noqa: B023
            state = Training(outer_state, candidates, bad)
            keeper.HERE.finished(step, state, (values, time.monotonic() - clock, numbers(theta)))
            clock = time.monotonic()
            if step % config.checkpoint_every == 0 or step == total or int(bad) >= MAX_SKIPPED:
                keeper.HERE.save()
            tick(step, values)
            if int(bad) >= MAX_SKIPPED:
                raise Diverged(
                    f"{folder}: {int(bad)} outer steps in a row without a finite loss - expected finite losses - "
                    "lower outer.learning_rate or the step sizes of the rule"
                )
    diverged = sum(row.get("diverged", 0) for row in read(folder / "metrics.jsonl"))
    return _choose(problem, config, state.candidates, len(steps)), int(diverged)


def numbers(theta: Theta) -> dict[str, list[float]]:
    """{"theta": the numbers of the rules, leaf after leaf in the order of their dotted names, as in the rule file};
    empty where there are none, or more than MAX_LOGGED."""
    leaves = {_dotted(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(theta["rules"])[0]}
    if not 0 < sum(leaf.size for leaf in leaves.values()) <= MAX_LOGGED:
        return {}
    return {"theta": [value for name in sorted(leaves) for value in np.asarray(leaves[name]).reshape(-1).tolist()]}


def candidate_steps(total: int, n: int) -> list[int]:
    """`n` equally spaced outer steps of the last half, the last one included."""
    return sorted({max(1, round(total * (0.5 + 0.5 * (i + 1) / n))) for i in range(n)})


def _choose(problem: MetaProblem, config: Config, candidates: Theta, n: int) -> Theta:
    """The candidate with the lowest mean objective on validation lives; the held-out lives are not looked at."""
    options = [jax.tree.map(lambda x: x[i], candidates) for i in range(n)]  # noqa: B023
    if n == 1:
        return options[0]
    losses = []
    for theta in options:
        values = evaluate.lives(problem, theta, config.seed, "validation", config.evaluation.validation)["loss"]
        losses.append(np.inf if not np.isfinite(values).all() else values.mean())
    return options[int(np.argmin(losses))]


def prototype_row(run: Path, plain: Plain) -> None:
    """The reference row `nearest_prototype`: nothing is trained, the same held-out lives are judged."""
    folder = row_folder(run, PROTOTYPE)
    if (folder / "row.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    config = parse(plain, check=False).main
    accuracy = evaluate.prototypes(config.meta_problem(), config.seed, config.evaluation.heldout)
    _publish(folder, {}, {"accuracy": accuracy}, {"name": PROTOTYPE, "diverged_lives": 0})


def theta_of(folder: Path, problem: MetaProblem) -> Theta:
    """The chosen theta of a finished row."""
    like = jax.eval_shape(problem.init, jax.random.key(0))
    arrays = load_file(folder / "theta.safetensors")
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[_dotted(path)]), like)


def _publish(folder: Path, theta: Theta, scores: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """What the table is made of; row.json comes last, so it marks a finished row."""
    leaves = jax.tree_util.tree_flatten_with_path(theta)[0]
    numbers = {_dotted(path): np.asarray(leaf, order="C") for path, leaf in leaves}
    write_bytes(folder / "theta.safetensors", save(numbers))
    write_bytes(folder / "lives.safetensors", save({key: np.ascontiguousarray(x) for key, x in scores.items()}))
    write_json(folder / "row.json", facts)


def _dotted(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _digest(plain: Plain, name: str) -> str:
    """What determines a row's training: all but the checkpoint interval, the logger, comparisons and the other rows."""
    free = ("checkpoint_every", "logging", "compare", "rows")
    kept = {key: value for key, value in plain.items() if key not in free}
    kept["row"] = plain.get("rows", {}).get(name) if name != DISCOVERED else None
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
