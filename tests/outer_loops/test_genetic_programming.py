"""A search over trees: one key for one function, mutants are trees, the small survive."""

from dataclasses import replace
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import train
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
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from outer_loops import _selection, _trees
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
    code = e.encode(e.parse(text), RULE.leaves(RULE.numbers()), RULE.size)
    own = {
        "code": jnp.asarray([0.0 if g is None else g for g in code]),
        "constants": jnp.full(1, constant),
    }
    return {
        "rules": {"rule": {**own, "log_rate": jnp.zeros(())}},
        "genome": {},
        "feedback": {},
        "neurons": {},
    }


WHERE = _trees.places(problem(), _member("1"), ("modulator.sign",))
FLAT = np.stack([np.concatenate([np.ravel(x) for x in jax.tree.leaves(_member("pre*post"))])])
facts = quick_jit(jax.vmap(lambda flat: _trees.facts(WHERE, flat)))


def _facts(*members):
    flat = np.stack([np.concatenate([np.ravel(x) for x in jax.tree.leaves(m)]) for m in members])
    return jax.tree.map(np.asarray, facts(flat))


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
    found = _facts(
        *(_member(text) for pair in (*SAME, *OTHER) for text in pair), _member("pre/(post - post)")
    )
    equal = (found.key[:-1:2] == found.key[1::2]).all(axis=1)
    assert equal.tolist() == [True] * len(SAME) + [False] * len(OTHER)
    np.testing.assert_array_equal(found.n_nodes[:2], 3)
    assert found.valid[:-1].all()
    assert not found.valid[-1]  # never finite: never lives
    assert found.size[5] == pytest.approx(2 * found.size[4], rel=1e-5)


def test_a_tree_below_a_millionth_does_nothing():
    rms = float(_facts(_member("pre")).size[0])
    nothing, small, large = _facts(
        *(_member("1*pre", c / rms - 1.0) for c in (0.0, 0.8e-6, 1.25e-6))
    ).key
    assert (small == nothing).all()
    assert (large != nothing).any()


def test_a_number_makes_another_member_of_the_same_form():
    found = _facts(*(_member("pre + 1", c) for c in (0.0, 0.3)))
    assert (found.key[0] != found.key[1]).any()
    assert (found.form[0] == found.form[1]).all()


def test_a_key_is_the_sum_that_searches_of_before_have_kept():
    """1 + sum_i w_i x_i modulo 2^32, x in units of ROUNDING, w odd: no change of one x alone leaves
    it as it was.
    """
    steps = [3, -2, 0, 7]
    drawn = np.random.RandomState(0).randint(0, 2**32, size=(2, 4), dtype=np.uint64)
    weights = [[int(w) | 1 for w in row] for row in drawn]
    expected = [
        (1 + sum(w * x for w, x in zip(row, steps, strict=True))) % 2**32 for row in weights
    ]
    assert _trees._hashed(_trees.ROUNDING * jnp.asarray(steps, float)).tolist() == expected


def test_every_mutant_is_a_tree_and_some_differ():
    mutate = quick_jit(jax.vmap(lambda k: _trees.mutated(WHERE, jnp.asarray(FLAT[0]), k, 0.5, 0.2)))
    mutants = np.asarray(mutate(jax.random.split(jax.random.key(0), 200)))
    codes = mutants[:, WHERE.code]
    assert (codes == np.round(codes)).all()
    assert ((codes >= 0) & (codes < WHERE.bounds)).all()
    assert len({tuple(code) for code in codes}) > 150
    for code in codes[:50]:
        e.parse(e.show(e.decode(code.tolist(), RULE.leaves((1.0,)))))
    assert 0 < np.mean(mutants[:, WHERE.constants] != 0.0) < 1


def _people(texts, losses):
    known = _facts(*(_member(text) for text in texts))
    flat = np.stack(
        [np.concatenate([np.ravel(x) for x in jax.tree.leaves(_member(t))]) for t in texts]
    )
    zeros = np.zeros(len(texts), np.float32)
    return flat, known, np.asarray(losses, np.float32), zeros


def test_the_small_survive_and_each_doing_once():
    """Parents: pre*post of loss .5, weight of .9. New: a larger tree of .49, a small one of .6; a
    twin of pre*post.
    """
    flat, known, loss, zeros = _people(["pre*post", "weight"], [0.5, 0.9])
    kept: dict[str, Any] = {
        name: getattr(known, name) for name in ("key", "form", "size", "n_nodes")
    }
    parents = _selection.Parents(
        flat=jnp.asarray(flat), loss=jnp.asarray(loss), count=jnp.asarray(zeros), **kept
    )
    texts = ["post*pre*(post/post)", "pre*post + pre*pre*pre*pre", "1 - post"]
    flat, known, _, _ = _people(texts, [0, 0, 0])
    facts_of: dict[str, Any] = {name: getattr(known, name) for name in kept}
    drawn: dict[str, Any] = {
        "twin": [0, -1, -1],
        "examined": [True] * 3,
        "chosen": [1, 2],
        "real": [True] * 2,
    }
    drawn = {name: np.asarray(x) for name, x in drawn.items()}
    offspring = _selection.Offspring(flat=jnp.asarray(flat), **facts_of, **drawn)
    select = quick_jit(lambda *arguments: _selection.selected(WHERE, *arguments))
    new = _selection.Entrants(flat=flat[1:], loss=np.asarray([0.49, 0.6], np.float32))
    dear, first = select(parents, offspring, new, np.float32(0.1))
    np.testing.assert_allclose(dear.loss, [0.5, 0.6], rtol=1e-6)
    assert dear.n_nodes.tolist() == [3, 3]  # the smaller of two twins
    assert not first
    cheap, first = select(parents, offspring, new, np.float32(0.0))
    np.testing.assert_allclose(cheap.loss, [0.49, 0.5], rtol=1e-6)
    assert cheap.n_nodes.tolist() == [11, 7]  # drift: the newer of two twins
    assert first
    assert cheap.size[1] == known.size[0]


