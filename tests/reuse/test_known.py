"""What is kept of every rule that ships is what its code says and does."""

import pytest
import yaml

from metaplast.language.account import plain
from metaplast.reuse.ask import account_of
from metaplast.reuse.known import known_rules, said_of
from metaplast.reuse.load import known


@pytest.mark.parametrize("name", known_rules())
def test_what_is_kept_is_what_the_code_says(name: str) -> None:
    rule = known(name)
    right = {"account": plain(account_of(rule.spec)), "reads": sorted(rule.reads)}
    line = yaml.safe_dump(right, default_flow_style=True, width=10**6, sort_keys=False).strip()
    assert said_of(name) == right, f"known_rules.yaml should say: {name}: {line}"
