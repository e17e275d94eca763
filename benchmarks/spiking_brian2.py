"""The spiking workload as Brian2 runs it at its fastest: one C++ program for one network."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

Form = Literal["documented", "on_neurons"]
FORMS: tuple[Form, ...] = ("documented", "on_neurons")
CLOCK = "cpu_seconds.txt"


class Network(NamedTuple):
    """The network of both sides. v jumps by w at a spike, w lies in [0, largest]. Seconds."""

    current: np.ndarray  # [n], in units of the threshold
    pre: np.ndarray  # [n_synapses]
    post: np.ndarray
    weight: np.ndarray
    largest: float
    tau: float
    potentiation: float
    depression: float


def missing() -> str:
    """The hindrance that stands in the way of Brian2; empty where there is none."""
    if importlib.util.find_spec("brian2") is None:
        return "Brian2 is not installed (pip install brian2)"
    return "" if shutil.which("g++") and shutil.which("make") else "no g++ and make"


class Equations(NamedTuple):
    """A network in the language of Brian2."""

    neurons: str
    reset: str
    synapses: str
    on_pre: str
    on_post: str


def equations(form: Form) -> Equations:
    """The equations of a form.

    `documented` is the form of Brian2's own guide: traces on synapses, updated at spikes.
    `on_neurons` keeps one trace per neuron.
    """
    membrane = "dv/dt = (current - v) / tau : 1\ncurrent : 1 (constant)\ncount : 1\n"
    if form == "documented":
        traces = "dx/dt = -x / tau : 1 (event-driven)\ndy/dt = -y / tau : 1 (event-driven)"
        on_pre = "v_post += w\nx += potentiation\nw = clip(w + y, 0, largest)"
        on_post = "y -= depression\nw = clip(w + x, 0, largest)"
        return Equations(membrane, "v = 0\ncount += 1", f"w : 1\n{traces}", on_pre, on_post)
    on_pre = "v_post += w\nw = clip(w - depression * y_post, 0, largest)"
    on_post = "w = clip(w + potentiation * x_pre, 0, largest)"
    traces = "dx/dt = -x / tau : 1\ndy/dt = -y / tau : 1"
    reset = "v = 0\nx += 1\ny += 1\ncount += 1"
    return Equations(membrane + traces, reset, "w : 1", on_pre, on_post)


def objects(network: Network, form: Form) -> tuple[Any, Any]:
    """(the neurons, the synapses), for the device and the settings of this moment."""
    import brian2 as b

    text = equations(form)
    names = {
        "tau": network.tau * b.second,
        "largest": network.largest,
        "potentiation": network.potentiation,
        "depression": network.depression,
    }
    neurons = b.NeuronGroup(
        len(network.current),
        text.neurons,
        threshold="v > 1",
        reset=text.reset,
        method="exact",
        namespace=names,
    )
    neurons.current = network.current
    synapses = b.Synapses(
        neurons,
        neurons,
        text.synapses,
        on_pre=text.on_pre,
        on_post=text.on_post,
        namespace=names,
    )
    synapses.connect(i=network.pre, j=network.post)
    synapses.w = network.weight
    return neurons, synapses


class Program:
    """A compiled network that can be run again and again from its beginning."""

    def __init__(
        self, network: Network, form: Form, dtype: type, steps: int, dt: float, folder: Path
    ) -> None:
        import brian2 as b

        b.set_device("cpp_standalone", build_on_run=False)
        b.device.reinit()
        b.device.activate(build_on_run=False)
        b.prefs.core.default_float_dtype = dtype
        b.defaultclock.dt = dt * b.second
        neurons, synapses = objects(network, form)
        b.device.insert_code("before_network_run", "const std::clock_t started = std::clock();")
        ended = "double(std::clock() - started) / CLOCKS_PER_SEC"
        b.device.insert_code(
            "after_network_run", f'{{ std::ofstream told("{CLOCK}"); told << {ended}; }}'
        )
        b.Network(neurons, synapses).run(steps * dt * b.second)
        b.device.build(str(folder), compile=True, run=False)
        (folder / "results").mkdir(exist_ok=True)
        self.files = []
        for variable in (neurons.variables["count"], synapses.variables["w"]):
            self.files.append(folder / "results" / b.device.get_array_filename(variable))
        self.folder = folder
        self.dtype = dtype

    def run(self) -> float:
        """Run it: the CPU seconds of its simulation loop."""
        subprocess.run(["./main"], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        return float((self.folder / CLOCK).read_text())

    def result(self) -> tuple[float, float]:
        """(mean number of spikes per neuron, mean weight) after a run."""
        count, weight = (
            float(np.mean(np.fromfile(file, self.dtype), dtype=float)) for file in self.files
        )
        return count, weight
