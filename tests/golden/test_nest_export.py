"""The exported synapse models, compiled by NESTML and run by NEST, have the weights of the rule.

It wants a Python with NEST and NESTML, a compiler and cmake: METAPLAST_NEST_PYTHON names it. The
wheels of PyPI serve (nest-simulator 3.10, nestml 9.0). Their nest-config names paths of another
machine: NEST_PATH then names a folder with a corrected bin/nest-config, with the headers of boost
(boost-headers) and libltdl, without libraries, and with -D_GLIBCXX_USE_CXX11_ABI=0.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import Move
from metaplast.connections.dense import Dense
from metaplast.reuse.export.exported import export
from metaplast.reuse.view import complete, synapse_view
from metaplast.rules.base import AbstractRule
from metaplast.rules.stdp import Stdp
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from tests.reuse._exports import subject

PYTHON = os.environ.get("METAPLAST_NEST_PYTHON", "")
DELAY = 1  # of the postsynaptic spikes, in steps, as in _nest_program.py
RULES: dict[str, AbstractRule] = {
    "common": Stdp(),
    "other_orders": Stdp(at_pre_spike="after", at_post_spike="before"),
    "bounded_nearest": Stdp(
        potentiation=0.05, mu_potentiation=1.0, mu_depression=1.0, pairing="nearest"
    ),
    "inhibitory": Vogels(),
    "in_turn": Pathways(
        rule=TraceTaylor(
            terms=("pre*post_trace*post_slow*weight", "post*pre_trace"),
            initial=(-1.0, 2.0),
            learn="none",
        )
    ),
}
pytestmark = [
    pytest.mark.golden,
    pytest.mark.skipif(not PYTHON, reason="METAPLAST_NEST_PYTHON names no Python with NEST"),
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("nest")
    generator = np.random.default_rng(2)
    pre = 10.0 + np.nonzero(generator.random(1000) < 0.06)[0]
    pre = np.append(pre, 1025.0)  # the last change is seen at a spike
    post = 10.0 + np.nonzero(generator.random(1000) < 0.06)[0]
    np.savez(folder / "trains.npz", pre=pre, post=post)
    for name, rule in RULES.items():
        text = export(subject(rule, {}), "nestml").text
        (folder / f"{name}.nestml").write_text(text.replace("metaplast_", f"{name}_"))
    program = Path(__file__).with_name("_nest_program.py")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder / "installed")}
    environment["PATH"] = f"{Path(PYTHON).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [PYTHON, str(program), str(folder), *RULES],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("RESULT ")[1])


@pytest.mark.parametrize("name", RULES)
def test_nest_has_the_weight_of_the_rule(name: str, ran: dict[str, dict[str, Any]]) -> None:
    found = ran[name]
    arrived = {"pre": set(found["pre"]), "post": {time + DELAY for time in found["post"]}}
    assert len(arrived["pre"] & arrived["post"]) >= 3  # both at once
    assert abs(found["weight"] - 0.5) > 1e-3
    assert found["weight"] == pytest.approx(_weight(RULES[name], arrived), abs=1e-6)


def _weight(rule: AbstractRule, arrived: dict[str, set[float]]) -> float:
    """The weight of the rule after the last presynaptic spike."""
    connection = Dense(1, 1)
    reads = frozenset({"pre.activity", "post.activity", "weight"})
    with jax.enable_x64(True):
        move = Move(jnp.ones(()), jnp.ones(()), 0.0, 1.0)
        state = rule.init_state({}, connection)
        weight = jnp.full((1, 1), 0.5)

        @jax.jit
        def step(state: Any, weight: Any, pre: Any, post: Any) -> Any:
            view = synapse_view(pre=pre, post=post, weight=weight, weight_max=1.0)
            whole = complete(view, connection, reads, "tried")
            return rule.apply({}, state, move, connection, whole, 1e-3)

        for time in range(int(max(arrived["pre"])) + 1):
            pre = jnp.full(1, float(time in arrived["pre"]))
            post = jnp.full(1, float(time in arrived["post"]))
            state, weight = step(state, weight, pre, post)
        return float(weight[0, 0])
