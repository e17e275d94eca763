"""FORCE learning: a chaotic network generates a wave by itself once RLS has taught its readout."""

import numpy as np
import pytest

from metaplast.life.lifetime import Lifetime
from metaplast.results.statistics import student
from metaplast.rules.base import AbstractRule
from tests.rules._waves import generated, pes, rls, rmse

pytestmark = pytest.mark.golden
N_LIVES = 16
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3)


def life(rule: AbstractRule | None) -> Lifetime:
    """200 cells, 6 s of learning, then 5 periods of 0.4 s alone."""
    return generated(rule, 200, seconds=6.0, period=0.4, held=2.0)


def test_rls_holds_the_wave_and_a_tuned_delta_rule_does_not() -> None:
    """Measured: RLS 0.0024 (0.0010 to 0.0038), no plasticity 0.722, the delta rule at its best rate
    (the smallest, at which it learns little) 0.735 (0.684 to 0.787).
    """
    taught = student(rmse(life(rls(100.0)), N_LIVES).held)
    still = rmse(life(None), 2).held
    chosen = min(RATES, key=lambda rate: float(np.mean(rmse(life(pes(rate)), 4, seed=1).held)))
    delta = student(rmse(life(pes(chosen)), N_LIVES).held)
    print(f"RLS {taught}, no plasticity {still}, delta rule at {chosen} {delta}")
    assert taught.high < 0.01
    assert still.min() > 0.7
    assert delta.low > 0.5
