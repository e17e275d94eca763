"""Units that are silent or saturated through a whole life: by hand, and through a problem."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.homeostasis import Homeostasis
from inner_tasks.teacher_student import TeacherStudent
from metaplast.connections.sparse import Sparse
from metaplast.feedback.none import None_
from metaplast.genomes.random import Random as Drawn
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.units import FAULTS, faults, idle
from metaplast.networks.ei import Ei
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons._surrogates import spike
from metaplast.neurons.lif import Lif
from metaplast.neurons.linear import Linear
from metaplast.neurons.poisson import Poisson
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.relu import Relu
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.neurons.softplus import Softplus
from metaplast.neurons.stochastic import Stochastic
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.vogels import Vogels
from metaplast.testing.base import quick_jit

LIFETIME = Lifetime(
    TeacherStudent(n_in=3, n_out=2, n_steps=1),
    Feedforward(hidden=(4,)),
    slots=(),
    measure=("units",),
)
PROBLEM = MetaProblem(LIFETIME, MeanLoss())


def _shares(neuron: Any, potentials: list[list[float]]) -> dict[str, float]:
    """The shares of a hidden population that went through the given potentials [n_steps, 4]."""
    lifetime = dataclasses.replace(LIFETIME, network=Feedforward(hidden=(4,), neuron=neuron))

    @quick_jit
    def shares(potentials: Any) -> dict[str, Any]:
        activity, gain = jax.vmap(neuron.activate)(potentials)
        recorded = {
            "activity": {"hidden_1": activity, "output": jnp.ones((len(potentials), 2))},
            "gain": {"hidden_1": gain, "output": jnp.ones((len(potentials), 2))},
        }
        return idle(lifetime.wiring(), {}, recorded, 1e-3)

    return {k: float(v) for k, v in shares(jnp.asarray(potentials)).items() if "hidden" in k}


@pytest.mark.parametrize(
    ("neuron", "silent", "saturated"),
    [
        (Tanh(), 0.0, 0.5),  # +-9: flat on either side
        (Sigmoid(), 0.25, 0.25),  # -9: 0 throughout; +9: 1 throughout
        (Relu(), 0.25, 0.0),  # -9: dead
        (Softplus(beta=10.0), 0.25, 0.0),
        (Linear(), 0.0, 0.0),
    ],
)
def test_units_are_flat_only_if_they_are_so_in_every_step(
    neuron: Any, silent: float, saturated: float
) -> None:
    potentials = [[9.0, -9.0, 0.1, 9.0], [8.0, -8.0, 0.2, -8.0], [9.0, -9.0, 0.3, 0.1]]
    assert _shares(neuron, potentials) == {
        "silent_hidden_1": silent,
        "saturated_hidden_1": saturated,
    }


@pytest.mark.parametrize(
    ("neuron", "gain", "silent", "saturated"),
    [
        (Tanh(), 1e5, 0.0, 1.0),
        (Relu(), 0.0, 1.0, 0.0),
        # its one step is driven far above or far below threshold
        (Lif(soma_input="jump"), 1e5, 0.5, 0.5),
        (Lif(soma_input="jump"), 0.0, 1.0, 0.0),
        (Tanh(), 1.0, 0.0, 0.0),
    ],
)
def test_a_problem_counts_them_in_every_life(
    neuron: Any, gain: float, silent: float, saturated: float
) -> None:
    network = Feedforward(hidden=(40,), neuron=neuron, gain=gain)
    problem = dataclasses.replace(
        PROBLEM, lifetime=dataclasses.replace(LIFETIME, network=network, genome=Drawn())
    )
    theta = jax.tree.map(lambda x: x[None], problem.lifetime._init(jax.random.key(0)))

    @quick_jit
    def metrics_of(key: Any) -> Any:
        return problem.losses(theta, problem.sample(key, 6, "train"))[1]

    metrics = metrics_of(jax.random.key(1))
    assert metrics["silent_hidden_1"].shape == (1, 6)
    driven = ("hidden_1", "output")
    silences = np.stack([metrics[f"silent_{name}"] for name in driven])
    saturations = np.stack([metrics[f"saturated_{name}"] for name in driven])
    np.testing.assert_array_equal(metrics["dead"], np.any(silences == 1.0, axis=0))
    np.testing.assert_array_equal(metrics["saturated"], np.any(saturations > 0.5, axis=0))
    assert np.all(metrics["dead"][0] == 1.0) == (silent == 1.0)
    if saturated in (0.0, 1.0):
        assert np.all(metrics["saturated"][0] == saturated)
    else:  # about half of 40 units: more than half of them in some lives and not in others
        assert 0 < np.mean(metrics["saturated"]) < 1
    total = np.mean(metrics["silent_hidden_1"]), np.mean(metrics["saturated_hidden_1"])
    np.testing.assert_allclose(total, (silent, saturated), atol=0.2 if 0 < silent < 1 else 0.02)


STILL = np.zeros((500, 4))
BUSY = np.ones((500, 4))
LATE = np.concatenate([STILL[:450], BUSY[:50]])
OFTEN = (np.arange(500)[:, None] % 9 == 0) * np.ones((500, 4))  # 111 Hz at 1 ms
SHARES = {
    "silent_hidden_1": 0.0,
    "saturated_hidden_1": 0.0,
    "silent_output": 0.0,
    "saturated_output": 0.0,
}


@pytest.mark.parametrize(
    ("activity", "shares", "at_bound", "wrong"),
    [
        (OFTEN, {}, 0.5, "runaway"),
        (OFTEN[:99], {}, 0.5, ""),  # too short for a rate
        (LATE, {}, 0.0, "runaway"),
        (LATE[::-1], {}, 0.0, ""),
        (STILL, {"silent_hidden_1": 1.0}, 0.0, "dead"),
        (STILL, {"silent_output": 1.0}, 0.0, "dead"),
        (STILL, {"silent_hidden_1": 0.75, "saturated_hidden_1": 0.25}, 0.0, ""),
        (STILL, {"saturated_hidden_1": 0.75}, 0.51, "saturated clipped"),
    ],
)
def test_a_life_is_called_by_its_faults(
    activity: Any, shares: Any, at_bound: float, wrong: str
) -> None:
    lifetime = dataclasses.replace(LIFETIME, network=Feedforward(hidden=(4,), neuron=Lif()))
    seen = {
        "hidden_1": jnp.asarray(activity),
        "output": jnp.full((len(activity), 2), 1e3),
        "input": jnp.ones(1),
    }
    idle_shares = {name: jnp.asarray(share) for name, share in (SHARES | shares).items()}
    verdicts = faults(lifetime.wiring(), idle_shares, seen, jnp.asarray(at_bound), 1e-3)
    assert [name for name in FAULTS if verdicts[name]] == wrong.split()
    assert set(verdicts) == set(FAULTS)


@pytest.mark.parametrize(
    ("neuron", "period", "saturated"),
    [
        (Lif(soma_input="jump"), 1, 1.0),
        # kicked far above threshold, where a surrogate is flat, and well all the same
        (Lif(soma_input="jump"), 2, 0.0),
        (Refractory(neuron=Lif(), period=4e-3), 6, 0.0),
        (Refractory(neuron=Lif(), period=4e-3), 5, 1.0),  # as often as it can
    ],
)
def test_a_unit_of_spikes_is_saturated_by_its_rate_not_by_its_gain(
    neuron: Any, period: int, saturated: float
) -> None:
    lifetime = dataclasses.replace(LIFETIME, network=Feedforward(hidden=(4,), neuron=neuron))
    spikes = (np.arange(100)[:, None] % period == 0) * np.ones((100, 4))
    recorded = {
        name: {"hidden_1": jnp.asarray(spikes), "output": jnp.ones((100, 2))}
        for name in ("activity", "gain")
    }
    recorded["gain"]["hidden_1"] = jnp.zeros((100, 4))
    idle_shares = quick_jit(lambda seen: idle(lifetime.wiring(), {}, seen, 1e-3))(recorded)
    assert idle_shares["saturated_hidden_1"] == saturated
    assert idle_shares["silent_hidden_1"] == 0.0


def test_a_unit_that_answers_anew_in_every_step_has_no_rate() -> None:
    """Its steady yes is an answer; with a membrane the same spikes are a fault."""
    named = {}
    for tau_m in (0.0, 20e-3):
        coin = Stochastic(tau_m=tau_m, noise="sigmoid")
        lifetime = dataclasses.replace(LIFETIME, network=Feedforward(hidden=(4,), neuron=coin))
        yes = {"hidden_1": jnp.ones((500, 4)), "output": jnp.ones((500, 2))}
        wiring = lifetime.wiring()
        shares = idle(wiring, {}, {"activity": yes, "gain": yes}, 1e-3)
        verdicts = faults(wiring, shares, yes, jnp.zeros(()), 1e-3)
        named[tau_m] = [name for name in FAULTS if verdicts[name]]
        no = {"hidden_1": jnp.zeros((500, 4)), "output": jnp.ones((500, 2))}
        assert idle(wiring, {}, {"activity": no, "gain": no}, 1e-3)["silent_hidden_1"] == 1.0
    assert named == {0.0: [], 20e-3: ["saturated", "runaway"]}


def test_a_rate_network_does_not_run_away_by_its_rate() -> None:
    """The activity of a rate unit has no hertz.

    Activity that grows without bound is not finite, and counts as diverged.
    """
    seen = {"hidden_1": jnp.full((900, 4), 1e6), "output": jnp.zeros((900, 2))}
    idle_shares = {name: jnp.asarray(share) for name, share in SHARES.items()}
    assert not any(faults(LIFETIME.wiring(), idle_shares, seen, jnp.zeros(()), 1e-3).values())


def test_a_broken_spiking_life_is_counted_as_diverged_not_as_silent() -> None:
    """The numbers of the rule are NaN, between cells that never fire.

    Nothing that the task sees is broken.
    """
    connection = Sparse(probability=0.9)
    network = Ei(
        readout=False, n_i=30, connection=connection, neuron=Lif(), interneuron=Lif(), gain=0.0
    )
    task = Homeostasis(n_in=2, n_out=30, n_steps=20, window=10)
    slots = (Slot(edges="i_to_e", rule=Vogels(learn=True)),)
    problem = MetaProblem(
        Lifetime(task, network, None_(), slots=slots, measure=("units",)), MeanLoss()
    )
    theta = problem.lifetime._init(jax.random.key(0))
    thetas = jax.tree.map(lambda x: jnp.stack([x, jnp.full_like(x, jnp.nan)]), theta)
    metrics = quick_jit(lambda key: problem.losses(thetas, problem.sample(key, 3, "train"))[1])(
        jax.random.key(1)
    )
    assert (
        np.isfinite(metrics["life_loss"][0]).all()
        and not np.isfinite(metrics["life_loss"][1]).any()
    )
    assert metrics["diverged"] == 3


def test_a_potential_that_is_no_number_makes_no_silence() -> None:
    x = jnp.asarray([jnp.nan, -1.0, 1.0])
    np.testing.assert_array_equal(spike(x, jnp.ones(3)), [np.nan, 0.0, 1.0])


def test_weights_are_within_their_bounds_from_birth_where_silence_may_leave_them_alone() -> None:
    network = Ei(readout=False, n_i=30, source=Poisson(), inhibition_gain=5.0, bounds=(0.0, 0.4))
    task = Homeostasis(n_in=2, n_out=30, n_steps=20, window=10)
    lifetime = Lifetime(task, network, None_(), slots=(Slot(edges="i_to_e", rule=Vogels()),))
    born = quick_jit(
        lambda key: lifetime.begin(lifetime._init(key), task.sample(key, "train"), key)
    )(jax.random.key(0))
    drawn = np.asarray(born.synapses["i_to_i"].weight)  # static: as drawn
    learns = np.asarray(born.synapses["i_to_e"].weight)
    assert drawn.max() > 0.4 >= learns.max() and (learns == np.float32(0.4)).any()
