"""A search over trees: one key for one function, mutants are trees, the small survive."""

import itertools
from dataclasses import replace
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.language import expression as e
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.rules.symbolic import Symbolic
from metaplast.runs import checkpoint
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from outer_loops import _selection, _trees, genetic_programming
from outer_loops.genetic_programming import GeneticProgramming

RULE = Symbolic(
    expression="1", size=6, inputs=("pre", "post", "weight", "modulator.sign"), n_constants=1
)


def problem(rule=RULE, shared=True, **task):
    lifetime = Lifetime(
        task=decode(
            "task", {"name": "teacher_student", "n_in": 4, "n_out": 2, "n_steps": 10, **task}
        ),
        network=Feedforward(hidden=(), output=Tanh()),
        slots=(Slot(rule=rule, shared=shared),),
    )
    return MetaProblem(lifetime=lifetime, objective=MeanLoss(), n_tasks=4)


def _member(text, constant=0.0):
    """theta whose tree is this expression, its number moved by `constant`."""
    code = e.encode(e.parse(text), RULE.leaves(RULE.numbers()), RULE.size)
    rule = {
        "code": jnp.asarray([gene or 0.0 for gene in code]),
        "constants": jnp.full(1, constant),
        "log_rate": jnp.zeros(()),
    }
    return {"rules": {"rule": rule}, "genome": {}, "feedback": {}, "neurons": {}}


def _flat(*members):
    """Thetas as rows [n_members, n]."""
    rows = []
    for member in members:
        rows.append(np.concatenate([np.ravel(x) for x in jax.tree.leaves(member)]))
    return np.stack(rows)


WHERE = _trees.places(problem(), _member("1"), ("modulator.sign",))
facts = quick_jit(jax.vmap(lambda flat: _trees.facts(WHERE, flat)))


def _facts(*members):
    return jax.tree.map(np.asarray, facts(_flat(*members)))


SAME = [
    ("pre*post", "post*pre"),
    ("pre - pre", "weight - weight"),
    ("pre*post", "pre*post + post*pre"),
    ("(modulator.sign - 1)*pre", "modulator.sign*pre - pre"),
    ("(modulator.sign - 1)*pre", "modulator.sign*(1 - modulator.sign)*pre"),
    ("post/(pre/pre)", "post"),
]
OTHER = [
    ("pre*post", "pre*weight"),
    ("pre - post", "post - pre"),
    ("modulator.sign*pre", "pre"),
    ("pre", "pre - pre"),
]


def test_trees_that_do_the_same_up_to_the_rate_have_one_key_and_others_have_not():
    texts = [*itertools.chain(*SAME, *OTHER), "pre/(post - post)"]
    facts_of_all = _facts(*[_member(text) for text in texts])
    equal = (facts_of_all.key[:-1:2] == facts_of_all.key[1::2]).all(axis=1)
    assert equal.tolist() == [True] * len(SAME) + [False] * len(OTHER)
    np.testing.assert_array_equal(facts_of_all.n_nodes[:2], 3)
    assert facts_of_all.valid[:-1].all()
    assert not facts_of_all.valid[-1]  # never finite: never lives
    assert facts_of_all.size[5] == pytest.approx(2 * facts_of_all.size[4], rel=1e-5)


def test_a_tree_that_divides_by_a_sign_is_not_taken_for_the_product() -> None:
    """Between events the sign is 0, so that the quotient blows up and must not be remembered."""
    product, quotient, shifted = _facts(
        _member("pre*modulator.sign"),
        _member("pre/modulator.sign"),
        _member("pre/(modulator.sign + modulator.sign + 1)"),
    ).valid
    assert product and shifted
    assert not quotient


def test_a_tree_below_a_millionth_does_nothing():
    rms = float(_facts(_member("pre")).size[0])
    members = [_member("1*pre", c / rms - 1.0) for c in (0.0, 0.8e-6, 1.25e-6)]
    nothing, small, large = _facts(*members).key
    assert (small == nothing).all()
    assert (large != nothing).any()


def test_a_number_makes_another_member_of_the_same_form():
    both = _facts(_member("pre + 1", 0.0), _member("pre + 1", 0.3))
    assert (both.key[0] != both.key[1]).any()
    assert (both.form[0] == both.form[1]).all()


