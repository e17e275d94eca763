"""Signals of a task reach rules: the target of an output unit, and the loss of a step."""

import re
from typing import Any

import jax
import numpy as np
import pytest

import metaplast.life.lifetime
from inner_tasks.pointmass import Pointmass
from inner_tasks.prototypes import Prototypes
from inner_tasks.regression import Regression
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.runs.config import Sources, compose
from metaplast.spec import decode
from metaplast.testing.base import quick_jit

CLASSES = Prototypes(n_classes=3, shots=4, queries=2)
CLASS_MEAN = decode("rule", compose(["rule=class_mean"], Sources())["rule"])
ALWAYS = Polynomial(terms=("modulator.surprise",), initial=(1.0,), rate=1.0, learn="none")


def _lifetime(task: Any, rule: Any, hidden: tuple[int, ...] = ()) -> Lifetime:
    record = ("weights", "activity", "feedback")
    return Lifetime(
        task=task, network=Feedforward(hidden=hidden), slots=(Slot(rule=rule),), record=record
    )


def _lived(lifetime: Lifetime) -> Any:
    """Live one life: (synapses at birth, trace)."""

    def live(key: Any) -> Any:
        k_task, k_life = jax.random.split(key)
        task = lifetime.task.sample(k_task, "train")
        theta = lifetime.init(k_life)
        life = lifetime.begin(theta, task, k_life)
        _, trace = lifetime.advance(theta, task, life, lifetime.task.shape().n_steps, start=0)
        return life.synapses, trace

    return quick_jit(live)(jax.random.key(0))


def test_the_rule_class_mean_holds_the_running_mean_of_every_class():
    """After each example the weights of its unit are the mean of its class's inputs so far."""
    _, trace = _lived(_lifetime(CLASSES, CLASS_MEAN))
    weights = trace.recorded["weights"]["input_to_output"]
    inputs = trace.recorded["activity"]["input"]
    labels = np.argmax(trace.recorded["feedback"].target, axis=1)
    shown: dict[int, list[Any]] = {label: [] for label in range(3)}
    for step in range(CLASSES.shape().phases[0][0]):
        label = int(labels[step])
        shown[label].append(inputs[step])
        expected = np.mean(shown[label], axis=0)
        np.testing.assert_allclose(weights[step, label], expected, rtol=1e-5, atol=1e-6)


def test_the_target_is_that_of_the_output_and_0_elsewhere():
    rule = Polynomial(terms=("target",), initial=(1.0,), rate=1.0, learn="none")
    born, trace = _lived(_lifetime(CLASSES, rule, hidden=(5,)))
    weights = trace.recorded["weights"]
    target = trace.recorded["feedback"].target[0]
    moved = weights["hidden_1_to_output"][0] - born["hidden_1_to_output"].weight
    np.testing.assert_allclose(moved, np.broadcast_to(target[:, None], moved.shape), atol=1e-6)
    still = weights["input_to_hidden_1"][0]
    np.testing.assert_array_equal(still, born["input_to_hidden_1"].weight)


@pytest.mark.parametrize("task", [CLASSES, Regression()], ids=["classes", "regression"])
def test_surprise_is_the_loss_of_the_step(task):
    born, trace = _lived(_lifetime(task, ALWAYS))
    moved = trace.recorded["weights"]["input_to_output"][0] - born["input_to_output"].weight
    loss = np.broadcast_to(trace.score.loss[0], moved.shape)
    np.testing.assert_allclose(moved, loss, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("term", "what"), [("target*pre", "post.target"), ("modulator.surprise", "surprise")]
)
def test_a_task_that_tells_no_answer_offers_neither(term, what):
    """The loss of recorded activity would leak that activity into the weights."""
    lifetime = _lifetime(Pointmass(), Polynomial(terms=(term,)))
    assert not {"error", "target"} & lifetime.task.shape().offers
    with pytest.raises(BadInput, match=what):
        lifetime.reads()


def _program(term: str) -> list[str]:
    """The instructions of a compiled life, without their places in the source."""
    lifetime = Lifetime(
        task=CLASSES, network=Feedforward(hidden=()), slots=(Slot(rule=Polynomial(terms=(term,))),)
    )

    def live(key: Any) -> Any:
        task = CLASSES.sample(key, "train")
        theta = lifetime.init(key)
        life = lifetime.begin(theta, task, key)
        return lifetime.advance(theta, task, life, 4, start=0)

    text = str(quick_jit(live).lower(jax.random.key(0)).compile().as_text())
    return [
        re.sub(r",? metadata=\{[^}]*\}", "", line) for line in text.splitlines() if " = " in line
    ]


@pytest.mark.parametrize(("term", "same"), [("post*pre", True), ("target*pre", False)])
def test_a_rule_that_does_not_read_the_target_has_the_program_that_it_had(monkeypatch, term, same):
    program = _program(term)
    monkeypatch.setattr(
        metaplast.life.lifetime,
        "with_task_signals",
        lambda views, output, outcome, offers: (views, outcome.feedback),
    )
    assert (_program(term) == program) == same


def test_a_row_is_dropped_by_null():
    words = ["experiment=digits", "rows.backprop_adam=null"]
    rows = compose(words, Sources())["rows"]
    assert "backprop_adam" not in rows
    assert "backprop_sgd" in rows
    for word in ("rows.backprop_adm=null", "rows.backprop_adm=~", "rows={backprop_adm: null}"):
        with pytest.raises(BadInput, match=r"rows.backprop_adm=null.*did you mean 'backprop_adam'"):
            compose(["experiment=digits", word], Sources())
