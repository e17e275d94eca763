"""Specs check every value, from YAML and from Python alike."""

import math
from typing import Annotated

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.softplus import Softplus
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.clip import Clip
from metaplast.spec import (
    Count,
    Options,
    Positive,
    build,
    decode,
    encode,
    explain,
    frozen,
    plugin,
    spec,
)


@spec
class Sample:
    count: Count = 1
    rate: Positive = 1.0
    flag: bool = False
    name: str = "a"
    sizes: tuple[Count, ...] = ()
    options: Options = ()
    rule: Annotated[object, plugin("rule")] = Polynomial()


@pytest.mark.parametrize(
    "fields",
    [
        {"count": True},
        {"count": 1.0},
        {"count": "1"},
        {"count": 0},
        {"rate": True},
        {"rate": "1.0"},
        {"rate": 0.0},
        {"rate": math.inf},
        {"rate": math.nan},
        {"rate": None},
        {"flag": 1},
        {"flag": "true"},
        {"name": 3},
        {"sizes": [1, 2.5]},
        {"sizes": [True]},
        {"sizes": 3},
        {"options": {"b2": [1]}},
        {"rule": {"terms": ["pre"]}},
        {"rule": 3},
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(fields):
    (field,) = fields
    for make in (lambda: build(Sample, fields), lambda: Sample(**fields)):
        with pytest.raises(pydantic.ValidationError) as refused:
            make()
        message = str(explain(refused.value))
        assert message.startswith(field)
        assert "\n" not in message


def test_an_unknown_field_is_named_and_the_nearest_offered():
    with pytest.raises(
        BadInput,
        match=r"unknown field 'cuont' - expected one of count, .* - did you mean 'count'\?",
    ):
        build(Sample, {"cuont": 1})
    with pytest.raises(pydantic.ValidationError, match="cuont"):
        Sample(cuont=1)


def test_a_wrong_field_deep_inside_is_told_with_its_path():
    with pytest.raises(pydantic.ValidationError) as refused:
        build(Sample, {"rule": {"name": "clip", "rule": {"name": "polynomial", "rate": -1.0}}})
    assert str(explain(refused.value, "problem")).startswith("problem.rule.rule.rate=-1.0")
    with pytest.raises((BadInput, pydantic.ValidationError)) as refused:
        build(Sample, {"rule": {"name": "polynomal"}})
    error = refused.value if isinstance(refused.value, BadInput) else explain(refused.value)
    assert "did you mean 'polynomial'?" in str(error)


def test_a_plug_in_of_another_kind_is_no_rule():
    for wrong in (Softplus(), Sample(), object()):
        with pytest.raises((BadInput, pydantic.ValidationError)):
            Clip(rule=wrong)


def test_lists_become_tuples_so_that_equal_specs_are_one_key():
    from_yaml = decode(
        "network",
        {"name": "feedforward", "hidden": [4, 3], "neuron": {"name": "softplus", "beta": 2.0}},
    )
    from_python = Feedforward(hidden=(4, 3), neuron=Softplus(beta=2.0))
    assert from_yaml == from_python
    assert hash(from_yaml) == hash(from_python)
    assert len({from_yaml, from_python, Feedforward(hidden=(4, 4))}) == 2
    assert hash(build(Sample, {"sizes": [1, 2], "options": {"b2": 0.9}})) == hash(
        Sample(sizes=(1, 2), options=(("b2", 0.9),))
    )


def test_whole_numbers_are_floats_where_a_float_is_meant_and_compile_once():
    one = Softplus(beta=2)
    same = Softplus(beta=2.0)
    assert one == same
    assert type(one.beta) is float


def test_a_spec_cannot_be_changed():
    with pytest.raises(AttributeError):
        Sample().count = 2


@given(
    st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=8)
)
def test_frozen_turns_lists_into_tuples_to_any_depth(value):
    def plain(x):
        return [plain(i) for i in x] if isinstance(x, tuple) else x

    once = frozen(value)
    hash(once)
    assert plain(once) == value
    assert frozen(once) == once


@given(
    count=st.integers(1, 9),
    rate=st.floats(1e-6, 1e6),
    flag=st.booleans(),
    sizes=st.lists(st.integers(1, 99), max_size=3),
    options=st.dictionaries(
        st.text("abc", min_size=1), st.booleans() | st.floats(-1, 1) | st.text("xy"), max_size=2
    ),
    limit=st.floats(0.1, 1.0),
)
def test_plain_data_and_back(count, rate, flag, sizes, options, limit):
    made = Sample(
        count=count,
        rate=rate,
        flag=flag,
        sizes=tuple(sizes),
        options=tuple(options.items()),
        rule=Clip(rule=Polynomial(terms=("pre", "post*weight^2")), limit=limit),
    )
    plain = encode(made)
    assert build(Sample, plain) == made
    assert encode(build(Sample, plain)) == plain


def test_one_value_where_a_list_is_meant_is_told_as_a_list():
    with pytest.raises(pydantic.ValidationError) as refused:
        build(Sample, {"sizes": 3})
    assert str(explain(refused.value, "net")) == "net.sizes=3 - expected a list - write [3]"
