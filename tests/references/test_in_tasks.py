"""References within the loops of their tasks, and what they refuse."""

import jax
import numpy as np
import pytest

from inner_tasks.association import Association
from inner_tasks.nonstationary import Nonstationary
from inner_tasks.pointmass import Pointmass
from inner_tasks.prototypes import Prototypes
from inner_tasks.regression import Regression
from metaplast import search_loop
from metaplast.life.lifetime import Lifetime
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput, find, names
from metaplast.results import evaluate, outside, table
from metaplast.results.summary import ReferenceRow, TrainedRow
from metaplast.settings.evaluation import Evaluation, check_references
from metaplast.spec import decode, encode

OLD = [
    9,
    7,
    12,
    10,
    6,
    10,
    11,
    7,
    13,
    14,
    8,
    11,
    12,
    10,
    8,
    10,
]  # of 14 questions, by the function of before
FAMILY = Prototypes(n_in=3, n_classes=2, shots=3, queries=7)


def _place(name, family, seed=3):
    return outside.Place(
        find("reference", name)(), MetaProblem(Lifetime(family, Feedforward(hidden=(2,)))), seed
    )


def _drawn(family, n):
    batch = search_loop.sample(
        family, search_loop.stream(3, "heldout", 0), evaluate.PIECE, "heldout"
    )
    return [jax.tree.map(lambda x: np.asarray(x[i], np.float64), batch.tasks) for i in range(n)]  # noqa: B023


def test_the_nearest_class_mean_scores_what_it_did_before_there_were_references():
    found = outside.lives(_place("nearest_prototype", FAMILY), {}, "heldout", len(OLD))["accuracy"]
    np.testing.assert_allclose(found, np.divide(OLD, 14), atol=1e-6)