def test_how_much_harder_lives_are_is_the_median_of_the_parents_that_lived_before():
    never, blown = 0.0, _selection.LARGEST
    before, now = [1.0, 2.0, 5.0, blown, 3.0, 4.0], [1.5, 2.75, 5.125, 0.0, 99.0, blown]
    flat, known, loss, _ = _people(["pre"] * 6, before)
    kept: dict[str, Any] = {
        name: getattr(known, name) for name in ("key", "form", "size", "n_nodes")
    }
    count = np.asarray([1.0, 7.0, 16.0, 3.0, never, 2.0], np.float32)
    parents = _selection.Parents(
        flat=jnp.asarray(flat), loss=jnp.asarray(loss), count=jnp.asarray(count), **kept
    )
    assert _selection.harder(parents, jnp.asarray(now)) == 0.5  # of 0.5, 0.75 and 0.125
    newborn = replace(parents, count=jnp.zeros(6))
    assert _selection.harder(newborn, jnp.asarray(now)) == 0.0


def test_a_search_counts_what_it_saves_and_finds_a_better_rule_that_a_file_holds(tmp_path):
    rule = Symbolic(expression="1", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(steps=12, mu=3, lambda_=6, proposals=64, n_rates=3, refine=0)
    lives = problem(rule, input_sd=1.0)
    course = list(train.steps(lives, outer, 0, train.begin(lives, outer, 0), 0, outer.n_steps))
    seen = [{name: float(value) for name, value in metrics.items()} for *_, metrics in course]
    state = course[-1][1]
    assert seen[-1]["evaluated"] == 12 * 6
    assert seen[-1]["proposed"] > seen[-1]["evaluated"]
    assert seen[-1]["saved"] == pytest.approx(1 - seen[-1]["evaluated"] / seen[-1]["proposed"])
    assert 0 < seen[-1]["neutral"] < 1
    assert seen[-1]["longest_plateau"] >= seen[-1]["plateau"]
    assert seen[0]["lives"] == 4 * (3 + 6 * 3)
    known = np.asarray(state.known)[: int(state.n_known)]
    assert (
        len(np.unique(known, axis=0)) >= len(known) - 3
    )  # nothing is evaluated twice, but for parents that moved
    batch = train.sample(lives.lifetime.task, train.stream(0, "validation"), 8, "validation")
    thetas = jax.tree.map(
        lambda *x: jnp.stack(x), lives.init(jax.random.key(0)), outer.theta(state)
    )
    before, after = np.asarray(train.evaluate(lives, thetas, batch)[0])
    assert after < 0.5 * before
    document, tensors = describe_rule(lives.lifetime, outer.theta(state))
    found = document["slots"]["rule"]["rule"]
    assert found["size"] == 0  # the file holds the tree that was found, as text
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    loaded = cast(Symbolic, load_rule(tmp_path / "rule.safetensors").spec)
    assert loaded.expression == found["expression"]


def test_the_best_parents_are_moved_down_the_gradient_of_their_numbers():
    """Lives: 4 tasks for 3 parents, for 2 parents moved by 5 lengths, for 6 new trees under 3
    rates; and a gradient for each of the 2. Without any number to move there are none of these."""
    rule = Symbolic(expression="pre", size=4, inputs=("pre", "post", "weight"), n_constants=1)
    outer = GeneticProgramming(
        steps=1, mu=3, lambda_=6, proposals=64, n_rates=3, refine=2, lengths=5
    )
    lives = problem(rule, input_sd=1.0)
    ((_, _, metrics),) = train.steps(lives, outer, 0, train.begin(lives, outer, 0), 0, 1)
    assert metrics["lives"] == 4 * (3 + 2 * 5 + 6 * 3) + 2 * 4


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(BadInput, match="one theta"):
        train.begin(
            problem(Symbolic(expression="1", size=2, inputs=("pre",)), shared=False),
            GeneticProgramming(),
            0,
        )
    nothing = problem(Symbolic(learn="none"))
    with pytest.raises(BadInput, match="a number to learn"):
        train.begin(nothing, GeneticProgramming(), 0)
