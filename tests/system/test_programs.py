"""The program of a problem is the same text in every process, so that the compilation cache of the last one serves."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

PROGRAM = """
import jax
from metaplast.lifetime import Lifetime, Slot
from metaplast.problem import MetaProblem
from metaplast.spec import decode

task = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 5, "n_steps": 3})
rule = decode("rule", {"name": "trace_taylor", "terms": ["pre", "pre*post_trace", "post*pre_slow", "error*pre"]})
network, feedback = decode("network", {"name": "ei", "readout": False}), decode("feedback", "symmetric")
problem = MetaProblem(Lifetime(task, network, feedback, slots=(Slot(edges="i_to_e", rule=rule),), measure=("units",)))
theta = jax.eval_shape(lambda key: jax.tree.map(lambda x: x[None], problem.init(key)), jax.random.key(0))
batch = jax.eval_shape(lambda key: problem.sample(key, 2, "train"), jax.random.key(0))
print(jax.jit(problem.losses).lower(theta, batch).as_text())
"""


def test_the_order_of_sets_is_in_no_program() -> None:
    """Conductance ports, credit, traces, units: the seeds put two words of a set in either order."""
    told = set()
    for seed in ("1", "4"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
        )
        told.add(done.stdout)
    assert len(told) == 1 and "stablehlo" in told.pop()
