"""The choice of `outer=auto`: the advised loop, made once, as fields of the outer loop."""

from dataclasses import replace
from typing import Any

import jax

from metaplast import search_loop
from metaplast.diagnosis import measure
from metaplast.diagnosis.advice import advise, growth_factor, spread_factor
from metaplast.diagnosis.diagnose import std_of
from metaplast.diagnosis.measure import Diagnosis, Plan
from metaplast.problem.held import held_of
from metaplast.registry import find
from metaplast.runs import preflight
from metaplast.runs.config import Plain
from metaplast.runs.job import Config

N_LIVES = 32
"""Lives of every measurement, as `metaplast diagnose` has by default."""


def open_choice(plain: Plain) -> bool:
    """Whether a config leaves the choice of its outer loop open."""
    outer = plain.get("outer")
    return isinstance(outer, dict) and outer.get("name") == "auto" and not outer.get("reason")


def choose(config: Config) -> Plain:
    """The fields `chosen`, `reason` and `measured` of outer loop auto, for a config.

    Args:
        config: the config of the main row. Its seed draws the lives that are measured.

    Raises: BadInput where there is nothing to learn.
    """
    jax.config.update("jax_enable_x64", config.precision == "float64")
    outer: Any = config.outer
    by_gradient = replace(config, outer=find("outer", "bptt")(steps=outer.steps))
    problem = by_gradient.meta_problem()
    theta = problem.init(search_loop.stream(config.seed, "theta"))
    key = search_loop.stream(config.seed, "diagnosis")
    plan = Plan(N_LIVES, std_of(by_gradient))
    held = held_of(config.slots())
    diagnosis = measure.diagnose(problem, theta, key, config.space, plan, held)
    needed = preflight.forecast(by_gradient).total
    memory = needed / max(1.0, preflight.SHARE * preflight.available())
    advice = advise(diagnosis, memory)
    return {
        "chosen": {"name": advice.outer, "steps": outer.steps},
        "reason": advice.reason,
        "measured": _measured(diagnosis, memory),
    }


def _measured(diagnosis: Diagnosis, memory: float) -> list[str]:
    """The numbers behind an advice, as name=value."""
    numbers = {
        "lives": diagnosis.here.n_lives,
        "differentiable": int(diagnosis.differentiable),
        "signal_of_gradient": diagnosis.here.per_step,
        "signal_of_losses": diagnosis.agreement.signal.per_step,
        "agreement": diagnosis.agreement.near,
        "gradient_growth": growth_factor(diagnosis),
        "disturbance_growth": spread_factor(diagnosis),
        "zero_gradients": diagnosis.here.zero,
        "diverged": diagnosis.diverged,
        "memory_share": memory,
    }
    return [f"{name}={value:.4g}" for name, value in numbers.items()]
