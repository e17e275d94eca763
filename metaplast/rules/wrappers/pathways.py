"""The bounds of a weight, held after each of the two spikes of a step."""

from typing import Annotated

from jax import Array

from metaplast.connections.base import AbstractConnection, Move
from metaplast.registry import BadInput, name_of, register
from metaplast.rules.base import AbstractRule, TermRule, Wrapper
from metaplast.rules.stdp import Stdp
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import plugin, spec


@register("rule", "pathways")
@spec
class Pathways(Wrapper):
    """w <- bounds(w + what presynaptic spikes do); then w <- bounds(w + what postsynaptic spikes
    do).

    Brian2's order, each of its two statements `w = clip(...)` by itself; the inner rule alone is
    bounded once, on the sum. The two differ where both neurons of a synapse spike in one step and
    the first change alone passes a bound, or where a change goes with a power of w, which the
    second then takes of the weight that the first has left.
    rule: one of terms each of which needs a spike on one side, such as `stdp`, `triplet`, `vogels`.
    State, theta, reach and clock are those of the inner rule. It acts where it is outermost: a rule
    around it sees the plain sum.
    Limits: one of the two changes alone, or both within the bounds and mu = 0: the inner rule.
    Raises: BadInput for a rule that is not made of terms, or has one without a spike.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Stdp()

    def __post_init__(self) -> None:
        if not isinstance(self.rule, TermRule):
            given = f"pathways: rule {name_of(type(self.rule))!r}"
            raise BadInput(
                given, "a rule of terms, such as stdp, triplet, vogels", "leave pathways out"
            )

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        return self.rule.step(theta, state, connection, view, dt)

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        rule: TermRule = self.rule  # pyright: ignore[reportAssignmentType]
        state, terms = rule.products(theta, state, view, dt)
        if not {term.sparse for term in terms} <= {"pre", "post"}:
            raise BadInput(
                "pathways: a term that needs no spike", "terms of spikes", "leave pathways out"
            )
        weight = view.weight
        for side in ("pre", "post"):
            weight = connection.changed(
                weight, [term for term in terms if term.sparse == side], move
            )
        return state, weight
