"""The score at birth beside the score after learning: shares by hand, courses, chances."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.figures import innate as innate_figure
from metaplast.inspection.innate import course, innate, innate_share
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results import evaluate
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import neuron_view
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from tests.inspection._lessons import subject_of

DT = 1e-3


def classes(shots: int = 4) -> MetaProblem:
    """A network that learns three prototypes by the delta rule."""
    task: Any = decode("task", {"name": "prototypes", "n_in": 6, "n_classes": 3, "shots": shots})
    rule = Polynomial(terms=("error*pre",), initial=(-0.3,))
    network = Feedforward(hidden=())
    return MetaProblem(Lifetime(task=task, network=network, slots=(Slot(rule=rule),)))


def test_an_innate_share_needs_a_score_above_chance() -> None:
    born = np.asarray([0.5, 0.6] * 20)
    share = innate_share(born, born + 0.2, 0.5)
    assert share.mean == pytest.approx(0.05 / 0.25)
    assert share.low < share.mean < share.high
    near_chance = np.asarray([0.2, 0.82] * 20)
    undefined = innate_share(born, near_chance, 0.5)
    assert np.isnan(undefined.mean) and undefined.n == 40


def test_lives_are_paired_and_a_lower_loss_is_a_gain() -> None:
    born = np.asarray([4.0, 2.0, np.nan, 3.0])
    learned = np.asarray([1.0, 1.0, 1.0, np.inf])
    one = innate([born], [learned], None, larger_is_better=False)
    assert (one.at_birth.mean, one.learned.mean, one.gain.mean) == (3.0, 1.0, 2.0)
    assert one.share is None and one.not_finite == 2
    none = innate([born[2:]], [learned[2:]], 0.5, larger_is_better=True)
    assert np.isnan(none.gain.mean) and none.not_finite == 2


def test_several_runs_have_the_mean_of_their_shares() -> None:
    born = np.linspace(0.3, 0.5, 20)
    runs = [born + 0.4, born + 0.5]
    both = innate([born, born], runs, 0.2, larger_is_better=True)
    shares = [0.2 / 0.6, 0.2 / 0.7]
    assert both.share is not None
    assert both.share.mean == pytest.approx(np.mean(shares))
    half = 12.706 * np.std(shares, ddof=1) / np.sqrt(2)
    assert both.share.high - both.share.mean == pytest.approx(half, rel=1e-4)


@pytest.mark.system
def test_a_course_has_births_without_plasticity_and_lives_of_several_lengths(
    tmp_path: Path,
) -> None:
    problem = classes()
    theta = problem.init(jax.random.key(0))
    thetas = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), theta)
    lived = course(problem, thetas, [0, 3], 0, "accuracy", n_lives=32)
    assert list(lived.scores) == [0.0, 0.5, 1.0, 2.0] and not lived.refused
    assert lived.settings[2.0] == "shots 4 -> 8"
    as_searched = evaluate.lives(problem, theta, 0, "validation", 32)["accuracy"]
    longer = evaluate.lives(classes(shots=8), theta, 0, "validation", 32)["accuracy"]
    np.testing.assert_array_equal(lived.scores[1.0], [as_searched] * 2)
    np.testing.assert_array_equal(lived.scores[2.0], [longer] * 2)
    by_hand = MetaProblem(
        Lifetime(task=problem.lifetime.task, network=problem.lifetime.network, slots=())
    )
    born = evaluate.lives(by_hand, {**theta, "rules": {}}, 0, "validation", 32)["accuracy"]
    np.testing.assert_array_equal(lived.scores[0.0], [born] * 2)
    now = lived.at(1)
    assert now.chance == 1 / 3 and now.share is not None
    by_hand_share = (born.mean() - 1 / 3) / (as_searched.mean() - 1 / 3)
    assert now.share.mean == pytest.approx(by_hand_share, rel=1e-5)
    page = innate_figure.part(lived, 1, tmp_path)
    assert page.section.figures[0].path.is_file()
    assert [point["outer_step"] for point in page.numbers["points"]] == ["0", "3"]
    assert "From outer step 0 to 3 the score at birth went from" in page.section.paragraphs[1]


@pytest.mark.system
def test_a_loss_has_no_share_and_one_theta_has_no_curve(tmp_path: Path) -> None:
    small: Any = {"n_in": 4, "n_out": 3, "n_steps": 6}
    oja = subject_of(("post*pre", "post^2*weight"), (1.0, -1.0), TeacherStudent(**small))
    thetas = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], oja.theta)
    lived = course(oja.problem, thetas, [], 0, "loss", (0.0, 1.0), n_lives=4)
    page = innate_figure.part(lived, 0, tmp_path)
    words = " ".join(page.section.paragraphs)
    assert "There is no innate share: no score of guessing is known." in words
    assert "No theta of the search was kept" in words
    assert page.numbers["points"][0]["share"] is None


@pytest.mark.system
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("bandit", {"n_arms": 3, "n_steps": 20}),
        ("cue_accumulation", {"n_cues": 3, "cue_steps": 1, "gap_steps": 1, "group": 1}),
        ("markov_decision", {"n_trials": 2}),
        ("needle", {"n_bits": 3, "n_trials": 20}),
        ("prototypes", {"n_classes": 4, "shots": 1, "queries": 4}),
        ("store_recall", {"n_symbols": 3, "symbol_steps": 1, "delay": 1, "group": 1}),
        ("yin_yang", {"n_train": 1, "n_test": 20}),
    ],
)
def test_chance_is_the_accuracy_of_answers_by_lot(name: str, fields: dict[str, Any]) -> None:
    """Each output of each step is drawn anew from a normal law about 1/2."""
    family: Any = decode("task", {"name": name, **fields})
    shape = family.shape()

    def life(key: Any) -> Any:
        k_task, k_life, k_answers = jax.random.split(key, 3)
        task = family.sample(k_task, "train")
        answers = 0.5 + jax.random.normal(k_answers, (shape.n_steps, shape.n_out))
        keys = jax.random.split(k_life, shape.n_steps)

        def step(state: Any, inputs: Any) -> Any:
            answer, key = inputs
            view = neuron_view(answer, answer, jnp.ones_like(answer))
            state, outcome = family.step(task, state, view, key, DT)
            score = outcome.score
            return state, (score.weight, score.weight * score.metrics["accuracy"])

        born = family.begin(task, k_life, DT)
        weight, right = jax.lax.scan(step, born, (answers, keys))[1]
        return jnp.sum(right) / jnp.sum(weight)

    lives = np.asarray(quick_jit(jax.vmap(life))(jax.random.split(jax.random.key(0), 2000)))
    error = lives.std(ddof=1) / np.sqrt(len(lives))
    assert lives.mean() == pytest.approx(family.chance(), abs=4 * error)
