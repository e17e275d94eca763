"""The stored facts of every known rule are the facts of its code."""

from pathlib import Path

import pytest
import yaml

from metaplast.language.account import plain
from metaplast.registry import BadInput
from metaplast.reuse.ask import account_of
from metaplast.reuse.known import (
    CONFIG,
    FILE,
    SUMMARY,
    facts_of,
    known_rule,
    known_rules,
    rule_path,
)
from metaplast.reuse.load import known


@pytest.mark.parametrize("name", known_rules())
def test_stored_facts_are_those_of_the_code(name: str) -> None:
    rule = known(name)
    right = {"account": plain(account_of(rule.spec)), "reads": sorted(rule.reads)}
    line = yaml.safe_dump(right, default_flow_style=True, width=10**6, sort_keys=False).strip()
    assert facts_of(name) == right, f"known_rules.yaml should say: {name}: {line}"


@pytest.mark.parametrize("name", ["stdp", "eprop", "eligibility", "trace_taylor"])
def test_a_class_of_rules_is_named_as_one(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        known_rule(name)
    words = str(refused.value)
    assert "a class of rules, whose numbers a config gives" in words
    assert f"reference/plugins/rules/{name}" in words
    assert "anti_hebb" not in words


def test_a_run_in_which_nothing_is_plastic_has_no_rule_to_show(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text("rule: null\n")
    (tmp_path / SUMMARY).write_text("{}")
    with pytest.raises(BadInput, match="a run without a rule") as refused:
        rule_path(tmp_path)
    assert FILE not in str(refused.value)
