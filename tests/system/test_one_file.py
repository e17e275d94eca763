"""One file in its room is enough: every test that goes by the registry holds for a new plug-in of
every kind, and no table in the tests has to know its name."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from metaplast.registry import KINDS

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)

SCRATCH = {
    "connection": '''
"""Every neuron meets those at most one place away, on a ring: a matrix with a mask."""

import jax.numpy as jnp
import numpy as np

from metaplast.connections._matrix import MatrixConnection
from metaplast.registry import register
from metaplast.spec import Count, spec


@register("connection", "scratch_connection")
@spec
class ScratchConnection(MatrixConnection):
    """Post j meets pre i where |i - j| mod the larger side is at most 1."""

    n_post: Count = 1
    n_pre: Count = 1

    def _support(self):
        apart = np.abs(np.arange(self.n_post)[:, None] - np.arange(self.n_pre)[None, :])
        return np.minimum(apart, max(self.n_post, self.n_pre) - apart) <= 1

    def mask(self):
        return jnp.asarray(self._support(), float)

    @property
    def fan_in(self):
        return max(1, round(self._support().sum() / self.n_post))
''',
    "transmission": '''
"""Half of what was sent, and the other half one step later."""

import jax.numpy as jnp

from metaplast.registry import register
from metaplast.spec import spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "scratch_transmission")
@spec
class ScratchTransmission(AbstractTransmission):
    """s_t = (x_t + x_{t-1}) / 2."""

    def init_state(self, n_pre, dt):
        return {"last": jnp.zeros(n_pre)}

    def step(self, state, pre, dt):
        return {"last": pre}, 0.5 * (pre + state["last"])
''',
    "objective": '''
"""The worst moment of a life."""

import jax.numpy as jnp

from metaplast.objectives.base import AbstractObjective
from metaplast.registry import BadInput, register
from metaplast.spec import spec


@register("objective", "scratch_objective")
@spec
class ScratchObjective(AbstractObjective):
    """max_t loss_t over the steps that count; 0 where none does."""

    def loss(self, theta, lived):
        score = lived.trace.score
        return jnp.max(jnp.where(score.weight > 0, score.loss, 0.0))

    def window(self, theta, score, shape, start):
        what = "objective scratch_objective: a maximum, no sum"
        raise BadInput(what, "an outer loop over whole lives", "use bptt")
''',
    "feedback": '''
"""One number for all: every unit hears the mean error of the output."""

import jax.numpy as jnp

from metaplast.feedback.base import AbstractFeedback, credit
from metaplast.registry import register
from metaplast.spec import spec


@register("feedback", "scratch_feedback")
@spec
class ScratchFeedback(AbstractFeedback):
    """L_output = error, L_l = mean(error) everywhere else."""

    def init(self, key, wiring):
        return {"log_gain": jnp.zeros(())}

    def init_state(self, theta, wiring, key):
        return {}

    def step(self, theta, state, seen):
        error = seen.feedback.error
        mean = jnp.exp(theta["log_gain"]) * jnp.mean(error)
        signals = {p.name: jnp.broadcast_to(mean, (p.n,)) for p in seen.wiring.populations}
        signals |= {seen.wiring.output.name: error}
        return state, credit(signals, seen.views, seen.feedback)
''',
    "likelihood": '''
"""How many of two release sites released."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from metaplast.likelihoods.base import AbstractLikelihood, demand_values
from metaplast.registry import register
from metaplast.spec import spec


@register("likelihood", "scratch_likelihood")
@spec
class ScratchLikelihood(AbstractLikelihood):
    """y_j ~ Binomial(2, sigmoid(a_j)): loss = 2 log(1 + exp(a)) - y a."""

    def loss(self, activity, value):
        return 2.0 * jax.nn.softplus(activity) - value * activity

    def saturated(self, value):
        return -xlogy(value, value / 2.0) - xlogy(2.0 - value, 1.0 - value / 2.0)

    def mean(self, activity):
        return 2.0 * jax.nn.sigmoid(activity)

    def activity(self, mean):
        p = np.clip(np.asarray(mean) / 2.0, 1e-6, 1.0 - 1e-6)
        return np.log(p) - np.log1p(-p)

    def draw(self, key, activity, spread):
        released = jax.random.bernoulli(key, jax.nn.sigmoid(activity)[None], (2, *activity.shape))
        return released.sum(axis=0).astype(activity.dtype)

    def check(self, values):
        possible = np.isin(values, (0, 1, 2))
        fix = "count the sites that released"
        demand_values(bool(possible.all()), values[~possible], "0, 1 or 2", fix)
