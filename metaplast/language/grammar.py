"""The term grammar: one text form for rules, used for printing, ablation, distillation and export.

    term    := product (("+" | "-") product)*       one coefficient multiplies the whole term
    product := factor ("*" factor)*
    factor  := number | signal | signal "^" integer
    signal  := a name of SIGNALS, or modulator.<channel>

Traces of spikes are signals only of rules that keep them (trace_taylor). Where terms are listed,
`taylor N of a b ...` stands for every product of powers 0 to N of the signals a, b, ...

No array library is imported here, and no text is ever evaluated.
"""

import itertools
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from metaplast.registry import BadInput, nearest

SIGNALS: dict[str, tuple[str, str]] = {  # name -> (side, field of the view)
    "pre": ("pre", "activity"),
    "post": ("post", "activity"),
    "error": ("post", "feedback"),
    "pre_error": ("pre", "feedback"),
    "learning_signal": ("post", "learning_signal"),
    "target": ("post", "target"),
    "predicted": ("pre", "returned"),
    "post_potential": ("post", "potential"),
    "pre_potential": ("pre", "potential"),
    "post_gain": ("post", "gain"),
    "pre_gain": ("pre", "gain"),
    "score": ("post", "score"),
    "dendrite": ("post", "dendrite"),
    "post_weight_sum": ("post", "weight_sum"),
    "pre_weight_sum": ("pre", "weight_sum"),
    "post_weight_norm": ("post", "weight_norm"),
    "pre_weight_norm": ("pre", "weight_norm"),
    "input_gain": ("post", "input_gain"),
    "layer_power": ("post", "layer_power"),
    "layer_backward": ("post", "layer_backward"),
    "layer_forward": ("post", "layer_forward"),
    "weight": ("synapse", "weight"),
    "site": ("post", "site"),
    "post_relaxed": ("post", "relaxed"),
    "pre_relaxed": ("pre", "relaxed"),
    "synaptic_credit": ("synapse", "credit"),
}
TRACES: dict[str, tuple[str, str]] = {  # name -> (side, field of the view whose spikes leave it)
    "pre_trace": ("pre", "activity"),
    "pre_slow": ("pre", "activity"),
    "post_trace": ("post", "activity"),
    "post_slow": ("post", "activity"),
}
MAX_LENGTH = 400
"""Characters of a term."""
MAX_PRODUCTS = 32
"""Products of a term."""
MAX_POWER = 8
MAX_TERMS = 4096
RATE_UNIT = 5.0
"""rate exp(5 log_rate): a log_rate of 0.1 changes the rate by a factor exp(0.5) = 1.65."""
REACHES = ("synapse", "neuron", "layer")
MIXING = {reach: f"mixing.{reach}" for reach in REACHES[1:]}
"""reach -> the field that counts as read by a rule that mixes synapses by itself."""
_WIDER = {
    "neuron": "neuron",
    "layer": "layer",
    **dict.fromkeys(("weight_sum", "weight_norm", "input_gain"), "neuron"),
    **dict.fromkeys(("returned", "layer_power", "layer_backward", "layer_forward"), "layer"),
}
_MODULATOR = re.compile(r"modulator\.([A-Za-z][A-Za-z0-9_]*)")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_TAYLOR = re.compile(r"taylor (\d+) of ((?:[\w.]+ *)+)")
_SPLIT = re.compile(r"(?<![0-9.][eE])([+-])")
_SIGNS = {"+": 1.0, "-": -1.0}


class Product(NamedTuple):
    """scale * product of signals to integer powers.

    scale: a number.
    factors: (signal, power) of each factor, sorted by name.
    """

    scale: float
    factors: tuple[tuple[str, int], ...]

    def side(self, wanted: str) -> tuple[tuple[str, int], ...]:
        """The factors of one side.

        Args:
            wanted: pre, post, synapse or modulator.
        """
        return tuple((name, power) for name, power in self.factors if side_of(name) == wanted)

    @property
    def weight_power(self) -> int:
        """The power of the weight in the product."""
        return dict(self.factors).get("weight", 0)

    @property
    def synaptic(self) -> tuple[tuple[str, int], ...]:
        """The factors with one number a synapse, beside the weight."""
        return tuple(factor for factor in self.side("synapse") if factor[0] != "weight")


def side_of(name: str) -> str:
    """The side of a signal: pre, post, synapse or modulator.

    Args:
        name: the name of the signal.
    """
    if name.startswith("modulator."):
        return "modulator"
    return (SIGNALS | TRACES)[name][0]


def field_of(name: str) -> str:
    """The field of the view behind a signal, such as `post.feedback` for error, or `weight`.

    Args:
        name: the name of the signal.
    """
    if name.startswith("modulator."):
        return "modulators." + name.removeprefix("modulator.")
    side, field = (SIGNALS | TRACES)[name]
    return field if side == "synapse" else f"{side}.{field}"


def read(name: str, view: Any) -> Any:
    """The value of a signal in a view.

    Args:
        name: the name of the signal.
        view: the view of an edge or of one synapse.
    """
    if name.startswith("modulator."):
        return view.modulators[name.removeprefix("modulator.")]
    side, field = SIGNALS[name]
    if side == "synapse":
        return getattr(view, field)
    return getattr(getattr(view, side), field)


def reach(fields: Iterable[str]) -> str:
    """The widest reach among the fields that a rule reads.

    `synapse`: nothing beyond the two neurons of the synapse.
    `neuron`: also sums over the synapses of one neuron.
    `layer`: also activity that is carried back through the forward weights, and sums over a whole
        population.

    Args:
        fields: fields of the view, such as `post.weight_sum`.
    """
    wide = [_WIDER.get(name.rpartition(".")[2], "synapse") for name in fields]
    return max(wide, key=REACHES.index, default="synapse")


