"""The backward pass that takes changes back, against the one that stores weights."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import deep
from metaplast.life import backward, lifetime, rollback
from metaplast.life.rollback import pays
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.symbolic import Symbolic
from metaplast.spec import decode

SIZES = (40, 30, 5)
PRODUCTS = deep.problem("without w", SIZES, 30).lifetime


@pytest.fixture(autouse=True)
def a_small_network_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "LARGE", 1)


def problem(bound: float = 10.0, rule: Any = None) -> MetaProblem:
    """Three lives in lockstep in two chunks; without `rule`, of one that does not read w."""
    rule = rule or Polynomial(terms=("error*pre", "error*pre_error", "1"), rate=1.0)
    lived = replace(
        PRODUCTS,
        network=Feedforward(hidden=SIZES[1:-1], bounds=(-bound, bound)),
        slots=(lifetime.Slot(rule=rule),),
    )
    return replace(deep.problem("without w", SIZES, 30), lifetime=lived, chunk=2)


def gradient(of: MetaProblem, size: float = 0.01) -> tuple[Any, Any]:
    """(The gradient with respect to theta, the metrics) of four lives."""
    start = of.init(jax.random.key(0))
    theta = jax.tree.map(lambda leaf: leaf - jnp.asarray(size, leaf.dtype), start)
    batch = of.sample(jax.random.key(1), 4, "train")
    # A function of its own: JAX finds no program of an earlier pass.
    _, slopes, metrics = jax.jit(lambda *args: of.value_and_grad(*args))(theta, batch)
    return slopes["rules"], metrics


def ordinary(of: MetaProblem, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The gradient by the ordinary backward pass."""
    with monkeypatch.context() as patch:
        patch.setattr(lifetime.Lifetime, "_can_roll_back", lambda *_: False)
        return gradient(of)[0]


def differ(a: Any, b: Any) -> float:
    """The largest relative difference of two trees."""
    x, y = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(t)]) for t in (a, b))
    return float(np.max(np.abs(x - y)) / np.max(np.abs(y)))


@pytest.mark.parametrize(("x64", "tolerance"), [(False, 1e-5), (True, 1e-10)])
@pytest.mark.parametrize(
    "rule",
    [
        None,
        Symbolic(expression="(0.1 - 0.2)*error*pre"),
        Polynomial(terms=("error*pre", "post*pre - post^2*weight"), rate=1.0),
        Symbolic(expression="(0.01 - 0.01*weight)*error*pre"),
    ],
)
def test_equals_the_ordinary_pass(
    monkeypatch: pytest.MonkeyPatch, x64: bool, tolerance: float, rule: Any
) -> None:
    with jax.enable_x64(x64):
        of = problem(rule=rule)
        wanted = ordinary(of, monkeypatch)
        scanned = backward.scan

        def worthless(*args: Any) -> Any:
            life, trace = scanned(*args)
            return life, jax.tree.map(lambda x: 0 * x, trace)

        # The ordinary pass has no gradient now: the right one comes from the roll-back.
        monkeypatch.setattr(backward, "scan", worthless)
        assert differ(gradient(of)[0], wanted) < tolerance


def test_a_life_at_a_bound_takes_the_ordinary_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    of = problem(bound=0.6)
    slopes, metrics = gradient(of)
    assert metrics["at_bound"] > 0
    assert differ(slopes, ordinary(of, monkeypatch)) < 1e-6


def test_without_the_flag_a_life_at_a_bound_has_a_wrong_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = problem(bound=0.6)
    wanted = ordinary(of, monkeypatch)
    monkeypatch.setattr(rollback, "DRIFT", np.inf)
    assert differ(gradient(of)[0], wanted) < 1e-6
    monkeypatch.setattr(lifetime.Lifetime, "_touched", lambda *_: jnp.zeros((), bool))
    assert differ(gradient(of)[0], wanted) > 1e-2


