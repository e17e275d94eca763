"""Search spaces: the same search in other coordinates; outside of them theta is the true one."""

import inspect
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop, space
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.protocol import Problem, same_theta
from metaplast.registry import BadInput
from metaplast.space import Coordinate, SearchedProblem, check, decode, encode, within
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import quadratic, weights
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from tests._compiler import as_users
from tests._written_problem import NO_BATCH, WrittenProblem, metrics_of

THETA = {
    "rules": {"rule": {"rate": jnp.asarray([0.5, 2.0]), "bias": jnp.asarray(0.3)}},
    "genome": {"w": jnp.ones(3)},
}
SPACE = (
    ("rates", Coordinate(leaves="rules/*/rate", transform="log", scale=2.0)),
    ("bias", Coordinate(leaves="*/bias", transform="box", low=-1.0, high=2.0, scale=0.5)),
    ("weights", Coordinate(leaves="genome/*", scale=3.0)),
)
BOX = (("w", Coordinate(leaves="genome/*", transform="box", low=-1.7, high=1.7)),)


class Written(WrittenProblem):
    """Losses written by hand.

    The loss of a population is linear in the genome: it pulls every number up against its bound.
    The loss with a gradient is another one, of all leaves.
    """

    def loss(self, theta: Any, batch: Any) -> Any:
        rule = theta["rules"]["rule"]
        return jnp.sum(rule["rate"] ** 2) * theta["genome"]["w"][0] + rule["bias"] ** 3

    def losses(self, thetas: Any, batch: Any, share: Any = None, unravel: Any = same_theta) -> Any:
        w = jax.vmap(unravel)(thetas)["genome"]["w"]
        losses = -jnp.sum(w, axis=1)
        return losses, {**metrics_of(losses), "seen": w}


PROBLEM = Written()


def test_there_and_back_and_the_meaning_of_each_coordinate():
    z = encode(SPACE, THETA)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), decode(SPACE, z), THETA)
    np.testing.assert_allclose(z["rules"]["rule"]["rate"], np.log([0.5, 2.0]) / 2.0, rtol=1e-6)
    np.testing.assert_allclose(z["genome"]["w"], np.ones(3) / 3.0)
    far = jax.tree.map(lambda x: jnp.stack([x - 1e3, x + 1e3]), z)  # and a member axis
    bias = np.asarray(decode(SPACE, far)["rules"]["rule"]["bias"])
    np.testing.assert_array_equal(bias, [-1.0, 2.0])  # onto its bounds, never beyond
    assert (np.asarray(decode(SPACE, far)["rules"]["rule"]["rate"]) >= 0).all()


def test_the_gradient_goes_through_the_coordinates_as_central_differences_say():
    with jax.enable_x64(True):
        theta = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), THETA)
        searched = SearchedProblem(PROBLEM, SPACE)
        z = encode(SPACE, theta)
        grad = searched.value_and_grad(z, NO_BATCH).gradient
        flat, unravel = jax.flatten_util.ravel_pytree(z)
        value = lambda x: float(PROBLEM.loss(decode(SPACE, unravel(x)), NO_BATCH))
        steps = 1e-5 * np.eye(flat.size)
        expected = [(value(flat + h) - value(flat - h)) / 2e-5 for h in steps]
        np.testing.assert_allclose(
            jax.flatten_util.ravel_pytree(grad)[0], expected, rtol=1e-6, atol=1e-8
        )


def test_evolution_stays_inside_the_box_and_starts_as_wide_as_each_leaf_says():
    theta = {"genome": {"w": jnp.zeros((200,)), "v": jnp.full((200,), 2.0)}}
    coordinates = (
        ("w", Coordinate(leaves="*/w", transform="box", low=-0.7, high=0.1, scale=3.0)),
        ("v", Coordinate(leaves="*/v", transform="log", scale=5.0)),
    )
    theta["genome"]["w"] = theta["genome"]["w"] - 0.3
    es = within(Es(population=16, std=0.02, learning_rate=2.0), coordinates)
    genomes: list[Any] = []

    def note(thetas: Any) -> None:
        genomes.append(jax.tree.map(np.asarray, thetas["genome"]))

    class Spy(Written):
        def losses(
            self, thetas: Any, batch: Any, share: Any = None, unravel: Any = same_theta
        ) -> Any:
            jax.debug.callback(note, jax.vmap(unravel)(thetas))
            return super().losses(thetas, batch, share, unravel)

    spied = Spy()
    step = quick_jit(lambda s, k: es.step(spied, s, NO_BATCH, k))
    state = es.init(spied, theta, jax.random.key(0), es.hyper())
    for index in range(60):
        state, _ = step(state, jax.random.key(index))
    jax.effects_barrier()
    assert np.std(genomes[0]["w"]) == pytest.approx(3.0 * 0.02 * 0.4, rel=0.05)
    assert np.std(np.log(genomes[0]["v"])) == pytest.approx(5.0 * 0.02, rel=0.05)
    low = np.float32(-0.7)
    high = np.float32(0.1)
    for genome in (*genomes, es.theta(state)["genome"]):
        assert (genome["w"] >= low).all()
        assert (genome["w"] <= high).all()
        assert (genome["v"] > 0).all()
    assert es.theta(state)["genome"]["w"].mean() > -0.1  # it was pulled up


