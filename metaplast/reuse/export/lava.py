"""A rule of spikes as a learning rule of Lava, for the chip Loihi.

A learning rule is a sum of products of spikes, traces and the weight, in integers. The grade is
`approximate`, with the difference that an emulation of the chip measures.
"""

import math
from typing import NamedTuple

from metaplast.reuse.export._header import header
from metaplast.reuse.export._loihi import (
    DT,
    LARGEST_TRACE,
    LARGEST_WEIGHT,
    RATE,
    ChipProduct,
    ChipTrace,
    Lived,
    excess,
    live,
    measured,
)
from metaplast.reuse.export._products import (
    Factors,
    Products,
    added,
    multiplied,
    numbers_of,
    products,
)
from metaplast.reuse.export._program import Events, Program, Trace, Unsupported
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.export.lowered import program

CHIP_TRACES = {"pre": ("x1", "x2"), "post": ("y1", "y2", "y3")}
LARGEST_MANTISSA = 7
EXPONENTS = range(-7, 9)
SHARES = 3
"""Products that together make one coefficient, because a mantissa has four bits with its sign."""
SMALLEST = 2.0**-7
"""The smallest change of a weight that the accumulator sees."""
NEAR = 0.005
"""The share of a change by which coefficients of the chip may miss those of the rule."""
FINE = 16
"""The multiple of the smallest coefficient from which on a coefficient is fine enough."""
MOST_SPIKES = 3
"""The most spikes among the factors of a product that make its coefficient finer."""
LEAST_IMPULSE = 0.6
"""The least impulse of a trace, as a share of the largest: a small one is a coarse trace."""


class Placed(NamedTuple):
    """The traces of a rule on the chip.

    by_state: {state of the rule: trace of the chip}.
    nearest: states whose trace is set by a spike.
    """

    by_state: dict[str, ChipTrace]
    nearest: frozenset[str]


def export(subject: Subject) -> Exported:
    """The learning rule of a rule.

    Args:
        subject: the rule.

    Raises: Unsupported for a rule that is no sum of products of spikes, traces and the weight.
    """
    equations, traces, made = _on_chip(subject)
    difference = measured(equations, traces, made)
    reason = (
        f"An emulation of 8-bit weights and 7-bit traces, with random rounding: after one second "
        f"of spikes of {RATE:g} Hz, a weight differs by {100 * difference.rms:.0f} % of the change "
        f"of weights (rms), and the mean weight by {100 * difference.mean:.1f} %."
    )
    usage = [
        "Use, with this file saved as rule.py, where lava-nc is installed:",
        "    from rule import learning_rule",
        "    LearningDense(",
        "        weights=weights, learning_rule=learning_rule(), sign_mode=SignMode.EXCITATORY",
        "    )",
        f"A weight of 1 is the integer {LARGEST_WEIGHT}; a step is {DT * 1e3:g} ms. Without the",
        "sign mode, of lava.utils.weightutils, weights have a bit for a sign.",
    ]
    lines = header(subject, "lava", "approximate", (reason,), usage)
    lines += [
        "",
        "from lava.magma.core.learning.learning_rule import Loihi2FLearningRule",
        "",
        "DW = (",
    ]
    for index, product in enumerate(made):
        sign = "" if index == 0 else " + "
        lines.append(f'    "{sign}{_text(product)}"')
    lines += [
        ")",
        "",
        "",
        "def learning_rule():",
        '    """The learning rule, for one learning epoch a step."""',
        "    return Loihi2FLearningRule(",
        "        dw=DW,",
    ]
    for trace in traces:
        lines.append(f"        {trace.name}_impulse={trace.impulse},")
        lines.append(f"        {trace.name}_tau={trace.tau},")
    lines += ["        t_epoch=1,", "    )"]
    return Exported("\n".join(lines) + "\n", "approximate", (reason,), difference.rms)


