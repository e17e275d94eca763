"""The nearest known rule, against rules whose kin is known."""

from typing import Any

import jax
import numpy as np
import pytest

from metaplast.inspection.certificate import certificate, locality
from metaplast.inspection.kinship import alike, kinship
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode


def subject_of(rule: Any) -> Subject:
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 12})
    network = Feedforward(hidden=(), output=decode("neuron", "tanh"))
    lifetime = Lifetime(task=task, network=network, slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss())
    return Subject(problem, problem.init(jax.random.key(3)), 5, "loss", False, RuleFile({}, {}))


def test_likeness_is_that_of_numpy() -> None:
    generator = np.random.default_rng(0)
    shape = (6, 20, 5)
    ours, theirs = generator.normal(size=(2, *shape))
    theirs = -3.0 * (ours + 0.5 * theirs)
    gate = np.ones(shape)
    gate[:, 10:] = 0.0
    followed = Visited({"weight": np.ones(shape)}, gate, ours * gate, np.zeros((6, 5), int))
    found = alike(followed, theirs)
    assert found is not None
    a, b = ours[:, :10].ravel(), theirs[:, :10].ravel()
    cosine = a @ b / np.sqrt((a @ a) * (b @ b))
    scale = a @ b / (b @ b)
    assert cosine < 0
    assert found.cosine.mean == pytest.approx(cosine)
    assert found.cosine.low < cosine < found.cosine.high
    assert found.scale == pytest.approx(scale)
    assert found.distance == pytest.approx(np.sqrt(np.mean((a - scale * b) ** 2) / np.mean(a**2)))


def test_nothing_is_alike_to_a_rule_that_changes_nothing() -> None:
    shape = (2, 3, 4)
    followed = Visited(
        {"weight": np.ones(shape)}, np.ones(shape), np.ones(shape), np.zeros((2, 4), int)
    )
    assert alike(followed, np.zeros(shape)) is None
    assert alike(followed, np.full(shape, np.inf)) is None
    assert alike(followed, np.full(shape, 1e-9)) is None


@pytest.mark.system
def test_the_kin_of_a_scaled_known_rule_is_that_rule() -> None:
    oja = Polynomial(terms=("post*pre", "post^2*weight"), initial=(0.3, -0.3), learn="none")
    found = kinship(subject_of(oja), n_heldout=0)
    nearest = next(iter(found.likeness))
    assert nearest == "oja"
    likeness = found.likeness["oja"]["input_to_output"]
    assert likeness.cosine.mean == pytest.approx(1.0, abs=1e-6)
    assert likeness.distance < 1e-2
    assert likeness.scale == pytest.approx(0.3, rel=1e-3)
    assert found.same["anti_hebb"] == "hebb"
    assert found.same["feedback_pool"] == "delta"
    assert "policy_gradient" in found.left_out
    assert "space" in found.left_out["taylor"]
    assert "spike" in found.left_out["stdp"]
    # It reads W^T post, which is computed for known rules alone.
    assert 0.1 < found.likeness["oja_subspace"]["input_to_output"].cosine.mean < 0.999
    assert found.in_task == []


@pytest.mark.system
def test_the_nearest_rule_at_its_best_scale_is_the_rule_itself() -> None:
    delta = Polynomial(terms=("error*pre",), initial=(-2.0,), learn="none")
    subject = subject_of(delta)
    found = kinship(subject, n_heldout=64)
    best = found.in_task[0]
    assert (best.name, best.sign, best.better.n) == ("delta", 1, 64)
    ours = subject.scores(subject.theta, "heldout", 64).mean()
    if best.factor == 1.0:
        assert best.score.mean == pytest.approx(ours, rel=1e-4)
    else:
        assert best.better.mean > 0


def test_the_certificate_says_what_is_read_and_from_where() -> None:
    rule = Polynomial(terms=("post*pre", "post*predicted", "post_weight_sum*weight"))
    found = certificate(subject_of(rule))["input_to_output"]
    assert found.reach == "layer"
    assert found.transport
    assert set(found.signals) == {"pre", "post", "predicted", "post_weight_sum", "weight"}
    assert found.mixing == ""
    local = certificate(subject_of(Polynomial(terms=("post*pre",))))["input_to_output"]
    assert (local.reach, local.transport, local.signals) == ("synapse", False, ("pre", "post"))
    mixed = locality({"pre.activity", "mixing.neuron"})
    assert (mixed.mixing, mixed.reach) == ("neuron", "neuron")
    assert mixed.others == ("sums of its own over a neuron",)
