"""Any known local rule as a list of terms over named signals; hebb, oja, covariance, delta, taylor are data."""

from functools import lru_cache
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.connections.base import AbstractConnection, Term
from metaplast.registry import BadInput, register
from metaplast.rules._grammar import RATE_UNIT, SIGNALS, Product, parse
from metaplast.rules.base import TermRule
from metaplast.signals import Key, RuleState, SynapseView, Theta
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "polynomial")
@spec
class Polynomial(TermRule):
    """delta_w = rate exp(5 log_rate) sum_k c_k term_k(post, pre, weight, ...).

    terms: text in the grammar of rules/_grammar.py, e.g. `post*pre - post*predicted`; initial: c_k at the start (all 0
    if empty), to which theta adds; scale: standard deviation of theta's coefficients at the start.
    learn: which of `coefficients` [n_terms] and `log_rate` [] are in theta. No state. Clock `event`.
    Limits: terms (post*pre, post^2*weight) with c = (1, -1) is Oja's rule (1982); error*pre with c = -1 is the delta rule.
    Raises: BadInput for an unknown signal or a number of initial values that differs from the number of terms.
    """

    terms: Annotated[tuple[str, ...], MinLen(1)] = ("post*pre", "post^2*weight")
    initial: tuple[float, ...] = ()
    rate: Positive = 0.1
    scale: NonNegative = 0.0
    learn: Literal["none", "rate", "coefficients", "both"] = "coefficients"

    def __post_init__(self) -> None:
        for term in self.terms:
            parse(term)
        if self.initial and len(self.initial) != len(self.terms):
            raise BadInput(f"initial with {len(self.initial)} values", f"{len(self.terms)}, one per term", "add or remove values")
        if len(set(self.terms)) < len(self.terms):
            raise BadInput("a term that stands twice", "distinct terms", "remove one")

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        theta = {}
        if self.learn in ("coefficients", "both"):
            theta["coefficients"] = self.scale * jax.random.normal(key, (len(self.terms),))
        if self.learn in ("rate", "both"):
            theta["log_rate"] = jnp.zeros(())
        return theta

    def effective(self, theta: Theta) -> tuple[Array, Array]:
        """(rate [], c [n_terms]) as they act."""
        rate = jnp.asarray(self.rate)
        c = jnp.asarray(self.initial or (0.0,) * len(self.terms))
        if self.learn in ("coefficients", "both"):
            c = c + theta["coefficients"]
        if self.learn in ("rate", "both"):
            rate = rate * jnp.exp(RATE_UNIT * theta["log_rate"])
        return rate, c

    def products(self, theta: Theta, state: RuleState, view: SynapseView, dt: float) -> tuple[RuleState, list[Term]]:
        rate, c = self.effective(theta)
        scaled = rate * c
        folded = [(product, scaled[k]) for k, product in _products(self.terms)]
        return state, fold(folded, view)


@lru_cache(maxsize=256)
def _products(terms: tuple[str, ...]) -> tuple[tuple[int, Product], ...]:
    return tuple((k, product) for k, term in enumerate(terms) for product in parse(term))


def fold(products: list[tuple[Product, Array]], view: SynapseView) -> list[Term]:
    """sum_k c_k product_k as few outer products: products that share one side's factors and w^k share one term.

    The coefficients are summed into row or column vectors first, so no per-synapse feature is ever stored.
    """
    shared = min(("post", "pre"), key=lambda side: len({(p.weight_power, p.side(side)) for p, _ in products}))
    other = "pre" if shared == "post" else "post"
    groups: dict[tuple, Array] = {}
    for product, coefficient in products:
        value = coefficient * product.scale
        for name, power in product.side("modulator"):
            value = value * view.modulators[name.removeprefix("modulator.")] ** power
        vector = _factors(product, other, view)
        vector = jnp.broadcast_to(value, getattr(view, other).activity.shape) if vector is None else value * vector
        group = (product.weight_power, product.side(shared))
        groups[group] = groups[group] + vector if group in groups else vector
    common = {group: _factors(Product(1.0, group[1]), shared, view) for group in groups}
    if shared == "post":
        return [Term(common[group], vector, group[0]) for group, vector in groups.items()]
    return [Term(vector, common[group], group[0]) for group, vector in groups.items()]


def _factors(product: Product, side: str, view: SynapseView) -> Array | None:
    """The product of one side's factors [n]; None where there are none."""
    result: Array | None = None
    for name, power in product.side(side):
        values = getattr(getattr(view, side), SIGNALS[name][1])
        values = values**power if power > 1 else values
        result = values if result is None else result * values
    return result
