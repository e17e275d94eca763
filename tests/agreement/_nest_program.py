"""Run by a Python that has NEST: the experiments of test_nest.py, in NEST's neurons and synapses.

    python _nest_program.py GIVEN FOUND

GIVEN is a JSON file {experiment: its arguments}, FOUND the JSON file that is written, {experiment:
what it returned}. Times are in ms. A train is a list of times for each neuron. Every experiment
starts from an empty kernel.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nest
import numpy as np

FAR = {"E_L": 0.0, "V_reset": 0.0, "V_m": 0.0, "C_m": 1.0, "t_ref": 0.0}
"""A neuron without units: at rest at 0, reset to it, never refractory."""


def main() -> None:
    """Run every experiment that is given."""
    given = json.loads(Path(sys.argv[1]).read_text())
    nest.verbosity = nest.VerbosityLevel.ERROR
    found = {}
    for name, arguments in given.items():
        nest.ResetKernel()
        found[name] = EXPERIMENTS[name](**arguments)
    Path(sys.argv[2]).write_text(json.dumps(found))


def pairs(
    trains: dict[str, list[list[float]]], weights: Any, cases: dict[str, Any], until: float
) -> dict[str, Any]:
    """Synapses that learn from spike times, each between its own neurons.

    A case names the model of its synapse, its parameters and those of the neuron; the train that it
    learns from; the delays of axon and dendrite; and `taught`, the weight of the train `post` at
    the neuron.
    """
    nest.resolution = 1.0
    sources = {name: relays(of_name) for name, of_name in trains.items()}
    transmitter = nest.Create("volume_transmitter")
    nest.Connect(sources.pop("dopamine"), transmitter, syn_spec={"delay": 1.0})
    made = {}
    for name, case in cases.items():
        source = sources["pre"]
        if case["axon"]:
            far = nest.Create("parrot_neuron", len(source))
            nest.Connect(source, far, "one_to_one", {"delay": case["axon"]})
            source = far
        cells = nest.Create("iaf_psc_delta", len(weights), FAR | case["neuron"])
        taught = {"weight": case["taught"], "delay": 1.0}
        nest.Connect(sources["post"], cells, "one_to_one", taught)
        model = case["model"]
        shared = {}
        if model == "stdp_dopamine_synapse":
            nest.CopyModel(model, name, {**case["synapse"], "volume_transmitter": transmitter})
            model = name
        else:
            shared = case["synapse"]
        synapses = {"synapse_model": model, "delay": case["dendrite"], **shared}
        signed = case["sign"] * np.asarray(weights)
        nest.Connect(source, cells, syn_spec={**synapses, "weight": signed})
        made[name] = (source, cells, recorder(cells))
    nest.Simulate(until)
    found = {}
    for name, (source, cells, spikes) in made.items():
        found[name] = {"weights": matrix(source, cells), "spikes": train(spikes, cells)}
    return found


def voltage(
    step: float,
    trains: list[list[float]],
    current: dict[str, list[float]],
    neuron: dict[str, Any],
    synapse: dict[str, Any],
    until: float,
) -> dict[str, Any]:
    """Clopath synapses onto a Hodgkin-Huxley neuron that a current drives."""
    nest.resolution = step
    source = relays(trains)
    cell = nest.Create("hh_psc_alpha_clopath", 1, neuron)
    drive = nest.Create("step_current_generator", 1, current)
    nest.Connect(drive, cell, syn_spec={"delay": step})
    meter = multimeter(cell, ["V_m"], step)
    synapse = {"synapse_model": "clopath_synapse", **synapse}
    nest.Connect(source, cell, syn_spec=synapse)
    spikes = recorder(cell)
    nest.Simulate(until)
    return {
        "weights": matrix(source, cell),
        "potential": table(meter, "V_m", cell)[:, 0].tolist(),
        "spikes": train(spikes, cell),
    }


def dendrite(
    step: float, trains: list[list[float]], weights: Any, synapse: dict[str, Any], until: float
) -> dict[str, Any]:
    """Urbanczik-Senn synapses onto the dendrite of the neuron of two compartments."""
    nest.resolution = step
    source = relays(trains)
    cell = nest.Create("pp_cond_exp_mc_urbanczik")
    port = nest.GetDefaults("pp_cond_exp_mc_urbanczik")["receptor_types"]["dendritic_exc"]
    meter = multimeter(cell, ["V_m.p"], step)
    synapse = {"synapse_model": "urbanczik_synapse", "receptor_type": port, **synapse}
    nest.Connect(source, cell, syn_spec={**synapse, "weight": np.asarray(weights)})
    spikes = recorder(cell)
    nest.Simulate(until)
    return {
        "weights": matrix(source, cell),
        "potential": table(meter, "V_m.p", cell)[:, 0].tolist(),
        "spikes": train(spikes, cell),
    }


def eprop(
    trains: list[list[float]],
    target: Any,
    neurons: dict[str, dict[str, Any]],
    readout: dict[str, Any],
    weights: dict[str, Any],
    tau: float,
    eta: float,
    interval: float,
) -> dict[str, Any]:
    """Inputs, cells of two models and a readout that learn by e-prop over one update interval.

    Every connection has a delay of one step, as NEST's e-prop wants it. The signals of the cells
    are those of the steps that NEST's gradient sums.
    """
    nest.set(
        resolution=1.0,
        eprop_update_interval=interval,
        eprop_learning_window=interval,
        eprop_reset_neurons_on_update=False,
    )
    source = relays(trains)
    cells = None
    for model, parameters in neurons.items():
        more = nest.Create(model, len(weights["in"]) // len(neurons), parameters)
        cells = more if cells is None else cells + more
    out = nest.Create("eprop_readout_bsshslm_2020", len(weights["out"]), readout)
    told = nest.Create("step_rate_generator", len(out))
    for generator, values in zip(told, target, strict=True):
        times = [3.0 + step for step in range(len(values))]
        generator.set({"amplitude_times": times, "amplitude_values": values})
    rate = {"synapse_model": "rate_connection_delayed", "delay": 1.0, "receptor_type": 2}
    nest.Connect(told, out, "one_to_one", rate)
    model = "eprop_synapse_bsshslm_2020"
    optimizer = {"type": "gradient_descent", "batch_size": 1, "eta": eta}
    nest.SetDefaults(model, {"optimizer": optimizer, "average_gradient": False})
    learns = {"synapse_model": model, "delay": 1.0, "tau_m_readout": tau}
    nest.Connect(source, cells, syn_spec={**learns, "weight": np.asarray(weights["in"])})
    nest.Connect(cells, out, syn_spec={**learns, "weight": np.asarray(weights["out"])})
    signal = {"synapse_model": "eprop_learning_signal_connection_bsshslm_2020", "delay": 1.0}
    nest.Connect(out, cells, syn_spec={**signal, "weight": np.asarray(weights["out"]).T})
    meter = multimeter(cells, ["surrogate_gradient", "learning_signal"], 1.0)
    errors = multimeter(out, ["error_signal"], 1.0)
    spikes = recorder(cells)
    nest.Simulate(interval + 20.0)
    return {
        "in": matrix(source, cells),
        "out": matrix(cells, out),
        "gain": table(meter, "surrogate_gradient", cells).tolist(),
        "signal": table(meter, "learning_signal", cells).tolist(),
        "error": table(errors, "error_signal", out).tolist(),
        "spikes": train(spikes, cells),
    }


EXPERIMENTS = {
    "pairs": pairs,
    "voltage": voltage,
    "homeostasis": voltage,
    "dendrite": dendrite,
    "eprop": eprop,
}


def relays(trains: list[list[float]]) -> Any:
    """Neurons that spike at these times."""
    step = nest.resolution
    generators = nest.Create("spike_generator", len(trains))
    relay = nest.Create("parrot_neuron", len(trains))
    for generator, times in zip(generators, trains, strict=True):
        generator.spike_times = [round(time - step, 6) for time in times]
    nest.Connect(generators, relay, "one_to_one", {"delay": step})
    return relay


def recorder(cells: Any) -> Any:
    """A recorder of their spikes."""
    made = nest.Create("spike_recorder")
    nest.Connect(cells, made)
    return made


def multimeter(cells: Any, names: list[str], step: float) -> Any:
    """A recorder of these variables in every step."""
    made = nest.Create("multimeter", 1, {"interval": step, "record_from": names})
    nest.Connect(made, cells, syn_spec={"delay": step})
    return made


def train(made: Any, cells: Any) -> list[list[float]]:
    """The times of the spikes of every cell."""
    times = made.events["times"]
    senders = made.events["senders"]
    return [times[senders == cell.global_id].tolist() for cell in cells]


def table(made: Any, name: str, cells: Any) -> Any:
    """A variable [step, cell]; the first row is that after one step."""
    events = made.events
    rows = np.rint(events["times"] / nest.resolution).astype(int) - 1
    values = np.zeros((rows.max() + 1, len(cells)))
    values[rows, events["senders"] - cells[0].global_id] = events[name]
    return values


def matrix(source: Any, cells: Any) -> Any:
    """The weights between them [post, pre]."""
    made = nest.GetConnections(source, cells)
    values = np.zeros((len(cells), len(source)))
    posts = np.asarray(made.target) - cells[0].global_id
    pres = np.asarray(made.source) - source[0].global_id
    values[posts, pres] = made.weight
    return values.tolist()


if __name__ == "__main__":
    main()