''',
    "genome": '''
"""Weak synapses at birth."""

import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, draw, synapses
from metaplast.registry import register
from metaplast.spec import spec


@register("genome", "scratch_genome")
@spec
class ScratchGenome(AbstractGenome):
    """w = half of what `random` draws."""

    def init(self, key, wiring):
        return {}

    def weights(self, theta, wiring, task, key):
        return synapses(wiring, {name: 0.5 * w for name, w in draw(wiring, key).items()})
''',
    "network": '''
"""One plastic layer."""

from metaplast.connections.dense import Dense
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.linear import Linear
from metaplast.registry import register
from metaplast.spec import spec
from metaplast.wiring import Edge, Population, Wiring


@register("network", "scratch_network")
@spec
class ScratchNetwork(AbstractNetwork):
    """input -> output, linear units."""

    def wiring(self, inputs, n_out):
        ((name, n_in),) = inputs.items()
        populations = (Population(name, n_in), Population("output", n_out, Linear()))
        return Wiring(populations, (Edge(name, "output", Dense(n_out, n_in)),))
''',
    "task": '''
"""Reward alone: nobody says what a good answer is."""

import jax
import jax.numpy as jnp

from metaplast.tasks import SPLITS, AbstractTaskFamily
from metaplast.registry import register
from metaplast.signals import Outcome, Score, TaskShape, feedback
from metaplast.spec import spec


@register("task", "scratch_task")
@spec
class ScratchTask(AbstractTaskFamily):
    """Tell the sign of the first of two inputs: reward 1 or -1, no error, target or gradient."""

    def shape(self):
        offers = frozenset({"reward"})
        return TaskShape({"input": 2}, 1, ((12, True),), offers, differentiable=False)

    def sample(self, key, split):
        return jax.random.normal(jax.random.fold_in(key, SPLITS.index(split)), (12, 2))

    def begin(self, task, key, dt):
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task, state, key, dt):
        return {"input": task[state]}

    def step(self, task, state, output, key, dt):
        reward = jnp.where(output.activity[0] * task[state, 0] > 0, 1.0, -1.0).astype(task.dtype)
        score = Score(loss=-reward, weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=feedback(1, modulators={"reward": reward}), score=score)
''',
}
LISTING = '''
"""Adds the files of a folder to the rooms of plug-ins, without a change to the rooms."""

import importlib
from pathlib import Path

for room in sorted(Path(__file__).parent.glob("room-*")):
    importlib.import_module(room.name.removeprefix("room-")).__path__.append(str(room))
'''


def _named(text: str) -> tuple[str, str]:
    """(kind, name) that a file registers."""
    kind, name = re.search(r'@register\("(\w+)", "(\w+)"\)', text).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return kind, name


def test_one_file_of_every_kind_passes_all_that_goes_by_the_registry(tmp_path):
    names = {}
    for text in (*EXAMPLES, *SCRATCH.values()):
        kind, name = _named(text)
        room = tmp_path / f"room-{KINDS[kind][0]}"
        room.mkdir(exist_ok=True)
        described = text.lstrip().startswith('"""')
        source = text if described else f'"""An example."""\n\n{text}'
        (room / f"{name}.py").write_text(source)
        names[name] = kind
    assert set(names.values()) >= {"rule", "neuron", "outer", *SCRATCH}
    (tmp_path / "list_rooms.py").write_text(LISTING)
    files = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "enrolled(" in path.read_text():
            files.append(str(path))
    assert len(files) > 10
    classes = [name.replace("_", "") for name in names]
    # Each of these goes through all plug-ins in one test.
    loops = ["carry_spikes", "keeps_silence", "says_that_it_spikes"]
    chosen = " or ".join([*names, *classes, *loops])
    pytest_command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rA"]
    plugins = ["-p", "list_rooms", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_command, *plugins, "-m", "not golden", "-k", chosen, *files],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    for name in names:
        call = f"{name.replace('_', '')}("
        its_tests = [line for line in passed if name in line or call in line.lower()]
        # At least three: a spec, plain data and back, the contract of its kind.
        assert len(its_tests) >= 3, (name, its_tests)
    assert "skipped" not in done.stdout.splitlines()[-1]
