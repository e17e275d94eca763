"""The nearest known rule, against rules whose kin is known."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from inner_tasks.teacher_student import Lesson, TeacherStudent
from metaplast.inspection.certificate import certificate, locality
from metaplast.inspection.kinship import (
    ANOTHER_RATE,
    CLOPATH_OF_UNITS,
    alike,
    best_row,
    kinship,
)
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.reuse.load import known
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode, spec
from metaplast.tasks import Split


@register("task", "few_fixed_lessons")
@spec
class FewFixedLessons(TeacherStudent):
    """Five lessons of every split, the same ones each time."""

    def whole(self, split: Split) -> Lesson:
        keys = jax.random.split(jax.random.key(len(split)), 5)
        lessons = jax.vmap(lambda key: self.sample(key, split))(keys)
        return jax.tree.map(np.asarray, lessons)


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
    assert found.same["pes"] == "delta"
    assert "policy_gradient" in found.left_out
    assert "space" in found.left_out["taylor"]
    assert "spike" in found.left_out["stdp"]
    # It reads W^T post, which is computed for known rules alone.
    assert 0.1 < found.likeness["oja_subspace"]["input_to_output"].cosine.mean < 0.999
    assert found.in_task == []


@pytest.mark.parametrize(("name", "other"), ANOTHER_RATE.items())
def test_a_rule_at_another_rate_has_the_terms_of_the_other(name: str, other: str) -> None:
    rule: Any = known(name).spec
    twin: Any = known(other).spec
    assert rule.rate != twin.rate
    assert replace(rule, rate=twin.rate) == twin


@pytest.mark.parametrize(
    ("values", "larger", "place"),
    [
        ([[np.nan, np.nan], [3.0, 4.0], [1.0, 2.0]], False, 2),
        ([[np.nan, np.nan], [3.0, 4.0], [1.0, 2.0]], True, 1),
        ([[np.nan, 0.0], [np.inf, 9.0], [5.0, 5.0]], False, 2),
        ([[np.nan, np.nan], [np.nan, np.inf]], False, None),
    ],
)
def test_the_best_scale_has_the_fewest_lost_lives(
    values: list[list[float]], larger: bool, place: int | None
) -> None:
    assert best_row(np.asarray(values), larger) == place


def test_an_edge_at_which_the_rule_changes_nothing_is_left_out_by_name() -> None:
    """Hidden units have no target, so a rule of targets changes nothing before them."""
    task: Any = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 6})
    rule = Polynomial(terms=("target*pre",), initial=(1.0,), learn="none")
    lifetime = Lifetime(task=task, network=Feedforward(hidden=(3,)), slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(3))
    found = kinship(Subject(problem, theta, 5, "loss", False, RuleFile({}, {})), n_heldout=0)
    assert found.still == {"input_to_hidden_1": "the rule changes nothing there"}
    assert found.likeness
    for of_edges in found.likeness.values():
        assert list(of_edges) == ["hidden_1_to_output"]
    assert "space" in found.left_out["abcd"]
    assert "spike" in found.left_out["clopath"]
    assert "dendrite" in found.left_out["urbanczik_senn"]


@pytest.mark.system
def test_few_fixed_lives_run_the_nearest_rules() -> None:
    delta = Polynomial(terms=("error*pre",), initial=(-2.0,), learn="none")
    task: Any = FewFixedLessons(n_in=4, n_out=3, n_steps=6)
    network = Feedforward(hidden=(), output=decode("neuron", "tanh"))
    lifetime = Lifetime(task=task, network=network, slots=(Slot(rule=delta),))
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(3))
    found = kinship(Subject(problem, theta, 5, "loss", False, RuleFile({}, {})))
    best = found.in_task[0]
    assert (best.name, best.score.n, best.better.n, best.not_finite) == ("delta", 5, 5, 0)


@pytest.mark.system
def test_the_rule_of_clopath_is_its_own_kin_in_the_unit_of_the_neurons() -> None:
    task: Any = decode("task", {"name": "homeostasis", "n_in": 5, "n_out": 4, "n_steps": 200})
    lif = decode("neuron", "lif")
    network = Feedforward(hidden=(6,), neuron=lif, output=lif)
    slots = (Slot(rule=CLOPATH_OF_UNITS, edges="hidden_1_to_output"),)
    problem = MetaProblem(Lifetime(task=task, network=network, slots=slots))
    theta = problem.init(jax.random.key(0))
    found = kinship(Subject(problem, theta, 0, "loss", False, RuleFile({}, {})), n_heldout=0)
    assert next(iter(found.likeness)) == "clopath"
    (likeness,) = found.likeness["clopath"].values()
    assert likeness.cosine.mean == pytest.approx(1.0, abs=1e-5)
    assert likeness.scale == pytest.approx(1.0, rel=1e-3)


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
