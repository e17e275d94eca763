"""Equilibrium propagation: the answer of a settled network to a nudge of its output."""

from dataclasses import replace
from typing import ClassVar

from metaplast.feedback._phases import check_loops, phase
from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.registry import BadInput, register
from metaplast.signals import Credit, Key, NeuronView, Theta
from metaplast.spec import Count, spec
from metaplast.wiring import Wiring


@register("feedback", "equilibrium")
@spec
class Equilibrium(AbstractFeedback):
    """A nudge of the output moves the potentials of a settled network along the gradient.

        L_l = (m_l - p_l) / (2 nudge)            symmetric
        L_l = (u_l - p_l) / nudge                one-sided

    L_l [n_l]: learning signal of population l, in loss per activity; its credit is L_l f'(u_l).
    u_l [n_l]: potential in the step, in the unit of the drive.
    p_l, m_l [n_l]: potential after n_relax further steps with the additional drive -nudge error,
        or +nudge error, of the output.
    error [n_out]: d loss / d activity of the output in the step; it is held while the network
        moves.

    Rules read the activities in the state of p_l as `pre_relaxed` and `post_relaxed`. The contrast
    (post_relaxed pre_relaxed - post pre) / nudge is minus the gradient as the source estimates it,
    one-sided. The rule -error pre - post pre_error estimates the same. Both are symmetric in the
    two directions of a synapse, so twins stay equal where the network has settled.

    The network needs edges in both directions with transposed weights (network `bidirectional`,
    genome `twins`), units with potential and slope, such as `leaky`, and enough steps to settle
    (`settle` of the life). Both phases draw the same noise.

    Args:
        nudge: its strength, in drive per error, of either sign.
        symmetric: whether a second phase has the opposite nudge; else the step itself is compared.
        n_relax: the number of steps of the network in one phase.

    Limits: where weights are symmetric and every phase has settled, L is the gradient of the loss
    with respect to activities, within O(nudge) one-sided and O(nudge^2) symmetric. Where weights
    are not symmetric, it is not.

    Raises:
        BadInput: for a nudge of 0; (from `init_state`) where no path leads from the output back to
            a population with inputs.

    Source: Scellier & Bengio 2017; symmetric nudge: Laborieux, Ernoult, Scellier, Bengio, Grollier
    & Querlioz 2021. Theirs follows the error as the output moves.
    """

    relaxes: ClassVar[bool] = True

    nudge: float = 0.1
    symmetric: bool = True
    n_relax: Count = 20

    def __post_init__(self) -> None:
        if self.nudge == 0:
            what = f"feedback equilibrium: nudge={self.nudge}"
            raise BadInput(what, "a number other than 0", "set a small one, such as 0.1 or -0.1")

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        check_loops("equilibrium", wiring)
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        nudged = self._phase(seen, self.nudge)
        other = seen.views
        apart = self.nudge
        if self.symmetric:
            other = self._phase(seen, -self.nudge)
            apart = 2.0 * self.nudge
        signals = {}
        relaxed = {}
        for name, view in nudged.items():
            signals[name] = (other[name].potential - view.potential) / apart
            relaxed[name] = view.activity
        return state, replace(credit(signals, seen.views, seen.feedback), relaxed=relaxed)

    def _phase(self, seen: FeedbackView, nudge: float) -> dict[str, NeuronView]:
        """The views at the end of a phase with a nudge of this strength."""
        output = seen.wiring.output.name
        drive = -nudge * seen.feedback.error
        stimulus = {**seen.stimulus, output: seen.stimulus.get(output, 0.0) + drive}
        return phase(seen, seen.wiring, seen.network, stimulus, self.n_relax)