@pytest.mark.exact
def test_coordinates_that_change_nothing_give_the_same_bits(monkeypatch):
    as_users(monkeypatch, search_loop, "_step")
    problem = quadratic(n_tasks=2)
    outer = Bptt(steps=3)
    assert within(outer, ()) is outer
    ends = []
    for loop in (outer, within(outer, (("all", Coordinate()),))):
        *_, (_, state, _) = search_loop.steps(
            problem, loop, 0, search_loop.begin(problem, loop, 0), 0, 3
        )
        ends.append(weights(loop.theta(state)))
    np.testing.assert_array_equal(ends[0], ends[1])


def test_a_gradient_in_a_box_goes_down_and_theta_outside_is_the_true_one():
    problem = quadratic(n_tasks=2)
    outer = within(Bptt(steps=10, learning_rate=0.1), BOX)
    state = search_loop.begin(problem, outer, 0)
    start = problem.init(search_loop.stream(0, "theta"))
    np.testing.assert_allclose(weights(outer.theta(state)), weights(start), rtol=1e-5)
    (_, _, first), *_, (_, end, last) = search_loop.steps(problem, outer, 0, state, 0, 10)
    assert last["loss"] < 0.7 * first["loss"]
    assert np.abs(weights(outer.theta(end))).max() < 1.7


@pytest.mark.parametrize(
    ("coordinate", "words"),
    [
        (
            {"leaves": "rules/*/speed"},
            r"space.own: leaves='rules/\*/speed' - expected one that matches.*rules/rule/rate",
        ),
        (
            {"leaves": "*/bias", "transform": "box", "low": 0.5, "high": 1.0},
            "bias starts at 0.3 .* between 0.5 and 1",
        ),
        (
            {"leaves": "genome/w", "transform": "box", "low": 0.0, "high": 1.0},
            "starts at 1 .* inside the box",
        ),
        ({"leaves": "*/low", "transform": "log"}, "genome/low starts at -2 .* positive numbers"),
        ({"leaves": "*/n"}, "genome/n of int32 .* floats"),
        (
            {"leaves": "*r", "scale": 2.0},
            "space.own and space.other: genome/other - expected one coordinate",
        ),
    ],
)
def test_a_leaf_without_a_coordinate_is_refused_by_name(coordinate, words):
    genome = {
        **THETA["genome"],
        "low": jnp.asarray([1.0, -2.0]),
        "n": jnp.asarray(3),
        "other": jnp.ones(()),
    }
    both = (("own", Coordinate(**coordinate)), ("other", Coordinate(leaves="genome/other")))
    with pytest.raises(BadInput, match=words):
        check(both, {**THETA, "genome": genome})


def test_a_start_outside_is_refused_before_anything_compiles():
    narrow = (("w", replace(BOX[0][1], low=-1e-3, high=1e-3)),)
    before = search_loop._init._cache_size()
    with pytest.raises(BadInput, match=r"space.w: genome/input_to_output starts at"):
        search_loop.begin(quadratic(n_tasks=2), within(Bptt(), narrow), 0)
    assert search_loop._init._cache_size() == before
    for wrong in (
        {"transform": "box"},
        {"transform": "box", "low": 1.0, "high": 0.0},
        {"transform": "log", "low": 0.0},
    ):
        with pytest.raises(ValueError, match=r"low < high|no bounds"):
            Coordinate(**wrong)


def test_every_method_of_a_theta_in_a_problem_takes_coordinates_in_a_searched_one():
    takes_theta = set()
    for name, value in vars(Problem).items():
        if name.startswith("_") or not callable(value):
            continue
        if {"theta", "thetas"} & set(inspect.signature(value).parameters):
            takes_theta.add(name)
    assert takes_theta >= {
        "losses",
        "value_and_grad",
        "begin",
        "advance",
        "window_losses",
        "window_gradient",
    }
    for name in takes_theta:
        method = getattr(SearchedProblem, name)
        for other in (Problem, MetaProblem):
            expected = inspect.signature(getattr(other, name)).parameters.keys()
            assert inspect.signature(method).parameters.keys() == expected
        assert "decode" in inspect.getsource(method), name
    assert space.SearchedOuterLoop.__abstractmethods__ == frozenset()


def test_the_problem_itself_has_all_of_the_protocol_and_no_other_method_of_a_theta():
    protocol = {name for name in vars(Problem) if not name.startswith("_")}
    own = {name for name in vars(MetaProblem) if not name.startswith("_")}
    assert protocol <= own
    for name in own - protocol:
        value = getattr(MetaProblem, name)
        if callable(value):
            assert not {"theta", "thetas"} & set(inspect.signature(value).parameters)
