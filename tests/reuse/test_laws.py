"""Rules of users: a shown number is the number that acts, or it is not shown."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast.connections.base import Term
from metaplast.connections.dense import Dense
from metaplast.language.account import plain
from metaplast.life.lifetime import Slot
from metaplast.registry import BadInput, register
from metaplast.results.coefficients import acting
from metaplast.reuse.ask import account_of, check_parts, node_of
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import expression, formula, text
from metaplast.reuse.node import constants, learned
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.base import (
    AbstractRule,
    Account,
    Moved,
    Part,
    TermList,
    TermRule,
    Wrapper,
    grown,
)
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.sum import Sum
from metaplast.signals import rule_state
from metaplast.spec import Positive, plugin, spec
from tests.reuse.conftest import lifetime_of

RATE = 0.0554
FORMS: dict[
    str, tuple[Any, Any]
] = {  # name -> (leaf at the start, rate as it acts) of (field, leaf)
    "log": (jnp.log, lambda rate, x: jnp.exp(x)),
    "logit": (lambda r: jnp.log(r / (1 - r)), lambda rate, x: jax.nn.sigmoid(x)),
    "tanh": (jnp.arctanh, lambda rate, x: jnp.tanh(x)),
    "softplus": (lambda r: jnp.log(jnp.expm1(r)), lambda rate, x: jax.nn.softplus(x)),
    "square": (jnp.sqrt, lambda rate, x: x**2),
    "inverse": (lambda r: 1 / r, lambda rate, x: 1 / x),
    "log2": (jnp.log2, lambda rate, x: 2.0**x),
    "log10": (jnp.log10, lambda rate, x: 10.0**x),
    "fifth": (lambda r: jnp.log(r) / 5, lambda rate, x: jnp.exp(5 * x)),
    "itself": (lambda r: r, lambda rate, x: x),
    "factor": (jnp.ones_like, lambda rate, x: rate * x),
    "one_plus": (jnp.zeros_like, lambda rate, x: rate * (1 + x)),
    "grown": (jnp.zeros_like, lambda rate, x: rate * jnp.exp(5 * x)),
    "far": (lambda r: 0.3 + 0 * r, lambda rate, x: rate * jnp.exp(x)),  # not neutral at the start
}
UNKNOWN: dict[str, tuple[Any, Any]] = {
    "scaled": (lambda r: r / 0.3, lambda rate, x: 0.3 * x),
    "cubed": (jnp.cbrt, lambda rate, x: x**3),
    "held": (jnp.log, lambda rate, x: jnp.minimum(jnp.exp(x), 0.1)),  # a logarithm, up to a point
    "squared": (jnp.zeros_like, lambda rate, x: rate * (1 + x) ** 2),
    "wave": (jnp.zeros_like, lambda rate, x: rate * (1 + jnp.sin(x))),
}


@register("rule", "formed")
@spec
class Formed(TermRule):
    """delta_w = rate post pre + decay w. A leaf of any name moves the rate."""

    form: str = "log"
    leaf: str = "eta"
    rate: float = RATE
    decay: float = -0.01

    def init(self, key: Any, connection: Any) -> Any:
        return {self.leaf: {**FORMS, **UNKNOWN}[self.form][0](jnp.asarray(self.rate))}

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        rate = {**FORMS, **UNKNOWN}[self.form][1](self.rate, theta[self.leaf])
        ones = jnp.ones_like(view.pre.activity)
        decay = Term(self.decay * jnp.ones_like(view.post.activity), ones, power=1)
        return rule_state(), [Term(rate * view.post.activity, view.pre.activity), decay]


@pytest.mark.parametrize("leaf", ["eta", "log_rate", "decay"])
@pytest.mark.parametrize("form", FORMS)
def test_a_known_form_is_shown_as_it_acts_whatever_its_leaf_is_called(form: str, leaf: str) -> None:
    rule = Formed(form=form, leaf=leaf)
    start = rule.init(jax.random.key(0), None)[leaf]
    theta = {leaf: np.asarray(start + 0.4, np.float32)}
    right = float(FORMS[form][1](RATE, jnp.asarray(theta[leaf])))
    shown = constants(node_of(rule, theta))
    assert shown["rate"] == pytest.approx(right, rel=1e-5)
    assert shown["decay"] == -0.01


@pytest.mark.parametrize("form", UNKNOWN)
def test_an_unknown_form_hides_the_number_and_shows_the_leaf(form: str) -> None:
    rule = Formed(form=form)
    shown = constants(node_of(rule, {"eta": np.float32(0.7)}))
    assert "rate" not in shown
    assert shown["learnt eta"] == pytest.approx(0.7)
    assert shown["decay"] == -0.01


@register("rule", "shares")
@spec
class Shares(TermRule):
    """One leaf grows two numbers. Another leaf shrinks one of them."""

    up: float = 0.02
    down: float = 0.03
    twice: bool = False

    def init(self, key: Any, connection: Any) -> Any:
        return {"both": jnp.zeros(()), **({"more": jnp.ones(())} if self.twice else {})}

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        grown = jnp.exp(theta["both"])
        up = self.up * grown * (theta["more"] if self.twice else 1.0)
        squares = Term(-self.down * grown * view.post.activity**2, view.pre.activity)
        return rule_state(), [Term(up * view.post.activity, view.pre.activity), squares]


def test_a_leaf_that_two_numbers_share_is_shown_in_both() -> None:
    shown = constants(node_of(Shares(), {"both": np.float32(0.5)}))
    assert shown["up"] == pytest.approx(0.02 * math.exp(0.5), rel=1e-6)
    assert shown["down"] == pytest.approx(0.03 * math.exp(0.5), rel=1e-6)


def test_a_number_that_two_leaves_move_is_not_shown_by_one_of_them() -> None:
    theta = {"both": np.float32(0.5), "more": np.float32(2.0)}
    assert constants(node_of(Shares(twice=True), theta)).get("up") in (
        None,
        pytest.approx(0.04 * math.exp(0.5)),
    )


@register("rule", "vectors")
@spec
class Vectors(TermRule):
    """A list of numbers and a vector in theta. With `per`, a vector moves two numbers."""

    weights: tuple[float, ...] = (0.01, 0.02)
    up: float = 0.5
    down: float = 0.25
    per: bool = False

    def init(self, key: Any, connection: Any) -> Any:
        return {"v": jnp.log(jnp.asarray([self.up, self.down] if self.per else list(self.weights)))}

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        first, second = jnp.exp(theta["v"])
        x, y = view.pre.activity, view.post.activity
        return rule_state(), [Term(first * y, x), Term(-second * y**2, x)]


def test_a_list_of_numbers_is_shown_as_it_acts() -> None:
    node = node_of(Vectors(), {"v": np.log(np.array([0.3, 0.4], np.float32))})
    assert constants(node)["weights"] == "[0.3, 0.4]"
    assert learned(node) == {"weights[0]": pytest.approx(0.3), "weights[1]": pytest.approx(0.4)}


def test_numbers_that_a_vector_moves_together_are_hidden() -> None:
    shown = constants(node_of(Vectors(per=True), {"v": np.log(np.array([0.3, 0.4], np.float32))}))
    assert "up" not in shown and "down" not in shown


@register("rule", "shaped")
@spec
class Shaped(TermRule):
    """theta is a bare array, a nested tree, or one number for each synapse.

    `account()` is a field.
    """

    rate: float = RATE
    shape: str = "bare"

    def init(self, key: Any, connection: Any) -> Any:
        start = jnp.log(jnp.asarray(self.rate))
        many = jnp.broadcast_to(start, connection.shape)
        return {
            "bare": start,
            "nested": {"a": {"b": start}},
            "listed": [start],
            "each": {"log_rate": many},
        }[self.shape]

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        raise NotImplementedError

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        rate = jnp.exp(jax.tree.leaves(theta)[0])
        return state, rate * view.post.activity[:, None] * view.pre.activity[None, :]

    def account(self) -> Account:
        return Account(grown("rate"))  # which it is not


@pytest.mark.parametrize("shape", ["bare", "nested", "listed"])
def test_theta_of_any_shape_is_read(shape: str) -> None:
    leaf = np.float32(math.log(0.4))
    theta = {"bare": leaf, "nested": {"a": {"b": leaf}}, "listed": [leaf]}[shape]
    assert constants(node_of(Shaped(shape=shape), theta))["rate"] == pytest.approx(0.4)


def test_a_number_a_synapse_is_no_rate_of_the_first_one() -> None:
    theta = {"log_rate": np.log(np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32))}
    assert "rate" not in constants(node_of(Shaped(shape="each"), theta))


@pytest.mark.parametrize(
    "lie",
    [
        grown("rate"),
        {"rate": Moved("nowhere", "exp")},
        {"no_such_field": Moved("log_rate", "exp")},
        {"form": Moved("log_rate", "exp")},
        {"decay": Moved("log_rate", "exp")},
    ],
)
def test_what_a_rule_says_wrongly_is_not_shown(lie: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Formed, "account", lambda self: Account(lie))
    account_of.cache_clear()
    shown = constants(node_of(Formed(leaf="log_rate"), {"log_rate": np.float32(math.log(0.4))}))
    account_of.cache_clear()
    assert shown["rate"] == pytest.approx(0.4) and shown["decay"] == -0.01


def test_a_rule_that_reads_more_than_it_says_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account says that only the terms read the view, and there are no terms."""
    monkeypatch.setattr(Formed, "account", lambda self: Account(silent=True))
    account_of.cache_clear()
    assert not account_of(Formed()).silent
    account_of.cache_clear()


