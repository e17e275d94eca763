"""A frozen reference vector: the change by a rule on fixed signals, computed when it is saved.

It is computed again when the rule is loaded, so that a change of its meaning shows.
"""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.numerics.compiler import program
from metaplast.registry import BadInput
from metaplast.reuse.document import REFERENCE_SHAPE
from metaplast.rules.base import AbstractRule
from metaplast.signals import CREDIT_FIELDS, NeuronView, RuleState, SynapseView, Theta

# Of the largest element. Other devices and float64 agree to 1e-6, a changed meaning does not.
TOLERANCE = 1e-4
_SIGNED = frozenset(
    {"potential", "score", "dendrite", "returned", "layer_backward", "layer_forward", "modulators"}
    | CREDIT_FIELDS
)
N_STEPS, N_POST, N_PRE = REFERENCE_SHAPE
TINY = Dense(N_POST, N_PRE)


def reference(rule: AbstractRule, theta: Theta, channels: tuple[str, ...], dt: float) -> np.ndarray:
    """delta_w [step, post, pre] of a few steps on a 3 -> 2 connection, in float64.

    The steps begin with the state at birth. A leaf of theta with one value per synapse is cut to
    the first values.

    Args:
        rule: the form of the rule.
        theta: its numbers.
        channels: the modulators that it reads.
        dt: seconds of a step.

    Raises: BadInput if the change is not finite.
    """
    cut = _cut(rule, theta)
    state, deltas = rule.init_state(cut, TINY), []
    with jax.default_matmul_precision("highest"):
        for step in range(N_STEPS):
            state, delta = _change(rule, dt, cut, state, view_at(step, channels))
            deltas.append(np.asarray(delta, np.float64))
    values = np.stack(deltas)
    if not np.isfinite(values).all():
        raise BadInput(
            "the rule's change on the reference signals",
            "finite numbers",
            "train again with bounded theta",
        )
    return values


@program("rule", "dt")
def _change(
    rule: AbstractRule, dt: float, theta: Theta, state: RuleState, view: SynapseView
) -> tuple[RuleState, jax.Array]:
    return rule.step(theta, state, TINY, view, dt)


def compare(given: Any, computed: np.ndarray, where: str) -> None:
    """Raises: BadInput where the vector in a file differs from the one computed now."""
    expected = np.asarray(given, np.float64)
    scale = max(np.abs(expected).max(), np.abs(computed).max())
    apart = np.abs(expected - computed).max()
    if apart > TOLERANCE * scale:
        raise BadInput(
            f"{where}: reference vector differs by {apart / scale:.1e} of its size",
            f"at most {TOLERANCE:.0e}",
            "the file was changed, or this version computes the rule differently: "
            "use the version that wrote it",
        )


def floats(theta: Theta) -> Theta:
    """Every float leaf in JAX's default float, whatever a file holds."""
    wanted = jnp.zeros(()).dtype
    return jax.tree.map(
        lambda x: jnp.asarray(x, wanted if np.dtype(x.dtype).kind == "f" else x.dtype), theta
    )


def _cut(rule: AbstractRule, theta: Theta) -> Theta:
    template = jax.eval_shape(lambda: rule.init(jax.random.key(0), TINY))
    return floats(
        jax.tree.map(lambda leaf, tiny: np.resize(np.asarray(leaf), tiny.shape), theta, template)
    )


def view_at(step: int, channels: tuple[str, ...]) -> SynapseView:
    def side(name: str, n: int) -> NeuronView:
        return NeuronView(
            **{f: _draw(f"{name}.{f}", step, (n,)) for f in NeuronView.__dataclass_fields__}
        )

    return SynapseView(
        pre=side("pre", N_PRE),
        post=side("post", N_POST),
        weight=_draw("weight", step, TINY.shape),
        weight_initial=_draw("weight_initial", 0, TINY.shape),
        weight_max=jnp.ones(()),
        modulators={name: _draw(f"modulators.{name}", step, ()) for name in channels},
        key=jax.random.fold_in(jax.random.key(0), step),
    )


def _draw(name: str, step: int, shape: tuple[int, ...]) -> Any:
    """Numbers between 0.1 and 0.9, of either sign where the signal has one; each signal has its own
    stream.

    RandomState: NumPy promises that this old generator never changes, and promises it of no other.
    """
    generator = np.random.RandomState(zlib.crc32(f"{name} {step}".encode()))
    values = generator.uniform(0.1, 0.9, shape)
    sign = np.where(generator.uniform(0.0, 1.0, shape) < 0.5, -1.0, 1.0)
    signed = name.rpartition(".")[2] in _SIGNED or name.partition(".")[0] in _SIGNED
    return np.asarray(values * sign if signed else values, jnp.zeros(()).dtype)
