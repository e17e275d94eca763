"""The programs of a run: few, of the same text and the same bits in every process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

PROGRAM = """
import jax
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.problem import MetaProblem
from metaplast.spec import decode

task = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 5, "n_steps": 3})
terms = ["pre", "pre*post_trace", "post*pre_slow", "error*pre"]
rule = decode("rule", {"name": "trace_taylor", "terms": terms})
network = decode("network", {"name": "ei", "readout": False})
feedback = decode("feedback", "symmetric")
slots = (Slot(edges="i_to_e", rule=rule),)
problem = MetaProblem(Lifetime(task, network, feedback, slots=slots, measure=("units",)))
one_member = lambda key: jax.tree.map(lambda x: x[None], problem.init(key))
theta = jax.eval_shape(one_member, jax.random.key(0))
batch = jax.eval_shape(lambda key: problem.sample(key, 2, "train"), jax.random.key(0))
print(jax.jit(problem.losses).lower(theta, batch).as_text())
"""


BITS = """
import hashlib
import jax
import numpy as np
from metaplast import search_loop
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.runs.threads import one_each

one_each()
config = parse(compose(["task.shots=1", "task.queries=1"], Sources()), check=False).main
problem, outer = config.meta_problem(), config.outer_loop()
first = search_loop.begin(problem, outer, 0)
for _, state, metrics in search_loop.steps(problem, outer, 0, first, 0, 2):
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((metrics, outer.theta(state)))]
    print(hashlib.sha256(b"".join(leaves)).hexdigest())
"""


COUNT = """
import atexit
import sys
from jax import monitoring
from metaplast.cli.main import main

names = []
def listen(event, seconds, fun_name="", **_):
    if event.endswith("backend_compile_duration"):
        names.append(fun_name)
monitoring.register_event_duration_secs_listener(listen)
atexit.register(lambda: print("compiled:", *names, sep="\\n"))
main(["train", "experiment=oja", "outer.steps=2", "--run-dir", sys.argv[1]])
"""


def test_a_run_compiles_few_programs(tmp_path: Path) -> None:
    """An operation on an array outside a program compiles one of its own, in every process."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    names = done.stdout.partition("compiled:\n")[2].splitlines()
    assert "jit(_step)" in names and "jit(evaluate)" in names
    assert len(names) <= 12, names


def test_the_number_of_threads_changes_no_bit() -> None:
    """Also where the environment already has one: `one_each` leaves it."""
    told = set()
    for threads in ({}, {"NPROC": "2"}):
        environment = {name: value for name, value in os.environ.items() if name != "NPROC"}
        environment |= {"JAX_PLATFORMS": "cpu", **threads}
        command = [sys.executable, "-c", BITS]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        told.add(done.stdout)
    assert len(told) == 1 and len(told.pop().splitlines()) == 2


def test_the_order_of_sets_is_in_no_program() -> None:
    """Conductance ports, credit, traces, units: the seeds put two words of a set in both orders."""
    told = set()
    for seed in ("1", "4"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        told.add(done.stdout)
    assert len(told) == 1 and "stablehlo" in told.pop()
