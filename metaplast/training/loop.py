"""The training loop: runs that train together by one compiled program.

Each run has its own checkpoints and metrics.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast import search_loop, tuning, watch
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs import checkpoint, saver
from metaplast.runs.job import Config
from metaplast.runs.metrics import METRICS, MetricsFile, last_logged_step
from metaplast.runs.row_files import dotted
from metaplast.signals import Metrics, Theta
from metaplast.training import first_step
from metaplast.training.diverged import MAX_SKIPPED
from metaplast.watch import Watch

log = logging.getLogger(__name__)
MAX_LOGGED = 256
"""The largest number of a rule's numbers that is written at every outer step."""
Tick = Callable[[Path, int], None]
"""tick(folder of a row, outer steps done)"""


class TrainingState(NamedTuple):
    """The state of a training, as a checkpoint holds it.

    outer: state of the outer loop.
    candidates: thetas [1 + n_candidates, ...]; the first is theta at the start.
    bad: outer steps in a row without a finite loss.
    watch: the watch over the search.
    """

    outer: Any
    candidates: Theta
    bad: Any
    watch: Watch


class Trainee(NamedTuple):
    """A row of one run in training.

    folder: folder of the row.
    config: config of the row.
    digest: digest of all settings that decide the training.
    step: outer steps done.
    state: state after these steps.
    watched: whether the first step is reported (training/first_step.py).
    """

    folder: Path
    config: Config
    digest: str
    step: int
    state: TrainingState
    watched: bool = False

    @property
    def diverged(self) -> bool:
        """Whether too many outer steps in a row had no finite loss."""
        return int(self.state.bad) >= MAX_SKIPPED


def enlist(
    folder: Path,
    config: Config,
    digest: str,
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    theta: Theta | None = None,
) -> Trainee:
    """The trainee of a row, at its newest checkpoint or before its first step.

    A new row begins with the numbers (`hyper`) of its own config.

    Args:
        folder: the folder of the row.
        config: the config of the row.
        digest: the digest of all settings that decide the training.
        problem: the problem of the compiled program.
        outer: the outer loop of the compiled program.
        theta: theta at the start; None: a random one.

    Raises: BadInput, NoCheckpoint, OSError.
    """
    begun = search_loop.begin(problem, outer, config.seed, config.outer_loop().hyper(), theta)
    n = 1 + len(candidate_steps(outer.n_steps, config.evaluation.candidates))
    candidates = jax.tree.map(lambda x: np.stack([x] * n), jax.device_get(outer.theta(begun)))
    state = TrainingState(begun, candidates, np.zeros((), np.int32), watch.begin(begun))
    forms = []
    for form in outer.forms(begun):
        forms.append(state._replace(outer=form, watch=watch.begin(form)))
    last_step = last_logged_step(folder / METRICS)
    restored = checkpoint.restore(folder, forms, digest, last_step)
    if restored is None:
        # A full disk shows before the first step.
        checkpoint.write(folder, 0, state, digest)
        return Trainee(folder, config, digest, 0, state)
    step, state = restored
    return Trainee(folder, config, digest, step, state)


def train_together(
    trainees: Sequence[Trainee],
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    tick: Tick,
    lockstep: bool | None = None,
) -> list[Trainee]:
    """Train each row to its last step, or until it diverges.

    Rows that are behind, such as after a kill, catch up first. The others go on when one diverges.

    Args:
        trainees: rows of one compiled program.
        problem: the problem.
        outer: the outer loop.
        tick: a function that is called after every step of every row.
        lockstep: see `search_loop.steps_many`.

    Returns: the rows after their last step.
    """
    by_folder = {trainee.folder: trainee for trainee in trainees}
    suits = tuning.here().lockstep
    if len(by_folder) > 1 and suits and len(outer.forms(trainees[0].state.outer)) > 1:
        log.warning(
            "%d runs take every step one after the other: restarts change the shape of the state",
            len(by_folder),
        )
    files = []
    for trainee in trainees:
        metrics = MetricsFile(trainee.folder / METRICS, trainee.step)
        files.append(saver.RowFiles(trainee.folder, trainee.digest, metrics))
    with saver.SAVER.training(files):
        while going := _going(by_folder.values(), outer):
            start = min(trainee.step for trainee in going)
            later = []
            for trainee in going:
                if trainee.step > start:
                    later.append(trainee.step)
            stop = min(later, default=outer.n_steps)
            together = []
            for trainee in going:
                if trainee.step == start:
                    together.append(trainee)
            runs = []
            for trainee in together:
                runs.append(_run(trainee))
            at_once = lockstep if len(together) > 1 else False
            steps = search_loop.steps_many(problem, outer, runs, start, stop, at_once)
            for trainee in _advance(together, steps, problem, outer, tick):
                by_folder[trainee.folder] = trainee
    return list(by_folder.values())


