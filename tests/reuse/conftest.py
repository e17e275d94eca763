"""Small rule files: a shared rule, a wrapped rule on every edge, and one number per synapse."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.rules.abcd import Abcd
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.adam import Adam
from metaplast.rules.wrappers.clip import Clip

TERMS = ("error*pre", "post*pre - post*predicted", "0.01*weight", "post^2*weight")
SHARED = Polynomial(terms=TERMS[:3], initial=(-1.0, 0.0, 0.0), rate=0.05)
PER_EDGE = Clip(
    rule=Adam(rule=Polynomial(terms=TERMS, rate=0.05, learn="both"), rate=0.01), limit=0.2
)


def lifetime_of(*slots: Slot) -> Lifetime:
    return Lifetime(
        task=TeacherStudent(n_in=5, n_out=2, n_steps=3),
        network=Feedforward(hidden=(4,)),
        slots=slots,
    )


def random_theta(lifetime: Lifetime, seed: int) -> Any:
    """theta with a random number in every leaf, so that none is 0."""
    generator = np.random.default_rng(seed)
    theta = lifetime.init(jax.random.key(0))
    return jax.tree.map(
        lambda leaf: jax.numpy.asarray(0.2 * generator.normal(size=leaf.shape), leaf.dtype), theta
    )


def describe(seed: int, *slots: Slot) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    lifetime = lifetime_of(*slots)
    scores = [
        {
            "name": "discovered",
            "split": "heldout",
            "metric": "accuracy",
            "mean": 0.9,
            "ci95": [0.88, 0.92],
            "n": 8,
        }
    ]
    provenance = {"experiment": "digits", "seed": seed, "outer_steps": 200}
    return describe_rule(
        lifetime, random_theta(lifetime, seed), provenance=provenance, scores=scores
    )


@pytest.fixture(scope="session")
def made() -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """{kind: (document, tensors)}."""
    return {
        "shared": describe(1, Slot(rule=SHARED)),
        "per_edge": describe(2, Slot(rule=PER_EDGE, shared=False)),
        "per_synapse": describe(3, Slot(rule=Abcd(), shared=False)),
        "two_slots": describe(
            4,
            Slot(name="first", edges="input_*", rule=SHARED),
            Slot(name="last", edges="*_output", rule=Polynomial()),
        ),
    }


@pytest.fixture(scope="session")
def files(made: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """{kind: path of the rule file}."""
    folder = tmp_path_factory.mktemp("rules")
    for kind, (document, tensors) in made.items():
        save_rule(folder / f"{kind}.safetensors", document, tensors)
    return {kind: folder / f"{kind}.safetensors" for kind in made}
