"""Bounds of a weight that hold after each of the two spikes of a step."""

from typing import Annotated, Literal

from jax import Array

from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.registry import BadInput, name_of, register
from metaplast.rules.base import AbstractRule, TermRule, Wrapper
from metaplast.rules.stdp import Stdp
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import plugin, spec


@register("rule", "pathways")
@spec
class Pathways(Wrapper):
    """Two bounded changes a step, one after the other.

        w <- bounds(w + d_pre)
        w <- bounds(w + d_post)

    bounds: clips to the bounds of the edge.
    d_pre, d_post: the changes of the inner rule by presynaptic and by postsynaptic spikes.
    first: the side whose change comes first. With `pre`, the order is that above (Brian2). With
        `post`, it is the other one (NEST, whose synapses also pair spikes by `before`, `before`).
    rule: a rule of terms, each of which needs a spike on one side, such as `stdp`, `triplet`,
        `vogels`.

    Each of the two is a statement `w = clip(...)` of its own. The inner rule alone is bounded once,
    on the sum. The two differ only where both neurons of a synapse spike in one step, in two cases.
    The first change alone may pass a bound. A change may depend on a power of w: the second change
    then sees the weight after the first.
    State, theta, reach and clock are those of the inner rule. It acts where it is outermost: a rule
    around it sees the plain sum.
    Limits: one of the two changes alone, or both within the bounds and mu = 0, is the inner rule.

    Raises: BadInput for a rule that is not made of terms, or has a term that needs no spike.
    Source: the order of the statements of Brian2 (Stimberg, Brette & Goodman 2019), and of NEST's
    stdp_synapse.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Stdp()
    first: Literal["pre", "post"] = "pre"

    def __post_init__(self) -> None:
        if not isinstance(self.rule, TermRule):
            what = f"pathways: rule {name_of(type(self.rule))!r}"
            expected = "a rule of terms, such as stdp, triplet, vogels"
            raise BadInput(what, expected, "leave pathways out")

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
        assert isinstance(self.rule, TermRule)
        state, terms = self.rule.products(theta, state, view, dt)
        of_side: dict[str, list[Term]] = {"pre": [], "post": []}
        for term in terms:
            if term.sparse not in of_side:
                what = "pathways: a term that needs no spike"
                raise BadInput(what, "terms of spikes", "leave pathways out")
            of_side[term.sparse].append(term)
        second = "post" if self.first == "pre" else "pre"
        weight = connection.changed(view.weight, of_side[self.first], move)
        return state, connection.changed(weight, of_side[second], move)
