"""Spike-timing-dependent plasticity of spike triplets."""

from dataclasses import replace

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._bounded import BoundedRule
from metaplast.rules._traces import Order, Pairing, among, faded, jumped, seen
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "triplet")
@spec
class Triplet(BoundedRule):
    """Post spike: delta_w = + r1_i (a2_plus + a3_plus o2_j); pre spike: delta_w = - o1_j (a2_minus
    + a3_minus r2_i).

    Traces r1, r2 (tau_plus, tau_x) on the pre, o1, o2 (tau_minus, tau_y) on the post side, seconds:
    exact decay, then a jump by 1, or (pairing `nearest`) to 1. Equations 3 and 4 of Pfister &
    Gerstner 2006: o2, r2 are always those just before the spike itself. Both fire in one step:
    at_post_spike, at_pre_spike say what each sees
    of r1, o1 (default: Brian2's order, pre pathway first); an isolated coincident pair gives +
    a2_plus. Several spikes of a neuron in one step (a count) are the limit of close ones: the k-th
    sees o2 + k - 1. Amplitudes in units of w, times (w_max - w)^mu_potentiation and
    w^mu_depression: exponent 0 leaves them as they are, mu > 0 wants bounds 0 and w_max on the
    edge: beyond, a factor is negative, -|.|^mu.
    Default: the full all-to-all fit to visual cortex, which is also NEST's (NESTML has 7.5e-10 and
    9.3e-3 for a2_plus and a3_plus). The paper's other fits (tables 3 and 4):
    configs/rule/triplet_visual, triplet_visual_nearest, triplet_hippocampus,
    triplet_hippocampus_nearest; amplitudes belong to the pairing they were fitted with.
    learn: theta holds log_<name> [] of every amplitude and time constant, 0 at the start: a value
    is spec exp(5 theta).
    Limits: a3 = 0 is `stdp`. Low rates depress, high rates potentiate: BCM for Poisson spikes.
    """

    a2_plus: NonNegative = 5e-10
    a3_plus: NonNegative = 6.2e-3
    a2_minus: NonNegative = 7e-3
    a3_minus: NonNegative = 2.3e-4
    tau_plus: Positive = 16.8e-3
    tau_x: Positive = 101e-3
    tau_minus: Positive = 33.7e-3
    tau_y: Positive = 125e-3
    pairing: Pairing = "all_to_all"
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        amplitudes = ("a2_plus", "a3_plus", "a2_minus", "a3_minus")
        return (*amplitudes, "tau_plus", "tau_x", "tau_minus", "tau_y") if self.learn else ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        pre, post = jnp.zeros(connection.n_pre), jnp.zeros(connection.n_post)
        return rule_state(
            pre={"triplet_r1": pre, "triplet_r2": pre},
            post={"triplet_o1": post, "triplet_o2": post},
        )

    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        z_pre, z_post = view.pre.activity, view.post.activity
        number = lambda name: value(self, theta, name)
        r1 = faded(state.pre["triplet_r1"], number("tau_plus"), dt)
        r2 = faded(state.pre["triplet_r2"], number("tau_x"), dt)
        o1 = faded(state.post["triplet_o1"], number("tau_minus"), dt)
        o2 = faded(state.post["triplet_o2"], number("tau_y"), dt)
        r1_after, o1_after = jumped(r1, z_pre, self.pairing), jumped(o1, z_post, self.pairing)
        met_pre, met_post = (
            seen(r1, r1_after, self.at_post_spike),
            seen(o1, o1_after, self.at_pre_spike),
        )
        triplets = number("a3_plus") * among(z_post, [(o2, 1)], self.pairing)
        up = Term(number("a2_plus") * z_post + triplets, met_pre, sparse="post")
        triplets = number("a3_minus") * among(z_pre, [(r2, 1)], self.pairing)
        down = Term(met_post, number("a2_minus") * z_pre + triplets, sparse="pre")
        pre = {"triplet_r1": r1_after, "triplet_r2": jumped(r2, z_pre, self.pairing)}
        post = {"triplet_o1": o1_after, "triplet_o2": jumped(o2, z_post, self.pairing)}
        return replace(state, pre={**state.pre, **pre}, post={**state.post, **post}), up, down
