"""The exact gradient of spike times, at every synapse of an event-driven network."""

from dataclasses import replace
from typing import ClassVar

from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.networks import _events
from metaplast.registry import BadInput, register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("feedback", "eventprop")
@spec
class Eventprop(AbstractFeedback):
    """Two adjoints run back through a presentation, and jump at its spikes.

        tau_m dp/dr = -p
        tau_s dq/dr = -q + p
        e_k = d loss / d t_k + sum_j w_jn (p_j - q_j)
        p_n <- p_n + (e_k + threshold p_n) / (I_n - threshold)      at each spike k of neuron n
        c_ji = -tau_s sum_k q_j(t_k)
        L_n = -dt sum_k e_k

    p, q [n]: adjoints of potential and current (lambda_V and lambda_I in the source); 0 at the end
        of the step.
    r: seconds before the end of the step.
    t_k: time of spike k of neuron n (of i in c).
    e_k: d loss / d time at which the others get spike k.
    I_n: current of neuron n just before its spike.
    c_ji: `synaptic_credit`, d loss / d weight from i to j.
    L_n: `learning_signal`, d loss / d activity if all spikes of n reached the others with it. For
        input neurons dt is the network's `latest`.

    The rule -synaptic_credit is gradient descent on the loss of each step. The gradient stands at
    synapses: a spike of j moves the effect of each earlier spike of i by another factor, so no
    product of one number at i and one at j is it. It transports weights.
    Limits: a neuron that is silent, or grazes the threshold (|I - threshold| < 1e-6), gives no
    derivative of the spike that it might send.

    Raises:
        BadInput: for a network of another kind than `event_driven`.

    Source: Wunderlich & Pehle 2021.
    """

    at_synapses: ClassVar[bool] = True

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        if not wiring.events:
            expected = "a network that runs from spike to spike"
            raise BadInput(
                "feedback eventprop: a network of fixed steps",
                expected,
                "set network={name: event_driven, network: ...}, or feedback=symmetric",
            )
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        assert seen.network.spikes
        weights = {name: synapses.weight for name, synapses in seen.synapses.items()}
        spikes = _events.credits(
            seen.wiring, weights, seen.network.spikes, seen.feedback.error, seen.dt
        )
        neurons = credit(spikes.neurons, seen.views, seen.feedback)
        return state, replace(neurons, synapses=spikes.synapses)
