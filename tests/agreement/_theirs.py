"""The same networks in Brian2 (float64, exact integration, its default schedule), as its documentation writes them."""

from typing import NamedTuple

import brian2 as b
import numpy as np

b.prefs.codegen.target = "numpy"  # needs no compiler

MEMBRANE = """
dv/dt = (I - v) / tau_m : 1 (unless refractory)
dI/dt = -I / tau_syn : 1
"""
TRACES = """
w : 1
dx/dt = -x / tau_pre : 1 (event-driven)
dy/dt = -y / tau_post : 1 (event-driven)
"""
STATIC = ("w : 1", "I_post += pull * w", "")
STDP = (
    TRACES,
    "I_post += pull * w; x += potentiation; w = clip(w + y, 0, largest)",
    "y -= depression; w = clip(w + x, 0, largest)",
)
VOGELS = (
    TRACES,
    "I_post += pull * w; x += 1; w = clip(w + rate * (y - alpha), 0, largest)",
    "y += 1; w = clip(w + rate * x, 0, largest)",
)


class Edge(NamedTuple):
    """Synapses of which graph = (post, pre) names the neurons; weight in their order. pull: +1, or -1 for inhibition;
    numbers: the constants of the model, seconds."""

    pre: str
    post: str
    graph: tuple[np.ndarray, np.ndarray]
    weight: np.ndarray
    model: tuple[str, str, str] = STATIC
    numbers: dict[str, float] = {}  # noqa: RUF012
    pull: float = 1.0
    delay: float = 0.0


def run(
    edges: dict[str, Edge],
    sizes: dict[str, int],
    spikes: dict[str, np.ndarray],
    neuron: dict[str, float],
    dt: float,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(spikes of every population in `sizes` [T, n], weights of every edge at the end).

    neuron: tau_m, tau_syn, refractory [s]; spikes: input population -> [T, n].
    """
    b.start_scope()
    b.defaultclock.dt = dt * b.second
    n_steps = len(next(iter(spikes.values())))
    groups = {}
    for name, trains in spikes.items():
        step, index = np.nonzero(trains)
        groups[name] = b.SpikeGeneratorGroup(trains.shape[1], index, step * dt * b.second)
    space = {"tau_m": neuron["tau_m"] * b.second, "tau_syn": neuron["tau_syn"] * b.second}
    for name, n in sizes.items():
        firing = {"threshold": "v > 1", "reset": "v = 0", "refractory": neuron["refractory"] * b.second}
        groups[name] = b.NeuronGroup(n, MEMBRANE, method="exact", namespace=space, **firing)
    synapses = {name: _synapses(edge, groups) for name, edge in edges.items()}
    monitors = {name: b.SpikeMonitor(groups[name]) for name in sizes}
    b.Network(*groups.values(), *synapses.values(), *monitors.values()).run(n_steps * dt * b.second)
    seen = {}
    for name, monitor in monitors.items():
        seen[name] = np.zeros((n_steps, sizes[name]))
        seen[name][np.rint(np.asarray(monitor.t / b.second) / dt).astype(int), np.asarray(monitor.i)] = 1.0
    return seen, {name: np.asarray(s.w) for name, s in synapses.items()}


def _synapses(edge: Edge, groups: dict[str, b.Group]) -> b.Synapses:
    model, on_pre, on_post = edge.model
    space = {k: v * b.second if k.startswith("tau") else v for k, v in edge.numbers.items()}
    space["pull"] = edge.pull
    made = b.Synapses(
        groups[edge.pre],
        groups[edge.post],
        model,
        on_pre=on_pre.replace("; ", "\n"),
        on_post=on_post.replace("; ", "\n") or None,
        namespace=space,
    )
    made.connect(i=edge.graph[1], j=edge.graph[0])
    made.w = edge.weight
    if edge.delay:
        made.pre.delay = edge.delay * b.second
    return made