def parse(text: str, traces: bool = False) -> tuple[Product, ...]:
    """The products of one term.

    Args:
        text: the term.
        traces: whether traces of spikes are signals.

    Raises: BadInput naming the term, the wrong part and the nearest known signal.
    """
    if len(text) > MAX_LENGTH:
        raise BadInput(f"term of {len(text)} characters", f"at most {MAX_LENGTH}", "split it")
    pieces = list(map(str.strip, _SPLIT.split(text)))
    if pieces[0] == "" and len(pieces) > 1:
        pieces.pop(0)
    else:
        pieces.insert(0, "+")
    if len(pieces) // 2 > MAX_PRODUCTS:
        raise BadInput(f"term {text[:40]!r}...", f"at most {MAX_PRODUCTS} products", "split it")
    products = []
    for sign, body in zip(pieces[::2], pieces[1::2], strict=True):
        products.append(_product(body, _SIGNS[sign], text, traces))
    return tuple(products)


def is_term(name: str) -> bool:
    """Whether a name, such as that of a number of a rule, is one term."""
    try:
        return len(parse(name)) == 1
    except BadInput:
        return False


def expand(terms: Iterable[str]) -> tuple[str, ...]:
    """The terms, with every `taylor N of a b ...` replaced by all products of powers 0 to N.

    Args:
        terms: the terms as text.

    Raises: BadInput for an unknown signal, a power beyond the largest, or too many terms.
    """
    expanded: list[str] = []
    for term in terms:
        family = _TAYLOR.fullmatch(term.strip())
        if family:
            expanded += _family(int(family[1][:3]), family[2].split(), term)
        else:
            expanded.append(term)
    if len(expanded) > MAX_TERMS:
        raise BadInput(
            f"{len(expanded)} terms",
            f"at most {MAX_TERMS}",
            "lower the order or leave out a signal",
        )
    return tuple(expanded)


def _family(order: int, signals: list[str], text: str) -> list[str]:
    """All products of powers 0 to `order` of the signals, as text."""
    for name in signals:
        # A rule refuses the traces that it does not keep.
        check_signal(name, text, traces=True)
    if not 1 <= order <= MAX_POWER or len(set(signals)) < len(signals):
        raise BadInput(
            f"term {text!r}", f"an order of 1 to {MAX_POWER} and distinct signals", "correct it"
        )
    if (order + 1) ** len(signals) > MAX_TERMS:
        raise BadInput(
            f"term {text!r}", f"at most {MAX_TERMS} terms", "lower the order or leave out a signal"
        )
    powers = itertools.product(range(order + 1), repeat=len(signals))
    products = []
    for powers_of_product in powers:
        factors = []
        for name, power in zip(signals, powers_of_product, strict=True):
            if power:
                factors.append((name, power))
        products.append(show(Product(1.0, tuple(factors))))
    return products


def show_factor(name: str, power: int) -> str:
    """The text of a signal to a power.

    Args:
        name: the name of the signal.
        power: the power, at least 1.
    """
    if power == 1:
        return name
    return f"{name}^{power}"


def show(product: Product) -> str:
    """The text of a product. `parse` reads the same product from it.

    Args:
        product: the product.
    """
    magnitude = abs(product.scale)
    parts = []
    if magnitude != 1.0 or not product.factors:
        # `repr` is the shortest text from which the same float is read.
        parts.append(repr(magnitude).removesuffix(".0"))
    for name, power in product.factors:
        parts.append(show_factor(name, power))
    body = "*".join(parts)
    if product.scale < 0:
        return f"-{body}"
    return body


def _product(body: str, sign: float, text: str, traces: bool) -> Product:
    """One product of a term.

    Args:
        body: the text of the product.
        sign: 1 or -1.
        text: the whole term, for errors.
        traces: whether traces of spikes are signals.
    """
    scale = sign
    powers: dict[str, int] = {}
    for part in body.split("*"):
        name, caret, power = map(str.strip, part.partition("^"))
        if not caret and _NUMBER.fullmatch(name):
            scale *= float(name)
            continue
        check_signal(name, text, traces)
        if caret and not (power.isascii() and power.isdigit() and 1 <= int(power[:3]) <= MAX_POWER):
            raise BadInput(
                f"power {power!r} in term {text!r}",
                f"an integer from 1 to {MAX_POWER}",
                "correct it",
            )
        powers[name] = powers.get(name, 0) + int(power or 1)
        if powers[name] > MAX_POWER:
            raise BadInput(
                f"{name}^{powers[name]} in term {text!r}",
                f"a power of at most {MAX_POWER}",
                "lower it",
            )
    if not math.isfinite(scale):
        raise BadInput(f"number in term {text!r}", "a finite number", "correct it")
    return Product(scale, tuple(sorted(powers.items())))


def check_signal(name: str, text: str, traces: bool = False) -> None:
    """Check that a name is a signal.

    Args:
        name: the name.
        text: the term in which it stands.
        traces: whether traces of spikes are signals.

    Raises: BadInput naming the nearest signal.
    """
    if name in SIGNALS or (traces and name in TRACES) or _MODULATOR.fullmatch(name):
        return
    if name in TRACES:
        raise BadInput(
            f"signal {name!r} in term {text!r}",
            "a signal of the view",
            "rule trace_taylor keeps traces of spikes",
        )
    known = [*SIGNALS, *TRACES] if traces else list(SIGNALS)
    place = "" if name == text else f" in term {text!r}"
    raise BadInput(
        f"signal {name!r}{place}",
        f"one of {', '.join(known)}, modulator.<channel>",
        nearest(name, known, "write term as post*pre, 0.1*weight, modulator.reward*pre ..."),
    )
