"""Defaults stay: a config leaves them out, and a default that moves would change older configs."""

import json
from pathlib import Path

import pytest

from metaplast.registry import find
from metaplast.runs.job import Config
from metaplast.spec import encode

# {kind: {name: its fields by default}}, as they were published. Later plug-ins may be missing.
PUBLISHED = json.loads((Path(__file__).parent / "defaults.json").read_text())
CONFIG = PUBLISHED.pop("config")  # every field of a config but the two that have no default
CASES = [(kind, name) for kind, specs in PUBLISHED.items() for name in specs]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_defaults_are_those_that_were_published(kind, name):
    now = json.loads(json.dumps(encode(find(kind, name)())))
    then = PUBLISHED[kind][name]
    assert {field: now[field] for field in then} == then
    assert len(now) >= len(then) > 0


@pytest.mark.parametrize("field", CONFIG)
def test_a_field_that_a_config_leaves_out_is_what_was_published(field):
    config = Config(task=find("task", "teacher_student")(), outer=find("outer", "bptt")())
    now = json.loads(json.dumps(encode(config)))[field]
    then = CONFIG[field]
    assert ({name: now[name] for name in then} if isinstance(then, dict) else now) == then
