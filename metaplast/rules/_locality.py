"""Locality is measured: what a rule reads is found in the program of its step, and gives its reach."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection
from metaplast.rules._grammar import REACHES as REACHES
from metaplast.rules._grammar import reach as reach
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, SynapseView


def blank_view(connection: AbstractConnection, modulators: tuple[str, ...]) -> SynapseView:
    """A view of zeros of the right shapes."""

    def side(n: int) -> NeuronView:
        return NeuronView(**{name: jnp.zeros(n) for name in NeuronView.__dataclass_fields__})

    return SynapseView(
        pre=side(connection.n_pre),
        post=side(connection.n_post),
        weight=connection.zeros(),
        weight_initial=connection.zeros(),
        weight_max=jnp.ones(()),
        modulators={name: jnp.zeros(()) for name in modulators},
        key=jax.random.key(0),
    )


@lru_cache(maxsize=256)
def reads(rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]) -> frozenset[str]:
    """The fields of the view on which state or delta_w depends: `pre.activity`, `weight`, `modulators.reward` ...

    Found by dead-code elimination on the program of one step. Raises: KeyError for a modulator that is not offered.
    """
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), connection))
    state = jax.eval_shape(lambda t: rule.init_state(t, connection), theta)
    view = jax.eval_shape(lambda: blank_view(connection, modulators))
    program = jax.make_jaxpr(lambda v, t, s: rule.step(t, s, connection, v, 1e-3))(view, theta, state)
    used = _used(program.jaxpr)
    paths = [_name(path) for path, _ in jax.tree_util.tree_flatten_with_path(view)[0]]
    return frozenset(name for name, variable in zip(paths, program.jaxpr.invars, strict=False) if variable in used)


def _used(jaxpr: Any) -> set[Any]:
    """The variables some output depends on (a nested program counts as reading all of its inputs)."""
    used = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for equation in reversed(jaxpr.eqns):
        if any(v in used for v in equation.outvars):
            used.update(v for v in equation.invars if not hasattr(v, "val"))
    return used


def _name(path: tuple) -> str:
    return ".".join(str(getattr(part, "name", getattr(part, "key", part))) for part in path)