def test_a_key_is_the_sum_that_searches_of_before_have_kept():
    """A key is 1 + sum_i w_i x_i modulo 2^32, x in units of ROUNDING, w odd.

    No change of one x alone leaves it as it was.
    """
    steps = [3, -2, 0, 7]
    drawn = np.random.RandomState(0).randint(0, 2**32, size=(2, 4), dtype=np.uint64)
    expected = []
    for row in drawn:
        total = 1
        for weight, step in zip(row, steps, strict=True):
            total += (int(weight) | 1) * step
        expected.append(total % 2**32)
    assert _trees._hashed(_trees.ROUNDING * jnp.asarray(steps, float)).tolist() == expected


def test_every_mutant_is_a_tree_and_some_differ():
    flat = jnp.asarray(_flat(_member("pre*post"))[0])
    mutate = quick_jit(jax.vmap(lambda key: _trees.mutated(WHERE, flat, key, 0.5, 0.2)))
    mutants = np.asarray(mutate(jax.random.split(jax.random.key(0), 200)))
    codes = mutants[:, WHERE.code]
    assert (codes == np.round(codes)).all()
    assert ((codes >= 0) & (codes < WHERE.bounds)).all()
    assert len({tuple(code) for code in codes}) > 150
    for code in codes[:50]:
        e.parse(e.show(e.decode(code.tolist(), RULE.leaves((1.0,)))))
    assert 0 < np.mean(mutants[:, WHERE.constants] != 0.0) < 1


def _parents(texts, losses):
    """Parents with these trees and losses that never lived."""
    flat = _flat(*[_member(text) for text in texts])
    of_all = jax.tree.map(np.asarray, facts(flat))
    return _selection.Parents(
        flat=jnp.asarray(flat),
        loss=jnp.asarray(losses, jnp.float32),
        count=jnp.zeros(len(texts)),
        key=of_all.key,
        form=of_all.form,
        size=of_all.size,
        n_nodes=of_all.n_nodes,
    )


def test_the_small_survive_and_each_doing_once():
    """A small tree survives where nodes are dear, and a larger one of less loss where not.

    The parents are pre*post with loss .5 and weight with .9. The proposals are a twin of pre*post,
    a larger tree with loss .49 and a small one with .6. The latter is no smaller than pre*post and
    no better: it is not on the front, and `weight`, the smallest, is.
    """
    parents = _parents(["pre*post", "weight"], [0.5, 0.9])
    texts = ["post*pre*(post/post)", "pre*post + pre*pre*pre*pre", "1 - post"]
    proposals = _parents(texts, [0.0, 0.0, 0.0])
    offspring = _selection.Offspring(
        flat=proposals.flat,
        key=proposals.key,
        form=proposals.form,
        size=proposals.size,
        n_nodes=proposals.n_nodes,
        twin=jnp.asarray([0, -1, -1]),
        examined=jnp.asarray([True, True, True]),
        chosen=jnp.asarray([1, 2]),
        real=jnp.asarray([True, True]),
    )
    select = quick_jit(lambda *arguments: _selection.selected(WHERE, *arguments))
    new = _selection.Entrants(flat=proposals.flat[1:], loss=jnp.asarray([0.49, 0.6]))
    dear, first = select(parents, offspring, new, np.float32(0.1))
    np.testing.assert_allclose(dear.loss, [0.5, 0.9], rtol=1e-6)
    assert dear.n_nodes.tolist() == [3, 1]  # the smaller of two twins
    assert not first
    cheap, first = select(parents, offspring, new, np.float32(0.0))
    np.testing.assert_allclose(cheap.loss, [0.49, 0.5], rtol=1e-6)
    assert cheap.n_nodes.tolist() == [11, 7]  # drift: the newer of two twins
    assert first
    assert cheap.size[1] == proposals.size[0]


