"""Spike-timing-dependent plasticity of spike triplets."""

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._bounded import BoundedRule
from metaplast.rules._traces import Order, Pairing, among, coincident, faded, jumped
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "triplet")
@spec
class Triplet(BoundedRule):
    """Each spike changes the weight by pairs and by triplets.

        post spike: delta_w_ji = + (w_max - w_ji)^mu_potentiation r1_i (a2_plus + a3_plus o2_j)
        pre spike:  delta_w_ji = - w_ji^mu_depression o1_j (a2_minus + a3_minus r2_i)

        r1_i <- exp(-dt/tau_plus) r1_i + z_i
        r2_i <- exp(-dt/tau_x) r2_i + z_i
        o1_j <- exp(-dt/tau_minus) o1_j + z_j
        o2_j <- exp(-dt/tau_y) o2_j + z_j

    z: spikes at the synapse in this step (0/1).
    r1, r2: fast and slow trace of presynaptic spikes [n_pre].
    o1, o2: fast and slow trace of postsynaptic spikes [n_post]. o2 and r2 are always those just
        before the spike itself (equations 3 and 4 of the paper).
    tau_plus, tau_x, tau_minus, tau_y: time constants of r1, r2, o1 and o2, in seconds.
    pairing: with `all_to_all`, a trace jumps by 1 at a spike; with `nearest`, to 1.
    a2_plus, a2_minus: size of the change by a pair of spikes, in units of w where mu = 0.
    a3_plus, a3_minus: size of the change by a triplet of spikes, in units of w where mu = 0.
    w_max: the upper bound of the edge, in units of w.
    mu_potentiation, mu_depression: exponents of the distance to the bounds; with 0, the amplitudes
        are those above. mu > 0 wants the bounds 0 and w_max on the edge: beyond them a factor is
        negative, -|.|^mu.
    at_post_spike: the r1 that a postsynaptic spike sees where both neurons fire in one step.
    at_pre_spike: the o1 that a presynaptic spike sees there. The defaults are Brian2's order, pre
        pathway first: an isolated coincident pair gives + a2_plus.
    learn: whether theta holds log_<name> [] of every amplitude and time constant, 0 at the start: a
        value is spec exp(5 theta).

    Several spikes of a neuron in one step (a count) are the limit of close ones: the k-th sees
    o2 + k - 1.
    Defaults: the full all-to-all fit to visual cortex, which is also NEST's (NESTML has 7.5e-10 and
    9.3e-3 for a2_plus and a3_plus). The other fits of the paper (tables 3 and 4) are
    configs/rule/triplet_visual, triplet_visual_nearest, triplet_hippocampus and
    triplet_hippocampus_nearest. Amplitudes belong to the pairing they were fitted with.
    Limits: a3 = 0 is `stdp`. Low rates depress, high rates potentiate: BCM for Poisson spikes.
    Source: Pfister & Gerstner 2006.
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
        pre = jnp.zeros(connection.n_pre)
        post = jnp.zeros(connection.n_post)
        return rule_state(
            pre={"triplet_r1": pre, "triplet_r2": pre},
            post={"triplet_o1": post, "triplet_o2": post},
        )

    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        z_pre = view.pre.activity
        z_post = view.post.activity
        number = lambda name: value(self, theta, name)
        r1 = faded(state.pre["triplet_r1"], number("tau_plus"), dt)
        r2 = faded(state.pre["triplet_r2"], number("tau_x"), dt)
        o1 = faded(state.post["triplet_o1"], number("tau_minus"), dt)
        o2 = faded(state.post["triplet_o2"], number("tau_y"), dt)
        r1_after = jumped(r1, z_pre, self.pairing)
        o1_after = jumped(o1, z_post, self.pairing)
        met_pre = coincident(r1, r1_after, self.at_post_spike)
        met_post = coincident(o1, o1_after, self.at_pre_spike)
        triplets = number("a3_plus") * among(z_post, [(o2, 1)], self.pairing)
        up = Term(number("a2_plus") * z_post + triplets, met_pre, sparse="post")
        triplets = number("a3_minus") * among(z_pre, [(r2, 1)], self.pairing)
        down = Term(met_post, number("a2_minus") * z_pre + triplets, sparse="pre")
        pre = {"triplet_r1": r1_after, "triplet_r2": jumped(r2, z_pre, self.pairing)}
        post = {"triplet_o1": o1_after, "triplet_o2": jumped(o2, z_post, self.pairing)}
        return with_entries(state, pre=pre, post=post), up, down
