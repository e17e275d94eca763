"""Random surroundings for one rule: views, weights and a short life of a single edge.

All of it is NumPy outside `life`: slicing an array of JAX compiles a program each time.
"""

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.aggregates import AGGREGATES
from metaplast.locality.reads import reads
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, SynapseView, Theta
from metaplast.testing.base import demand, keys, quick_jit

N_POST, N_PRE, N_STEPS, DT = 3, 4, 6, 2e-3


@lru_cache(maxsize=64)
def channels(rule: AbstractRule) -> tuple[str, ...]:
    """The modulators a rule asks for, found by offering it none and adding what it misses."""
    found: tuple[str, ...] = ()
    while True:
        try:
            reads(rule, Dense(N_POST, N_PRE), found)
        except KeyError as missing:
            demand(missing.args[0] not in found, f"modulator {missing} is offered, yet missing")
            found = (*found, missing.args[0])
        else:
            return found


def is_wide(rule: AbstractRule) -> bool:
    """Whether the rule reads sums over synapses, which then have to follow the weights."""
    return not AGGREGATES.keys().isdisjoint(reads(rule, Dense(N_POST, N_PRE), channels(rule)))


def draw_views(seed: int, names: tuple[str, ...], n_steps: int = N_STEPS) -> SynapseView:
    """`n_steps` random moments of an edge, stacked: spikes (0 or 1) at even steps, graded
    activities at odd ones.

    The weights are left blank: `life` fills them in.
    """
    rng = np.random.default_rng(seed)
    return SynapseView(
        pre=_neurons(rng, n_steps, N_PRE),
        post=_neurons(rng, n_steps, N_POST),
        weight=np.zeros(n_steps),
        weight_initial=np.zeros(n_steps),
        weight_max=np.ones(n_steps),
        modulators={name: rng.normal(size=n_steps) for name in names},
        key=keys(seed, n_steps),
    )


def _neurons(rng: np.random.Generator, n_steps: int, n: int) -> NeuronView:
    fields = {name: rng.normal(size=(n_steps, n)) for name in NeuronView.__dataclass_fields__}
    spiking = (np.arange(n_steps) % 2 == 0)[:, None]
    uniform = rng.random((n_steps, n))
    fields["activity"] = np.where(spiking, np.round(uniform), 1.5 * uniform)
    fields["gain"] = 1.0 / (1.0 + np.exp(-fields["gain"]))
    for name in ("weight_sum", "weight_norm"):
        fields[name] = 0.5 + np.abs(fields[name])
    return NeuronView(**fields)