def test_inside_wrappers_each_rule_has_its_own() -> None:
    """`clip` has a field `limit`, and `sum` has labels. A rule inside them keeps its leaves."""
    inner = Formed(leaf="log_limit")
    known = Polynomial(terms=("post*pre",), initial=(1.0,), rate=0.3, learn="rate")
    rule: AbstractRule = Clip(limit=0.2, rule=Sum(rules=(("a", inner), ("b", known))))
    theta = rule.init(jax.random.key(0), Dense(2, 3))
    theta = {
        **theta,
        "a": {"log_limit": np.float32(math.log(0.4))},
        "b": {"log_rate": np.float32(0.2)},
    }
    node = node_of(rule, theta)
    assert constants(node)["limit"] == 0.2
    (several,) = node.parts.values()
    assert constants(several.parts["a"])["rate"] == pytest.approx(0.4)
    assert learned(several.parts["b"])["rate"] == pytest.approx(0.3 * math.e)


@register("rule", "amplified")
@spec
class Amplified(Wrapper):
    """A wrapper with a leaf beside the leaves of its inner rule.

    `says` is the path at which it says that the theta of the inner rule is.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Formed(leaf="log_rate")
    gain: float = 2.0
    says: tuple[str, ...] = ("rule",)

    def account(self) -> Account:
        return Account(parts={"rule": Part(("rule",), self.says, self.rule.account())})

    def init(self, key: Any, connection: Any) -> Any:
        return {"rule": self.rule.init(key, connection), "louder": jnp.zeros(())}

    def inner(self, theta: Any) -> Any:
        return theta["rule"]

    def step(self, theta: Any, state: Any, connection: Any, view: Any, dt: float) -> Any:
        state, delta = self.rule.step(theta["rule"], state, connection, view, dt)
        return state, self.gain * jnp.exp(theta["louder"]) * delta


def test_a_wrapper_of_ones_own() -> None:
    theta = {"rule": {"log_rate": np.float32(math.log(0.4))}, "louder": np.float32(0.7)}
    node = node_of(Amplified(), theta)
    assert constants(node)["gain"] == pytest.approx(2.0 * math.exp(0.7))
    assert constants(node.parts["rule"])["rate"] == pytest.approx(0.4)


def test_a_wrapper_that_says_wrongly_where_theta_is_is_refused() -> None:
    check_parts(Amplified())
    for ask in (account_of, check_parts):
        with pytest.raises(BadInput, match=r"rule amplified: account: part 'rule'"):
            ask(Amplified(says=()))


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        (Formed(form="logit"), "rate=0.0554,"),
        (Formed(form="scaled"), "learnt eta=0.1847"),
        (Vectors(weights=(0.03, 0.04)), "weights=[0.03, 0.04]"),
        (Shaped(shape="nested"), "rate=0.0554,"),
        (Shaped(shape="bare"), "rate=0.0554,"),
    ],
)
def test_console_file_page_and_loaded_rule_say_the_same(
    rule: Any, right: str, tmp_path: Path
) -> None:
    lifetime = lifetime_of(Slot(rule=rule))
    document, tensors = describe_rule(lifetime, lifetime.init(jax.random.key(0)))
    line = formula(document, tensors)
    path = tmp_path / "rule.safetensors"
    save_rule(path, document, tensors)
    file = read_rule(path)
    assert right in f"{line}," and str(RATE) not in line.replace("rate=0.0554", "")
    assert formula(file.document, file.tensors) == line == mp.load_rule(path).formula
    acts = acting(file.document, file.tensors)[1]["rule"]
    assert all(f"{value:.4g}" in line for value in acts.values())


def test_a_file_of_before_with_what_a_rule_said_wrongly_loads_and_is_told_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of earlier versions hold the unchecked account of the rule.

    The loaded rule is shown by its step.
    """
    monkeypatch.setattr(Formed, "account", lambda self: Account(grown("rate")))
    account_of.cache_clear()
    lifetime = lifetime_of(Slot(rule=Formed(leaf="log_rate")))
    document, tensors = describe_rule(lifetime, lifetime.init(jax.random.key(0)))
    document["slots"]["rule"]["account"] = plain(Account(grown("rate")))
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    told = mp.load_rule(tmp_path / "rule.safetensors").formula
    account_of.cache_clear()
    assert f"rate={RATE}" in told