def test_rebuilt_weights_that_drift_take_the_ordinary_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = problem()
    right = lifetime.Lifetime._weights_before
    wanted = ordinary(of, monkeypatch)

    def wrong(*args: Any) -> list[Any]:
        return [weight - 1e-3 for weight in right(*args)]

    monkeypatch.setattr(lifetime.Lifetime, "_weights_before", wrong)
    assert differ(gradient(of)[0], wanted) < 1e-6
    monkeypatch.setattr(rollback, "DRIFT", np.inf)
    assert differ(gradient(of)[0], wanted) > 1e-4


def test_weights_that_shrink_are_rebuilt_in_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decay by 24 % a step enlarges roundings 3,700 times on the way back through 30 steps."""
    of = problem(rule=Polynomial(terms=("error*pre", "weight"), initial=(0.0, -0.23), rate=1.0))
    wanted = ordinary(of, monkeypatch)
    rebuilt = rollback._drift
    drifts: list[float] = []

    def noted(*weights: Any) -> Any:
        drift = rebuilt(*weights)
        jax.debug.callback(lambda x: drifts.extend(np.ravel(x)), drift)
        return drift

    monkeypatch.setattr(rollback, "_drift", noted)
    assert differ(gradient(of)[0], wanted) < 1e-5
    jax.effects_barrier()
    assert max(drifts) < rollback.DRIFT
    monkeypatch.setattr(rollback, "SEGMENTS", 1)
    assert differ(gradient(of)[0], wanted) < 1e-6
    jax.effects_barrier()
    assert max(drifts) > rollback.DRIFT


@pytest.mark.system
@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
def test_a_second_derivative_equals_that_of_the_ordinary_pass(
    monkeypatch: pytest.MonkeyPatch, outer: Any
) -> None:
    with jax.enable_x64(True):
        of = replace(problem(), chunk=1)
        start = of.init(jax.random.key(0))
        batch = of.sample(jax.random.key(1), 1, "train")

        def slope(coefficients: Any) -> Any:
            rules = {"rule": {"coefficients": coefficients}}
            return of.value_and_grad({**start, "rules": rules}, batch).gradient["rules"]

        at = jnp.full(3, -0.01)
        rolled = jax.jit(lambda x: outer(slope)(x))(at)
        monkeypatch.setattr(lifetime.Lifetime, "_can_roll_back", lambda *_: False)
        assert differ(rolled, jax.jit(lambda x: outer(slope)(x))(at)) < 1e-8


def test_only_where_rules_are_affine_in_the_weight_and_few_numbers_are_kept() -> None:
    def rolls(of: MetaProblem, n_steps: int) -> bool:
        theta = of.init(jax.random.key(0))
        batch = of.sample(jax.random.key(1), 1, "train")
        task = jax.tree.map(lambda leaf: leaf[0], batch.tasks)
        life = of.lifetime.begin(theta, task, batch.keys[0])
        return of.lifetime._can_roll_back(theta, task, life, n_steps)

    learned = problem()
    changing = replace(learned.lifetime, feedback=decode("feedback", "learned"))
    assert not rolls(replace(learned, lifetime=changing), 30)
    eligible = Symbolic(expression="eligibility", eligibility="error*pre")
    assert rolls(problem(), 4)
    assert not rolls(problem(), 30_000)
    assert rolls(problem(rule=Polynomial(terms=("error*pre", "weight"))), 4)
    assert not rolls(problem(rule=Polynomial(terms=("error*pre", "weight^2"))), 4)
    assert not rolls(problem(rule=eligible), 4)
    assert pays(n_weights=100, n_of_step=3, n_steps=4)
    assert not pays(n_weights=100, n_of_step=101, n_steps=4)


def test_small_networks_take_the_ordinary_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "LARGE", 101)
    assert not pays(n_weights=100, n_of_step=3, n_steps=4)
    assert pays(n_weights=101, n_of_step=3, n_steps=4)
