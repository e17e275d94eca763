"""What a feedback sees of a step, with whatever a test leaves out at rest."""

from typing import Any

import jax
import jax.numpy as jnp

from metaplast.feedback.base import FeedbackView
from metaplast.networks import base as network
from metaplast.signals import NeuronView, Synapses
from metaplast.wiring import Wiring

DT = 1e-3


def seen(wiring: Wiring, views: dict[str, NeuronView], feedback: Any, **others: Any) -> Any:
    """The view of a feedback.

    Args:
        wiring: the graph.
        views: population -> its view.
        feedback: the task's feedback.
        others: the fields that are not at rest: no weights, no signals, no stimulus.
    """
    synapses = {}
    sent = {}
    for edge in wiring.edges:
        synapses[edge.name] = Synapses(weight=edge.connection.zeros(), mask=jnp.ones(()))
        sent[edge.name] = jnp.zeros(edge.connection.n_pre)
    at_rest = {
        "synapses": synapses,
        "sent": sent,
        "stimulus": {},
        "network": network.init_state(wiring, {}, DT),
        "neurons": {},
        "plastic": jnp.ones((), bool),
        "key": jax.random.key(9),
        "dt": DT,
    }
    return FeedbackView(wiring=wiring, views=views, feedback=feedback, **{**at_rest, **others})
