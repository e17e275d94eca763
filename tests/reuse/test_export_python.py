"""The exported Python module makes the changes of the rule, step by step, with its state."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast.registry import BadInput, find
from metaplast.reuse.export import lowered
from metaplast.reuse.export._rates import bcm
from metaplast.reuse.export.exported import Subject
from metaplast.reuse.export.lowered import program
from metaplast.reuse.export.source import subject_of
from metaplast.reuse.known import known_rules
from metaplast.reuse.reference import TINY, view_at
from metaplast.rules.abcd import Abcd
from metaplast.rules.clopath import Clopath
from metaplast.rules.eprop import Eprop
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.symbolic import Symbolic
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.rules.wrappers.bound import Bound
from metaplast.rules.wrappers.heterosynaptic import Heterosynaptic
from metaplast.rules.wrappers.metaplastic import Metaplastic
from metaplast.rules.wrappers.normalise import Normalise
from metaplast.rules.wrappers.sliding import Sliding
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from tests.reuse._exports import (
    DT,
    arguments,
    call,
    difference,
    exported_module,
    forms,
    largest_difference,
    moved_theta,
)

SUMS = ("post*pre - post*predicted", "pre_weight_sum*post", "post_weight_norm*pre_weight_norm")
LAYER = ("input_gain*error*pre", "layer_power*pre", "post*layer_backward", "pre*layer_forward")
FORMS: dict[str, Any] = forms()
VARIANTS: dict[str, Any] = {
    "sums over synapses": Polynomial(terms=SUMS, initial=(1.0, 2.0, 3.0)),
    "sums over a layer": Polynomial(terms=LAYER, initial=(1.0, 2.0, 3.0, 4.0)),
    "one side alone": Polynomial(terms=("post", "0.5*post^2"), initial=(1.0, -1.0)),
    "a number alone": Polynomial(terms=("2",), initial=(1.0,), learn="none"),
    "quotient with a trace": Symbolic(
        expression="eligibility/(1.5 + post*weight) - 0.3*(pre - weight)*-2",
        eligibility="post*pre - 0.1*weight",
    ),
    "network with state": Mlp(n_state=2, nonlinearity="leaky_relu", output="tanh", scale=1.0),
    "shared abcd": Abcd(shared=True, learn_rate=True, scale=1.0),
    "abcd with rates": Abcd(learn_rate=True, scale=1.0),
    "nearest stdp": Stdp(pairing="nearest", increment="dt_over_tau", learn=True),
    "bounded stdp": Stdp(mu_potentiation=0.4, mu_depression=1.0, at_post_spike="before"),
    "nearest triplet": Triplet(pairing="nearest", mu_potentiation=1.0, at_pre_spike="after"),
    "learned triplet": Triplet(learn=True, mu_depression=0.2),
    "many traces": TraceTaylor(
        terms=(
            "pre^2*post_trace*pre_slow^2",
            "post*pre*weight*post_slow",
            "post_trace*pre_trace",
            "post*post_trace^2*pre_slow - pre",
        ),
        initial=(1.0, -2.0, 3.0, 0.5),
        learn_tau=True,
    ),
    "nearest traces": TraceTaylor(
        terms=("pre*post_trace*pre_slow", "post*pre_trace", "score*pre_trace*modulator.reward"),
        initial=(1.0, -2.0, 3.0),
        pairing="nearest",
    ),
    "clopath with a mean": Clopath(u_ref_squared=60.0, delay=2, theta_minus=-0.4, theta_plus=0.2),
    "clopath that is held": Clopath(theta_minus=-0.4, theta_plus=0.2, learn=True),
    "clopath without a width": Clopath(theta_minus=-0.4, theta_plus=0.2, spike_width=0.0),
    "whole eprop": Eprop(beta=0.3, rate_cost=0.2, soma_input="steady_state", learn=True),
    "eprop of a readout": Eprop(tau_out=0.0),
    "prediction of spikes": UrbanczikSenn(received="spikes", learn=True),
    "prediction without a filter": UrbanczikSenn(tau_delta=0.0),
    "subtractive": Normalise(form="subtractive", strength=0.3),
    "square bound": Bound(mu=2.0, rule=Polynomial(initial=(0.1, -3.0))),
    "towards zero": Heterosynaptic(towards="zero", power=4, learn=True),
    "both sides slide": Sliding(sides="both", learn=True),
    "several rules": Sum(
        rules=(
            ("spikes", Stdp()),
            ("reward", ThreeFactor(rule=Stdp(potentiation=0.3), modulator="dopamine")),
            ("rate", Sliding()),
        )
    ),
}
for by in ("pre", "post", "error", "target", "change"):
    VARIANTS[f"metaplastic by {by}"] = Metaplastic(by=by, rule=Polynomial(initial=(1.0, -1.0)))


@pytest.mark.parametrize("form", FORMS)
def test_the_module_makes_the_changes_of_the_rule(form: str) -> None:
    spec = FORMS[form]
    assert largest_difference(spec, moved_theta(spec), 50) < 1e-9


@pytest.mark.system
@pytest.mark.parametrize("form", VARIANTS)
def test_the_module_makes_the_changes_of_every_variant(form: str) -> None:
    spec = VARIANTS[form]
    assert largest_difference(spec, moved_theta(spec), 50) < 1e-9


def test_a_wrong_equation_is_seen() -> None:
    """The control of the comparison: a rate that differs by 1e-6 is a difference of that size."""
    spec = find("rule", "bcm")()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lowered.PLAIN, "bcm", lambda builder, rule: 1.000001 * bcm(builder, rule))
        assert 5e-7 < largest_difference(spec, {}, 5) < 2e-6


@pytest.mark.parametrize("name", known_rules())
def test_a_known_rule_agrees_with_load_rule_on_the_reference_signals(name: str) -> None:
    try:
        rule = mp.load_rule(name)
    except BadInput:
        with pytest.raises(BadInput, match="a space to search"):
            subject_of(name)
        return
    made = subject_of(name)
    _compare(rule, made, TINY.shape)


@pytest.mark.parametrize("kind", ["shared", "per_edge", "per_synapse", "two_slots"])
def test_the_rule_of_a_file_agrees_with_load_rule(kind: str, files: dict[str, Path]) -> None:
    edge = None if kind == "shared" else "hidden_1_to_output"
    rule = mp.load_rule(files[kind], edge=edge)
    made = subject_of(files[kind], edge)
    shape = tuple(rule.connections["hidden_1_to_output"]["shape"])
    _compare(rule, made, shape)


def _compare(rule: mp.Rule, made: Subject, shape: tuple[int, ...]) -> None:
    """Compare a few steps of a rule and of its module, on signals of the reference vector."""
    exported = exported_module(made)
    equations = program(made.rule)
    channels = tuple(f.partition(".")[2] for f in rule.reads if f.startswith("modulators."))
    with jax.enable_x64(True):
        weight = np.resize(np.asarray(view_at(0, ()).weight), shape)
        state, mine = rule.init(weight), exported.init(weight)
        for step in range(4):
            seen = _resized(view_at(step, channels), shape)
            state, delta = rule.update(seen, state, dt=DT)
            mine, change = call(exported.update, arguments(equations, seen, sums=True), mine, DT)
            assert difference(np.asarray(delta), change) < 1e-6


def _resized(view: mp.SynapseView, shape: tuple[int, ...]) -> mp.SynapseView:
    """The view on a connection of another shape."""
    n_post, n_pre = shape
    return replace(
        view,
        pre=jax.tree.map(lambda values: jnp.resize(values, (n_pre,)), view.pre),
        post=jax.tree.map(lambda values: jnp.resize(values, (n_post,)), view.post),
        weight=jnp.resize(view.weight, shape),
        weight_initial=jnp.resize(view.weight_initial, shape),
        eligibility=jnp.resize(view.eligibility, shape),
        credit=jnp.resize(view.credit, shape),
    )


def test_a_step_above_half_of_a_time_constant_warns() -> None:
    rule = exported_module(subject_of("zoo/stdp"))
    weight = np.full((1, 1), 0.5)
    given = {"pre": np.ones(1), "post": np.ones(1), "weight": weight, "state": rule.init(weight)}
    rule.update(**given, dt=0.01)
    with pytest.warns(UserWarning, match=r"dt 1 s is above half of tau_\w+, 0\.02 s"):
        rule.update(**given, dt=1.0)  # milliseconds in place of seconds
