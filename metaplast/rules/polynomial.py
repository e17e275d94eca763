"""Any local rule as a list of terms over named signals; hebb, oja, delta and taylor are data."""

import numpy as np

from metaplast.connections.base import Term
from metaplast.language.constants import log_for
from metaplast.language.grammar import RATE_UNIT, read
from metaplast.language.terms import EXACT, Terms, combination, fold, products
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, TermList
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import spec


@register("rule", "polynomial")
@spec
class Polynomial(TermList):
    """A sum of terms over the signals of a synapse.

        delta_w = rate exp(5 log_rate) sum_k c_k term_k(post, pre, weight, ...)

    terms: text in the grammar of language/grammar.py, e.g. `post*pre - post*predicted`, or
        `taylor 2 of post pre weight` for all 27 products of powers 0 to 2.
    initial: c_k at the start, to which theta adds; all 0 if empty.
    rate: the factor in front of the sum.
    scale: standard deviation of theta's coefficients at the start.
    learn: which of `coefficients` [n_terms] and `log_rate` [] are in theta.

    No state. Clock `event`.
    Limits: (post*pre, post^2*weight) with c = (1, -1) is Oja's rule (1982). error*pre with c = -1
    is the delta rule.

    Raises: BadInput for an unknown signal, or a number of initial values that differs from the
        number of terms.

    Source: the expansion of Gerstner & Kistler 2002 in powers of both activities and the weight.
    """

    terms: Terms = ("post*pre", "post^2*weight")

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        rate, c = self.effective(theta)
        return state, fold(
            products(self.terms, self.traces), rate * c, lambda name: read(name, view)
        )

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        """With learned coefficients, it contains every list of terms in the span of its own.

        With a learned rate alone, it contains positive multiples of itself.
        """
        if other is None:
            return self._placed(np.zeros(len(self.terms)), 0.0)
        if not isinstance(other, Polynomial):
            return None
        shares = combination(self.terms, other.terms)
        more_terms = other.learns_coefficients and not self.learns_coefficients
        more_rate = other.learns_rate and self.learn == "none"
        if shares is None or more_terms or more_rate:
            return None
        c = other._first
        log_rate = log_for(self.rate, other.rate)
        if other.learns_coefficients:
            c = c + np.asarray(theta["coefficients"], np.float64)
        if other.learns_rate:
            log_rate = float(np.asarray(theta["log_rate"])) + log_rate
        return self._placed(shares @ c, log_rate)

    @property
    def _first(self) -> np.ndarray:
        """c [n_terms] at the start."""
        return np.asarray(self.initial or (0.0,) * len(self.terms))

    def _placed(self, c: np.ndarray, log_rate: float) -> Theta | None:
        """The theta with coefficients c at rate exp(5 log_rate); None where there is none."""
        if not self.learns_coefficients:
            size = float(self._first @ self._first)
            factor = 1.0
            if size:
                factor = float(c @ self._first) / size
            if factor <= 0.0 or not np.allclose(c, factor * self._first, rtol=EXACT, atol=EXACT):
                return None
            log_rate += log_for(1.0, factor)
            if self.learns_rate:
                return {"log_rate": np.asarray(log_rate)}
            if abs(log_rate) < EXACT:
                return {}
            return None
        if self.learns_rate:
            return {"coefficients": c - self._first, "log_rate": np.asarray(log_rate)}
        return {"coefficients": c * np.exp(RATE_UNIT * log_rate) - self._first}
