"""Any known local rule as a list of terms over named signals; hebb, oja, covariance, delta, taylor are data."""

from metaplast.connections.base import Term
from metaplast.registry import register
from metaplast.rules._grammar import read
from metaplast.rules._terms import TermList, Terms, fold
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import spec


@register("rule", "polynomial")
@spec
class Polynomial(TermList):
    """delta_w = rate exp(5 log_rate) sum_k c_k term_k(post, pre, weight, ...).

    terms: text in the grammar of rules/_grammar.py, e.g. `post*pre - post*predicted`, or `taylor 2 of post pre weight`
    for all 27 products of powers 0 to 2; initial: c_k at the start (all 0
    if empty), to which theta adds; scale: standard deviation of theta's coefficients at the start.
    learn: which of `coefficients` [n_terms] and `log_rate` [] are in theta. No state. Clock `event`.
    Limits: (post*pre, post^2*weight) with c = (1, -1) is Oja's rule (1982); error*pre with c = -1 is the delta rule.
    Raises: BadInput for an unknown signal or a number of initial values that differs from the number of terms.
    """

    terms: Terms = ("post*pre", "post^2*weight")

    def products(self, theta: Theta, state: RuleState, view: SynapseView, dt: float) -> tuple[RuleState, list[Term]]:
        return state, fold(self.weighted(theta), lambda name: read(name, view))
