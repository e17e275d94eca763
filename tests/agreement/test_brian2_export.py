"""The same spike trains in: the exported Synapses, run by Brian2, have the weights of the rule."""

import inspect
import logging
from typing import Any

import brian2 as b
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import Move
from metaplast.connections.dense import Dense
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.language.grammar import SIGNALS
from metaplast.registry import find
from metaplast.reuse.export.brian2 import SUMMED
from metaplast.reuse.export.exported import export
from metaplast.reuse.export.lowered import program
from metaplast.rules.base import AbstractRule
from metaplast.rules.clopath import Clopath
from metaplast.rules.eprop import Eprop
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.symbolic import Symbolic
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.rules.triplet import Triplet
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.rules.wrappers.normalise import Normalise
from metaplast.rules.wrappers.pathways import Pathways
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.signals import NeuronView, SynapseView
from tests.reuse._exports import forms, module, subject

b.prefs.codegen.target = "numpy"  # needs no compiler
logging.getLogger("brian2").setLevel(logging.ERROR)
N_POST, N_PRE, DT, STEPS = 3, 4, 1e-3, 1000
EVERY = 10
"""Steps between two weights that are compared."""
CONNECTION = Dense(N_POST, N_PRE)
FORMS: dict[str, Any] = forms()
FORMS |= {
    "bounded stdp": Stdp(mu_potentiation=0.4, mu_depression=1.0),
    "one after the other": Pathways(rule=Stdp(mu_potentiation=1.0, mu_depression=1.0)),
    "stdp before": Stdp(at_post_spike="before", increment="dt_over_tau"),
    "stdp after": Stdp(at_pre_spike="after", pairing="nearest"),
    "triplet after": Triplet(at_pre_spike="after", at_post_spike="before"),
    "nearest triplet": Triplet(pairing="nearest", mu_depression=1.0),
    "traces of both": TraceTaylor(
        terms=("pre*post_trace*pre_slow", "post*pre_trace*weight", "pre"),
        initial=(-1.0, 2.0, -0.1),
        at_pre_spike="after",
    ),
    "traces in conflict": TraceTaylor(
        terms=("pre*post_trace", "post*post_trace*pre_trace", "0.1*pre_trace"),
        initial=(-1.0, 2.0, 1.0),
        at_pre_spike="after",
    ),
    "clopath of a unit": Clopath(theta_minus=0.1, theta_plus=0.4, a_ltd=0.02, a_ltp=0.3),
    "clopath of NEST": Clopath(
        u_ref_squared=60.0, spike_width=0.0, between_steps="linear", mean_of="u_minus", delay=2
    ),
    "urbanczik_senn of NEST": UrbanczikSenn(expected="rate", received="spikes"),
    "whole eprop": Eprop(rate=0.01, beta=0.3, rate_cost=0.02),
    "quotient": Symbolic(expression="(post - weight)/(1 + pre)", eligibility="", rate=0.01),
    "network": Mlp(n_state=1, scale=1.0, output="tanh", rate=0.01),
    "sums over synapses": Polynomial(
        terms=(
            "post*pre - post*predicted",
            "input_gain*pre",
            "pre_weight_sum*post - post_weight_sum*pre",
            "pre_weight_norm*post*post_weight_norm",
        ),
        initial=(0.01, -0.01, 0.002, 0.003),
    ),
    "subtractive": Normalise(form="subtractive", strength=0.01),
    "reward": ThreeFactor(rule=Stdp(), modulator="reward"),
    "reward and decay": Sum(
        rules=(("stdp", Stdp()), ("decay", Polynomial(terms=("weight",), initial=(-0.01,))))
    ),
}
FAST = ("stdp", "polynomial")


def theta_of(spec: AbstractRule) -> Any:
    generator = np.random.default_rng(3)
    start = spec.init(jax.random.key(0), CONNECTION)
    return jax.tree.map(lambda x: np.asarray(x) + 0.05 * generator.normal(size=x.shape), start)


def signals() -> dict[str, np.ndarray]:
    """{pre or post: spikes [T, n]} and constant signals of every other name."""
    generator = np.random.default_rng(5)
    found = {
        "pre": 1.0 * (generator.random((STEPS, N_PRE)) < 0.05),
        "post": 1.0 * (generator.random((STEPS, N_POST)) < 0.05),
    }
    for name, (side, _) in SIGNALS.items():
        if side in ("pre", "post") and name not in found:
            n = N_PRE if side == "pre" else N_POST
            found[name] = generator.uniform(0.2, 0.8, (n,))
    found["rate pre"] = generator.uniform(0.2, 0.8, N_PRE)
    found["rate post"] = generator.uniform(0.2, 0.8, N_POST)
    return found


