"""A rule crosses over: found on rate cells it is run from its file on spiking cells, and back.

The two files were searched by evolution on the task leading_component (docs/guides/transfer.md).
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from inner_tasks.leading_component import EDGE, LeadingComponent
from metaplast.feedback.none import None_ as Silent
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.lif import Lif
from metaplast.neurons.poisson import Poisson
from metaplast.neurons.relu import Relu
from metaplast.testing.base import quick_jit

pytestmark = pytest.mark.system  # 10,000 steps a life

FILES = Path(__file__).with_name("crossing")
FOUND_ON = {"rates": "found_on_rates", "spikes": "found_on_spikes"}
TERMS = ("post*pre", "post^2*weight", "pre", "weight")
CONTROLS = {"mean": (0.0, 0.0, 1.0, -1.0), "no_plasticity": (0.0, 0.0, 0.0, 0.0)}
SEEDS = 3
LIVES = 8
REFERENCE = 50.0
CELLS = {
    "rates": Feedforward(hidden=(), output=Relu(), bounds=(0.0, 10.0)),
    "spikes": Feedforward(
        hidden=(),
        source=Poisson(scale=REFERENCE),
        output=Lif(tau_m=0.2, threshold=0.1, tau_syn=1.0 / REFERENCE),
        bounds=(0.0, 10.0),
    ),
}


def _coefficients() -> dict[str, Any]:
    """{rule: its coefficients}, of the two files and the controls."""
    rules = {}
    for name, file in FOUND_ON.items():
        rules[name] = mp.load_rule(FILES / f"{file}.safetensors").theta["coefficients"]
    for name, values in CONTROLS.items():
        rules[name] = np.array(values, np.float32)
    return rules


@pytest.fixture(scope="module", params=["rates", "spikes"])
def cosines(request: Any) -> tuple[str, dict[str, np.ndarray]]:
    """(cells, {rule: cosine of weights and leading component [seeds, lives]})."""
    task = LeadingComponent()
    spec = mp.load_rule(FILES / "found_on_rates.safetensors").spec
    life = Lifetime(
        task=task,
        network=CELLS[request.param],
        feedback=Silent(),
        slots=(Slot(rule=spec),),
        rate_trace=0.02,
        activity_reference=REFERENCE,
    )
    theta = life.init(jax.random.key(0))

    def cosine(coefficients: jax.Array, seed: jax.Array, lives: jax.Array) -> jax.Array:
        key = jax.random.fold_in(jax.random.key(1000 + seed), lives)
        drawn = task.sample(key, "heldout")
        own = {**theta, "rules": {"rule": {"coefficients": coefficients}}}
        born = life.begin(own, drawn, key)
        lived, _ = life.advance(own, drawn, born, task.shape().n_steps)
        w = lived.synapses[EDGE].weight[0]
        return jnp.sum(w * drawn.final[EDGE][0]) / jnp.linalg.norm(w)

    rules = _coefficients()
    over_lives = jax.vmap(cosine, (None, None, 0))
    over_seeds = jax.vmap(over_lives, (None, 0, None))
    over_rules = quick_jit(jax.vmap(over_seeds, (0, None, None)))
    found = over_rules(jnp.stack(list(rules.values())), jnp.arange(SEEDS), jnp.arange(LIVES))
    return request.param, dict(zip(rules, np.asarray(found), strict=True))


def test_both_files_are_rules_of_the_same_terms_in_the_same_unit():
    for file in FOUND_ON.values():
        rule = mp.load_rule(FILES / f"{file}.safetensors")
        assert rule.spec.terms == TERMS  # pyright: ignore[reportAttributeAccessIssue]
        assert rule.activity_reference == REFERENCE


def test_a_found_rule_finds_the_leading_component_on_its_cells_and_on_the_others(cosines):
    _, found = cosines
    for name in FOUND_ON:
        assert np.all(found[name].mean(axis=1) >= 0.9), name


def test_the_mean_of_the_inputs_and_the_weights_at_birth_are_no_substitute(cosines):
    _, found = cosines
    for name in CONTROLS:
        assert np.all(found[name].mean(axis=1) < 0.85), name
