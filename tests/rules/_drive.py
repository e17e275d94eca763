"""Feed a rule with signals step by step, without any network."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.locality.reads import blank_view


def drive(
    rule: Any,
    connection: Any,
    pre: Any,
    post: Any,
    *,
    dt: float,
    weight: Any = 0.0,
    theta: Any = None,
    **fields: Any,
) -> tuple[np.ndarray, Any]:
    """The changes of a rule in every step, at a weight that never changes.

    Args:
        rule: the rule.
        connection: the synapses.
        pre: presynaptic activities [n_steps, n_pre].
        post: postsynaptic activities [n_steps, n_post].
        dt: seconds per step.
        weight: the weight, in the layout of the connection or a number.
        theta: of the rule; None for its start.
        fields: `weight_max` [], `modulators` {channel: [n_steps]}, and `signals`, other fields of
            the post neuron {field: [n_steps, n_post]}.

    Returns: (delta_w [n_steps, *shape], the last state).
    """
    theta = rule.init(jax.random.key(0), connection) if theta is None else theta
    weight = np.broadcast_to(np.asarray(weight), connection.shape)
    signals = (pre, {"activity": post, **fields.get("signals", {})}, fields.get("modulators", {}))
    arrays = jax.tree.map(_floats, (weight, fields.get("weight_max", 1.0), signals))
    deltas, state = _scan(rule, connection, dt, theta, *arrays)
    return np.asarray(deltas), state


@partial(jax.jit, static_argnums=(0, 1, 2))
def _scan(
    rule: Any, connection: Any, dt: float, theta: Any, weight: Any, weight_max: Any, signals: Any
) -> Any:
    blank = blank_view(connection, tuple(signals[2]))
    blank = replace(blank, weight=weight, weight_max=weight_max)

    def step(state: Any, now: Any) -> Any:
        pre = replace(blank.pre, activity=now[0])
        post = replace(blank.post, **now[1])
        view = replace(blank, pre=pre, post=post, modulators=now[2])
        return rule.step(theta, state, connection, view, dt)

    state, deltas = jax.lax.scan(step, rule.init_state(theta, connection), signals)
    return deltas, state


def _floats(values: Any) -> Any:
    return jnp.asarray(np.asarray(values), jnp.zeros(()).dtype)
