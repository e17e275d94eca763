"""Run by a Python that has NEST and NESTML: compile synapse models, and give the weights.

    python _nest_program.py FOLDER NAME ...

FOLDER holds NAME.nestml, whose model is called NAME_synapse, and trains.npz with the times of
spikes `pre` and `post` in ms. It prints {NAME: {pre, post, weight}} as JSON: the times at which the
neurons did spike, and the weight at the end. NEST_PATH may name a folder with bin/nest-config.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

NEURON = """
model relay_neuron:
    state:
        received real = 0.0

    input:
        spikes <- spike

    output:
        spike

    onReceive(spikes):
        received += spikes * (1 s)

    update:
        if received > 50.0:
            emit_spike()
        received = 0.0
"""
DELAY = 1.0


def build(folder: Path, name: str) -> None:
    """Compile one synapse model with a neuron that passes spikes of a weight above 50 on."""
    from pynestml.frontend.pynestml_frontend import generate_nest_target

    neuron = folder / "relay.nestml"
    neuron.write_text(NEURON)
    synapse = f"{name}_synapse"
    options = {
        "neuron_synapse_pairs": [
            {"neuron": "relay_neuron", "synapses": {synapse: {"post_ports": ["post_spikes"]}}}
        ],
        "weight_variable": {synapse: "w"},
    }
    if "NEST_PATH" in os.environ:
        options["nest_path"] = os.environ["NEST_PATH"]
    generate_nest_target(
        input_path=[str(folder / f"{name}.nestml"), str(neuron)],
        target_path=str(folder / f"built_{name}"),
        install_path=str(folder / "installed"),
        module_name=f"{name}module",
        suffix="",
        logging_level="ERROR",
        codegen_opts=options,
    )


def run(folder: Path, name: str) -> dict[str, object]:
    """The times of spikes and the weight at the end."""
    import nest

    nest.ResetKernel()
    nest.resolution = 1.0
    nest.Install(f"{name}module")
    trains = np.load(folder / "trains.npz")
    generators = nest.Create("spike_generator", 2)
    generators[0].spike_times = trains["pre"].tolist()
    generators[1].spike_times = trains["post"].tolist()
    pre = nest.Create("parrot_neuron")
    post = nest.Create(f"relay_neuron__with_{name}_synapse")
    nest.Connect(generators[0], pre, syn_spec={"weight": 1.0, "delay": DELAY})
    nest.Connect(generators[1], post, syn_spec={"weight": 100.0, "delay": DELAY})
    recorders = nest.Create("spike_recorder", 2)
    nest.Connect(pre, recorders[0])
    nest.Connect(post, recorders[1])
    model = f"{name}_synapse__with_relay_neuron"
    nest.Connect(pre, post, syn_spec={"synapse_model": model, "delay": DELAY, "w": 0.5})
    nest.Simulate(float(max(trains["pre"].max(), trains["post"].max())) + 20.0)
    return {
        "pre": np.asarray(recorders[0].events["times"]).tolist(),
        "post": np.asarray(recorders[1].events["times"]).tolist(),
        "weight": nest.GetConnections(synapse_model=model).get("w"),
    }


def main() -> None:
    """Build and run every model that is named."""
    folder = Path(sys.argv[1])
    found = {}
    for name in sys.argv[2:]:
        build(folder, name)
        os.environ["LD_LIBRARY_PATH"] = str(folder / "installed")
        found[name] = run(folder, name)
    print("RESULT", json.dumps(found))


if __name__ == "__main__":
    main()
