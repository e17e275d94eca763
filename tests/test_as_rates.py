"""Rules of rates on spiking cells: what they see is a running rate, and nothing else changes."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.leading_component import LeadingComponent
from metaplast.feedback.none import None_ as Silent
from metaplast.life.as_rates import as_rates, no_rates
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.lif import Lif
from metaplast.neurons.poisson import Poisson
from metaplast.neurons.relu import Relu
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.wrappers.sum import Sum
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit

DT = 1e-3
TAU = 20e-3
REFERENCE = 50.0
OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0), rate=1e-3, learn="none")
STDP = Stdp(potentiation=0.02, depression=0.021, tau_pre=TAU, tau_post=TAU)
SPIKING = Feedforward(
    hidden=(),
    source=Poisson(scale=REFERENCE),
    output=Lif(tau_m=50e-3, threshold=0.2, tau_syn=TAU),
    bounds=(0.0, 10.0),
)
GRADED = Feedforward(hidden=(), output=Relu(), bounds=(0.0, 10.0))
TASK = LeadingComponent(n_in=6, group=3, together=0.3, n_frames=20, frame=60)


def lifetime(rule: Any, network: Any = SPIKING, trace: float = TAU) -> Lifetime:
    return Lifetime(
        task=TASK,
        network=network,
        feedback=Silent(),
        slots=(Slot(rule=rule),),
        record=("activity", "weights"),
        rate_trace=trace,
        activity_reference=REFERENCE,
    )


def lived(life: Lifetime) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(activity of the inputs, of the output, weights), each [n_steps, ...], of one life."""
    with jax.enable_x64(True):
        theta = life.init(jax.random.key(0))
        task = life.task.sample(jax.random.key(1), "train")
        born = life.begin(theta, task, jax.random.key(2))
        n_steps = life.task.shape().n_steps
        trace = quick_jit(lambda born: life.advance(theta, task, born, n_steps)[1])(born)
        activity = trace.recorded["activity"]
        weights = np.asarray(trace.recorded["weights"]["input_to_output"])[:, 0]
        return np.asarray(activity["input"]), np.asarray(activity["output"])[:, 0], weights


def rates_of(spikes: np.ndarray) -> np.ndarray:
    """A plain sum over all spikes so far, each faded by its age; a rate r gives r / REFERENCE."""
    steps = np.arange(len(spikes))
    age = np.maximum(steps[:, None] - steps[None, :], 0)
    kernel = np.tril(np.exp(-age * DT / TAU)) * (1.0 - math.exp(-DT / TAU))
    return kernel @ spikes / (DT * REFERENCE)


def test_oja_on_spikes_is_a_plain_loop_over_running_rates():
    pre, post, weights = lived(lifetime(OJA))
    assert pre.sum() > 100 and post.sum() > 10
    x, y = rates_of(pre), rates_of(post)
    w = weights[0]
    for t in range(1, len(pre)):
        w = np.clip(w + 1e-3 * (y[t] * x[t] - y[t] ** 2 * w), 0.0, 10.0)
        np.testing.assert_allclose(weights[t], w, atol=1e-10)
    assert np.abs(weights[-1] - weights[0]).max() > 0.1
    *_, on_spikes = lived(lifetime(OJA, trace=0.0))
    assert np.abs(weights[-1] - on_spikes[-1]).max() > 0.1  # the control: spikes as they are


def test_graded_cells_are_seen_as_they_are():
    with_trace, without = (lived(lifetime(OJA, GRADED, trace)) for trace in (TAU, 0.0))
    for one, other in zip(with_trace, without, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_rule_of_spike_times_keeps_its_spikes_alone_and_in_a_sum():
    bare, kept = lived(lifetime(STDP, trace=0.0)), lived(lifetime(STDP))
    np.testing.assert_allclose(kept[2], bare[2], atol=1e-12)
    pre, post, weights = lived(lifetime(Sum(rules=(("stdp", STDP), ("oja", OJA)))))
    x, y = rates_of(pre), rates_of(post)
    before, after = np.zeros(TASK.n_in), 0.0  # traces of STDP
    fade = math.exp(-DT / TAU)
    moved = 0
    for t in range(len(pre)):
        before, after = fade * before, fade * after
        change = 0.02 * (before + pre[t]) * post[t] - 0.021 * after * pre[t]
        before, after = before + pre[t], after + post[t]
        if t:
            w = weights[t - 1]
            oja = 1e-3 * (y[t] * x[t] - y[t] ** 2 * w)
            np.testing.assert_allclose(weights[t], np.clip(w + change + oja, 0, 10), atol=1e-10)
            moved += np.abs(change).max() > 1e-3
    assert moved > 20


@pytest.mark.parametrize("dt", [0.5e-3, 2e-3])
def test_a_constant_rate_is_its_share_of_the_reference_at_any_dt(dt):
    """One spike every 10 ms, 100 Hz, is an activity of 2 on average where 1 is 50 Hz."""
    wiring = SPIKING.wiring({"input": 1}, 1)
    (edge,) = wiring.edges
    rates = no_rates(wiring, edge)
    assert set(rates) == {"pre", "post"}
    every = round(10e-3 / dt)
    seen = []
    for t in range(40 * every):
        spike = jnp.full(1, float(t % every == 0))
        views = {"output": neuron_view(spike, spike, spike)}
        rates, arrived = as_rates(edge, rates, spike, views, dt, TAU, REFERENCE)
        seen.append((arrived.pre[0], arrived.post["activity"][0]))
    np.testing.assert_allclose(np.mean(seen[20 * every :], axis=0), 2.0, rtol=1e-4)


def test_the_rule_file_states_the_unit(tmp_path):
    import metaplast as mp
    from metaplast.reuse.describe import describe_rule
    from metaplast.reuse.rule_file import save_rule

    life = replace(lifetime(OJA), record=())
    document, tensors = describe_rule(life, life.init(jax.random.key(0)))
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    assert mp.load_rule(tmp_path / "rule.safetensors").activity_reference == REFERENCE
