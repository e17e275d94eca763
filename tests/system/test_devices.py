"""Lives spread over several devices: the same losses and gradients as on one."""

import pytest

from tests._devices import on_devices

pytestmark = pytest.mark.system

PROGRAM = """
import dataclasses, json
import jax, numpy as np
from metaplast.testing.outer_loop import blown, quadratic

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
problem = quadratic(n_tasks=6, life_clip=1.0)
theta = problem.init(jax.random.key(0))
members = jax.tree.map(lambda x: jax.numpy.stack([x, 1.5 * x, -x]), theta)
batch = blown(problem.sample(jax.random.key(1), 6, "train"), slice(5, 6))
out = {"devices": jax.device_count()}
for n in (1, 2, 4):
    spread = dataclasses.replace(problem, n_devices=n)
    losses, aside = jax.jit(lambda t, b: spread.losses(t, b))(members, batch)
    loss, grad, metrics = jax.jit(lambda t, b: spread.value_and_grad(t, b))(theta, batch)
    numbers = [aside["life_loss"], loss, *jax.tree.leaves(grad), *metrics.values()]
    out[n] = [np.asarray(x, float).reshape(-1).tolist() for x in numbers]
print(json.dumps(out))
"""


def test_lives_over_four_devices_are_those_on_one():
    """6 lives over 4 devices: the padded ones count nowhere, the blown one is left out as it is on
    one device.
    """
    out = on_devices(PROGRAM, 4)
    one = out["1"]
    assert len(one[0]) == 18
    assert sum(value != value for value in one[0]) == 3  # the blown life of each of three members
    for n in ("2", "4"):
        for given, expected in zip(out[n], one, strict=True):
            assert given == pytest.approx(expected, rel=1e-5, abs=1e-7, nan_ok=True)