def test_the_adaptive_controller_equals_a_loop_and_knows_its_actuators():
    family = Pointmass(n_trials=2, trial_steps=30)
    numbers = {"stiffness": 16.0, "friction": 4.0}
    found = outside.lives(_place("adaptive_controller", family), numbers, "heldout", 4)
    for life, task in enumerate(_drawn(family, 4)):
        x, v, regressors, outcomes, losses = np.zeros(2), np.zeros(2), [], [], []
        for t in range(60):
            b = [1.0, 1.0]
            if regressors:
                past, after = np.stack(regressors), np.stack(outcomes)
                b = [np.linalg.lstsq(past[:, i], after[:, i], rcond=None)[0][1] for i in range(2)]
            push = np.tanh(np.sign(b) * (16.0 * (task.targets[t // 30] - x) - 4.0 * v))
            regressors.append(np.stack([v, push], axis=1))
            v = 0.9 * v + 0.1 * 2.0 * task.signs * push
            x = x + 0.1 * v
            outcomes.append(v)
            losses.append(((task.targets[t // 30] - x) ** 2).sum())
        assert found["loss"][life] == pytest.approx(np.mean(losses[30:]), rel=2e-3)


def test_one_pass_of_the_undriven_delta_rule_equals_a_loop():
    family = Association(n_patterns=2, n_bits=10)
    found = outside.lives(_place("undriven_delta", family), {"rate": 0.5}, "heldout", 5)
    for life, task in enumerate(_drawn(family, 5)):
        weights = np.zeros((10, 10))
        for pattern in np.repeat(task.patterns, family.present, axis=0):
            weights += 0.5 / 10 * np.outer(pattern - weights @ pattern, pattern)
        wanted, y, losses = task.patterns[int(task.asked)], np.zeros(10), []
        for _ in range(family.recall):
            y = np.tanh(3.0 * task.kept * wanted + weights @ y)
            losses.append(((y - wanted) ** 2).mean())
        assert found["loss"][life] == pytest.approx(np.mean(losses[3:]), rel=1e-4)
        hidden = task.kept == 0
        assert found["accuracy"][life] == pytest.approx(
            np.mean(y[hidden] * wanted[hidden] > 0), abs=1e-6
        )


def test_numbers_are_chosen_on_validation_lives_and_an_only_option_looks_at_none(monkeypatch):
    costs, seen = {0.1: 3.0, 0.2: np.nan, 0.3: 1.0}, []

    def lives(place, numbers, split, n):
        seen.append((split, n))
        return {"loss": np.asarray([costs[numbers["penalty"]]] * n)}

    monkeypatch.setattr(outside, "lives", lives)
    reference = find("reference", "recursive_least_squares")(penalties=(0.1, 0.2, 0.3))
    assert outside.choose(outside.Place(reference, MetaProblem(), 0), 7) == {"penalty": 0.3}
    assert set(seen) == {("validation", 7)}
    seen.clear()
    assert outside.choose(_place("nearest_prototype", FAMILY), 7) == {}
    assert not seen


REFUSED = [
    (
        "nearest_prototype",
        Regression(),
        "nearest_prototype with task regression - expected a task of classes",
    ),
    (
        "streaming_lda",
        Regression(),
        "streaming_lda with task regression - expected a task of classes",
    ),
    (
        "forgetting_mean",
        Association(),
        "forgetting_mean with task association - expected a task of classes",
    ),
    (
        "nearest_neighbour",
        Pointmass(),
        "nearest_neighbour with task pointmass - expected a task that shows the target",
    ),
    (
        "rbf_ridge",
        Nonstationary(),
        "rbf_ridge with task nonstationary - expected .* plasticity off",
    ),
    (
        "adaptive_controller",
        FAMILY,
        "adaptive_controller with task prototypes - expected task pointmass",
    ),
    ("undriven_delta", FAMILY, "undriven_delta with task prototypes - expected task association"),
]


@pytest.mark.parametrize(("name", "family", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_task_that_a_reference_cannot_do_is_refused_by_name(name, family, words):
    evaluation = Evaluation(references={"mine": {"name": name}})  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match=rf"evaluation\.references\.mine: reference {words}"):
        check_references(evaluation, family, FinalLoss())


def test_a_loss_that_would_be_another_one_is_refused():
    evaluation = Evaluation(references={"nearest_neighbour": {}})  # pyright: ignore[reportArgumentType]
    check_references(evaluation, Regression(), FinalLoss())
    with pytest.raises(BadInput, match="expected objective final_loss"):
        check_references(evaluation, Regression(), MeanLoss())
    check_references(
        evaluation, FAMILY, MeanLoss()
    )  # accuracy is that of the last phase under any objective


def test_references_are_named_by_their_keys_and_dropped_by_null():
    given = {
        "nearest_neighbour": {},
        "wide": {"name": "recursive_least_squares", "features": 9},
        "rbf_ridge": None,
    }
    evaluation = Evaluation(references=given)  # pyright: ignore[reportArgumentType]
    assert [name for name, _ in evaluation.beside()] == ["nearest_neighbour", "wide"]
    assert dict(evaluation.beside())["wide"] == find("reference", "recursive_least_squares")(
        features=9
    )
    old = Evaluation(prototype=True)
    assert old.beside() == (("nearest_prototype", find("reference", "nearest_prototype")()),)


def test_a_reference_ahead_of_the_discovered_row_is_better_where_the_interval_leaves_0_out():
    rows = {
        "discovered": [np.asarray([0.5, 0.7])],
        "near": [np.asarray([0.6, 0.9])],
        "sgd": [np.asarray([0.9, 0.9])],
    }
    facts = {
        "near": table.RowFacts(ReferenceRow()),
        "sgd": table.RowFacts(TrainedRow("synapse", "symmetric", [], 1)),
    }
    (line,) = table.ahead(table.scores(rows, "accuracy", "discovered"), facts, "discovered")
    # differences .1 and .2: Student's t of one degree of freedom, 12.706, times a standard error of
    # .05
    assert (
        line
        == "near, a reference, is not told apart from discovered: accuracy +0.150 [-0.485, +0.785]."
    )
    rows["near"] = [np.asarray([0.600, 0.802])]
    (line,) = table.ahead(table.scores(rows, "accuracy", "discovered"), facts, "discovered")
    assert line == "near, a reference, is better than discovered: accuracy +0.101 [+0.088, +0.114]."
    assert not table.ahead(table.scores(rows, "loss", "discovered"), facts, "discovered")


@pytest.mark.parametrize("name", names("reference"))
def test_every_reference_reads_back_and_says_what_it_is(name):
    reference = find("reference", name)()
    assert decode("reference", encode(reference)) == reference
    assert reference.note
    keys = {tuple(option) for option in reference.options()}
    assert len(keys) == 1
