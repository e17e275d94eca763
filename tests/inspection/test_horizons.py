"""Lives of other lengths and widths, the drift of a weight, lives in time, and bits."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.figures import horizons as horizons_figure
from metaplast.figures import lived as lived_figure
from metaplast.inspection.ends import Ends, ends
from metaplast.inspection.gradient_field import gradient_field
from metaplast.inspection.horizons import drifts, horizons, lasting, roots, summary, widths
from metaplast.inspection.information import (
    decoded_wrongly,
    fano,
    learned_bits,
    rule_bits,
    wilson,
)
from metaplast.inspection.lived import course
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import existing, visited
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode
from tests._tiny import TASKS
from tests.inspection._lessons import subject_of

SMALL: dict[str, Any] = {"n_in": 4, "n_out": 3, "n_steps": 6}
ONE_LENGTH = {
    *("association", "cue_accumulation", "odour_choice", "recordings"),
    *("shown_target", "spike_classification", "store_recall"),
}
"""Families without a field for the length of a life alone."""
EXTRA = {"segments"}
"""Families whose data come with an extra package."""


@pytest.fixture(scope="module")
def hebb() -> Subject:
    return subject_of(("post*pre",), (1.0,), TeacherStudent(**SMALL))


@pytest.fixture(scope="module")
def oja() -> Subject:
    return subject_of(("post*pre", "post^2*weight"), (1.0, -1.0), TeacherStudent(**SMALL))


@pytest.fixture(scope="module")
def classes() -> Subject:
    task: Any = decode("task", {"name": "prototypes", "n_in": 6, "n_classes": 3, "shots": 4})
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,))
    lifetime = Lifetime(task=task, network=Feedforward(hidden=(8,)), slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime)
    theta = problem.init(jax.random.key(0))
    return Subject(problem, theta, 0, "accuracy", True, RuleFile({}, {}))


@pytest.mark.system
def test_hebb_grows_over_horizons_and_oja_less(hebb: Subject, oja: Subject, tmp_path: Path) -> None:
    factors = (1.0, 8.0)
    growth = {}
    for name, subject in (("hebb", hebb), ("oja", oja)):
        found = horizons(subject, factors, n_lives=8)
        assert [reached.n_steps for reached in found.reached] == [6, 48]
        sizes = [reached.mean_weight["input_to_output"].mean for reached in found.reached]
        growth[name] = sizes[1] / sizes[0]
        if name == "hebb":
            assert sizes == sorted(sizes)
            followed = visited(subject, n_lives=4)
            drift = drifts(subject, followed)
            none = widths(subject)
            page = horizons_figure.part(found, none, drift, "loss", False, tmp_path)
            words = " ".join(page.section.paragraphs)
            assert "n_steps 6 -> 48" in words
            assert "no hidden populations" in words
    assert growth["hebb"] > growth["oja"] > 0.5


def test_a_horizon_is_the_life_itself_where_it_is_the_one_searched(oja: Subject) -> None:
    found = horizons(oja, (1.0,), n_lives=8).reached[0]
    np.testing.assert_allclose(found.score.mean, oja.scores(oja.theta, "validation", 8).mean())


@pytest.mark.system
@pytest.mark.parametrize("name", sorted(set(TASKS) - ONE_LENGTH - EXTRA))
def test_a_family_lives_twice_as_long(name: str) -> None:
    family: Any = decode("task", {"name": name, **TASKS[name]})
    longer, setting = lasting(family, 2.0)
    before = sum(n for n, plastic in family.shape().phases if plastic)
    after = sum(n for n, plastic in longer.shape().phases if plastic)
    assert abs(after - 2 * before) <= max(1, 0.05 * after), setting


@pytest.mark.parametrize("name", sorted(ONE_LENGTH))
def test_a_family_of_one_length_says_so(name: str) -> None:
    family: Any = decode("task", {"name": name, **TASKS[name]})
    with pytest.raises(BadInput, match="a task with one of n_steps, shots"):
        lasting(family, 2.0)


def test_few_images_are_shown_more_often() -> None:
    family: Any = decode("task", {"name": "categories"})
    assert lasting(family, 8.0)[1] == "passes 1 -> 8"
    assert lasting(family, 0.5)[1] == "shots 20 -> 10"


def test_divergence_and_bounds_are_counted() -> None:
    weights = np.ones((1, 4, 5))
    weights[0, 1, 2] = np.inf
    scores = {
        "loss": np.asarray([[1.0, 2.0, np.nan, 3.0]]),
        "at_bound": np.asarray([[0.0, 0.0, 0.0, 1.0]]),
        "silent_output": np.asarray([[0.0, 1.0, 0.0, 1.0]]),
    }
    born = {"edge": 0.5 * np.ones((1, 4, 5))}
    there = {"edge": np.arange(5)}
    lived = Ends(born, {"edge": weights}, np.zeros((1, 4, 1)), scores, there)
    found = summary(lived, 1.0, "as searched", 6, "loss")
    assert (found.diverged, found.n_lives, found.score.n) == (2, 4, 2)
    assert found.at_bound == 0.25
    assert found.silent == {"output": 0.5}
    assert found.mean_weight["edge"].mean == 1.0
    assert found.mean_at_birth == {"edge": 0.5}


def test_absent_synapses_count_nowhere() -> None:
    """Weights that a mask leaves out are 0: they are part of no mean, quantile or correlation."""
    masked: Any = decode("connection", {"name": "masked", "probability": 0.4})
    plain = subject_of(("post*pre",), (1.0,), TeacherStudent(n_in=12, n_out=3, n_steps=6))
    network = Feedforward(hidden=(), connection=masked)
    lifetime = replace(plain.problem.lifetime, network=network, genome=decode("genome", "random"))
    problem = replace(plain.problem, lifetime=lifetime)
    subject = replace(plain, problem=problem, theta=problem.init(jax.random.key(0)))
    (edge, _), *_ = lifetime.plastic().values()
    there = existing(edge.connection)
    assert 0 < len(there) < 36
    lived = ends(subject, [subject.theta], n_lives=4)
    assert lived.changes().shape == (1, 4, len(there))
    assert (lived.changes() != 0).all()
    found = summary(lived, 1.0, "as searched", 6, "loss")
    final = np.abs(lived.final[edge.name][0])
    assert found.mean_weight[edge.name].mean == pytest.approx(final.sum() / (4 * len(there)))
    born = np.abs(lived.born[edge.name][0])
    assert found.mean_at_birth[edge.name] == pytest.approx(born.sum() / (4 * len(there)))
    through = course(subject, n_lives=4, n_points=3)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    known = np.quantile(lived.final[edge.name][0][:, there], levels, axis=1).mean(axis=1)
    np.testing.assert_allclose(through.weights[edge.name][-1], known, atol=1e-6)
    field = gradient_field(subject, n_lives=2, n_inputs=2)
    assert field.n_synapses[edge.name] <= len(there)


@pytest.mark.system
def test_a_rule_lives_in_narrower_and_wider_networks(classes: Subject) -> None:
    found = widths(classes, (0.5, 2.0), n_lives=4)
    assert [reached.setting for reached in found.reached] == [
        "hidden [8] -> [4]",
        "hidden [8] -> [16]",
    ]
    assert not found.refused


def test_the_fixed_point_of_oja_is_the_ratio_of_means(oja: Subject, hebb: Subject) -> None:
    followed = visited(oja, n_lives=8)
    found = drifts(oja, followed)["input_to_output"]
    signals, _ = followed["input_to_output"].flat()
    post, pre = signals["post.activity"], signals["pre.activity"]
    [(weight, slope)] = found.fixed_points
    assert found.n == len(post)
    np.testing.assert_allclose(weight, np.mean(post * pre) / np.mean(post**2), rtol=1e-3)
    np.testing.assert_allclose(slope, -0.1 * np.mean(post**2), rtol=1e-3)
    assert drifts(hebb, visited(hebb, n_lives=4))["input_to_output"].fixed_points == []


def test_roots_are_those_of_a_parabola() -> None:
    grid = np.linspace(-2, 2, 401) + 1e-3
    found = roots(grid, grid**2 - 1)
    np.testing.assert_allclose([weight for weight, _ in found], [-1.0, 1.0], atol=1e-4)
    np.testing.assert_allclose([slope for _, slope in found], [-2.0, 2.0], atol=0.02)


def test_the_course_ends_at_the_final_weights(oja: Subject, tmp_path: Path) -> None:
    found = course(oja, n_lives=4, n_points=3)
    lived = ends(oja, [oja.theta], n_lives=4)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    for at, weights in ((0, lived.born), (-1, lived.final)):
        known = np.quantile(weights["input_to_output"][0], levels, axis=1).mean(axis=1)
        np.testing.assert_allclose(found.weights["input_to_output"][at], known, atol=1e-6)
    np.testing.assert_array_equal(found.steps, [0, 2, 4, 6])
    outputs = lived.output[0].mean(axis=2).reshape(4, 3, 2).mean(axis=2)
    np.testing.assert_allclose(found.activity["output"][:, 2], np.median(outputs, 0), atol=1e-6)
    page = lived_figure.part(found, tmp_path)
    assert page.section.figures[0].path.is_file()
    assert page.numbers["lives"] == 4


def test_spikes_have_rates(tmp_path: Path) -> None:
    task = {"name": "homeostasis", "n_in": 5, "n_out": 4, "n_steps": 60, "window": 20}
    family: Any = decode("task", task)
    network: Any = decode(
        "network", {"name": "feedforward", "hidden": [], "output": {"name": "lif"}}
    )
    rule = Polynomial(terms=("pre",), initial=(0.1,))
    lifetime = Lifetime(task=family, network=network, slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime)
    theta = problem.init(jax.random.key(0))
    subject = Subject(problem, theta, 0, "loss", False, RuleFile({}, {}))
    found = course(subject, n_lives=2, n_points=6)
    assert found.spiking == ["output"]
    page = lived_figure.part(found, tmp_path)
    assert "spikes per second" in " ".join(page.section.paragraphs)


def test_fano_bounds_by_hand() -> None:
    assert fano(0.0, 8) == 3.0
    assert fano(0.875, 8) == 0.0
    by_hand = 2 - (-0.1 * math.log2(0.1) - 0.9 * math.log2(0.9)) - 0.1 * math.log2(3)
    np.testing.assert_allclose(fano(0.1, 4), by_hand)


def test_wilson_interval_by_hand() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857, table I: 81 of 263.
    found = wilson(81, 263)
    np.testing.assert_allclose([found.low, found.high], [0.2553, 0.3662], atol=5e-5)
    assert wilson(81, 263, tries=2).high > found.high


def test_labels_are_decoded_where_they_are_and_not_where_they_are_not() -> None:
    labels = np.tile(np.arange(4), 6)
    rounds = np.repeat(np.arange(6), 4)
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(24, 200))
    signal = 3.0 * generator.normal(size=(4, 200))
    assert not decoded_wrongly(signal[labels] + noise, labels, rounds).any()
    assert 0.5 < decoded_wrongly(noise, labels, rounds).mean() < 0.98


@pytest.mark.system
def test_a_life_of_classes_learns_bits(classes: Subject) -> None:
    found = learned_bits(classes, n_tasks=4, lives_per_task=4)
    assert found.read == "products"
    assert found.error_at_birth.mean > 0.4 and not found.births_tell
    assert found.error.mean < found.error_at_birth.mean
    assert found.low <= found.bits <= 2.0


def test_four_numbers_on_two_levels_take_one_bit_each(oja: Subject) -> None:
    terms = ("post*pre", "post^2*weight", "pre", "weight")
    four = subject_of(terms, (0.0,) * 4, TeacherStudent(**SMALL))

    def with_coefficients(values: list[float]) -> Subject:
        rule = {"coefficients": np.asarray(values, np.float32)}
        return replace(four, theta={**four.theta, "rules": {"rule": rule}})

    found = rule_bits(with_coefficients([1.0, -1.0, -1.0, 1.0]), n_lives=4)
    assert found is not None
    assert (found.n_numbers, found.bits, found.total) == (4, 1, 4)
    np.testing.assert_allclose(found.coded[-1].worse.mean, 0.0, atol=1e-4)
    # A third level in between is lost by one bit.
    found = rule_bits(with_coefficients([1.0, -1.0, 0.1, 0.0]), n_lives=4)
    assert found is not None and found.bits is not None and found.bits > 1
    assert rule_bits(oja, n_lives=4) is None  # two numbers are the ends of their own range
