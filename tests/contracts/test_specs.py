"""Every plug-in is a spec.

It is built from nothing, hashed by value, written as plain data and read back equal.
"""

import dataclasses
import json

import pytest

from metaplast.registry import KINDS, find
from metaplast.spec import decode, encode
from tests.contracts._enrolled import enrolled

EVERY = [(kind, name) for kind in KINDS for name in enrolled(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_plug_in_is_a_spec(kind, name):
    cls = find(kind, name)
    one = cls()
    two = cls()
    assert one == two
    assert hash(one) == hash(two)
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # written by hand, not by the dataclass
    for field in dataclasses.fields(cls):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, field.name, None)
        break
    with pytest.raises(ValueError, match="no_such_field"):
        decode(kind, {"name": name, "no_such_field": 1})


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_plain_data_and_back(kind, name):
    made = find(kind, name)()
    plain = json.loads(json.dumps(encode(made)))
    assert plain["name"] == name
    again = decode(kind, plain)
    assert again == made
    assert hash(again) == hash(made)
    assert decode(kind, name) == made
    assert decode(kind, made) is made


def test_there_are_plug_ins_of_every_kind():
    assert {kind for kind, _ in EVERY} == set(KINDS)
