"""A factor in front of a rule."""

from typing import Annotated, ClassVar

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import log_for, value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import Positive, plugin, spec


@register("rule", "scale")
@spec
class Scale(StatelessWrapper):
    """The change of the inner rule, times a factor.

        delta_w = factor exp(5 log_factor) d

    factor: of the change, dimensionless.
    d: the change of the inner rule.
    learn: whether log_factor [] is in theta. It is a step size for a rule without one, or one step
        size per edge where theta is not shared.

    State, reach and clock are those of the inner rule.
    Limits: factor = 1 without learning is the inner rule.
    Source: elementary.
    """

    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    factor: Positive = 1.0
    learn: bool = True

    @property
    def own(self) -> tuple[str, ...]:
        return ("factor",) if self.learn else ()

    def transparent(self) -> dict[str, float] | None:
        if self.learn:
            return {"log_factor": log_for(self.factor, 1.0)}
        if self.factor != 1.0:
            return None
        return {}

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        return value(self, theta, "factor") * change
