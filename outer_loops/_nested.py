"""Outer loops inside an outer loop."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from metaplast.signals import Metrics
from outer_loops._foreign import relaxed


def prefixed(prefix: str, hyper: dict[str, Array]) -> dict[str, Array]:
    """The numbers of an inner loop, under their names in the outer one."""
    return {f"{prefix}_{name}": value for name, value in hyper.items()}


def of_inner(prefix: str, hyper: dict[str, Array]) -> dict[str, Array]:
    """The numbers of the inner loop, under its own names.

    Args:
        prefix: the prefix of the inner loop.
        hyper: the numbers of the outer loop.
    """
    inner = {}
    for name, value in hyper.items():
        if name.startswith(f"{prefix}_"):
            inner[name.removeprefix(f"{prefix}_")] = value
    return inner


def scaled(state: Any, name: str, factor: float) -> Any:
    """The state with one of its numbers (`hyper`) `factor` as large.

    Args:
        state: the state of an outer loop.
        name: the name of the number in `hyper`.
        factor: the factor.
    """
    return replace(state, hyper={**state.hyper, name: state.hyper[name] * factor})


def in_form(metrics: Metrics, *all_forms: Metrics) -> Metrics:
    """The scalars that any of several loops reports, with one dtype each.

    A scalar that is missing is not a number, or 0 for a count.

    Args:
        metrics: the metrics of the loop at work.
        all_forms: the metrics of each loop, as shapes and dtypes.
    """
    dtypes_of: dict[str, list[jnp.dtype]] = {}
    for form in all_forms:
        for name, value in form.items():
            if value.shape == ():
                dtypes_of.setdefault(name, []).append(value.dtype)
    common = {}
    for name, dtypes in dtypes_of.items():
        with relaxed():  # lives may be whole numbers or parts
            dtype = jnp.promote_types(dtypes[0], dtypes[-1])
        missing = jnp.nan if jnp.issubdtype(dtype, jnp.floating) else 0
        common[name] = jnp.asarray(metrics.get(name, missing)).astype(dtype)
    return common
