"""The learning rule for Loihi: its grammar, its coefficients, and its measurement."""

import ast
import re

import numpy as np
import pytest

from metaplast.registry import find
from metaplast.reuse.export import _loihi, lava
from metaplast.reuse.export.exported import Exported, export
from metaplast.rules.stdp import Stdp
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels
from tests.reuse._exports import subject

PRODUCT = re.compile(r"([xy]0) \* \(?(-?\d)\)? \* 2\^(-?\d+)((?: \* (?:[xy][0-3]|w))*)")
RULES = {
    "stdp": Stdp(),
    "bounded": Stdp(mu_potentiation=1.0, mu_depression=1.0),
    "nearest": Stdp(pairing="nearest"),
    "triplet": Triplet(),
    "vogels": Vogels(),
}


def of(rule: object) -> Exported:
    return export(subject(rule, {}), "lava")


def products(text: str) -> list[tuple[str, int, int, list[str]]]:
    """(spike, mantissa, exponent, factors) of every product; nothing else stands in the rule."""
    tree = ast.parse(text)
    assigned = next(node for node in tree.body if isinstance(node, ast.Assign))
    line = ast.literal_eval(assigned.value)
    found = []
    for part in line.split(" + "):
        match = PRODUCT.fullmatch(part)
        assert match, part
        found.append((match[1], int(match[2]), int(match[3]), match[4].split(" * ")[1:]))
    return found


def test_a_product_is_cut_to_fifteen_bits() -> None:
    """Two traces and a mantissa have 18 bits: three are cut off, below the exponent."""
    one = _loihi.ChipProduct("y0", 5, -7, ("x1", "y2"))
    assert _loihi.excess(one.factors) == 3
    assert one.coefficient == 5 * 2.0**-10
    values = {"y0": np.ones((1, 1)), "x1": np.full((1, 1), 3.0), "y2": np.full((1, 1), 7.0)}
    moved = _loihi._moved(np.full((1, 1), 10.0), values, (one,), np.random.default_rng(0))
    assert moved[0, 0] in (10.0, 11.0)
    many = np.full((1, 20_000), 10.0)
    found = _loihi._moved(many, values, (one,), np.random.default_rng(0)).mean() - 10.0
    assert found == pytest.approx((5 * 3 * 7 // 8) / 128, abs=5e-3)


def numbers(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"(\w+_(?:impulse|tau))=(\d+)", text)}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_fits_the_chip(name: str) -> None:
    result = of(RULES[name])
    assert result.grade == "approximate"
    assert 0.0 < result.error < 1.0
    given = numbers(result.text)
    for _, mantissa, exponent, factors in products(result.text):
        assert -8 <= mantissa <= 7
        assert mantissa != 0
        assert -7 <= exponent <= 8
        for factor in factors:
            assert factor in ("w", "x0", "y0") or f"{factor}_tau" in given
    for value in given.values():
        assert 1 <= value <= 4095
    assert of(RULES[name]) == result  # seeded


def test_the_coefficients_are_those_of_the_rule() -> None:
    """The change of the string at one spike, against the equation of STDP."""
    text = of(Stdp()).text
    given = numbers(text)
    x1, y1 = 50, 70  # as they are after the jumps of this step

    def change(x0: int, y0: int) -> float:
        values = {"x0": x0, "y0": y0, "x1": x1, "y1": y1}
        total = 0.0
        for spike, mantissa, exponent, factors in products(text):
            amount = values[spike] * mantissa * 2.0**exponent
            for factor in factors:
                amount *= values[factor]
            total += amount
        return total / 255

    up = 0.01 * x1 / given["x1_impulse"]
    down = 0.0105 * y1 / given["y1_impulse"]
    coincident = 0.0105 * (y1 / given["y1_impulse"] - 1)  # the trace before its own jump
    assert change(0, 1) == pytest.approx(up, rel=0.02)
    assert change(1, 0) == pytest.approx(-down, rel=0.02)
    assert change(1, 1) == pytest.approx(up - coincident, rel=0.05)


def test_without_rounding_the_emulation_is_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the measurement: coefficients of the chip are left, and nothing else."""
    assert lava.LARGEST_TRACE == _loihi.LARGEST_TRACE
    monkeypatch.setattr(_loihi, "_rounded", lambda values, generator: values)
    monkeypatch.setattr(_loihi, "_floored", lambda values: values)
    monkeypatch.setattr(_loihi, "LARGEST_TRACE", 10**6)
    # Lava knows no coefficient of one trace below 2^-7, and few bits are left of one of `w`.
    for name, largest in (("stdp", 0.01), ("bounded", 0.05), ("vogels", 0.005)):
        assert of(RULES[name]).error < largest


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("polynomial", "not at spikes alone"),
        ("clopath", "not at spikes alone"),
        (Stdp(mu_potentiation=0.5), "no sum of products"),
        (Triplet(pairing="nearest"), "sets itself"),
        (Stdp(potentiation=0.0, depression=0.0), "smaller than the smallest"),
    ],
)
def test_what_the_chip_cannot_do_is_refused(rule: object, expected: str) -> None:
    spec = find("rule", rule)() if isinstance(rule, str) else rule
    result = of(spec)
    assert result.grade == "unsupported"
    assert not result.text
    assert expected in result.reasons[0]