def draw_weights(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Magnitudes well inside the bounds 0 and 1: rules for signed and for unsigned weights both
    live there.
    """
    return np.random.default_rng(seed).uniform(0.2, 0.8, shape)


def moment(views: SynapseView, t: int | slice) -> SynapseView:
    return jax.tree.map(lambda x: x[t], views)


def with_aggregates(
    connection: AbstractConnection, view: SynapseView, weight: Array
) -> SynapseView:
    """The view with its sums over synapses recomputed from a plain matrix of the weights."""
    matrix = weight if weight.ndim == 2 else jnp.tensordot(weight, _places(connection), 1)
    x, y, e_pre, e_post = (
        view.pre.activity,
        view.post.activity,
        view.pre.feedback,
        view.post.feedback,
    )
    support = jnp.broadcast_to(connection.mask(), weight.shape)
    exists = support if weight.ndim == 2 else jnp.tensordot(support, _places(connection), 1)
    layer = {
        "layer_power": jnp.sum(y**2),
        "layer_backward": jnp.sum(matrix * y[:, None] * e_pre[None, :]),
        "layer_forward": jnp.sum(matrix * e_post[:, None] * x[None, :]),
    }
    sides = {
        "pre": replace(
            view.pre,  # pyright: ignore[reportAttributeAccessIssue]
            returned=jnp.sum(matrix * y[:, None], axis=0),
            weight_sum=jnp.sum(matrix, axis=0),
            weight_norm=jnp.sqrt(jnp.sum(matrix**2, axis=0)),
        ),
        "post": replace(
            view.post,  # pyright: ignore[reportAttributeAccessIssue]
            returned=jnp.zeros(connection.n_post),
            weight_sum=jnp.sum(matrix, axis=1),
            weight_norm=jnp.sqrt(jnp.sum(matrix**2, axis=1)),
            input_gain=1.0 / (1.0 + jnp.sum(exists * x[None, :] ** 2, axis=1)),
            **{name: jnp.full(connection.n_post, value) for name, value in layer.items()},
        ),
    }
    return replace(view, **sides)


@lru_cache(maxsize=16)
def _places(connection: AbstractConnection) -> np.ndarray:
    """[n_synapses, n_post, n_pre]: 1 where a synapse lies in the matrix."""
    with jax.ensure_compile_time_eval():
        post = np.asarray(connection.at_post(jnp.arange(connection.n_post)))
        pre = np.asarray(connection.at_pre(jnp.arange(connection.n_pre)))
    places = np.zeros((len(post), connection.n_post, connection.n_pre))
    places[np.arange(len(post)), post, pre] = 1.0
    return places


def life(
    rule: AbstractRule,
    connection: AbstractConnection,
    dt: float,
    theta: Theta,
    views: SynapseView,
    weight: Array,
    mask: Array,
) -> dict[str, Any]:
    """One edge with its rule through all `views`: {state, weight} at the end and {deltas} of every
    step.

    Only what the rule reads is passed through the scan: it halves the program.
    """
    leaves, tree = jax.tree.flatten(views)
    read = reads(rule, Dense(N_POST, N_PRE), channels(rule)) | {"post.activity"}
    moving = [i for i, name in enumerate(leaf_names(views)) if name in read]

    def step(carry: tuple[Any, Array], now: list[Array]) -> tuple[tuple[Any, Array], Array]:
        state, w = carry
        here = [now[moving.index(i)] if i in moving else leaf[0] for i, leaf in enumerate(leaves)]
        view = replace(jax.tree.unflatten(tree, here), weight=w, weight_initial=weight)
        view = with_aggregates(connection, view, w) if is_wide(rule) else view
        state, delta = rule.step(theta, state, connection, view, dt)
        return (state, jnp.clip(w + mask * delta, 0.0, 1.0)), delta

    (state, last), deltas = lax.scan(
        step, (rule.init_state(theta, connection), weight), [leaves[i] for i in moving]
    )
    return {"state": state, "weight": last, "deltas": deltas}


run = quick_jit(life, static_argnums=(0, 1, 2))


def leaf_names(view: SynapseView) -> list[str]:
    """The names locality/reads.py gives to the leaves of a view."""
    paths = jax.tree_util.tree_flatten_with_path(view)[0]
    return [
        ".".join(str(getattr(p, "name", getattr(p, "key", p))) for p in path) for path, _ in paths
    ]


def layout(rule: AbstractRule) -> Any:
    """For every leaf of theta how it is laid out: `shared`, or one value per `synapse`, `post` or
    `pre` neuron.
    """
    sizes = ((N_POST, N_PRE), (N_POST + 2, N_PRE + 3))
    small, large = (
        jax.eval_shape(partial(rule.init, connection=Dense(*size)), jax.random.key(0))
        for size in sizes
    )

    def kind(a: Any, b: Any) -> str:
        if a.shape == b.shape:
            return "shared"
        leads = {"synapse": 2, "post": 1, "pre": 1}
        for name, n in leads.items():
            wanted = [
                size if n == 2 else (size[0],) if name == "post" else (size[1],) for size in sizes
            ]
            if [a.shape[:n], b.shape[:n]] == wanted and a.shape[n:] == b.shape[n:]:
                return name
        demand(
            False,
            f"theta leaf {a.shape} is shared, or laid out like the synapses, the post or the pre "
            f"neurons",
        )
        return ""

    return jax.tree.map(kind, small, large)


def take(theta: Theta, kinds: Any, rows: Any, columns: Any, paired: bool = False) -> Theta:
    """theta for the neurons `rows` and `columns` of a dense edge; paired: for the synapses (row,
    column) one by one.
    """

    def one(kind: str, leaf: Array) -> Array:
        if kind == "shared":
            return leaf
        if kind == "synapse":
            return leaf[rows, columns] if paired else leaf[rows][:, columns]
        return leaf[rows if kind == "post" else columns]

    return jax.tree.map(one, kinds, theta)
