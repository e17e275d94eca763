"""Feed a rule with signals step by step, without any network."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.rules._locality import blank_view


def drive(
    rule: Any, connection: Any, pre: Any, post: Any, *, dt: float, weight: Any = 0.0, theta: Any = None, **fields: Any
) -> tuple[np.ndarray, Any]:
    """delta_w of every step [n_steps, *shape] for activities pre [n_steps, n_pre], post [n_steps, n_post] at a weight
    that never changes, and the last state. fields: `weight_max`, and `modulators` {channel: [n_steps]}."""
    theta = rule.init(jax.random.key(0), connection) if theta is None else theta
    channels = {name: _floats(values) for name, values in fields.get("modulators", {}).items()}
    blank = blank_view(connection, tuple(channels)).replace(
        weight=jnp.broadcast_to(_floats(weight), connection.shape),
        weight_max=jnp.asarray(fields.get("weight_max", 1.0)),
    )

    def step(state: Any, now: Any) -> Any:
        x, y, m = now
        view = blank.replace(pre=blank.pre.replace(activity=x), post=blank.post.replace(activity=y), modulators=m)
        return rule.step(theta, state, connection, view, dt)

    start = rule.init_state(theta, connection)
    state, deltas = jax.lax.scan(step, start, (_floats(pre), _floats(post), channels))
    return np.asarray(deltas), state


def _floats(values: Any) -> Any:
    return jnp.asarray(np.asarray(values), jnp.zeros(()).dtype)