def here(spec: AbstractRule, theta: Any, weight: np.ndarray, rates: frozenset[str]) -> np.ndarray:
    """The weights of one second of the rule, every EVERY steps and at the end.

    rates: the sides whose activity is a rate.
    """
    found = signals()
    with jax.enable_x64(True):
        theta = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), theta)
        birth = jnp.asarray(weight)

        bounded = Move(jnp.ones(()), jnp.ones(()), 0.0, 1.0)

        def step(carry: Any, spikes: Any) -> Any:
            state, w = carry
            sides = {}
            for side, n in (("pre", N_PRE), ("post", N_POST)):
                values = dict.fromkeys(NeuronView.__dataclass_fields__, jnp.zeros(n))
                for name, (of_side, field) in SIGNALS.items():
                    if of_side == side and name not in ("pre", "post"):
                        values[field] = jnp.asarray(found[name])
                values["activity"] = spikes[side]
                if side in rates:
                    values["activity"] = jnp.asarray(found[f"rate {side}"])
                sides[side] = values
            fields = {}
            for side, values in sides.items():
                for field, value in values.items():
                    fields[f"{side}.{field}"] = value
            sums = aggregates(CONNECTION, w, fields.__getitem__, AGGREGATES)
            view = SynapseView(
                pre=NeuronView(**sides["pre"] | sums["pre"]),
                post=NeuronView(**sides["post"] | sums["post"]),
                weight=w,
                weight_initial=birth,
                weight_max=jnp.ones(()),
                modulators={"reward": jnp.asarray(0.7)},
                key=jax.random.key(0),
            )
            return spec.apply(theta, state, bounded, CONNECTION, view, DT), w

        trains = {side: jnp.asarray(found[side]) for side in ("pre", "post")}
        first = (spec.init_state(theta, CONNECTION), birth)
        (_, last), before = jax.lax.scan(step, first, trains)
        return np.concatenate([np.asarray(before)[::EVERY], np.asarray(last)[None]])


