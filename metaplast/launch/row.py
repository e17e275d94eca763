"""Train one row of a run's table, choose its candidate on validation lives, judge it once on held-out lives."""

import hashlib
import json
import logging
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save

from metaplast import train
from metaplast.inspection import evaluate
from metaplast.interfaces import AbstractOuterLoop
from metaplast.launch.config import Plain
from metaplast.launch.folder import row_folder, write_bytes, write_json
from metaplast.launch.job import DISCOVERED, PROTOTYPE, Single, parse
from metaplast.launch.metrics import read
from metaplast.launch.training import Tick, Trainee, dotted, enlist, train_together
from metaplast.problem import MetaProblem
from metaplast.signals import Theta

log = logging.getLogger(__name__)


class Diverged(RuntimeError):
    """Too many outer steps in a row were not finite (exit code 6)."""


def train_row(runs: Sequence[Single], name: str, tick: Tick = lambda *_: None) -> None:
    """Train, choose and judge one row of every run, from its newest checkpoint on; finished ones are left alone.

    Runs whose compiled program is the same train together. Writes metrics.jsonl, checkpoints/, lives.safetensors and
    row.json into the row's folders.
    Raises: NoCheckpoint; Diverged where the only run does. One of several that does is named in a warning and is left
    without its row.json.
    """
    together: dict[Hashable, list[Single]] = {}
    for one in runs:
        if not (row_folder(one.folder, name) / "row.json").is_file():
            together.setdefault(program_of(one, name), []).append(one)
    for several in together.values():
        for line in _train_program(several, name, tick):
            if len(runs) == 1:
                raise Diverged(line)
            log.warning(line)


def program_of(one: Single, name: str) -> tuple[MetaProblem, AbstractOuterLoop]:
    """What a row is compiled from."""
    config = parse(one.program, check=False).row(name)
    jax.config.update("jax_enable_x64", config.precision == "float64")
    return config.meta_problem(), config.outer_loop()


def _train_program(runs: Sequence[Single], name: str, tick: Tick) -> list[str]:
    """One row of runs of one program; a line for each that diverged."""
    started = time.monotonic()
    problem, outer = program_of(runs[0], name)
    trainees, ready = [], []
    for one in runs:
        folder, config = row_folder(one.folder, name), parse(one.plain, check=False).row(name)
        folder.mkdir(parents=True, exist_ok=True)
        theta = problem.init(train.stream(config.seed, "theta"))
        if jax.tree.leaves(theta):
            trainee = enlist(folder, config, _digest(one.plain, name), problem, outer)
            trainees.append(trainee._replace(watched=name == DISCOVERED))
        else:
            ready.append((folder, config, theta, 0))
    trained = train_together(trainees, problem, outer, tick, runs[0].lockstep)
    for it in trained:
        if not it.diverged:
            diverged = sum(row.get("diverged", 0) for row in read(it.folder / "metrics.jsonl"))
            ready.append((it.folder, it.config, _choose(problem, it), int(diverged)))
    share = (time.monotonic() - started) / len(runs)
    for folder, config, theta, diverged in ready:
        started = time.monotonic()
        # The held-out lives are opened here, once per row.
        scores = evaluate.lives(problem, theta, config.seed, "heldout", config.evaluation.heldout)
        wall_s = round(share + time.monotonic() - started, 2)
        _publish(folder, theta, scores, {"name": name, "diverged_lives": diverged, "wall_s": wall_s})
    return [
        f"{it.folder}: {int(it.state.bad)} outer steps in a row without a finite loss - expected finite losses - "
        "lower outer.learning_rate or the step sizes of the rule"
        for it in trained
        if it.diverged
    ]


def _choose(problem: MetaProblem, trained: Trainee) -> Theta:
    """The candidate with the lowest mean objective on validation lives; the held-out lives are not looked at."""
    candidates, config = trained.state.candidates, trained.config
    n = len(jax.tree.leaves(candidates)[0])
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
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[dotted(path)]), like)


def _publish(folder: Path, theta: Theta, scores: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """What the table is made of; row.json comes last, so it marks a finished row."""
    leaves = jax.tree_util.tree_flatten_with_path(theta)[0]
    numbers = {dotted(path): np.asarray(leaf, order="C") for path, leaf in leaves}
    write_bytes(folder / "theta.safetensors", save(numbers))
    write_bytes(folder / "lives.safetensors", save({key: np.ascontiguousarray(x) for key, x in scores.items()}))
    write_json(folder / "row.json", facts)


def _digest(plain: Plain, name: str) -> str:
    """What determines a row's training: all but the checkpoint interval, the logger, comparisons and the other rows."""
    free = ("checkpoint_every", "logging", "compare", "rows")
    kept = {key: value for key, value in plain.items() if key not in free}
    kept["row"] = plain.get("rows", {}).get(name) if name != DISCOVERED else None
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