def test_a_smaller_tree_survives_a_crowd_of_larger_and_better_ones():
    """pre*post is on the front of loss and nodes, the larger trees behind the first are not."""
    texts = ["pre*post", "pre*post - pre*post*pre*weight", "weight"]
    parents = _parents(texts, [0.5, 0.42, 0.9])
    crowd = _parents(["pre*post - pre*pre", "pre*post - pre*weight"], [0.0, 0.0])
    offspring = _selection.Offspring(
        flat=crowd.flat,
        key=crowd.key,
        form=crowd.form,
        size=crowd.size,
        n_nodes=crowd.n_nodes,
        twin=jnp.asarray([-1, -1]),
        examined=jnp.asarray([True, True]),
        chosen=jnp.asarray([0, 1]),
        real=jnp.asarray([True, True]),
    )
    new = _selection.Entrants(flat=crowd.flat, loss=jnp.asarray([0.4, 0.45]))
    select = quick_jit(lambda *arguments: _selection.selected(WHERE, *arguments))
    survivors, _ = select(parents, offspring, new, np.float32(0.0))
    np.testing.assert_allclose(survivors.loss, [0.4, 0.5, 0.9], rtol=1e-6)
    assert survivors.n_nodes.tolist() == [7, 3, 1]


def test_a_member_is_dominated_by_one_that_is_no_larger_and_no_worse():
    members = _parents(["pre*post", "post*pre", "pre", "pre*post - pre"], [0.5, 0.5, 0.9, 0.5])
    assert _selection._dominated(members).tolist() == [False, False, False, True]


def test_the_rate_between_is_that_of_a_quadratic_loss():
    """The losses (r - 0.1)^2 are lowest at 0.1, wherever the grid stands; a flat or falling end
    stays within one more step of the grid."""
    between = quick_jit(genetic_programming._lowest)
    for first in (0.003, 0.007, 0.01, 0.02):
        rates = jnp.asarray(first * 3.0 ** np.arange(4))
        np.testing.assert_allclose(between(rates, (rates - 0.1) ** 2), 0.1, rtol=1e-3)
    rates = jnp.asarray([1.0, 3.0, 9.0])
    assert between(rates, jnp.asarray([3.0, 2.0, 1.9])) <= 27.0
    assert between(rates, jnp.asarray([1.0, 3.0, 1.0])) == 1.0
    assert between(rates, jnp.asarray([0.5, 1.0, 1e30])) >= 1.0 / 3.0


def test_how_much_harder_lives_are_is_the_median_of_the_parents_that_lived_before():
    never = 0.0
    blown = _selection.LARGEST
    before = [1.0, 2.0, 5.0, blown, 3.0, 4.0]
    now = [1.5, 2.75, 5.125, 0.0, 99.0, blown]
    parents = replace(
        _parents(["pre"] * 6, before), count=jnp.asarray([1.0, 7.0, 16.0, 3.0, never, 2.0])
    )
    assert _selection.harder(parents, jnp.asarray(now)) == 0.5  # of 0.5, 0.75 and 0.125
    newborn = replace(parents, count=jnp.zeros(6))
    assert _selection.harder(newborn, jnp.asarray(now)) == 0.0