def lived(subject: Subject) -> Lived:
    """The second of spikes that the measurement of a rule compares. Raises: as `export`."""
    return live(*_on_chip(subject))


def _on_chip(
    subject: Subject,
) -> tuple[Program, tuple[ChipTrace, ...], tuple[ChipProduct, ...]]:
    """The equations of a rule, its traces on the chip, and its products there."""
    equations = program(subject.rule)
    events = equations.events
    if events is None:
        raise Unsupported("it changes weights not at spikes alone, or reads more than traces")
    placed = _tuned(events, equations, _placed(events, equations))
    made = _chip_products(events, equations, placed)
    return equations, tuple(placed.by_state.values()), made


def _placed(events: Events, equations: Program) -> Placed:
    """The traces of the chip, in the order of the traces of the rule."""
    numbers = numbers_of(equations)
    free = {side: list(names) for side, names in CHIP_TRACES.items()}
    by_state = {}
    nearest = set()
    for trace in events.traces:
        side = trace.name.side
        if not free[side]:
            raise Unsupported(f"it keeps more than {len(CHIP_TRACES[side])} traces of one side")
        tau = _number(products(trace.tau, numbers))
        impulse = _impulse(tau)
        if trace.nearest:
            impulse = LARGEST_TRACE
            nearest.add(trace.name.name)
        chip = ChipTrace(free[side].pop(0), impulse, max(1, round(tau / DT)))
        by_state[trace.name.name] = chip
    return Placed(by_state, frozenset(nearest))


def _impulse(tau: float) -> int:
    """The jump of a trace of all spikes, so large that the largest trace is seldom reached.

    The trace of random spikes of RATE is RATE tau on average, with a variance of half of it.

    Args:
        tau: the time constant in seconds.
    """
    mean = RATE * tau
    return max(1, math.floor(LARGEST_TRACE / (1.0 + mean + 4.0 * math.sqrt(mean / 2.0))))


def _chip_products(events: Events, equations: Program, placed: Placed) -> tuple[ChipProduct, ...]:
    """The products of all changes, with coefficients of the chip."""
    made = []
    for spike, on_chip in _wanted(events, equations, placed):
        for factors, coefficient in on_chip.items():
            made += _shares(spike, _names(factors), coefficient)
    if not made:
        raise Unsupported("its changes are smaller than the smallest change of a weight")
    return tuple(made)


def _wanted(events: Events, equations: Program, placed: Placed) -> list[tuple[str, Products]]:
    """(Spike, {factors on the chip: coefficient}) of the change at a spike of each side."""
    numbers = {**numbers_of(equations), "weight_max": 1.0}
    wanted = []
    for at in events.changes:
        spike = "x0" if at.side == "pre" else "y0"
        on_chip: Products = {}
        for factors, coefficient in products(at.change, numbers).items():
            one: Products = {(): coefficient * LARGEST_WEIGHT}
            for name, power in factors:
                factor = _factor(name, at.side, events, placed, numbers)
                for _ in range(power):
                    one = multiplied(one, factor)
            on_chip = added(on_chip, one)
        wanted.append((spike, on_chip))
    return wanted


def _tuned(events: Events, equations: Program, placed: Placed) -> Placed:
    """The traces with impulses for which the chip has coefficients near those of the rule.

    A coefficient of a trace is a multiple of 2^-7, and its size goes with one over the impulse. So
    each trace gets the largest impulse with coefficients that are NEAR, or the nearest ones.
    """
    for state, trace in placed.by_state.items():
        found: dict[int, Placed] = {}
        misses = {}
        for impulse in range(trace.impulse, math.ceil(LEAST_IMPULSE * trace.impulse) - 1, -1):
            by_state = {**placed.by_state, state: trace._replace(impulse=impulse)}
            found[impulse] = placed._replace(by_state=by_state)
            misses[impulse] = _missed(events, equations, found[impulse], trace.name)
            if misses[impulse] <= NEAR:
                break
        placed = found[min(misses, key=lambda impulse: misses[impulse])]
    return placed


