"""Python as a notebook runs it: cells in a fresh `__main__`, a script without a guard, groups."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system._commands import here

pytestmark = pytest.mark.system

CELLS = (
    """
import jax.numpy as jnp
import metaplast as mp
from inner_tasks.regression import Regression
from metaplast.neurons.base import RateNeuron
from metaplast.objectives.base import AbstractObjective, weighted_mean
from metaplast.rules.base import KernelRule

@mp.spec
class MyTask(Regression):
    '''Half of the examples.'''
    shots: int = 5
    queries: int = 3

@mp.spec
class MyRule(KernelRule):
    '''delta_w = gain error pre.'''
    start: float = 0.02
    per_synapse = False

    def init(self, key, connection):
        return {"gain": jnp.asarray(-self.start)}

    def kernel(self, theta, state, synapse, dt):
        return state, theta["gain"] * synapse.post.feedback * synapse.pre.activity

@mp.spec
class Bent(RateNeuron):
    '''f(u) = u / (1 + |u|).'''

    def activate(self, potential):
        slope = 1.0 / (1.0 + jnp.abs(potential))
        return potential * slope, slope**2

@mp.spec
class MyObjective(AbstractObjective):
    '''The mean loss.'''

    def loss(self, theta, lived):
        return weighted_mean(lived.trace.score)

    def window(self, theta, score, shape, start):
        raise ValueError("whole lives alone")

words = dict(
    task=MyTask(shots=4), objective=MyObjective, feedback="symmetric", seed=2,
    network={"name": "feedforward", "hidden": [], "output": Bent}, genome="random",
    rule=MyRule(start=0.01), rows={"other": {"rule": MyRule}},
    problem={"n_tasks": 2},
    evaluation={"validation": 4, "heldout": 4, "candidates": 1},
)
""",
    """
run = mp.train("oja", steps=40, run_dir="whole", **words)
assert [score.name for score in run.scores] == ["discovered", "other"]
assert run.config["notebook"] == {
    "rule": ["my_rule"], "neuron": ["bent"], "objective": ["my_objective"], "task": ["my_task"]
}
assert list(run.scores.to_pandas()["name"]) == ["discovered", "other"]
life = mp.live(words["network"], MyRule, MyTask, feedback="symmetric", n_steps=4)
assert life.activities["output"].shape == (4, 1)
""",
    """
import os, signal, threading, time

def interrupt():
    while not os.path.exists("cut/checkpoints/000000/manifest.json"):
        time.sleep(0.01)
    while mp.open("cut").metrics.columns == () or len(mp.open("cut").metrics) < 3:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    mp.train("oja", steps=40, run_dir="cut", quiet=True, **words)
except KeyboardInterrupt as stopped:
    assert "mp.resume('cut')" in str(stopped)
else:
    raise AssertionError("it was not stopped")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert not mp.open("cut").finished
mp.resume("cut", quiet=True)
for name in ("rule.safetensors", "lives.safetensors", "rows/other/theta.safetensors"):
    assert open("cut/" + name, "rb").read() == open("whole/" + name, "rb").read(), name
print("all cells ran")
""",
)
QUICK = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
"""Compiling is nearly all the time."""
IN_MAIN = """
import sys
for cell in sys.stdin.read().split("# next cell"):
    exec(compile(cell, "<cell>", "exec"), globals())
"""
SCRIPT = """
import metaplast as mp

print("the script began")
run = mp.train(
    "oja", steps=2, task={"n_steps": 4}, run_dir="rows", jobs=2, quiet=True,
    rule={"name": "polynomial", "terms": ["post*pre", "post^2*weight"]},
    rows={"hebb": {"rule": {"name": "polynomial", "terms": ["post*pre"], "learn": "rate"}}},
    evaluation={"validation": 4, "heldout": 4, "candidates": 1},
)
assert [score.name for score in run.scores] == ["discovered", "hebb"]
run.plot.gains(), run.plot.scores()
group = mp.train(
    "oja", steps=2, task={"n_steps": 4}, run_dir="group", quiet=True, seeds=2, seed=5,
    rule={"name": "polynomial", "terms": ["post*pre", "post^2*weight"]},
    evaluation={"validation": 4, "heldout": 4, "candidates": 1},
)
assert [each.folder.name for each in group.runs] == ["seed-5", "seed-6"]
assert group.scores["discovered"].n == 8
assert mp.compare([group]).scores == group.scores
try:
    group.rule
except mp.BadInput as error:
    assert "run.runs[0]" in str(error)
else:
    raise AssertionError("a group has no rule of its own")
fit = mp.fit(
    run_dir="fit", rows={}, steps=2, quiet=True,
    fit={"starts": 1, "strengths": [0.1], "bootstrap": 2},
)
assert fit.result["verdict"][0] in fit.text and fit.rule.reach == "synapse"
assert mp.open("fit") == fit and "explained" in mp.compare([fit]).text
"""


def test_classes_of_a_notebook_train_stop_and_resume(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_MAIN],
        input="# next cell".join(CELLS),
        cwd=tmp_path,
        env=QUICK,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all cells ran\n")
    assert "whole: 2 rows, 1 at a time" in done.stderr
    for command in (["resume", "cut"], ["eval", "whole"], ["train", "--config", "cut/config.yaml"]):
        code, _, error = here(*command, cwd=tmp_path)
        assert code == 2
        assert error.startswith("error: ") and error.count("\n") == 1
        assert "a class of a notebook or script" in error and "--import MODULE" in error


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=QUICK,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the script began\n"
    summary = json.loads((tmp_path / "rows" / "summary.json").read_text())
    assert list(summary["rows"]) == ["discovered", "hebb"]
