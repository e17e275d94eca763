"""Every rule file keeps every promise; a reach above `synapse` needs tests/oracles/<name>.py."""

import dataclasses

import jax
import pytest

from metaplast.connections.dense import Dense
from metaplast.language.grammar import SIGNALS
from metaplast.locality.reads import reach, reads
from metaplast.registry import find
from metaplast.rules.wrappers._at_each import AtEach
from metaplast.spec import decode
from metaplast.testing import ContractBroken, check_rule
from metaplast.testing import rule as _rule
from tests.contracts._enrolled import enrolled, oracle
from tests.oracles import normalise, polynomial

POOL = {
    "name": "polynomial",
    "terms": ["error*pre", "post*pre - post*predicted"],
    "initial": [-1.0, 0.1],
}
OTHER_SETTINGS = (
    {
        "name": "stdp",
        "learn": True,
        "mu_potentiation": 0.5,
        "mu_depression": 0.5,
        "at_post_spike": "none",
    },
    {
        "name": "stdp",
        "learn": True,
        "mu_depression": 1.0,
        "pairing": "nearest",
        "increment": "dt_over_tau",
    },
    {
        "name": "triplet",
        "learn": True,
        "a2_plus": 0.1,
        "mu_potentiation": 1.0,
        "pairing": "nearest",
    },
    {"name": "urbanczik_senn", "learn": True, "received": "spikes"},
    {"name": "urbanczik_senn", "learn": True, "tau_delta": 0.0, "expected": "rate"},
    {
        "name": "clopath",
        "learn": True,
        "u_ref_squared": 60.0,
        "delay": 2,
        "scale": 20.2,
        "offset": -70.6,
    },
    {
        "name": "clopath",
        "learn": True,
        "u_ref_squared": 60.0,
        "spike_width": 0.0,
        "between_steps": "linear",
        "mean_of": "u_minus",
    },
    {
        "name": "trace_taylor",
        "terms": [
            "taylor 1 of pre post pre_trace post_slow",
            "pre*pre_slow*weight^2",
            "modulator.reward*error*post_trace",
        ],
        "learn": "both",
        "learn_tau": True,
        "pairing": "nearest",
    },
    {"name": "vogels", "learn": True, "at_post_spike": "before", "at_pre_spike": "none"},
    {"name": "three_factor", "rule": {"name": "trace_taylor", "learn": "both", "learn_tau": True}},
    {"name": "bound", "rule": {"name": "adam"}, "mu": 0.5},
    {"name": "bcm", "learn": True},
    {"name": "rls", "learn": True, "curvature": 2.0, "tau": 20e-3},
    {"name": "metaplastic", "by": "change"},
    {
        "name": "metaplastic",
        "by": "target",
        "rule": {"name": "polynomial", "terms": ["target*pre"]},
    },
    {"name": "metaplastic", "by": "error", "rule": {"name": "polynomial", "terms": ["error*pre"]}},
    {"name": "sliding", "sides": "both", "learn": True},
    {"name": "scaling", "learn": True},
    {"name": "heterosynaptic", "learn": True, "towards": "zero"},
    {"name": "sum", "rules": {"a": {"name": "adam"}, "b": {"name": "consolidating"}}},
    {
        "name": "per_synapse",
        "rule": {"name": "three_factor", "rule": {"name": "trace_taylor", "learn": "both"}},
    },
    {"name": "per_type", "rule": {"name": "mlp"}, "post": 3},
)


@pytest.mark.parametrize("name", enrolled("rule"))
def test_a_rule_keeps_its_promises(name):
    module = oracle(name)
    check_rule(find("rule", name)(), module.step if module else None)


@pytest.mark.parametrize("settings", OTHER_SETTINGS, ids=str)
def test_other_settings_are_as_local_and_as_differentiable(settings):
    with jax.enable_x64(True):
        bench = _rule.Bench(decode("rule", settings))
        _rule.check_locality(bench)
        _rule.check_gradient(bench)


@pytest.mark.parametrize("rule", polynomial.VARIANTS, ids=lambda r: "|".join(r.terms))
def test_a_polynomial_of_any_signals_is_its_plain_loop(rule):
    with jax.enable_x64(True):
        bench = _rule.Bench(rule)
        _rule.check_layouts(bench)
        _rule.check_locality(bench)
        _rule.check_gradient(bench)
        _rule.check_oracle(bench, polynomial.step)


def test_subtractive_normalisation_is_its_plain_loop():
    with jax.enable_x64(True):
        bench = _rule.Bench(
            decode("rule", {"name": "normalise", "form": "subtractive", "strength": 0.3})
        )
        _rule.check_locality(bench)
        _rule.check_oracle(bench, normalise.step)


def test_the_polynomials_above_cover_the_grammar():
    text = " ".join(" ".join(rule.terms) for rule in polynomial.VARIANTS)
    assert set(SIGNALS) <= set(text.replace("*", " ").replace("^", " ").split())
    edge = Dense(3, 4)
    reaches = [reach(reads(rule, edge, ("reward",))) for rule in polynomial.VARIANTS]
    assert reaches == ["synapse", "neuron", "layer"]


def test_a_wide_rule_without_an_oracle_is_refused():
    with pytest.raises(ContractBroken, match="NumPy oracle"):
        check_rule(decode("rule", POOL))


def _holds_a_rule(name: str) -> bool:
    return "rule" in {field.name for field in dataclasses.fields(find("rule", name))}


KEY = jax.random.key(0)
EDGE = Dense(3, 4)
WRAPPERS = [name for name in enrolled("rule") if _holds_a_rule(name)]


@pytest.mark.parametrize("name", WRAPPERS)
def test_what_a_rule_keeps_through_a_reset_is_kept_in_every_wrapper_too(name):
    wrapper = find("rule", name)
    of_wrapper = wrapper().slow - wrapper().rule.slow
    for inner in (decode("rule", "bcm"), decode("rule", "scaling")):
        assert inner.slow
        try:
            around = wrapper(rule=inner)
        except ValueError:
            pytest.skip(f"{name} takes rules of terms alone")
        if issubclass(wrapper, AtEach):
            at_synapses = {f"{side}.{name}" for side in ("post", "pre") for name in inner.slow}
            assert not around.slow
            assert not around.fast & at_synapses
            assert around.fast < set(around.init_state(around.init(KEY, EDGE), EDGE).synapse)
        else:
            assert around.slow == inner.slow | of_wrapper
