"""The stored facts of every known rule are the facts of its code."""

import pytest
import yaml

from metaplast.language.account import plain
from metaplast.reuse.ask import account_of
from metaplast.reuse.known import facts_of, known_rules
from metaplast.reuse.load import known


@pytest.mark.parametrize("name", known_rules())
def test_stored_facts_are_those_of_the_code(name: str) -> None:
    rule = known(name)
    right = {"account": plain(account_of(rule.spec)), "reads": sorted(rule.reads)}
    line = yaml.safe_dump(right, default_flow_style=True, width=10**6, sort_keys=False).strip()
    assert facts_of(name) == right, f"known_rules.yaml should say: {name}: {line}"
