"""A modulator that lets the changes of a rule through."""

from typing import Annotated, ClassVar

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import plugin, spec


@register("rule", "gate")
@spec
class Gate(StatelessWrapper):
    """The change of the inner rule, times a modulator of the same step.

        delta_w = m d

    modulator: the name of the channel, as the task offers it.
    d: the change of the inner rule.
    m: the global channel `modulator` of this step.

    State and clock are those of the inner rule, whose state moves whatever m is. It has no numbers
    of its own.
    Limits: m = 1 is the inner rule, m = 0 changes nothing. With an eligibility between change and
    modulator it is `three_factor`.
    Source: elementary.
    """

    silent: ClassVar[bool] = False

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    modulator: str = "reward"

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        return view.modulators[self.modulator] * change
