"""Recursive least squares, at the synapses of every neuron."""

from functools import lru_cache
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule, Clock, Mixes
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import NonNegative, Positive, spec

INVERSE = "rls_inverse"
FILTERED = "rls_filtered"


@register("rule", "rls")
@spec
class Rls(AbstractRule):
    """The weights that fit every example so far best, after each single one.

        delta_w_ji = - rate e_j g_i / (1 + s)
        Q_ik <- Q_ik - rate curvature g_i g_k / (1 + s)
        g_i = sum_k Q_ik r_k
        s = rate curvature sum_i r_i g_i
        r_i <- exp(-dt/tau) r_i + (1 - exp(-dt/tau)) x_i

    x: presynaptic activity.
    r: the same, filtered over tau.
    e: error of the postsynaptic neuron: d loss / d potential, `feedback`.
    Q: the inverse of I + rate curvature sum_t r r^T over the examples so far, I at birth.
    rate: of the first change, in units of w. 1 / rate is the strength of the pull to the weights at
        birth (the alpha of Sussillo & Abbott, who call rate Q their P). The larger, the faster.
    curvature: d^2 loss / d potential^2 of the postsynaptic neuron, the same for all: 1 where e is
        output - target, 2 / n_out where the loss is the mean over n_out outputs of its square.
    tau: time constant of the filter, in seconds; 0: r = x.
    learn: whether theta holds log_rate [], and log_tau [] where tau is in use: a value is spec
        exp(5 theta).

    State: Q of every postsynaptic neuron, over its own inputs [n_post, K, K], for at most K inputs
    a neuron. A new trial keeps it.
    Not local: a change depends on all inputs of the neuron, by a state with one number for every
    pair of them. Time and memory of a neuron grow with the square of its inputs.
    Every step with activity is one example, whatever dt is. Q also counts a step in which a wrapper
    or a gate scales the change down.
    Limits: for a linear neuron, a quadratic loss and tau = 0, w is the minimum of the summed losses
    plus |w - w0|^2 / (2 rate), but for bounds. rate -> 0 is the delta rule -rate e r.
    Source: Plackett 1950; Sussillo & Abbott 2009.
    """

    mixes: ClassVar[Mixes] = "neuron"

    rate: Positive = 1.0
    curvature: Positive = 1.0
    tau: NonNegative = 0.0
    learn: bool = False

    @property
    def clock(self) -> Clock:
        return "trial" if self.tau else "event"

    @property
    def slow(self) -> frozenset[str]:
        return frozenset({INVERSE})

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn:
            return ()
        return ("rate", "tau") if self.tau else ("rate",)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        pre = {FILTERED: jnp.zeros(connection.n_pre)} if self.tau else {}
        n_post, n_inputs = _inputs(connection).sources.shape
        identity = jnp.broadcast_to(jnp.eye(n_inputs), (n_post, n_inputs, n_inputs))
        return rule_state(pre=pre, post={INVERSE: identity})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        rate = value(self, theta, "rate")
        r = view.pre.activity
        if self.tau:
            r = r + faded(state.pre[FILTERED] - r, value(self, theta, "tau"), dt)
            state = with_entries(state, pre={FILTERED: r})
        inputs = _inputs(connection)
        of_each = jnp.where(inputs.exists, r[inputs.sources], 0.0)
        counted = jax.vmap(_counted, in_axes=(0, 0, None))
        inverse, directions = counted(state.post[INVERSE], of_each, rate * self.curvature)
        changes = -rate * view.post.feedback[:, None] * directions
        delta = jnp.where(inputs.synapse, changes[inputs.post, inputs.place], 0.0)
        return with_entries(state, post={INVERSE: inverse}), delta


def _counted(inverse: Array, r: Array, stiffness: float | Array) -> tuple[Array, Array]:
    """(Q after the example r, Q r / (1 + s), which is that Q times r)."""
    g = inverse @ r
    direction = g / (1.0 + stiffness * (r @ g))
    return inverse - stiffness * jnp.outer(g, direction), direction


class _Inputs(NamedTuple):
    """The inputs of every postsynaptic neuron, and their places in the layout of the weights.

    sources: the presynaptic neurons of each, padded with 0 [n_post, K].
    exists: false at the padding [n_post, K].
    post, place: the index of every synapse in the two axes of `sources`, in the layout.
    synapse: whether there is a synapse, in the layout.
    """

    sources: np.ndarray
    exists: np.ndarray
    post: np.ndarray
    place: np.ndarray
    synapse: np.ndarray


@lru_cache(maxsize=64)
def _inputs(connection: AbstractConnection) -> _Inputs:
    with jax.ensure_compile_time_eval():
        mask = np.broadcast_to(np.asarray(connection.mask()), connection.shape)
    synapse = mask.reshape(-1) > 0
    post, pre = connection.places()
    place = np.zeros(len(post), np.int32)
    counts = np.zeros(connection.n_post, np.int32)
    for index in np.flatnonzero(synapse):
        place[index] = counts[post[index]]
        counts[post[index]] += 1
    n_inputs = max(1, int(counts.max()))
    sources = np.zeros((connection.n_post, n_inputs), np.int32)
    sources[post[synapse], place[synapse]] = pre[synapse]
    exists = np.arange(n_inputs, dtype=np.int32) < counts[:, None]
    shape = connection.shape
    return _Inputs(
        sources,
        exists,
        post.astype(np.int32).reshape(shape),
        place.reshape(shape),
        synapse.reshape(shape),
    )
