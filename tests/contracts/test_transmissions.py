"""Every transmission is causal and keeps its type; what it transmits is a plain sum over what was sent before."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from metaplast._checks.base import demand_same_type, quick_jit
from metaplast.registry import find
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.exponential import Exponential
from tests.contracts._enrolled import enrolled

N, N_STEPS, DT = 3, 12, 1e-3
SENT = np.random.default_rng(0).normal(size=(N_STEPS, N))


def _instant(spec: Any, sent: np.ndarray) -> np.ndarray:
    return sent


def _exponential(spec: Any, sent: np.ndarray) -> np.ndarray:
    steps = np.arange(len(sent))
    kernel = np.tril(np.exp(-(steps[:, None] - steps[None, :]) * DT / spec.tau))
    return kernel @ sent


def _delayed(spec: Any, sent: np.ndarray) -> np.ndarray:
    k = round(spec.delay / DT)
    late = np.concatenate([np.zeros((k, sent.shape[1])), sent[:-k]])
    return ORACLES[type(spec.transmission).__name__](spec.transmission, late)


ORACLES: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "Instant": _instant,
    "Exponential": _exponential,
    "Delayed": _delayed,
}
SETTINGS = [find("transmission", name)() for name in enrolled("transmission")]
SETTINGS += [Delayed(delay=3e-3, transmission=Exponential(tau=2e-3)), Delayed(delay=1e-3)]


@partial(quick_jit, static_argnums=0)
def _run(transmission: Any, sent: Any) -> Any:
    step = lambda state, x: transmission.step(state, x, DT)  # noqa: E731
    return jax.lax.scan(step, transmission.init_state(N, DT), sent)[1]


@pytest.mark.parametrize("transmission", SETTINGS, ids=str)
def test_a_transmission_is_a_plain_sum_over_the_past(transmission):
    for wide in (False, True):
        with jax.enable_x64(wide):
            state = jax.eval_shape(lambda: transmission.init_state(N, DT))
            sent = jax.ShapeDtypeStruct((N,), float if wide else np.float32)
            after, out = jax.eval_shape(lambda s, x: transmission.step(s, x, DT), state, sent)
            demand_same_type(state, after, "the state keeps its type")
            demand_same_type(sent, out, "what arrives has the type of what was sent")
    with jax.enable_x64(True):
        out = np.asarray(_run(transmission, SENT))
        later = SENT.copy()
        later[7:] += 1.0
        np.testing.assert_array_equal(_run(transmission, later)[:7], out[:7])
    np.testing.assert_allclose(out, ORACLES[type(transmission).__name__](transmission, SENT), atol=1e-12)


def test_the_queue_is_as_long_as_the_delay_at_any_dt():
    for dt in (1e-3, 0.5e-3, 0.1e-3):
        queue = Delayed(delay=2e-3).init_state(N, dt)["queue"]
        assert queue.shape == (round(2e-3 / dt), N)
    assert Delayed(delay=6e-4).init_state(N, 1e-4)["queue"].shape == (6, N)  # 5.999999999999999 in floats
    assert Delayed(delay=1e-5).init_state(N, 1e-3)["queue"].shape == (1, N)
