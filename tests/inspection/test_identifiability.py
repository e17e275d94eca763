"""Curvature, against known Hessians, automatic second derivatives and a degenerate task."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.figures.identifiability import part
from metaplast.inspection import identifiability
from metaplast.inspection.collinear import collinearity
from metaplast.inspection.ends import ends
from metaplast.inspection.identifiability import (
    RISE,
    Curvature,
    Hessians,
    Numbers,
    curvature,
    spectrum,
)
from metaplast.inspection.information import LearnedBits, RuleBits
from metaplast.inspection.starts import agreement, further
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import visited
from metaplast.objectives.l1 import L1
from metaplast.registry import BadInput
from metaplast.results.evaluate import batches
from metaplast.results.statistics import Estimate
from metaplast.spec import decode
from tests.inspection._lessons import BinaryLessons, subject_of

SMALL: dict[str, Any] = {"n_in": 4, "n_out": 3, "n_steps": 6}


@pytest.fixture(scope="module")
def smooth() -> Subject:
    """A student whose rule is not yet that of the teacher."""
    terms = ("post*pre", "post^2*weight", "pre")
    return subject_of(terms, (0.5, -0.4, 0.2), TeacherStudent(**SMALL))


@pytest.fixture(scope="module")
def degenerate() -> Subject:
    """Inputs of 0 and 1: post*pre and post*pre^2 are one term."""
    terms = ("post*pre", "post*pre^2", "post^2*weight")
    return subject_of(terms, (0.3, 0.3, -0.4), BinaryLessons(**SMALL))


@pytest.fixture(scope="module")
def of_degenerate(degenerate: Subject) -> Curvature:
    return curvature(degenerate, n_lives=16)


def _numbers(n: int) -> Numbers:
    return Numbers([f"c{k}" for k in range(n)], np.zeros(n), np.ones(n))


def test_the_spectrum_of_a_known_quadratic() -> None:
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
    known = np.asarray([5.0, 2.0, 0.5, 0.0])
    matrix = (turned * known) @ turned.T
    found = spectrum(_numbers(4), Hessians(np.stack([matrix] * 6), np.full(6, 2.0)), "gradients")
    scaled = known / (2 * RISE * 2.0)
    np.testing.assert_allclose(found.eigenvalues, scaled, atol=1e-10)
    np.testing.assert_allclose([each.mean for each in found.estimates], scaled, atol=1e-10)
    np.testing.assert_allclose(np.abs(found.directions @ turned), np.eye(4), atol=1e-8)
    assert found.stiff.tolist() == [True, True, True, False]
    assert not found.falling.any()


def test_a_direction_of_noise_is_not_told_from_zero_and_a_largest_eigenvalue_is_biased() -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(12, 8, 8))
    noise = noise + noise.transpose(0, 2, 1)
    found = spectrum(_numbers(8), Hessians(noise, np.full(12, 1 / (2 * RISE))), "losses")
    assert found.eigenvalues[0] > 1.0
    assert found.estimates[0].mean < 0.5 * found.eigenvalues[0]
    assert found.stiff.sum() <= 1


def test_no_single_life_rules() -> None:
    matrices = np.stack([np.eye(2)] * 9 + [1000.0 * np.diag([1.0, -1.0])])
    found = spectrum(_numbers(2), Hessians(matrices, np.full(10, 1 / (2 * RISE))), "gradients")
    assert found.clipped == 1
    limit = 10.0 * np.sqrt(2.0)
    at_limit = limit / np.sqrt(2.0)
    known = [(9 + at_limit) / 10, (9 - at_limit) / 10]
    np.testing.assert_allclose(found.eigenvalues, known, atol=1e-9)


def test_lives_that_are_not_finite_are_counted_and_too_few_are_refused() -> None:
    matrices = np.stack([np.eye(2)] * 6)
    matrices[0, 0, 0] = np.nan
    found = spectrum(_numbers(2), Hessians(matrices, np.ones(6)), "losses")
    assert (found.n_lives, found.left_out) == (5, 1)
    matrices[1:4, 0, 0] = np.nan
    with pytest.raises(BadInput, match="at least 4"):
        spectrum(_numbers(2), Hessians(matrices, np.ones(6)), "losses")


def _loss_by_hand(subject: Subject, coefficients: np.ndarray, n_lives: int) -> float:
    """The mean loss of a tanh student under three terms, in NumPy."""
    batch = batches(subject.problem, subject.seed, "validation", n_lives)[0]
    inputs = np.asarray(batch.tasks.inputs, np.float64)[:n_lives]
    teacher = np.asarray(batch.tasks.weights["input_to_output"], np.float64)[:n_lives]
    born = ends(subject, [subject.theta], n_lives=n_lives).born["input_to_output"][0]
    student = born.reshape(teacher.shape)
    total = 0.0
    for step in range(inputs.shape[1]):
        x = inputs[:, step, None, :]
        y = np.tanh(np.sum(student * x, axis=2, keepdims=True))
        z = np.tanh(np.sum(teacher * x, axis=2, keepdims=True))
        total += np.mean((y - z) ** 2)
        hebb, decay, drive = coefficients
        student = student + 0.1 * (hebb * y * x + decay * y**2 * student + drive * x)
        teacher = teacher + 0.1 * (z * x - z**2 * teacher)
    return float(total / inputs.shape[1])


@pytest.mark.parametrize("by", ["gradients", "losses"])
def test_differences_give_the_hessian_of_the_losses_by_hand(smooth: Subject, by: Any) -> None:
    n_lives = 8
    found = curvature(smooth, n_lives=n_lives, by=by, life_clip=0.0)
    assert found.names == ["post*pre", "post^2*weight", "pre"]
    assert found.clipped == 0
    start = np.asarray([0.5, -0.4, 0.2])
    np.testing.assert_allclose(found.values, start, rtol=1e-6)
    np.testing.assert_allclose(found.loss, _loss_by_hand(smooth, start, n_lives), rtol=1e-3)
    h = 1e-3
    known = np.empty((3, 3))
    for j in range(3):
        for k in range(3):
            there = h * (np.eye(3)[j] + np.eye(3)[k])
            across = h * (np.eye(3)[j] - np.eye(3)[k])
            corners = []
            for move in (there, across, -across, -there):
                corners.append(_loss_by_hand(smooth, start + move, n_lives))
            known[j, k] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * h**2)
    scaled = known * np.outer(found.units, found.units) / (2 * RISE * found.loss)
    np.testing.assert_allclose(found.hessian, scaled, atol=0.03 * np.abs(scaled).max())


def test_numbers_have_the_names_of_terms(smooth: Subject) -> None:
    names = curvature(smooth, n_lives=8).names
    assert names[:3] == ["post*pre", "post^2*weight", "pre"]
    bare = replace(smooth, file=replace(smooth.file, document={}, tensors={}))
    assert curvature(bare, n_lives=8).names[0] == "rules/rule/coefficients[0]"


def test_terms_that_are_one_on_these_inputs_leave_their_difference_open(
    of_degenerate: Curvature,
) -> None:
    flat = int(np.argmin(np.abs(of_degenerate.eigenvalues)))
    assert not of_degenerate.stiff[flat]
    weights = of_degenerate.loadings(flat, most=2)
    assert set(weights) == {"post*pre", "post*pre^2"}
    first, second = weights.values()
    assert first * second < 0
    np.testing.assert_allclose(np.abs([first, second]), np.sqrt(0.5), atol=0.02)
    shares = dict(zip(of_degenerate.names, of_degenerate.shares, strict=True))
    np.testing.assert_allclose(shares["post*pre"], 0.5, atol=0.05)
    assert shares["post^2*weight"] > 0.9
    assert of_degenerate.felt.sum() == 3


def test_collinear_terms_are_found_on_visited_inputs(degenerate: Subject, smooth: Subject) -> None:
    found = collinearity(degenerate, visited(degenerate, n_lives=8))["rule"]
    assert [(pair.first, pair.second) for pair in found.alike] == [("post*pre", "post*pre^2")]
    np.testing.assert_allclose(found.alike[0].correlation, 1.0)
    assert not np.isfinite(found.condition)
    assert not np.isfinite(found.inflation["post*pre"])
    assert np.isfinite(found.inflation["post^2*weight"])
    assert set(found.combinations[0].weights) == {"post*pre", "post*pre^2"}
    apart = collinearity(smooth, visited(smooth, n_lives=8))["rule"]
    assert not apart.alike
    assert not apart.combinations


def test_the_page_says_which_terms_cannot_be_told_apart(
    degenerate: Subject, of_degenerate: Curvature, tmp_path: Path
) -> None:
    terms = collinearity(degenerate, visited(degenerate, n_lives=8))
    page = part(of_degenerate, terms, None, tmp_path)
    words = " ".join(page.section.paragraphs)
    assert "post*pre and post*pre^2 cannot be told apart here: correlation 1 " in words
    assert "There is one start" in words
    assert page.section.figures[0].path.is_file()
    why = part("128 numbers at most", terms, None, tmp_path)
    assert "not known: 128 numbers at most" in why.section.paragraphs[0]


def test_more_numbers_than_can_be_judged_are_refused() -> None:
    task = TeacherStudent(**SMALL)
    subject = subject_of(("pre",), (0.1,), task)
    mlp: Any = decode("rule", {"name": "mlp", "hidden": [40]})
    slot = replace(subject.problem.lifetime.slots[0], rule=mlp)
    lifetime = replace(subject.problem.lifetime, slots=(slot,))
    problem = replace(subject.problem, lifetime=lifetime)
    large = replace(subject, problem=problem, theta=problem.init(jax.random.key(0)))
    with pytest.raises(BadInput, match="searched numbers"):
        curvature(large)


def test_the_page_says_the_bits(tmp_path: Path) -> None:
    score = Estimate(0.9, 0.88, 0.92, 64)
    bits = RuleBits(44, [], 7, 308, score, 5, 25.0)
    born = Estimate(0.9, 0.8, 0.95, 32)
    learned = LearnedBits(8, 32, "weights", Estimate(0.25, 0.1, 0.4, 32), 1.4, 0.7, born, 0.875)
    page = part("too many numbers", {}, None, tmp_path, bits, learned)
    words = " ".join(page.section.paragraphs)
    assert "7 bits for each of 44 numbers, 308 in all" in words
    assert "a life learns at least 0.7 bits on its task" in words
    assert page.numbers["information"]["rule"]["score"] == [0.9, 0.88, 0.92, 64]
    assert page.numbers["information"]["learned"]["births_tell"] is False
    none = learned._replace(low=0.0)
    page = part("too many", {}, None, tmp_path, bits, none)
    words = " ".join(page.section.paragraphs)
    assert "no bits can be claimed" in words and "learns at least" not in words
    # Half of chance is no limit: an error below chance by its interval tells.
    told = learned._replace(error_at_birth=Estimate(0.6, 0.5, 0.7, 32))
    page = part("too many numbers", {}, None, tmp_path, bits._replace(bits=None), told)
    words = " ".join(page.section.paragraphs)
    assert "at no resolution up to 16 bits" in words
    assert "says nothing about learning" in words


def test_starts_are_compared_in_the_numbers_of_their_rules_alone(
    smooth: Subject, tmp_path: Path
) -> None:
    """Large numbers of the genome, which all starts share, say nothing about the rules."""
    shared = {**smooth.theta, "genome": {"gain": np.full(5, 100.0, np.float32)}}
    subject = replace(smooth, theta=shared)
    one = {"rules": {"rule": {"coefficients": np.asarray([1.0, 0.0, 0.0], np.float32)}}}
    other = {"rules": {"rule": {"coefficients": np.asarray([0.0, 1.0, 0.0], np.float32)}}}
    found = agreement(subject, [one, other], n_lives=2)
    assert found.names == ["post*pre", "post^2*weight", "pre"]
    start = np.asarray([0.5, -0.4, 0.2])
    first = start + np.asarray([1.0, 0.0, 0.0])
    second = start + np.asarray([0.0, 1.0, 0.0])
    cosine = first @ second / np.sqrt((first @ first) * (second @ second))
    assert found.cosine[0, 1] == pytest.approx(cosine, rel=1e-5)
    page = part("no curvature", {}, found, tmp_path)
    words = " ".join(page.section.paragraphs)
    assert "The 3 numbers of the rules have a cosine of" in words
    assert page.numbers["starts"]["compared"] == found.names


def test_the_curvature_is_of_the_loss_without_its_penalty(smooth: Subject, tmp_path: Path) -> None:
    plain = curvature(smooth, n_lives=8)
    priced: Any = L1(objective=smooth.problem.objective, strength=10.0)
    problem = replace(smooth.problem, objective=priced)
    found = curvature(replace(smooth, problem=problem), n_lives=8)
    np.testing.assert_array_equal(found.hessian, plain.hessian)
    assert found.loss == plain.loss
    assert found.penalised and not plain.penalised
    words = part(found, {}, None, tmp_path).section.paragraphs[0]
    assert "without the penalty of theta" in words
    assert "penalty" not in part(plain, {}, None, tmp_path).section.paragraphs[0]


def test_lives_that_are_not_finite_set_no_unit(
    smooth: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = curvature(smooth, n_lives=8)
    batch = batches(smooth.problem, smooth.seed, "validation", 8)[0]
    lost = np.asarray(jax.random.key_data(batch.keys))[:3]
    losses = identifiability._losses

    def losing(problem: Any, theta: Any, thetas: np.ndarray, some: Any) -> np.ndarray:
        found = losses(problem, theta, thetas, some)
        keys = np.asarray(jax.random.key_data(some.keys))
        is_lost = (keys[:, None] == lost[None]).all(axis=2).any(axis=1)
        return np.where(is_lost[None], np.nan, found)

    monkeypatch.setattr(identifiability, "_losses", losing)
    found = curvature(smooth, n_lives=8, by="gradients")
    assert found.pilots_left_out == 3 and not found.unmeasured
    ratio = found.units / plain.units
    assert (ratio > 0.1).all() and (ratio < 10.0).all()
    words = " ".join(part(found, {}, None, tmp_path).section.paragraphs)
    assert "3 of the lives that were to set the units are left out" in words
    blown = part(found._replace(unmeasured=["pre"]), {}, None, tmp_path)
    assert "no step of 1 numbers keeps these lives finite (pre)" in " ".join(
        blown.section.paragraphs
    )


@pytest.mark.system
def test_starts_that_differ_in_an_open_direction_make_equal_weights(
    degenerate: Subject, of_degenerate: Curvature, tmp_path: Path
) -> None:
    theta = degenerate.theta
    coefficients = np.asarray(theta["rules"]["rule"]["coefficients"])
    moved = {
        **theta["rules"]["rule"],
        "coefficients": coefficients + np.asarray([0.2, -0.2, 0.0], np.float32),
    }
    other = {**theta, "rules": {"rule": jax.tree.map(jnp.asarray, moved)}}
    found = agreement(degenerate, [theta, other], of_degenerate, n_lives=4)
    assert found.weights[0, 1].mean > 0.9999
    assert found.outputs[0, 1].mean > 0.9999
    assert abs(found.scores[0, 1].mean) < 1e-6
    assert found.along_stiff < 0.05
    page = part(of_degenerate, {}, found, tmp_path)
    assert "2 starts were compared" in " ".join(page.section.paragraphs)
    assert len(page.numbers["starts"]["pairs"]) == 1
    opposite = {
        **moved,
        "coefficients": -moved["coefficients"] - np.asarray([1.2, 1.2, -1.6], np.float32),
    }
    against = {**theta, "rules": {"rule": jax.tree.map(jnp.asarray, opposite)}}
    assert agreement(degenerate, [theta, against], n_lives=4).weights[0, 1].mean < 0
    with pytest.raises(BadInput, match="at least two"):
        agreement(degenerate, [theta])


@pytest.mark.system
def test_further_starts_reach_the_same_rule() -> None:
    task = TeacherStudent(n_in=4, n_out=3, n_steps=10)
    subject = subject_of(("post*pre", "post^2*weight"), (0.0, 0.0), task)
    genome: Any = decode("genome", {"name": "given"})
    lifetime = replace(subject.problem.lifetime, genome=genome)
    problem = replace(subject.problem, lifetime=lifetime, life_clip=0.0)
    subject = replace(subject, problem=problem, theta=problem.init(jax.random.key(0)))
    outer: Any = decode("outer", {"name": "bptt", "steps": 150, "learning_rate": 0.1})
    thetas = further(subject, outer, 2)
    found = np.stack([theta["rules"]["rule"]["coefficients"] for theta in thetas])
    np.testing.assert_allclose(found, [[1.0, -1.0]] * 2, atol=0.1)
