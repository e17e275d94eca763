"""The exported optax transformation makes the updates of `metaplast.optax`."""

import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast.reuse.export.exported import export
from metaplast.reuse.export.source import subject_of

NAMES = ("oja", "zoo/stdp", "zoo/readout", "zoo/shervani_tabar_three", "zoo/class_mean")
N_EXAMPLES, N_POST, N_PRE = 4, 3, 5
SIZES = {"pre": N_PRE, "pre_error": N_PRE, "post": N_POST, "error": N_POST, "target": N_POST}


def _module(name: str) -> Any:
    module: Any = types.ModuleType("exported")
    text = export(subject_of(name), "optax").text
    exec(compile(text, "exported.py", "exec"), module.__dict__)  # noqa: S102 - the text is ours
    return module


def _signals(module: Any, seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    signals = {}
    for name in module.SIGNALS:
        if name in SIZES:
            signals[name] = jnp.asarray(generator.uniform(0.1, 0.9, (N_EXAMPLES, SIZES[name])))
    return signals


@pytest.fixture(autouse=True)
def broadcasts() -> Any:
    """The exported text broadcasts as NumPy does, which JAX allows unless it is told otherwise."""
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("layout", ["post_pre", "pre_post"])
@pytest.mark.parametrize("name", NAMES)
def test_the_updates_are_those_of_the_rule(name: str, layout: Any) -> None:
    module = _module(name)
    weight = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, (N_POST, N_PRE)))
    if layout == "pre_post":
        weight = weight.T
    params = {"layers": [{"kernel": weight, "bias": jnp.zeros(N_POST)}]}
    exported = module.transformation(layout=layout)
    ours = mp.optax(mp.load_rule(name), layout=layout)
    there, here = exported.init(params), ours.init(params)
    for batch in range(2):  # the second one begins with another state
        signals = {"layers.0.kernel": _signals(module, batch)}
        step = jax.jit(exported.update)
        updates, there = step(None, there, params, signals=signals)
        expected, here = ours.update(None, here, params, signals=signals)
        change = updates["layers"][0]["kernel"]
        wanted = expected["layers"][0]["kernel"]
        np.testing.assert_allclose(change, wanted, rtol=2e-5, atol=1e-6 * np.abs(wanted).max())
        np.testing.assert_array_equal(updates["layers"][0]["bias"], 0.0)
