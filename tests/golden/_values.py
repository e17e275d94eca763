"""The numbers that the files of an earlier version give: what was written beside them, and what is
compared with it.
"""

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import metaplast as mp
from metaplast import search_loop
from metaplast.language.grammar import SIGNALS, field_of
from metaplast.registry import Plain, find
from metaplast.reuse.rule_file import read_rule
from metaplast.runs.config import read_file
from metaplast.runs.job import parse
from metaplast.runs.metrics import read
from metaplast.settings.names import DISCOVERED
from metaplast.training import train_row as row

FOLDER = Path(__file__).parent / "v0_1"
STEPS, DT, N_POST, N_PRE = 4, 1e-3, 2, 3
OWN_WORLD = {
    "task": {"name": "golden_echo"},
    "network": {"name": "golden_pair"},
    "feedback": {"name": "golden_error"},
    "genome": {"name": "golden_ramp"},
    "objective": {"name": "golden_double"},
    "outer": {"name": "golden_sign"},
    "rule": {
        "name": "golden_half",
        "rule": {"name": "polynomial", "terms": ["error*pre", "post*pre"], "initial": [-1.0, 0.0]},
    },
    "problem": {"n_tasks": 2},
}


def plugins() -> None:
    """Import the plug-in module, once, as `--import` would."""
    name = "golden_plugins_of_v0_1"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, FOLDER / "plugins.py")
    assert spec and spec.loader
    sys.modules[name] = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it names modules by their paths of then
        spec.loader.exec_module(sys.modules[name])


def _wave(at: float, *shape: int) -> np.ndarray:
    """Numbers that look random and are the same everywhere."""
    n = int(np.prod(shape))
    return np.sin(7.0 * np.arange(1, n + 1) + 3.0 * at).reshape(shape).astype(np.float32)


def view_of(rule: mp.Rule, step: int) -> mp.SynapseView:
    """A view of step `step` that holds whatever the rule reads; activities are 0 or 1."""
    facts = next(iter(rule.connections.values()), {"n_post": N_POST, "n_pre": N_PRE})
    n_post, n_pre = facts["n_post"], facts["n_pre"]
    sizes = {"pre": (n_pre,), "post": (n_post,), "synapse": (n_post, n_pre)}
    given: Plain = {}
    for index, (name, (side, _)) in enumerate(SIGNALS.items()):
        if field_of(name) in rule.reads:
            given[name] = _wave(index + step, *sizes[side])
    for name in ("pre", "post"):
        given[name] = (_wave(step, *sizes[name]) > 0.0).astype(np.float32)
    channels = [name.partition(".")[2] for name in rule.reads if name.startswith("modulators.")]
    given["modulators"] = {name: _wave(step, 1)[0] for name in channels}
    given |= {
        "weight": 0.5 * _wave(step, n_post, n_pre),
        "weight_initial": _wave(9.0, n_post, n_pre),
    }
    return mp.synapse_view(**given, weight_max=2.0, key=jax.random.key(step))


def of_rule(path: Path) -> Plain:
    """What a rule file says, and the changes that its rules make in four steps."""
    file = read_rule(path)
    told: Plain = {
        "tensors": {name: np.asarray(value).tolist() for name, value in file.tensors.items()},
        "dt": file.document["dt"],
        "scores": file.document["scores"],
        "delta_w": {},
    }
    for slot in file.document["slots"].values():
        for edge in slot["connections"]:
            rule = mp.load_rule(path, edge=edge)
            state = rule.init(view_of(rule, 0).weight)
            changes = []
            for step in range(STEPS):
                state, delta = rule.update(view_of(rule, step), state, dt=DT)
                changes.append(np.asarray(delta).tolist())
            told["delta_w"][edge] = {"clock": rule.clock, "reach": rule.reach, "steps": changes}
    return told


def of_run(run: Path) -> Plain:
    """What a finished run tells: its scores, its theta, its metrics."""
    config = parse(read_file(run / "config.yaml"), check=False).main
    theta = row.theta_of(run, config.meta_problem())
    summary = json.loads((run / "summary.json").read_text())
    return {
        "theta": jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), theta["rules"]),
        "scores": summary["scores"],
        "terms": summary["rule"]["terms"],
        "metrics": [
            {k: v for k, v in line.items() if k != "wall_s"} for line in read(run / "metrics.jsonl")
        ],
    }


def of_checkpoint(run: Path) -> Plain:
    """The step and the numbers that a run folder is resumed from."""
    plain = read_file(run / "config.yaml")
    config = parse(plain, check=False).main
    problem, outer = config.meta_problem(), config.outer_loop()
    trainee = row.enlist(run, config, row._digest(plain, DISCOVERED), problem, outer)
    leaves = jax.tree.leaves(jax.device_get(trainee.state))
    return {"step": trainee.step, "state": [np.asarray(leaf).tolist() for leaf in leaves]}


def of_plugins() -> Plain:
    """What the plug-in module computes: a training in its own world, and two neurons under a
    constant drive.
    """
    plugins()
    config = parse(OWN_WORLD).main
    problem, outer = config.meta_problem(), config.outer_loop()
    begun = search_loop.begin(problem, outer, config.seed)
    losses = []
    for _, state, metrics in search_loop.steps(
        problem, outer, config.seed, begun, 0, outer.n_steps
    ):
        losses.append(float(metrics["loss"]))
        begun = state
    theta = [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(outer.theta(begun))]
    return {
        "losses": losses,
        "theta": theta,
        "neurons": {n: _driven(n) for n in ("golden_square", "golden_spiker")},
    }


def _driven(name: str) -> list[list[float]]:
    neuron = find("neuron", name)()
    theta = neuron.init(jax.random.key(0), N_PRE)
    state, seen = neuron.init_state(theta, N_PRE), []
    for _ in range(STEPS):
        drive = {"soma": jnp.asarray([0.5, 1.0, 4.0])}
        state, view = neuron.step(theta, state, drive, 2e-3, jax.random.key(0))
        seen.append(
            np.concatenate([np.asarray(view.activity), np.asarray(view.potential)]).tolist()
        )
    return seen
