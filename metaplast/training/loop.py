"""Runs that train together by one compiled program, each with checkpoints and metrics of its
own.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast import train, watch
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs import checkpoint, saver
from metaplast.runs.job import Config
from metaplast.runs.metrics import MetricsFile, logged
from metaplast.runs.row_files import dotted
from metaplast.signals import Metrics, Theta
from metaplast.training import first_step as outset
from metaplast.watch import Watch

log = logging.getLogger(__name__)
MAX_SKIPPED = 20  # outer steps in a row that were not finite
MAX_LOGGED = 256  # numbers of a rule that are written at every outer step
Tick = Callable[[Path, int], None]  # a row's folder, outer steps done


class Training(NamedTuple):
    """What a checkpoint holds.

    outer: the outer state
    candidates: thetas stacked [1 + n_candidates, ...], the first that of the start
    bad: non-finite steps in a row
    watch: what leads the search back where it gets lost
    """

    outer: Any
    candidates: Theta
    bad: Any
    watch: Watch


class Trainee(NamedTuple):
    """A row of one run: its folder, config and digest; outer steps done, and the state after them;
    whether its first step is looked at (training/first_step.py)."""

    folder: Path
    config: Config
    digest: str
    step: int
    state: Training
    watched: bool = False

    @property
    def diverged(self) -> bool:
        return int(self.state.bad) >= MAX_SKIPPED


def enlist(
    folder: Path,
    config: Config,
    digest: str,
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    theta: Theta | None = None,
) -> Trainee:
    """A row at its newest checkpoint, or before its first step: it begins with the numbers
    (`hyper`) of its own config, at `theta` where that is given.

    Raises: BadInput, NoCheckpoint, OSError.
    """
    begun = train.begin(problem, outer, config.seed, config.outer_loop().hyper(), theta)
    n = 1 + len(candidate_steps(outer.n_steps, config.evaluation.candidates))
    candidates = jax.tree.map(lambda x: np.stack([x] * n), jax.device_get(outer.theta(begun)))
    state = Training(begun, candidates, np.zeros((), np.int32), watch.begin(begun))
    forms = [state._replace(outer=form, watch=watch.begin(form)) for form in outer.forms(begun)]
    restored = checkpoint.restore(folder, forms, digest, logged(folder / "metrics.jsonl"))
    if restored is None:
        checkpoint.write(
            folder, 0, state, digest
        )  # a disk that is full is known before the first step
    return Trainee(folder, config, digest, *(restored or (0, state)))


def train_together(
    trainees: Sequence[Trainee],
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    tick: Tick,
    lockstep: bool | None = None,
) -> list[Trainee]:
    """Each to its last step, or to where it diverged; lockstep: see `train.steps_many`.

    Those that are behind, as after a kill, catch up first; one that diverges leaves, and the others
    go on.
    """
    now = {t.folder: t for t in trainees}
    if (
        len(now) > 1
        and jax.default_backend() != "cpu"
        and len(outer.forms(trainees[0].state.outer)) > 1
    ):
        log.warning(
            "%d runs take every step one after the other: restarts change the shape of the state",
            len(now),
        )
    kept = [
        saver.Kept(t.folder, t.digest, MetricsFile(t.folder / "metrics.jsonl", t.step))
        for t in trainees
    ]
    with saver.HERE.training(kept):
        while going := [t for t in now.values() if t.step < outer.n_steps and not t.diverged]:
            start = min(t.step for t in going)
            stop = min((t.step for t in going if t.step > start), default=outer.n_steps)
            together = [t for t in going if t.step == start]
            at_once = lockstep if len(together) > 1 else False
            several = train.steps_many(
                problem, outer, [_run(t) for t in together], start, stop, at_once
            )
            moved = _advance(together, several, problem, outer, tick)
            now |= {t.folder: t for t in moved}
    return list(now.values())


def _advance(
    together: list[Trainee],
    steps: Iterator[tuple[int, list[train.Run], list[Metrics]]],
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    tick: Tick,
) -> list[Trainee]:
    """Through all steps, or until one diverges. `wall_s` of each is an equal share of their
    time.
    """
    begun = together[0].state.outer
    clock = time.monotonic()
    for step, found, metrics in steps:
        values = [{key: np.asarray(value) for key, value in each.items()} for each in metrics]
        together = [
            _after(t, step, run, outer, v["loss"])
            for t, run, v in zip(together, found, values, strict=True)
        ]
        wall_s = (time.monotonic() - clock) / len(together)
        for t, v in zip(together, values, strict=True):
            saver.HERE.finished(
                t.folder, step, t.state, (v, wall_s, numbers(outer.theta(t.state.outer)))
            )
        if step == 1 and together[0].watched:
            before, after = outer.theta(begun), outer.theta(together[0].state.outer)
            outset.look(together[0].config, problem, (before, after), values[0])
        clock = time.monotonic()
        ended = any(t.diverged for t in together)
        if step % together[0].config.checkpoint_every == 0 or step == outer.n_steps or ended:
            saver.HERE.save()
        for t in together:
            tick(t.folder, step)
        if ended:
            break
    return together


def _run(trainee: Trainee) -> train.Run:
    return train.Run(trainee.config.seed, trainee.state.outer, trainee.state.watch)


def _after(
    trainee: Trainee, step: int, run: train.Run, outer: AbstractOuterLoop, loss: np.ndarray
) -> Trainee:
    assert run.watch is not None
    if run.watch.falls > trainee.state.watch.falls:
        log.info(
            "%s: outer step %d: the search got lost: it goes on from before its best %d steps "
            "(median loss %.4g), with steps %g as large as at first",
            *(trainee.folder.name, step, watch.WINDOW, run.watch.lowest, run.watch.scale),
        )
    bad = np.asarray(0 if np.isfinite(loss) else int(trainee.state.bad) + 1, np.int32)
    candidates = trainee.state.candidates
    steps = candidate_steps(outer.n_steps, trainee.config.evaluation.candidates)
    if step in steps:
        at = 1 + steps.index(step)
        reached = jax.device_get(outer.theta(run.state))
        candidates = jax.tree.map(
            lambda s, x: np.concatenate([s[:at], x[None], s[at + 1 :]]), candidates, reached
        )
    return trainee._replace(step=step, state=Training(run.state, candidates, bad, run.watch))


def candidate_steps(total: int, n: int) -> list[int]:
    """`n` equally spaced outer steps of the whole course, the last one included."""
    return sorted({max(1, round(total * (i + 1) / n)) for i in range(n)})


def numbers(theta: Theta) -> dict[str, list[float]]:
    """{"theta": the numbers of the rules, leaf after leaf in the order of their dotted names, as in
    the rule file}; empty where there are none, or more than MAX_LOGGED."""
    leaves = {
        dotted(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(theta["rules"])[0]
    }
    if not 0 < sum(leaf.size for leaf in leaves.values()) <= MAX_LOGGED:
        return {}
    return {
        "theta": [
            value
            for name in sorted(leaves)
            for value in np.asarray(leaves[name]).reshape(-1).tolist()
        ]
    }
