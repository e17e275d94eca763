"""What a run's own first outer step says of its outer loop, by no program that the run does not
compile anyway.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from metaplast.diagnosis.advice import FirstStep, first_objection, kind_of
from metaplast.diagnosis.measure import NEAR, Plan
from metaplast.diagnosis.signal import resolution
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import name_of
from metaplast.results.evaluate import PIECE, lives
from metaplast.runs.job import Config
from metaplast.signals import Theta
from metaplast.space import decode, encode

log = logging.getLogger(__name__)


def look(
    config: Config, problem: MetaProblem, thetas: tuple[Theta, Theta], told: Mapping[str, Any]
) -> None:
    """Note what the first step says; warn where it speaks against a configured gradient. thetas:
    before and after it;
    told: its metrics. The same 256 validation lives are lived twice, by the program that judges
    candidates.
    """
    first = measured(config, problem, thetas, told)
    name = name_of(type(config.outer))
    said = [f"{first.diverged:.3g} of {first.lives:.3g} lives blew up"]
    if math.isfinite(first.norm):
        said.append(f"gradient norm of a life {first.norm:.2g}, of the step {first.grad_norm:.2g}")
    if math.isfinite(first.slope):
        said.append(
            f"a short step its way changes the loss by {first.slope:+.2g} +- {first.error:.1g} per "
            f"length of theta"
        )
    against = first_objection(first) if kind_of(config.outer) == "gradient" else ""
    if against:
        log.warning(
            "outer=%s: %s; see metaplast diagnose, or try outer=es (first step: %s)",
            name,
            against,
            ", ".join(said),
        )
    else:
        log.info("first step of outer=%s: %s", name, ", ".join(said))


def measured(
    config: Config, problem: MetaProblem, thetas: tuple[Theta, Theta], told: Mapping[str, Any]
) -> FirstStep:
    """slope = (L(z + s u) - L(z - s u)) / 2s: z the coordinates of theta before the step, u the
    unit vector the step's way, s a tenth of the standard deviation of an evolution strategy; paired
    on the same lives, the finite ones.
    """
    before, after = (jax.device_get(encode(config.space, theta)) for theta in thetas)
    way = jax.tree.map(np.subtract, after, before)
    length = float(np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(way))))
    slopes, size = np.full(0, np.nan), NEAR * Plan().std
    shown = math.nan
    if math.isfinite(length) and length > 0.0:

        def losses(step: float) -> np.ndarray:
            moved = jax.tree.map(lambda x, u: x + np.asarray(step, x.dtype) * u, before, way)
            return lives(problem, decode(config.space, moved), config.seed, "validation", PIECE)[
                "loss"
            ]

        up, back = (losses(step) for step in (size / length, -size / length))
        apart = up.astype(np.float64) - back.astype(np.float64)
        slopes = apart[np.isfinite(apart)] / (2.0 * size)
        shown = resolution(up, size)
    enough = len(slopes) > 1
    return FirstStep(
        lives=float(told["lives"]),
        diverged=float(told["diverged"]),
        norm=float(told.get("norm", math.nan)),
        grad_norm=float(told.get("grad_norm", math.nan)),
        n_numbers=sum(leaf.size for leaf in jax.tree.leaves(before)),
        slope=float(slopes.mean()) if enough else math.nan,
        error=float(slopes.std(ddof=1) / math.sqrt(len(slopes))) if enough else math.nan,
        resolution=shown,
    )