def there(
    text: str, weight: np.ndarray, found: dict[str, np.ndarray] | None = None, **delays: Any
) -> np.ndarray:
    """The weights of one second of the exported file in Brian2, as `here`."""
    found = found or signals()
    b.start_scope()
    b.defaultclock.dt = DT * b.second
    made = module(text)
    groups = {}
    for side, n in (("pre", N_PRE), ("post", N_POST)):
        fields = {field for of_side, field in SIGNALS.values() if of_side == side}
        train = b.TimedArray(found[side], dt=DT * b.second)
        model = "\n".join(
            f"{field} : 1" for field in sorted(fields | {"weight_square", "input_power"})
        )
        group = b.NeuronGroup(n, model, threshold="train(t, i) > 0", namespace={"train": train})
        for name, (of_side, field) in SIGNALS.items():
            if of_side == side and name not in ("pre", "post", *SUMMED):
                setattr(group, field, found[name])
        group.activity = found[f"rate {side}"]
        groups[side] = group
    learned = made.synapses(groups["pre"], groups["post"], weight, low=0.0, high=1.0, **delays)
    if hasattr(learned, "modulator_reward"):
        learned.modulator_reward = 0.7
    monitor = b.StateMonitor(learned, "w", record=True, dt=EVERY * DT * b.second)
    b.Network(*groups.values(), learned, monitor).run(STEPS * DT * b.second)
    weights = np.zeros((STEPS // EVERY + 1, N_POST, N_PRE))
    weights[:-1, np.asarray(learned.j), np.asarray(learned.i)] = np.asarray(monitor.w).T
    weights[-1, np.asarray(learned.j), np.asarray(learned.i)] = np.asarray(learned.w)
    return weights


def exported(spec: AbstractRule, theta: Any) -> str:
    """The exported file."""
    result = export(subject(spec, theta), "brian2")
    assert result.grade == "faithful", result.reasons
    return result.text


def agree(spec: AbstractRule) -> float:
    """The largest difference of a weight within one second of a rule with drawn numbers."""
    return difference_of(spec, theta_of(spec))


def difference_of(spec: AbstractRule, theta: Any, least: float = 1e-4) -> float:
    """The largest difference of a weight within one second.

    least: what the weights must have changed by.
    """
    read = program(subject(spec, theta).rule).signals
    rates = {signal.name for signal in read if signal.kind == "signal"} & {"pre", "post"}
    weight = first_weight()
    mine = here(spec, theta, weight, frozenset(rates))
    theirs = there(exported(spec, theta), weight)
    assert np.abs(mine - weight).max() > least  # the rule did learn
    return float(np.abs(mine - theirs).max())


def first_weight() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.2, 0.8, (N_POST, N_PRE))


@pytest.mark.parametrize("form", FAST)
def test_brian2_has_the_weights_of_a_common_rule(form: str) -> None:
    assert agree(FORMS[form]) < 1e-4


@pytest.mark.system
@pytest.mark.parametrize("form", [form for form in FORMS if form not in FAST])
def test_brian2_has_the_weights_of_the_rule(form: str) -> None:
    assert agree(FORMS[form]) < 1e-4


@pytest.mark.system
def test_a_rule_of_rates_has_weights_of_either_sign() -> None:
    """Bounds that nobody asked for would cut the weights of `delta` at once."""
    assert "low=-np.inf" in exported(find("rule", "polynomial")(), {})
    assert "    low,\n" in exported(find("rule", "stdp")(), {})  # must be given


def of_edge(spec: AbstractRule, bounds: tuple[float, float]) -> Any:
    """The module of a rule that was found on an edge with bounds."""
    made = subject(spec, {})._replace(bounds=bounds)
    result = export(made, "brian2")
    assert f"[{bounds[0]:g}, {bounds[1]:g}]" in result.reasons[0]
    return module(result.text)


def test_the_bounds_are_those_of_the_edge_and_of_no_first_weight_outside() -> None:
    """A weight of 1.25, which a fit found on an edge up to 2, is no weight of 1."""
    b.start_scope()
    b.defaultclock.dt = DT * b.second
    groups = [b.SpikeGeneratorGroup(1, [0], [t] * b.second) for t in (2e-3, 5e-3)]
    found = of_edge(Stdp(potentiation=0.1), (0.0, 2.0))
    learned = found.synapses(*groups, np.full((1, 1), 1.25))
    b.Network(*groups, learned).run(20e-3 * b.second)
    assert np.asarray(learned.w) == pytest.approx([1.25 + 0.1 * np.exp(-3 / 20)])
    with pytest.raises(ValueError, match=r"from 50 to 50 - expected weights in \[0, 2\]"):
        found.synapses(*groups, np.full((1, 1), 50.0))
    with pytest.raises(TypeError, match="low"):
        module(exported(Stdp(), {})).synapses(*groups, np.full((1, 1), 0.5))


def test_a_rule_of_rates_keeps_its_step_in_a_simulation_of_another_one() -> None:
    b.start_scope()
    b.defaultclock.dt = 0.1 * DT * b.second
    groups = [b.NeuronGroup(1, "activity : 1") for _ in range(2)]
    for group in groups:
        group.activity = 1.0
    rule = Polynomial(terms=("post*pre",), initial=(0.01,), rate=1.0, learn="none")
    made = subject(rule, {})._replace(dt=DT)
    learned = module(export(made, "brian2").text).synapses(*groups, np.zeros((1, 1)))
    b.Network(*groups, learned).run(20 * DT * b.second)
    assert np.asarray(learned.w) == pytest.approx([0.2])  # 20 steps of 1 ms


def test_a_file_has_the_arguments_that_act() -> None:
    spikes = inspect.signature(module(exported(Stdp(), {})).synapses).parameters
    rates = inspect.signature(module(exported(Polynomial(), {})).synapses).parameters
    assert "dt" not in spikes
    assert "dendritic_delay" in spikes
    assert "dt" in rates
    assert "dendritic_delay" not in rates


def test_delays_shift_the_spikes() -> None:
    """A delay of 3 ms is the same as spikes that come 3 steps later, on either side."""
    spec = Stdp(mu_potentiation=1.0)
    text, weight = exported(spec, {}), first_weight()
    for side, name in (("pre", "delay"), ("post", "dendritic_delay")):
        late = signals()
        late[side] = np.roll(late[side], 3, axis=0)
        late[side][:3] = 0.0
        expected = there(text, weight, late)
        seen = there(text, weight, signals(), **{name: 3 * DT * b.second})
        assert np.abs(expected - seen).max() < 1e-12
        assert np.abs(seen - there(text, weight)).max() > 1e-4


@pytest.mark.system
@pytest.mark.parametrize("form", ["stdp", "reward"])
def test_the_file_runs_an_example(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec = FORMS[form]
    b.start_scope()
    module(exported(spec, theta_of(spec)), "__main__")
    assert len(capsys.readouterr().out.strip("[]\n").split()) == 6


def test_the_synapses_transmit_what_they_are_told() -> None:
    b.start_scope()
    b.defaultclock.dt = DT * b.second
    source = b.SpikeGeneratorGroup(1, [0, 0], [2e-3, 5e-3] * b.second)
    target = b.NeuronGroup(1, "current : 1", threshold="current > 9")
    made = module(exported(Stdp(), {}))
    learned = made.synapses(
        source, target, np.full((1, 1), 0.25), low=0.0, high=1.0, transmit="current_post += w"
    )
    b.Network(source, target, learned).run(10e-3 * b.second)
    assert np.asarray(target.current) == pytest.approx([0.5])


def test_a_sum_over_a_layer_is_refused_with_its_name() -> None:
    rule = Polynomial(terms=("pre*layer_power",), initial=(1.0,), learn="none")
    result = export(subject(rule, {}), "brian2")
    assert result.grade == "unsupported"
    assert "layer_power" in result.reasons[0]
