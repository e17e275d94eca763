"""The reference vector of a rule: its changes of weight on fixed signals.

It is computed when a rule is saved, and again when the rule is loaded. So a change in the meaning
of the rule shows.
"""

import zlib
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.numerics.compiler import program
from metaplast.registry import BadInput
from metaplast.reuse.document import REFERENCE_SHAPE
from metaplast.rules.base import AbstractRule
from metaplast.signals import CREDIT_FIELDS, Key, NeuronView, RuleState, SynapseView, Theta

TOLERANCE = 1e-4
"""The largest difference, as a share of the largest element.

Other devices and other precisions differ by 1e-6. A changed meaning differs by more.
"""
_SIGNED = frozenset(
    {"potential", "score", "dendrite", "site", "returned", "layer_backward", "layer_forward"}
    | {"modulators", "credit"}
    | CREDIT_FIELDS
)
N_STEPS, N_POST, N_PRE = REFERENCE_SHAPE
TINY = Dense(N_POST, N_PRE)


def reference(rule: AbstractRule, theta: Theta, channels: tuple[str, ...], dt: float) -> np.ndarray:
    """delta_w [n_steps, n_post, n_pre] of a few steps on a tiny connection, in float64.

    The steps begin with the state at birth. A leaf of theta with one number per synapse is cut to
    its first numbers.

    Args:
        rule: the form of the rule.
        theta: its numbers.
        channels: the modulators that it reads.
        dt: seconds of a step.

    Raises: BadInput for a change that is not finite.
    """
    tiny_theta = _cut(rule, theta)
    state = rule.init_state(tiny_theta, TINY)
    deltas = []
    with jax.default_matmul_precision("highest"):
        for step in range(N_STEPS):
            signals = _signals(step, channels, key=None)
            state, delta = _change(rule, dt, tiny_theta, state, signals, step)
            deltas.append(np.asarray(delta, np.float64))
    values = np.stack(deltas)
    if not np.isfinite(values).all():
        raise BadInput(
            "the rule's change on the reference signals",
            "finite numbers",
            "train again with bounded theta",
        )
    return values


@program("rule", "dt", small=True)
def _change(
    rule: AbstractRule, dt: float, theta: Theta, state: RuleState, signals: SynapseView, step: int
) -> tuple[RuleState, jax.Array]:
    view = replace(signals, key=_key(step))
    return rule.step(theta, state, TINY, view, dt)


def compare(stored: Any, computed: np.ndarray, where: str) -> None:
    """Compare the reference vector of a file with the one that is computed now.

    Args:
        stored: the vector of the file, as nested lists.
        computed: the vector of now.
        where: the name of the file, for errors.

    Raises: BadInput where they differ.
    """
    expected = np.asarray(stored, np.float64)
    scale = max(np.abs(expected).max(), np.abs(computed).max())
    difference = np.abs(expected - computed).max()
    if difference > TOLERANCE * scale:
        raise BadInput(
            f"{where}: reference vector differs by {difference / scale:.1e} of its size",
            f"at most {TOLERANCE:.0e}",
            "the file was changed, or this version computes the rule differently: "
            "use the version that wrote it",
        )


def floats(theta: Theta) -> Theta:
    """Theta with every float leaf in JAX's default float."""
    default = jnp.result_type(float)

    def converted(leaf: Any) -> jax.Array:
        dtype = default if np.dtype(leaf.dtype).kind == "f" else leaf.dtype
        if isinstance(leaf, np.ndarray):
            # `jnp.asarray` would compile a program for each shape.
            return jax.device_put(leaf.astype(dtype))
        return jnp.asarray(leaf, dtype)

    return jax.tree.map(converted, theta)


def _cut(rule: AbstractRule, theta: Theta) -> Theta:
    """Theta with leaves that are cut to the sizes of the tiny connection."""
    template = jax.eval_shape(lambda: rule.init(jax.random.key(0), TINY))
    cut = jax.tree.map(lambda leaf, tiny: np.resize(np.asarray(leaf), tiny.shape), theta, template)
    return floats(cut)


def view_at(step: int, channels: tuple[str, ...]) -> SynapseView:
    """The fixed signals of one step.

    Args:
        step: the number of the step.
        channels: the names of the modulators.
    """
    return _signals(step, channels, _key(step))


def _key(step: Any) -> Key:
    return jax.random.fold_in(jax.random.key(0), step)


def _signals(step: int, channels: tuple[str, ...], key: Any) -> SynapseView:
    """The fixed signals of one step, in NumPy, with a given key."""
    one: Any = np.ones((), jnp.result_type(float))

    def side(name: str, n: int) -> NeuronView:
        signals = {}
        for field in NeuronView.__dataclass_fields__:
            signals[field] = _draw(f"{name}.{field}", step, (n,))
        return NeuronView(**signals)

    return SynapseView(
        pre=side("pre", N_PRE),
        post=side("post", N_POST),
        weight=_draw("weight", step, TINY.shape),
        weight_initial=_draw("weight_initial", 0, TINY.shape),
        weight_max=one,
        eligibility=_draw("eligibility", step, TINY.shape),
        credit=_draw("credit", step, TINY.shape),
        modulators={name: _draw(f"modulators.{name}", step, ()) for name in channels},
        key=key,
    )


def _draw(name: str, step: int, shape: tuple[int, ...]) -> Any:
    """Random numbers of a size between 0.1 and 0.9, of either sign for a signal with a sign.

    Each signal has its own stream. RandomState is the only generator of NumPy that is promised
    never to change.

    Args:
        name: the name of the signal.
        step: the number of the step.
        shape: the shape of the numbers.
    """
    generator = np.random.RandomState(zlib.crc32(f"{name} {step}".encode()))
    values = generator.uniform(0.1, 0.9, shape)
    sign = np.where(generator.uniform(0.0, 1.0, shape) < 0.5, -1.0, 1.0)
    signed = name.rpartition(".")[2] in _SIGNED or name.partition(".")[0] in _SIGNED
    return np.asarray(values * sign if signed else values, jnp.result_type(float))
