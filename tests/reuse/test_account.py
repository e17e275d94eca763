"""The numbers of a plug-in rule are shown as they act, also without an account."""

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast import registry
from metaplast.connections.base import Term
from metaplast.life.lifetime import Slot
from metaplast.reuse import formula as f
from metaplast.reuse.ask import account_of, node_of
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.base import Account, Moved, TermRule, grown
from metaplast.signals import rule_state
from metaplast.spec import spec
from metaplast.testing import ContractBroken, check_rule
from tests.reuse.conftest import lifetime_of

RATE = 0.0554


class Hebb(TermRule):
    """delta_w = rate(theta) post pre."""

    @abstractmethod
    def acts(self, theta: Any) -> Any:
        """The rate as it acts."""

    def products(self, theta: Any, state: Any, view: Any, dt: float) -> Any:
        return rule_state(), [Term(self.acts(theta) * view.post.activity, view.pre.activity)]


@registry.register("rule", "log_rate")
@spec
class LogRate(Hebb):
    """theta holds the logarithm of the rate. The rule gives no account of it."""

    rate: float = RATE

    def init(self, key: Any, connection: Any) -> Any:
        return {"log_rate": jnp.log(jnp.asarray(self.rate))}

    def acts(self, theta: Any) -> Any:
        return jnp.exp(theta["log_rate"])


@registry.register("rule", "added")
@spec
class Added(Hebb):
    """theta is added to the rate. The rule gives no account of it."""

    rate: float = RATE

    def init(self, key: Any, connection: Any) -> Any:
        return {"rate": jnp.zeros(())}

    def acts(self, theta: Any) -> Any:
        return self.rate + theta["rate"]


@registry.register("rule", "squared")
@spec
class Squared(Hebb):
    """The rate follows theta by no known law. The rule gives no account of it."""

    rate: float = RATE

    def init(self, key: Any, connection: Any) -> Any:
        return {"root_rate": jnp.zeros(())}

    def acts(self, theta: Any) -> Any:
        return self.rate * (1.0 + theta["root_rate"]) ** 2


@registry.register("rule", "said")
@spec
class Said(LogRate):
    """The account of the rule says that theta is a logarithm."""

    def account(self) -> Account:
        return Account({"rate": Moved("log_rate", "exp")})


@registry.register("rule", "said_wrongly")
@spec
class SaidWrongly(LogRate):
    """The account of the rule says that its rate grows by exp(5 theta). It does not."""

    def account(self) -> Account:
        return Account(grown("rate"))


@registry.register("rule", "house_convention")
@spec
class HouseConvention(Hebb):
    """By `own`, the rule says that its rate grows by exp(5 theta)."""

    rate: float = RATE

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate",)

    def init(self, key: Any, connection: Any) -> Any:
        return {"log_rate": jnp.zeros(())}

    def acts(self, theta: Any) -> Any:
        return self.rate * jnp.exp(5.0 * theta["log_rate"])


def shown(rule: Any, theta: Any) -> str:
    return f.text(f.expression(node_of(rule, theta)))


@pytest.mark.parametrize("rule", [LogRate(), Said()])
def test_a_logarithm_is_shown_as_the_rate(rule: Any) -> None:
    theta = {"log_rate": np.log(np.float32(3.0 * RATE))}
    assert f"rate={3.0 * RATE:.4g}" in shown(rule, theta)


def test_a_sum_is_shown_as_the_rate() -> None:
    assert f"rate={RATE + 0.02:.4g}" in shown(Added(), {"rate": np.float32(0.02)})


def test_the_house_convention() -> None:
    assert f"rate={RATE * math.e:.4g}" in shown(HouseConvention(), {"log_rate": np.float32(0.2)})


def test_where_no_law_fits_the_leaf_is_shown_and_the_field_is_not() -> None:
    text = shown(Squared(), {"root_rate": np.float32(0.5)})
    assert "learnt root_rate=0.5" in text
    assert str(RATE) not in text


@pytest.mark.parametrize("rule", [LogRate(), Added(), Squared(), Said(), HouseConvention()])
def test_the_contract_holds(rule: Any) -> None:
    check_rule(rule)


def test_a_rule_that_speaks_wrongly_of_its_numbers_is_refused() -> None:
    with pytest.raises(
        ContractBroken, match="account: `rate` moved by theta's `log_rate` under the law `grown`"
    ):
        check_rule(SaidWrongly())


def test_console_file_and_loaded_rule_say_the_same_number(tmp_path: Path) -> None:
    lifetime = lifetime_of(Slot(rule=LogRate()))
    theta = lifetime.init(jax.random.key(0))
    document, tensors = describe_rule(lifetime, theta)
    line = f.formula(document, tensors)
    assert f"rate={RATE}" in line
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    file = read_rule(tmp_path / "rule.safetensors")
    assert f.formula(file.document, file.tensors) == line
    assert mp.load_rule(tmp_path / "rule.safetensors").formula == line
    assert account_of(LogRate()).moved == {"rate": Moved("log_rate", "exp")}


def test_a_file_whose_account_is_not_that_of_the_code_is_refused(tmp_path: Path) -> None:
    lifetime = lifetime_of(Slot(rule=LogRate()))
    document, tensors = describe_rule(lifetime, lifetime.init(jax.random.key(0)))
    document["slots"]["rule"]["account"]["moved"]["rate"] = ["log_rate", "grown"]
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    with pytest.raises(mp.BadInput, match="account of its numbers"):
        mp.load_rule(tmp_path / "rule.safetensors")
