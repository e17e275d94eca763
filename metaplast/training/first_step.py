"""The report on the first outer step of a run: does it speak against the outer loop?

The report needs no program that the run does not compile anyway.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from metaplast.diagnosis.advice import FirstStep, first_objection, kind_of
from metaplast.diagnosis.measure import NEAR, Plan
from metaplast.diagnosis.signal import resolution
from metaplast.problem.held import held_of
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import name_of
from metaplast.results import curves
from metaplast.results.evaluate import lives
from metaplast.runs.job import Config
from metaplast.signals import Theta
from metaplast.space import coordinates, theta_at
from metaplast.training.diverged import Diverged

log = logging.getLogger(__name__)


def report(
    config: Config,
    problem: MetaProblem,
    before: Theta,
    after: Theta,
    metrics: Mapping[str, Any],
) -> None:
    """Log the first step, and warn where it speaks against an outer loop of the class `gradient`.

    The same validation lives, as many as a call takes, are lived twice by the program that judges
    candidates. Where all lives of the step blew up, some validation lives are lived without
    plasticity.

    Args:
        config: the config of the run.
        problem: its problem.
        before: theta before the step.
        after: theta after the step.
        metrics: the metrics of the step.

    Raises: Diverged where no life is finite even without plasticity: no search can mend that.
    """
    first = measured(config, problem, before, after, metrics)
    if first.diverged >= first.lives:
        _demand_finite_task(config, problem, before)
    name = name_of(type(config.outer))
    facts = [f"{first.diverged:.3g} of {first.lives:.3g} lives blew up"]
    if math.isfinite(first.norm):
        facts.append(f"gradient norm of a life {first.norm:.2g}, of the step {first.grad_norm:.2g}")
    if math.isfinite(first.slope):
        facts.append(
            f"a short step in its direction changes the loss by {first.slope:+.2g} "
            f"+- {first.error:.1g} per length of theta"
        )
    objection = first_objection(first) if kind_of(config.outer) == "gradient" else ""
    if objection:
        log.warning(
            "outer=%s: %s; see metaplast diagnose, or try outer=es (first step: %s)",
            name,
            objection,
            ", ".join(facts),
        )
    else:
        log.info("first step of outer=%s: %s", name, ", ".join(facts))


def _demand_finite_task(config: Config, problem: MetaProblem, theta: Theta) -> None:
    """Raises: Diverged where the loss is not finite in any life whose weights stay as at birth."""
    still = replace(problem, lifetime=replace(problem.lifetime, slots=()))
    frozen = {**theta, "rules": {}}
    seen = curves.per_step(still, frozen, config.seed, problem.n_tasks, "validation")["loss"]
    is_lost = ~np.isfinite(seen.values)
    if not is_lost.any(axis=1).all():
        return
    step = 1 + int(is_lost.argmax(axis=1).min())
    task = name_of(type(problem.lifetime.task))
    raise Diverged(
        f"task {task}: its loss is not finite at step {step}, in all of {problem.n_tasks} lives "
        f"without plasticity - expected a finite loss - run metaplast.testing.check_task_family"
    )


def measured(
    config: Config,
    problem: MetaProblem,
    before: Theta,
    after: Theta,
    metrics: Mapping[str, Any],
) -> FirstStep:
    """The measurements of the first step. The arguments are as in `report`.

        slope = mean over lives of (L(z + s u) - L(z - s u)) / 2s

    L: loss of a life; only lives with two finite losses count.
    z: theta before the step, in the coordinates of the search.
    u: unit vector in the direction of the step.
    s: a tenth of the standard deviation of an evolution strategy.
    """
    piece = config.evaluation.piece
    held = held_of(config.slots())
    start = jax.device_get(coordinates(config.space, held, before))
    end = jax.device_get(coordinates(config.space, held, after))
    step = jax.tree.map(np.subtract, end, start)
    squares = [np.sum(np.square(x)) for x in jax.tree.leaves(step)]
    length = float(np.sqrt(sum(squares)))
    size = NEAR * Plan().std
    slopes = np.full(0, np.nan)
    smallest_slope = math.nan
    if math.isfinite(length) and length > 0.0:

        def losses(share: float) -> np.ndarray:
            """The losses after a share of the step."""
            z = jax.tree.map(lambda x, u: x + np.asarray(share, x.dtype) * u, start, step)
            theta = theta_at(config.space, held, z)
            return lives(problem, theta, config.seed, "validation", piece, piece)["loss"]

        forward = losses(size / length)
        back = losses(-size / length)
        differences = forward.astype(np.float64) - back.astype(np.float64)
        slopes = differences[np.isfinite(differences)] / (2.0 * size)
        smallest_slope = resolution(forward, size)
    slope = math.nan
    error = math.nan
    if len(slopes) > 1:
        slope = float(slopes.mean())
        error = float(slopes.std(ddof=1) / math.sqrt(len(slopes)))
    return FirstStep(
        lives=float(metrics["lives"]),
        diverged=float(metrics["diverged"]),
        norm=float(metrics.get("norm", math.nan)),
        grad_norm=float(metrics.get("grad_norm", math.nan)),
        n_numbers=sum(leaf.size for leaf in jax.tree.leaves(start)),
        slope=slope,
        error=error,
        resolution=smallest_slope,
    )