def test_a_file_of_a_rule_that_nobody_imported_says_how_to(tmp_path: Path) -> None:
    lifetime = lifetime_of(Slot(rule=Formed()))
    document, tensors = describe_rule(lifetime, lifetime.init(jax.random.key(0)))
    document["slots"]["rule"]["rule"]["name"] = "of_a_module"
    with pytest.raises(BadInput, match="--import MODULE"):
        save_rule(tmp_path / "rule.safetensors", document, tensors)


@register("rule", "louder_sum")
@spec
class LouderSum(TermList):
    """A list of terms that changes more than its inherited account says.

    It is twice the sum, or it has another leaf.
    """

    rate: Positive = 0.1
    initial: tuple[float, ...] = (0.5,)
    learn: Literal["none", "rate", "coefficients", "both"] = "rate"
    how: str = "twice"

    def init(self, key: Any, connection: Any) -> Any:
        own = {"gain": jnp.ones(())} if self.how == "leaf" else {}
        return {**TermList.init(self, key, connection), **own}

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        more = {
            "twice": 2.0,
            "plain": 1.0,
            "leaf": theta.get("gain", 1.0),
            "reads": view.pre.potential,
        }[self.how]
        rate, c = self.effective(theta)
        return state, [Term(rate * c[0] * view.post.activity, more * view.pre.activity)]


def test_a_sum_of_terms_is_shown_as_one() -> None:
    line = text(expression(node_of(LouderSum(how="plain"), {"log_rate": np.float32(0.2)})))
    assert line == f"{0.1 * math.e:.4g} * (0.5000*post*pre)"


@pytest.mark.parametrize("how", ["twice", "leaf", "reads"])
def test_a_rule_that_does_more_than_its_terms_is_not_shown_as_their_sum(how: str) -> None:
    rule = LouderSum(how=how)
    theta = {"log_rate": np.float32(0.2), **({"gain": np.float32(3.0)} if how == "leaf" else {})}
    node = node_of(rule, theta)
    assert text(expression(node)).startswith("louder_sum(")
    assert not node.account.silent


@pytest.mark.parametrize("shows", ["terms", "expression"])
def test_a_rule_that_says_it_is_a_sum_and_has_no_terms(
    shows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Formed,
        "account",
        lambda self: Account({"initial": Moved("eta", "plus")}, shows, silent=True),
    )
    account_of.cache_clear()
    line = text(expression(node_of(Formed(), {"eta": np.float32(math.log(0.4))})))
    account_of.cache_clear()
    assert line.startswith("formed(") and "rate=0.4," in line
