"""The learning engine of Loihi in NumPy: 7-bit traces, 8-bit weights, stochastic rounding.

A trace decays by exp(-1/tau) a step, is rounded at random, and gains its impulse at a spike, up to
127. Then products are computed with the traces of the end of the step. Each is

    floor(mantissa * factors / 2^excess) * 2^exponent

where `excess` is how many bits its factors and its mantissa are wider than 15. Their sum is added
to the weight with 7 bits behind the point, and the weight is rounded at random to an integer. So
does the model `bit_approximate_loihi` of Lava 0.10.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metaplast.reuse.export._evaluate import first_state, step
from metaplast.reuse.export._program import Program

LARGEST_TRACE = 127
LARGEST_WEIGHT = 255
"""The integer that stands for the largest weight, 1."""
WIDTHS = {"x0": 1, "y0": 1, "w": 9}
"""Bits of factors; a trace has WIDTH_OF_TRACE."""
WIDTH_OF_TRACE = 7
WIDTH_OF_MANTISSA = 4
WIDTH = 15
"""Bits of a product."""
DT = 1e-3
N_STEPS, N_PRE, N_POST = 1000, 20, 20
RATE = 20.0
"""Hertz of the spikes of the measurement."""
SEED = 0


class ChipTrace(NamedTuple):
    """A trace of the chip.

    name: x1, x2, y1, y2 or y3.
    impulse: its jump at a spike.
    tau: its time constant in steps.
    """

    name: str
    impulse: int
    tau: int


class ChipProduct(NamedTuple):
    """A product mantissa 2^exponent * factors, as a rule of Lava has it.

    spike: x0 or y0, whose spike the product needs.
    mantissa: from -8 to 7.
    exponent: of 2, from -7 to 8.
    factors: names of traces, `w`, x0 or y0, each as often as its power.
    """

    spike: str
    mantissa: int
    exponent: int
    factors: tuple[str, ...]

    @property
    def coefficient(self) -> float:
        """The coefficient of the factors, but for rounding."""
        return self.mantissa * 2.0 ** (self.exponent - excess(self.factors))


def excess(factors: Sequence[str]) -> int:
    """The bits by which a product of factors and a mantissa is too wide; they are cut off."""
    width = sum(WIDTHS.get(name, WIDTH_OF_TRACE) for name in factors)
    return max(0, width + WIDTH_OF_MANTISSA - WIDTH)


class Difference(NamedTuple):
    """The difference between the chip and the rule, as a share of the change of weight.

    rms: of a single weight.
    mean: of the mean weight.
    """

    rms: float
    mean: float


class Lived(NamedTuple):
    """A second of spikes.

    pre: spikes [N_STEPS, N_PRE], 0 or 1.
    post: spikes [N_STEPS, N_POST].
    first: weights at the start [N_POST, N_PRE], as integers of the chip.
    exact: weights of the rule at the end, from 0 to 1.
    chip: weights of the chip at the end, as its integers.
    """

    pre: np.ndarray
    post: np.ndarray
    first: np.ndarray
    exact: np.ndarray
    chip: np.ndarray


def measured(
    program: Program, traces: tuple[ChipTrace, ...], products: tuple[ChipProduct, ...]
) -> Difference:
    """The difference of the weights after a second of random spikes.

    Args:
        program: the equations of the rule.
        traces: the traces of the chip.
        products: the products of the chip.
    """
    lived = live(program, traces, products)
    change = lived.exact - lived.first / LARGEST_WEIGHT
    away = lived.chip / LARGEST_WEIGHT - lived.exact
    size = float(np.sqrt(np.mean(change**2)))
    rms = float(np.sqrt(np.mean(away**2)))
    return Difference(rms / size, abs(float(np.mean(away))) / size)


def live(
    program: Program, traces: tuple[ChipTrace, ...], products: tuple[ChipProduct, ...]
) -> Lived:
    """A second of random spikes, by the rule and on the chip; arguments as in `measured`."""
    generator = np.random.default_rng(SEED)
    chance = RATE * DT
    pre = 1.0 * (generator.random((N_STEPS, 1, N_PRE)) < chance)
    post = 1.0 * (generator.random((N_STEPS, N_POST, 1)) < chance)
    first = generator.integers(64, LARGEST_WEIGHT - 64, (N_POST, N_PRE))
    exact = first / LARGEST_WEIGHT
    state = first_state(program, first.shape)
    chip = first.astype(float)
    values = {trace.name: np.zeros(_shape(trace.name)) for trace in traces}
    for now in range(N_STEPS):
        signals = {"pre": pre[now], "post": post[now], "weight": exact, "weight_max": 1.0}
        state, delta = step(program, signals, state, DT)
        exact = np.clip(exact + delta, 0.0, 1.0)
        spikes = {"x0": pre[now], "y0": post[now]}
        for trace in traces:
            faded = np.exp(-1.0 / trace.tau) * values[trace.name]
            kept = _rounded(faded, generator)
            jumped = kept + trace.impulse * spikes[f"{trace.name[0]}0"]
            values[trace.name] = np.minimum(jumped, LARGEST_TRACE)
        chip = _moved(chip, {**values, **spikes}, products, generator)
    return Lived(pre[:, 0], post[:, :, 0], first, exact, chip)


def _moved(
    chip: np.ndarray,
    values: dict[str, np.ndarray],
    products: tuple[ChipProduct, ...],
    generator: np.random.Generator,
) -> np.ndarray:
    """The weights after the products of a step."""
    total = np.zeros(chip.shape)
    for product in products:
        amount: np.ndarray = values[product.spike] * float(product.mantissa)
        for factor in product.factors:
            amount = amount * (chip if factor == "w" else values[factor])
        kept = _floored(amount / 2.0 ** excess(product.factors))
        total = total + kept * 2.0**product.exponent
    return np.clip(_rounded(chip + total, generator), 0, LARGEST_WEIGHT)


def _floored(values: np.ndarray) -> np.ndarray:
    """The values without the bits that are cut off."""
    return np.floor(values)


def _rounded(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The values, rounded up with the probability of their fraction."""
    whole = np.floor(values)
    return whole + (generator.random(values.shape) < values - whole)


def _shape(name: str) -> tuple[int, int]:
    return (1, N_PRE) if name.startswith("x") else (N_POST, 1)
