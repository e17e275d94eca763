"""The learning engine of Loihi in NumPy: 7-bit traces, 8-bit weights, stochastic rounding.

A trace decays by exp(-1/tau) a step, is rounded at random, and gains its impulse at a spike, up to
127. Then products are computed with the traces of the end of the step. Their sum is added to the
weight with 7 bits behind the point, and the weight is rounded at random to an integer.
"""

from typing import NamedTuple

import numpy as np

from metaplast.reuse.export._evaluate import first_state, step
from metaplast.reuse.export._program import Program

LARGEST_TRACE = 127
LARGEST_WEIGHT = 255
"""The integer that stands for the largest weight, 1."""
FRACTION = 2.0**7
"""Parts of the unit of a weight in the accumulator."""
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
    """A product mantissa 2^exponent * factors.

    spike: x0 or y0, whose spike the product needs.
    mantissa: from -8 to 7.
    exponent: of 2.
    factors: names of traces, `w`, x0 or y0, each as often as its power.
    """

    spike: str
    mantissa: int
    exponent: int
    factors: tuple[str, ...]


class Difference(NamedTuple):
    """The difference between the chip and the rule, as a share of the change of weight.

    rms: of a single weight.
    mean: of the mean weight.
    """

    rms: float
    mean: float


def measured(
    program: Program, traces: tuple[ChipTrace, ...], products: tuple[ChipProduct, ...]
) -> Difference:
    """The difference of the weights after a second of random spikes.

    Args:
        program: the equations of the rule.
        traces: the traces of the chip.
        products: the products of the chip.
    """
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
    change = exact - first / LARGEST_WEIGHT
    away = chip / LARGEST_WEIGHT - exact
    size = float(np.sqrt(np.mean(change**2)))
    rms = float(np.sqrt(np.mean(away**2)))
    return Difference(rms / size, abs(float(np.mean(away))) / size)


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
        total = total + amount * 2.0**product.exponent
    total = np.trunc(total * FRACTION) / FRACTION
    return np.clip(_rounded(chip + total, generator), 0, LARGEST_WEIGHT)


def _rounded(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The values, rounded up with the probability of their fraction."""
    whole = np.floor(values)
    return whole + (generator.random(values.shape) < values - whole)


def _shape(name: str) -> tuple[int, int]:
    return (1, N_PRE) if name.startswith("x") else (N_POST, 1)
