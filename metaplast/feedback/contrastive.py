"""Contrastive Hebbian learning: a second phase in which the output is clamped to its target."""

from dataclasses import replace
from typing import ClassVar

from metaplast.feedback._phases import check_loops, phase
from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.networks.base import NetworkState
from metaplast.neurons.recorded import Recorded
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import Count, Positive, spec
from metaplast.wiring import Wiring


@register("feedback", "contrastive")
@spec
class Contrastive(AbstractFeedback):
    """A clamped output moves the potentials of a settled network along the gradient.

        L_l = (u_l - c_l) / scale^d_l            below the output
        L_output = error

    L_l [n_l]: learning signal of population l, in loss per activity; its credit is L_l f'(u_l).
    u_l [n_l]: potential in the step, in the unit of the drive.
    c_l [n_l]: potential after n_relax further steps with the activity of the output held at
        y_output - error. For the loss |y - target|^2 / 2 that is the target.
    d_l: the least number of edges from the output to population l.
    error [n_out]: d loss / d activity of the output in the step.

    Rules read the activities at the end of the clamped phase as `pre_relaxed` and `post_relaxed`.
    The source's rule is (post_relaxed pre_relaxed - post pre) / scale^d_post.

    The network needs edges in both directions, the backward ones with `scale` times the transposed
    weights (network `bidirectional`, genome `twins`), units with potential and slope, such as
    `leaky`, and enough steps to settle (`settle` of the life).

    Args:
        scale: the backward weights over the forward ones, which the genome sets.
        n_relax: the number of steps of the network in the clamped phase.

    Limits: where the network has settled in both phases, the output is linear and backward weights
    are `scale` times the transposed ones, L is the gradient of the loss with respect to activities,
    within O(scale). Strong feedback does not give it. The slope f'(u) of the output itself is left
    out below it: at a saturated output the credit is too large.

    Raises:
        BadInput: (from `init_state`) where no path leads from the output back to a population with
            inputs.

    Source: Movellan 1991; weak feedback: Xie & Seung 2003.
    """

    relaxes: ClassVar[bool] = True

    scale: Positive = 0.1
    n_relax: Count = 20

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        check_loops("contrastive", wiring)
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        output = seen.wiring.output.name
        goal = seen.views[output].activity - seen.feedback.error
        wiring = _clamped(seen.wiring)
        held = Recorded().init_state({}, wiring.output.n)
        start = NetworkState(
            neurons={**seen.network.neurons, output: held},
            last=seen.network.last,
            transmissions=seen.network.transmissions,
        )
        clamped = phase(seen, wiring, start, {**seen.stimulus, output: goal}, self.n_relax)
        distances = seen.wiring.distances(output)
        signals = {}
        relaxed = {}
        for name, view in clamped.items():
            relaxed[name] = view.activity
            moved = seen.views[name].potential - view.potential
            signals[name] = moved / self.scale ** distances.get(name, 0)
        signals[output] = seen.feedback.error
        return state, replace(credit(signals, seen.views, seen.feedback), relaxed=relaxed)


def _clamped(wiring: Wiring) -> Wiring:
    """The graph with an output that shows its stimulus, whatever arrives over its edges."""
    output = replace(wiring.output, neuron=Recorded())
    edges = []
    for edge in wiring.edges:
        edges.append(replace(edge, port="tap") if edge.post == output.name else edge)
    return Wiring((*wiring.populations[:-1], output), tuple(edges))
