"""A config says only what differs from the defaults: a default that moves changes what the configs of before mean."""

import json
from pathlib import Path

import pytest

from metaplast.registry import find
from metaplast.spec import encode

# {kind: {name: its fields by default}}, as they were published. What came later need not stand here.
PUBLISHED = json.loads((Path(__file__).parent / "defaults.json").read_text())
CASES = [(kind, name) for kind, specs in PUBLISHED.items() for name in specs]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_defaults_are_those_that_were_published(kind, name):
    now, then = json.loads(json.dumps(encode(find(kind, name)()))), PUBLISHED[kind][name]
    assert {field: now[field] for field in then} == then
    assert len(now) >= len(then) > 0