def _going(trainees: Iterable[Trainee], outer: AbstractOuterLoop) -> list[Trainee]:
    """The trainees that have steps to do."""
    going = []
    for trainee in trainees:
        if trainee.step < outer.n_steps and not trainee.diverged:
            going.append(trainee)
    return going


def _advance(
    together: list[Trainee],
    steps: Iterator[tuple[int, list[search_loop.OuterRun], list[Metrics]]],
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    tick: Tick,
) -> list[Trainee]:
    """The trainees after all steps, or after the step at which one diverges.

    The time of a step is shared equally among them.
    """
    begun = together[0].state.outer
    clock = time.monotonic()
    for step, runs, metrics in steps:
        values = []
        for each in metrics:
            values.append(_on_host(each))
        moved = []
        for trainee, run, numbers_of_step in zip(together, runs, values, strict=True):
            moved.append(_after(trainee, step, run, outer, numbers_of_step["loss"]))
        together = moved
        wall_s = (time.monotonic() - clock) / len(together)
        first = together[0]
        if step == 1 and first.watched:
            # Its compilation must not pass for the time of step 2, so no line of step 1 stands yet.
            before = outer.theta(begun)
            after = outer.theta(first.state.outer)
            first_step.report(first.config, problem, before, after, values[0])
        for trainee, numbers_of_step in zip(together, values, strict=True):
            theta = listed(outer.theta(trainee.state.outer))
            finished = saver.FinishedStep(step, trainee.state, numbers_of_step, wall_s, theta)
            saver.SAVER.finish(trainee.folder, finished)
        clock = time.monotonic()
        ended = any(trainee.diverged for trainee in together)
        if step % first.config.checkpoint_every == 0 or step == outer.n_steps or ended:
            saver.SAVER.save()
        for trainee in together:
            tick(trainee.folder, step)
        if ended:
            break
    return together


def _on_host(metrics: Metrics) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in metrics.items()}


def _run(trainee: Trainee) -> search_loop.OuterRun:
    return search_loop.OuterRun(trainee.config.seed, trainee.state.outer, trainee.state.watch)


def _after(
    trainee: Trainee,
    step: int,
    run: search_loop.OuterRun,
    outer: AbstractOuterLoop,
    loss: np.ndarray,
) -> Trainee:
    """The trainee after one step."""
    assert run.watch is not None
    if run.watch.falls > trainee.state.watch.falls:
        log.info(
            "%s: outer step %d: the search got lost: it goes on from before its best %d steps "
            "(median loss %.4g), with steps %g as large as at first",
            trainee.folder.name,
            step,
            watch.WINDOW,
            run.watch.lowest,
            run.watch.scale,
        )
    bad = 0
    if not np.isfinite(loss):
        bad = int(trainee.state.bad) + 1
    bad_steps = np.asarray(bad, np.int32)
    candidates = trainee.state.candidates
    steps = candidate_steps(outer.n_steps, trainee.config.evaluation.candidates)
    if step in steps:
        at = 1 + steps.index(step)
        theta = jax.device_get(outer.theta(run.state))
        candidates = jax.tree.map(
            lambda stack, leaf: np.concatenate([stack[:at], leaf[None], stack[at + 1 :]]),
            candidates,
            theta,
        )
    state = TrainingState(run.state, candidates, bad_steps, run.watch)
    return trainee._replace(step=step, state=state)


def candidate_steps(total: int, n: int) -> list[int]:
    """The outer steps after which theta becomes a candidate.

    Args:
        total: outer steps of the training.
        n: the number of candidates. They are equally spaced, and the last step is among them.
    """
    steps = set()
    for i in range(n):
        steps.add(max(1, round(total * (i + 1) / n)))
    return sorted(steps)


def listed(theta: Theta) -> dict[str, list[float]]:
    """{"theta": all numbers of the rules}, in the order of the dotted names, as in the rule file.

    {} for rules without numbers, or with more than MAX_LOGGED numbers.
    """
    leaves = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta["rules"])[0]:
        leaves[dotted(path)] = leaf
    if not 0 < sum(leaf.size for leaf in leaves.values()) <= MAX_LOGGED:
        return {}
    values: list[float] = []
    for name in sorted(leaves):
        values += np.asarray(leaves[name]).reshape(-1).tolist()
    return {"theta": values}