def test_a_search_counts_what_it_saves_and_a_file_holds_its_tree(tmp_path):
    rule = Symbolic(expression="1", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(steps=12, mu=3, lambda_=6, proposals=64, n_rates=3, refine=0)
    lives = problem(rule, input_sd=1.0)
    course = list(
        search_loop.steps(lives, outer, 0, search_loop.begin(lives, outer, 0), 0, outer.n_steps)
    )
    _, _, first = course[0]
    _, state, last = course[-1]
    evaluated = int(last["evaluated"])
    proposed = int(last["proposed"])
    assert evaluated == 12 * 6
    assert proposed > evaluated
    assert float(last["saved"]) == pytest.approx(1 - evaluated / proposed)
    assert 0 < last["neutral"] < 1
    assert last["longest_plateau"] >= last["plateau"]
    assert first["lives"] == 4 * (3 + 6 * 3)
    known = np.asarray(state.known)[: int(state.n_known)]
    # Nothing is evaluated twice, but for parents that moved.
    assert len(np.unique(known, axis=0)) >= len(known) - 3
    document, tensors = describe_rule(lives.lifetime, outer.theta(state))
    described = document["slots"]["rule"]["rule"]
    assert described["size"] == 0  # the file holds the tree of the search, as text
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    loaded = cast(Symbolic, load_rule(tmp_path / "rule.safetensors").spec)
    assert loaded.expression == described["expression"]


def test_most_short_searches_halve_the_loss_of_lives_that_they_did_not_see():
    """The seeds are the first three, whatever they find; of eight, five pass."""
    rule = Symbolic(expression="1", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(steps=24, mu=3, lambda_=6, proposals=64, n_rates=3, refine=0)
    lives = problem(rule, input_sd=1.0)
    batch = search_loop.sample(
        lives.lifetime.task, search_loop.stream(0, "validation"), 8, "validation"
    )
    thetas = [lives.init(jax.random.key(0))]
    for seed in range(3):
        begun = search_loop.begin(lives, outer, seed)
        *_, (_, state, _) = search_loop.steps(lives, outer, seed, begun, 0, outer.n_steps)
        thetas.append(outer.theta(state))
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *thetas)
    before, *after = np.asarray(search_loop.evaluate(lives, stacked, batch)[0])
    assert np.median(after) < 0.5 * before


def test_the_best_parents_are_moved_down_the_gradient_of_their_numbers():
    """The lives are counted, those of the gradients and of the moved parents too.

    There are 4 tasks for 3 parents, for 2 parents moved by 5 lengths, and for 6 new trees under 4
    rates, and a gradient of 4 tasks for each of the 2. The rate between is one of n_rates.
    """
    rule = Symbolic(expression="pre", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(
        steps=1, mu=3, lambda_=6, proposals=64, n_rates=4, refine=2, lengths=5
    )
    lives = problem(rule, input_sd=1.0)
    begun = search_loop.begin(lives, outer, 0)
    _, _, metrics = next(search_loop.steps(lives, outer, 0, begun, 0, 1))
    assert metrics["lives"] == 4 * (3 + 2 * 5 + 6 * 4) + 2 * 4


@pytest.mark.parametrize("r", [0.0, 0.6, 0.95, 1.0])
def test_earlier_lives_are_worth_what_the_correlation_of_a_move_says(r):
    """Against drawn lives: n evaluations, as a control variate of one after the move.

    The losses of lives have variance 1, and a correlation r before and after the move. Known is the
    mean before it, over n evaluations.
    """
    n_draws, n_tasks, n = 4000, 200, 8
    shared, alone = np.random.default_rng(0).normal(size=(2, n_draws, n_tasks))
    after = r * shared + np.sqrt(1 - r**2) * alone
    others = np.random.default_rng(1).normal(size=(n_draws, n - 1)) / n_tasks**0.5
    known = np.mean(np.column_stack([others, shared.mean(axis=1)]), axis=1)
    corrected = after.mean(axis=1) - r * (shared.mean(axis=1) - known)
    worth = quick_jit(jax.vmap(_selection.worth, (0, 0, None)))(after, shared, n)
    assert np.mean(worth) == pytest.approx(1 / (np.var(corrected) * n_tasks), rel=0.1)


def test_after_a_move_of_unlike_or_blown_up_losses_one_evaluation_is_left():
    lives = jnp.asarray([1.0, 2.0, 4.0])
    for after in (-lives, jnp.ones(3), lives.at[0].set(jnp.nan), lives.at[0].set(jnp.inf)):
        assert _selection.worth(after, lives, jnp.asarray(9.0)) == 1.0
        assert _selection.worth(lives, after, jnp.asarray(9.0)) == 1.0
    huge = lives.at[0].set(1e25)
    assert _selection.worth(huge, huge, jnp.asarray(9.0)) == 1.0
    assert _selection.worth(lives[:1], lives[:1], jnp.asarray(9.0)) == 1.0
    assert _selection.worth(0.5 * lives, lives, jnp.asarray(9.0)) == pytest.approx(9.0)


BEFORE = [1.0, 1.5, 2.0, 1.5]
"""Losses of four lives of a parent: a mean of 1.5."""


@pytest.mark.parametrize(
    ("losses", "length"),
    [([1.4, 1.3], 1), ([1.4, 1.45], 0), ([1.6, 1.5], None), ([_selection.LARGEST, 1.4], 1)],
)
def test_a_parent_takes_its_best_move_and_keeps_its_loss(losses, length):
    parents = replace(_parents(("pre", "post"), (2.0, 2.0)), count=jnp.full(2, 3.0))
    moved = np.repeat(np.asarray(parents.flat)[:1, None], 2, axis=1)
    moved[0, :, WHERE.own_rate] += np.asarray([[1.0, 2.0]])
    after = np.asarray([BEFORE, BEFORE]) - 0.1  # as lucky as before, life by life
    moves = _selection.Moved(
        flat=jnp.asarray(moved),
        loss=jnp.asarray([losses]),
        after=jnp.asarray([after]),
        before=jnp.asarray([BEFORE]),
    )
    update = quick_jit(lambda *arguments: _selection.updated(WHERE, *arguments))
    result = update(parents, jnp.asarray([1.5, 1.5]), moves)
    expected = parents.flat[0] if length is None else moved[0, length]
    np.testing.assert_array_equal(result.flat[0], expected)
    np.testing.assert_array_equal(result.flat[1], parents.flat[1])
    np.testing.assert_allclose(result.loss, (3 * 2.0 + 1.5) / 4)
    np.testing.assert_allclose(result.count, 4.0, rtol=1e-5)


def test_moves_down_noise_do_not_make_a_loss_lucky():
    """A parent at its optimum, moved in every step to the best of five lengths, over 40 steps.

    Its loss of a life is (theta - a)^2, with a from N(0, 1): the mean is 1 + theta^2,
    and the gradient of 16 lives is noise.
    """
    n_draws, n_tasks, n_steps = 400, 16, 40
    rng = np.random.default_rng(0)
    theta, loss, count = np.zeros(n_draws), np.zeros(n_draws), np.zeros(n_draws)
    worth = quick_jit(jax.vmap(_selection.worth))
    for _ in range(n_steps):
        a = rng.normal(size=(n_draws, n_tasks))
        before = (theta[:, None] - a) ** 2
        count = np.minimum(count + 1, _selection.MEMORY)
        loss = ((count - 1) * loss + before.mean(axis=1)) / count
        down = np.sign(a.mean(axis=1) - theta)
        moved = theta[:, None] + down[:, None] * 0.2 * 4.0 ** -np.arange(5)
        after = (moved[:, :, None] - a[:, None, :]) ** 2
        best = np.argmin(after.mean(axis=2), axis=1)
        after = after[np.arange(n_draws), best]
        better = after.mean(axis=1) < before.mean(axis=1)
        count = np.where(better, worth(after, before, count), count)
        theta = np.where(better, moved[np.arange(n_draws), best], theta)
    true = 1.0 + theta**2
    assert np.mean(loss - true) == pytest.approx(0.0, abs=0.03)


def test_a_life_counts_with_at_most_the_worst_loss_and_a_price_stays():
    life_loss = jnp.asarray([[0.25, 80.0, 0.75, 1.0], [0.25, 80.0, jnp.inf, 1.0]])
    metrics = {"life_loss": life_loss, "survived": jnp.ones((2, 4))}
    losses = jnp.mean(life_loss, axis=1) + 0.5
    np.testing.assert_allclose(
        GeneticProgramming(worst=2.0)._ranked(losses, metrics), [1.5, _selection.LARGEST]
    )
    np.testing.assert_allclose(
        GeneticProgramming()._ranked(losses, metrics), [21.0, _selection.LARGEST]
    )


@pytest.mark.parametrize("worst", [0.0, 1e-3])
def test_no_parent_of_a_search_has_a_loss_above_the_worst_one(worst):
    rule = Symbolic(expression="1", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(
        steps=2, mu=3, lambda_=6, proposals=64, n_rates=4, refine=1, lengths=2, worst=worst
    )
    lives = problem(rule, input_sd=1.0)
    begun = search_loop.begin(lives, outer, 0)
    for _, state, _ in search_loop.steps(lives, outer, 0, begun, 0, 1):
        loss = np.asarray(state.parents.loss)
        assert np.all(loss < _selection.LARGEST)
        assert np.all(loss <= 1e-3) == bool(worst)


def test_half_of_the_proposals_that_live_are_the_smallest_new_ones():
    """Of equal ones, those of the best parent. A proposal is examined if it stands before the last
    of the first ones, or lives.
    """
    state = GeneticProgramming(mu=2).init(problem(), _member("pre*post"), jax.random.key(0), {})
    outer = GeneticProgramming(mu=2, lambda_=8, proposals=64, small=0.5)
    state = replace(
        state,
        hyper=outer.hyper(),
        step=jnp.asarray(1),
        known=state.known.at[:2].set(state.parents.key),
    )
    offspring = quick_jit(lambda key: outer._propose(WHERE, state, key))(jax.random.key(1))
    of_all = jax.tree.map(np.asarray, facts(np.asarray(offspring.flat)))
    drawn, parent = quick_jit(lambda key: outer._drawn(WHERE, state, key))(jax.random.key(1))
    np.testing.assert_allclose(drawn, offspring.flat, rtol=1e-6)
    assert set(np.asarray(parent).tolist()) == {0, 1, 2}
    seen = {tuple(key) for key in np.asarray(state.parents.key)}
    new = []
    for place in range(64):
        key = tuple(of_all.key[place])
        if of_all.valid[place] and of_all.n_nodes[place] <= outer.max_nodes and key not in seen:
            new.append(place)
            seen.add(key)
    others = sorted(new[4:], key=lambda place: (of_all.n_nodes[place], parent[place]))
    assert sorted(np.asarray(offspring.chosen).tolist()) == sorted(new[:4] + others[:4])
    assert len({of_all.n_nodes[place] for place in others[:4]}) < 4  # some are equal
    assert np.asarray(offspring.real).all()
    examined = np.asarray(offspring.examined)
    assert examined[np.asarray(offspring.chosen)].all()
    assert not examined[new[4] :][~np.isin(np.arange(new[4], 64), others[:4])].any()


def test_the_best_member_is_one_that_lived_again():
    members = _parents(["pre", "post", "pre*post"], [0.1, 0.5, 0.45])
    assert _selection.best_place(members, jnp.asarray(0.0)) == 0  # none of them did
    members = replace(members, count=jnp.asarray([0.0, 3.0, 1.0]))
    assert _selection.best_place(members, jnp.asarray(0.0)) == 2
    assert _selection.best_place(members, jnp.asarray(0.03)) == 1  # two nodes fewer
    assert _selection.best(members, jnp.asarray(0.0)).n_nodes == 3


def _tried_twice():
    """The states after each step of a search in two tries of two steps, and the last metrics."""
    rule = Symbolic(expression="1", size=2, inputs=("pre", "post"), n_constants=0)
    outer = GeneticProgramming(steps=4, tries=2, mu=2, lambda_=3, proposals=16, n_rates=1, refine=0)
    lives = problem(rule, input_sd=1.0)
    begun = search_loop.begin(lives, outer, 0)
    course = list(search_loop.steps(lives, outer, 0, begun, 0, outer.n_steps))
    return [state for _, state, _ in course], course[-1][2]


def test_each_try_begins_anew_and_the_best_of_the_earlier_ones_lives_on(tmp_path):
    """An older state, which has no champion, is refused by name."""
    (_, before, after, last), metrics = _tried_twice()
    members = _selection.joined(before.parents, before.champion)
    best = _selection.best(members, before.hyper["parsimony"])
    np.testing.assert_array_equal(before.champion.flat[0], before.start)
    np.testing.assert_array_equal(after.champion.flat[0], best.flat)
    assert after.champion.count == best.count + 1
    assert before.n_known > after.n_known  # functions of the first try may be tried again
    members = _selection.joined(last.parents, last.champion)
    chosen = _selection.best(members, last.hyper["parsimony"]).flat
    np.testing.assert_array_equal(ravel_pytree(last.theta)[0], chosen)
    assert metrics["evaluated"] == 4 * 3
    assert metrics["lives"] == 4 * (2 + 1 + 3)

    older = {name: value for name, value in vars(last).items() if name not in ("start", "champion")}
    checkpoint.write(tmp_path, 4, older, "digest")
    with pytest.raises(checkpoint.NoCheckpoint):
        checkpoint.restore(tmp_path, [last], "digest", 4)


def test_a_problem_that_cannot_be_searched_is_refused():
    per_edge = problem(Symbolic(expression="1", size=2, inputs=("pre",)), shared=False)
    with pytest.raises(BadInput, match="one theta"):
        search_loop.begin(per_edge, GeneticProgramming(), 0)
    nothing = problem(Symbolic(learn="none"))
    with pytest.raises(BadInput, match="a number to learn"):
        search_loop.begin(nothing, GeneticProgramming(), 0)
