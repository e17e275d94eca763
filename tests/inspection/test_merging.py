"""k rules in place of one rule a synapse: planted clusters, controls, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import metaplast as mp
from metaplast.connections.masked import Masked
from metaplast.figures.merging import part
from metaplast.inspection.merging import (
    Merged,
    at_random,
    clusters,
    merged,
    merged_file,
    merging,
    numbers_of,
    standardised,
    tried,
)
from metaplast.inspection.subject import Subject
from metaplast.inspection.synapse_numbers import synapse_numbers, with_numbers
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.l1 import L1
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.merging import from_json, lines, sentence, to_json
from metaplast.results.typed_json import Plain
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import RuleFile, save_rule
from metaplast.rules.abcd import Abcd
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.per_synapse import PerSynapse
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.spec import decode

TOWARDS, AGAINST, NOTHING, A_LITTLE = range(4)
PLANTED = np.array(
    [
        [TOWARDS, NOTHING, AGAINST, A_LITTLE],
        [NOTHING, TOWARDS, A_LITTLE, AGAINST],
    ]
)
"""The rule of every synapse from (target - position, velocity) to the two pushes."""
RULES = {
    TOWARDS: (0.05, 0.0, 0.0, 1.0),
    AGAINST: (0.0, 0.05, 0.0, -0.5),
    NOTHING: (0.0, 0.0, 0.05, 0.0),
    A_LITTLE: (-0.05, 0.0, 0.0, 0.1),
}
"""a, b, c, d"""
NOISE = 1e-4
N_LIVES = 64
EDGE = "input_to_output"


@pytest.fixture(scope="module")
def planted() -> Subject:
    """A controller that grows from nothing, because its synapses have four rules."""
    task: Any = decode("task", {"name": "pointmass", "flip": 0.0, "n_trials": 2, "trial_steps": 20})
    network = Feedforward(hidden=(), output=decode("neuron", "linear"), gain=0.01)
    rule = Abcd(rate=0.05)
    lifetime = Lifetime(
        task=task,
        network=network,
        feedback=decode("feedback", "none"),
        slots=(Slot("rule", "*", rule, False),),
    )
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(0))
    numbers = np.array([[RULES[label] for label in row] for row in PLANTED], np.float32)
    numbers += NOISE * np.random.default_rng(0).normal(size=numbers.shape)
    for index, name in enumerate("abcd"):
        theta["rules"]["rule"][EDGE][name] = np.asarray(numbers[..., index], np.float32)
    file = RuleFile(*describe_rule(lifetime, theta, provenance={"experiment": "planted"}))
    return Subject(problem, theta, 3, "loss", False, file)


@pytest.fixture(scope="module")
def found(planted: Subject) -> tuple[Any, list[Merged]]:
    return merging(planted, [4], N_LIVES)


def test_planted_rules_are_found(found: tuple[Any, list[Merged]]) -> None:
    four = found[1][-1]
    labels = four.labels["rule"].reshape(PLANTED.shape)
    pairs = set(zip(PLANTED.reshape(-1).tolist(), labels.reshape(-1).tolist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 4
    assert four.explained > 1.0 - 1e-5
    for rule in four.rules:
        true = min(RULES.values(), key=lambda one: abs(one[3] - rule.numbers["d"]))
        np.testing.assert_allclose(list(rule.numbers.values()), true, atol=4.0 * NOISE)


def test_four_rules_keep_the_score_and_the_controls_do_not(
    found: tuple[Any, list[Merged]],
) -> None:
    result = found[0]
    by_k = {one.k: one for one in result.clusters}
    assert list(by_k) == [1, 2, 4]
    searched = result.searched.score.mean
    assert searched < 0.6 * result.birth.mean  # plasticity matters in this task
    assert by_k[4].score.mean == pytest.approx(searched, rel=0.01)
    assert by_k[4].share.mean == pytest.approx(1.0, abs=0.01)
    assert by_k[1].score.mean > 1.2 * searched
    assert by_k[1].share.ci95[1] < 0.9
    by_chance = {one.k: one for one in result.random}
    assert list(by_chance) == [2, 4]
    assert by_chance[4].share.ci95[1] < 0.9
    assert by_chance[4].score.mean > 1.2 * searched


def test_a_penalty_of_theta_is_no_part_of_a_score(planted: Subject) -> None:
    objective = L1(planted.problem.objective, strength=0.5)
    dear = replace(planted, problem=replace(planted.problem, objective=objective))
    assert merging(dear, [2], 8)[0] == merging(planted, [2], 8)[0]


@pytest.mark.system
def test_scores_are_those_of_single_lives(
    planted: Subject, found: tuple[Any, list[Merged]]
) -> None:
    result, sets = found
    of_two = planted.scores(sets[1].theta, "heldout", N_LIVES)
    searched = planted.scores(planted.theta, "heldout", N_LIVES)
    assert result.clusters[1].score.mean == pytest.approx(of_two.mean(), rel=1e-5)
    birth = result.birth.mean
    share = (birth - of_two.mean()) / (birth - searched.mean())
    assert result.clusters[1].share.mean == pytest.approx(share, rel=1e-4)
    low, high = result.clusters[1].share.ci95
    assert low < share < high


def test_a_merge_is_the_same_again(planted: Subject, found: tuple[Any, list[Merged]]) -> None:
    again, sets = merging(planted, [4], N_LIVES)
    assert again == found[0]
    for one, other in zip(sets, found[1], strict=True):
        np.testing.assert_array_equal(one.labels["rule"], other.labels["rule"])


def test_random_groups_have_the_sizes_of_the_clusters(planted: Subject) -> None:
    numbers = numbers_of(planted, [3])
    three = merged(planted, numbers, 3)
    draws = [at_random(planted, numbers, three, draw).labels["rule"] for draw in range(3)]
    for labels in draws:
        assert np.bincount(labels).tolist() == np.bincount(three.labels["rule"]).tolist()
    assert not np.array_equal(draws[0], draws[1])


def test_as_many_rules_as_synapses_are_the_searched_rule(planted: Subject) -> None:
    every = merged(planted, numbers_of(planted, [8]), 8)
    jax.tree.map(np.testing.assert_array_equal, every.theta, planted.theta)
    assert every.explained == 1.0


def test_a_merged_rule_is_a_rule_file(
    planted: Subject, found: tuple[Any, list[Merged]], tmp_path: Path
) -> None:
    four = found[1][-1]
    file = merged_file(planted, four)
    save_rule(tmp_path / "rule.safetensors", file.document, file.tensors)
    rule = mp.load_rule(tmp_path / "rule.safetensors")
    stacked = np.stack([np.asarray(rule.theta[name]).reshape(-1) for name in "abcd"], axis=1)
    assert len(np.unique(stacked, axis=0)) == 4
    facts = file.document["provenance"]["merged"]
    assert (facts["k"], facts["rules"], facts["of"]) == (4, 4, 8)
    assert file.document["ancestry"][-1]["change"] == "merged into 4 rules"


def test_the_result_is_read_back_and_shown(found: tuple[Any, list[Merged]], tmp_path: Path) -> None:
    plain: Plain = to_json(found[0])
    assert from_json(plain, "merge.json") == found[0]
    shown = part(found[0], "", tmp_path)
    assert (tmp_path / "merging.svg").is_file()
    assert shown.section.summary == sentence(found[0])
    assert "4 rules in place of 8 keep 100.0 %" in sentence(found[0])
    assert [row[0] for row in lines(found[0])[1:]].count("random groups") == 2


def test_no_share_where_plasticity_gains_nothing(planted: Subject) -> None:
    still = jax.tree.map(np.zeros_like, planted.theta)
    file = RuleFile(*describe_rule(planted.problem.lifetime, still))
    subject = Subject(planted.problem, still, 3, "loss", False, file)
    result, _ = merging(subject, [1], 8)
    assert result.searched.share.mean is None
    assert sentence(result).startswith("No share is defined")
    assert lines(result)[1][4] == "none"


def test_what_cannot_be_merged_is_refused(planted: Subject) -> None:
    with pytest.raises(mp.BadInput, match="k = 9 rules for the 8 synapses of slot rule"):
        merging(planted, [2, 9], 8)
    shared = Abcd(shared=True)
    lifetime = Lifetime(slots=(Slot("rule", "*", shared),))
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(0))
    subject = Subject(problem, theta, 0, "loss", False, RuleFile({}, {}))
    with pytest.raises(mp.BadInput, match="a rule without numbers at every synapse"):
        merging(subject, [1], 8)


def lifetime_of(rule: Any, shared: bool = False) -> Lifetime:
    """Two random graphs of different sizes."""
    task: Any = decode("task", {"name": "regression", "n_in": 5, "shots": 4, "queries": 2})
    network = Feedforward(hidden=(4,), connection=Masked(1, 1, probability=0.5, seed=2))
    edges = "input_*" if shared else "*"
    return Lifetime(task=task, network=network, slots=(Slot("rule", edges, rule, shared),))


@pytest.mark.parametrize("shared", [False, True])
def test_numbers_of_all_edges_stand_side_by_side(shared: bool) -> None:
    """Numbers of the rule as a whole, and places without a synapse, stay as they are."""
    each = PerSynapse(rule=Polynomial(learn="both", initial=(1.0, -1.0)))
    lifetime = lifetime_of(ThreeFactor(rule=each, modulator="surprise"), shared)
    generator = np.random.default_rng(0)
    theta = lifetime.init(jax.random.key(0))
    theta = jax.tree.map(lambda leaf: np.asarray(generator.normal(size=leaf.shape)), theta)
    (numbers,) = synapse_numbers(lifetime, theta)
    assert numbers.names == ("rule.coefficients[0]", "rule.coefficients[1]", "rule.log_rate")
    n_synapses = 0
    for edge, _ in lifetime.plastic().values():
        n_synapses += int(np.asarray(edge.connection.mask()).sum())
    assert numbers.vectors.shape == (n_synapses, 3)
    same = with_numbers(theta, numbers, numbers.vectors)
    jax.tree.map(np.testing.assert_array_equal, same, theta)
    other = with_numbers(theta, numbers, np.zeros_like(numbers.vectors))
    assert not synapse_numbers(lifetime, other)[0].vectors.any()
    changed = 0
    for before, after in zip(jax.tree.leaves(theta), jax.tree.leaves(other), strict=True):
        changed += int((before != after).sum())
    assert changed == numbers.vectors.size


def test_numbers_of_types_are_none_of_synapses() -> None:
    by_type: Any = decode("rule", {"name": "per_type", "post": 2, "pre": 3})
    lifetime = lifetime_of(by_type)
    assert synapse_numbers(lifetime, lifetime.init(jax.random.key(0))) == []


def test_clusters_count_numbers_in_their_own_units() -> None:
    """A number of a thousand times the size does not decide alone."""
    generator = np.random.default_rng(1)
    small = np.repeat([0.0, 1.0], 20)
    vectors = np.stack([1000.0 * generator.normal(size=40), small], axis=1)
    labels = clusters(np.stack([small, small], axis=1), 2, 0)
    assert len({*zip(small, labels, strict=True)}) == 2
    units = standardised(np.concatenate([vectors, np.ones((40, 1))], axis=1))
    np.testing.assert_allclose(units.std(axis=0), [1.0, 1.0, 0.0])
    sizes = np.bincount(clusters(vectors, 5, 0))
    assert list(sizes) == sorted(sizes, reverse=True)
    assert sizes.sum() == 40


def test_powers_of_two_are_tried_below_the_largest() -> None:
    assert tried([32]) == [1, 2, 4, 8, 16, 32]
    assert tried([5, 3]) == [1, 2, 3, 4, 5]
    assert tried([1]) == [1]
