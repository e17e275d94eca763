"""Outer loops inside an outer loop."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from metaplast.signals import Metrics
from outer_loops._foreign import relaxed


def prefixed(prefix: str, hyper: dict[str, Array]) -> dict[str, Array]:
    """The numbers of an inner loop among those of the outer one."""
    return {f"{prefix}_{name}": value for name, value in hyper.items()}


def own(prefix: str, hyper: dict[str, Array]) -> dict[str, Array]:
    """The inner loop's numbers, under the names it knows them by."""
    return {
        name.removeprefix(f"{prefix}_"): x
        for name, x in hyper.items()
        if name.startswith(f"{prefix}_")
    }


def scaled(state: Any, name: str, factor: float) -> Any:
    """The state with one of its numbers (`hyper`) `factor` as large."""
    return replace(state, hyper={**state.hyper, name: state.hyper[name] * factor})


def in_form(metrics: Metrics, *all_forms: Metrics) -> Metrics:
    """The scalars that any of several loops reports, with one dtype each: not a number, or 0 for a
    count, where this one reports none."""
    wanted: dict[str, list[jnp.dtype]] = {}
    for form in all_forms:
        for name, value in form.items():
            if value.shape == ():
                wanted.setdefault(name, []).append(value.dtype)
    found = {}
    for name, dtypes in wanted.items():
        with relaxed():  # lives may be whole or parts
            dtype = jnp.promote_types(dtypes[0], dtypes[-1])
        missing = jnp.nan if jnp.issubdtype(dtype, jnp.floating) else 0
        found[name] = jnp.asarray(metrics.get(name, missing)).astype(dtype)
    return found