def _missed(events: Events, equations: Program, placed: Placed, trace: str) -> float:
    """The share of the usual changes with a trace that coefficients of the chip miss."""
    usual = {"w": LARGEST_WEIGHT / 2}
    for chip in placed.by_state.values():
        usual[chip.name] = chip.impulse * (0.5 + RATE * DT * chip.tau)
    missed = 0.0
    whole = 0.0
    for spike, on_chip in _wanted(events, equations, placed):
        for factors, coefficient in on_chip.items():
            names = _names(factors)
            if trace not in names:
                continue
            size = math.prod(usual.get(name, 1.0) for name in names)
            shares = _shares(spike, names, coefficient)
            had = sum(share.coefficient for share in shares)
            missed += abs(coefficient - had) * size
            whole += abs(coefficient) * size
    return missed / whole if whole else 0.0


def _names(factors: Factors) -> tuple[str, ...]:
    """The names of factors, each as often as its power."""
    names: list[str] = []
    for name, power in factors:
        names += [name] * power
    return tuple(names)


def _factor(
    name: str, side: str, events: Events, placed: Placed, numbers: dict[str, float]
) -> Products:
    """A factor of the rule by values of the chip, whose traces have jumped already."""
    if name == "weight":
        return {(("w", 1),): 1.0 / LARGEST_WEIGHT}
    chip = placed.by_state[name]
    trace = next(trace for trace in events.traces if trace.name.name == name)
    size = _size(trace, numbers)
    scaled: Products = {((chip.name, 1),): size / chip.impulse}
    is_own = trace.name.side == side
    if name in placed.nearest:
        if is_own:
            raise Unsupported("a spike reads the trace that it sets itself")
        return scaled
    if is_own:
        return added(scaled, {(): -size})
    if trace.name.side not in events.after:
        other = "x0" if trace.name.side == "pre" else "y0"
        return added(scaled, {((other, 1),): -size})
    return scaled


def _size(trace: Trace, numbers: dict[str, float]) -> float:
    """The jump of a trace of the rule."""
    return _number(products(trace.size, {**numbers, "dt": DT}))


def _number(found: Products) -> float:
    return found[()]


def _shares(spike: str, names: tuple[str, ...], coefficient: float) -> list[ChipProduct]:
    """Products mantissa 2^exponent whose sum is near a coefficient."""
    largest = math.prod(_largest(name) for name in names)
    for _ in range(MOST_SPIKES):
        smallest = 2.0 ** (EXPONENTS[0] - excess(names))
        if excess(names) and abs(coefficient) < FINE * smallest:
            names = (*names, spike)  # it is 1, and makes the smallest coefficient half as large
    made = []
    left = coefficient
    for _ in range(SHARES):
        if abs(left) * largest < SMALLEST:
            break
        cut = excess(names)
        exponent = math.floor(math.log2(abs(left) / (LARGEST_MANTISSA + 0.5))) + 1 + cut
        exponent = max(exponent, EXPONENTS[0])
        if exponent > EXPONENTS[-1]:
            raise Unsupported("its changes are larger than the largest of the chip")
        mantissa = round(left / 2.0 ** (exponent - cut))
        if mantissa == 0:
            break
        made.append(ChipProduct(spike, mantissa, exponent, names))
        left -= made[-1].coefficient
    return made


def _largest(name: str) -> float:
    """The largest value of a factor."""
    if name == "w":
        return LARGEST_WEIGHT
    return 1.0 if name in ("x0", "y0") else LARGEST_TRACE


def _text(product: ChipProduct) -> str:
    """A product in the grammar of Lava."""
    mantissa = str(product.mantissa) if product.mantissa > 0 else f"({product.mantissa})"
    return " * ".join([product.spike, mantissa, f"2^{product.exponent}", *product.factors])
