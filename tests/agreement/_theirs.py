"""The same networks in Brian2 (float64, exact integration, its default schedule), as its
documentation writes them.
"""

import logging
from typing import Any, NamedTuple

import brian2 as b
import numpy as np

b.prefs.codegen.target = "numpy"  # needs no compiler
logging.getLogger("brian2").setLevel(logging.WARNING)  # it writes down all the code that it makes

CURRENT = """
dv/dt = (I - v) / tau_m : 1 (unless refractory)
dI/dt = -I / tau_syn : 1
"""
CONDUCTANCES = """
dv/dt = (g_e * (e_e - v) + g_i * (e_i - v) - v) / tau_m : 1 (unless refractory)
dg_e/dt = -g_e / tau_e : 1
dg_i/dt = -g_i / tau_i : 1
"""
METHODS = {CURRENT: "exact", CONDUCTANCES: "exponential_euler"}
TRACES = """
w : 1
dx/dt = -x / tau_pre : 1 (event-driven)
dy/dt = -y / tau_post : 1 (event-driven)
"""
STATIC = ("w : 1", "into_post += pull * w", "")
STDP = (
    TRACES,
    "into_post += pull * w; x += potentiation; w = clip(w + y, 0, largest)",
    "y -= depression; w = clip(w + x, 0, largest)",
)
TRIPLET = (
    """
w : 1
dr1/dt = -r1 / tau_plus : 1 (event-driven)
dr2/dt = -r2 / tau_x : 1 (event-driven)
do1/dt = -o1 / tau_minus : 1 (event-driven)
do2/dt = -o2 / tau_y : 1 (event-driven)
""",
    "into_post += pull * w; w = clip(w - o1 * (a2_minus + a3_minus * r2), 0, largest); "
    "r1 += 1; r2 += 1",
    "w = clip(w + r1 * (a2_plus + a3_plus * o2), 0, largest); o1 += 1; o2 += 1",
)
VOGELS = (
    TRACES,
    "into_post += pull * w; x += 1; w = clip(w + rate * (y - alpha), 0, largest)",
    "y += 1; w = clip(w + rate * x, 0, largest)",
)


class Edge(NamedTuple):
    """Synapses of which graph = (post, pre) names the neurons; weight in their order. A spike adds
    pull * weight to the variable `into` of its target; numbers: the constants of the model,
    seconds.

    delay: until a presynaptic spike is at the synapse; dendrite: until a postsynaptic one is; lag:
    from the synapse on until a presynaptic spike acts on the target."""

    pre: str
    post: str
    graph: tuple[np.ndarray, np.ndarray]
    weight: np.ndarray
    model: tuple[str, str, str] = STATIC
    numbers: dict[str, float] = {}  # noqa: RUF012
    into: str = "I"
    pull: float = 1.0
    delay: float = 0.0
    dendrite: float = 0.0
    lag: float = 0.0


def run(
    edges: dict[str, Edge],
    sizes: dict[str, int],
    spikes: dict[str, np.ndarray],
    neuron: tuple[str, dict[str, float]],
    dt: float,
    first: float = 0.0,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(spikes of every population in `sizes` [T, n], weights of every edge at the end).

    neuron: CURRENT or CONDUCTANCES, and its constants with `refractory`, seconds; spikes: input
    population -> [T, n];
    first: the potential of all cells at the beginning.
    """
    b.start_scope()
    b.defaultclock.dt = dt * b.second
    n_steps = len(next(iter(spikes.values())))
    groups = {}
    for name, trains in spikes.items():
        step, index = np.nonzero(trains)
        groups[name] = b.SpikeGeneratorGroup(trains.shape[1], index, step * dt * b.second)
    membrane, numbers = neuron
    firing = {
        "threshold": "v > 1",
        "reset": "v = 0",
        "refractory": numbers["refractory"] * b.second,
    }
    firing |= {"method": METHODS[membrane], "namespace": _with_units(numbers)}
    for name, n in sizes.items():
        groups[name] = b.NeuronGroup(n, membrane, **firing)
        groups[name].v = first
    synapses = {name: _synapses(edge, groups) for name, edge in edges.items()}
    monitors = {name: b.SpikeMonitor(groups[name]) for name in sizes}
    b.Network(*groups.values(), *synapses.values(), *monitors.values()).run(n_steps * dt * b.second)
    seen = {}
    for name, monitor in monitors.items():
        seen[name] = np.zeros((n_steps, sizes[name]))
        seen[name][
            np.rint(np.asarray(monitor.t / b.second) / dt).astype(int), np.asarray(monitor.i)
        ] = 1.0
    return seen, {name: np.asarray(s.w) for name, s in synapses.items()}


def _synapses(edge: Edge, groups: dict[str, b.Group]) -> b.Synapses:
    model, on_pre, on_post = edge.model
    sends, _, learns = on_pre.partition("; ")
    delays = {"sends": edge.delay + edge.lag} | (
        {"pre": edge.delay, "post": edge.dendrite} if learns else {}
    )
    on_pre = {"sends": sends.replace("into", edge.into)} | (
        {"pre": learns.replace("; ", "\n")} if learns else {}
    )
    made = b.Synapses(
        groups[edge.pre],
        groups[edge.post],
        model,
        on_pre=on_pre,
        on_post=on_post.replace("; ", "\n") or None,
        namespace=_with_units({**edge.numbers, "pull": edge.pull}),
    )
    made.connect(i=edge.graph[1], j=edge.graph[0])
    made.w = edge.weight
    made.sends.order = -2  # before what is learned in the step in which it arrives
    for pathway, delay in delays.items():
        getattr(made, pathway).delay = delay * b.second
    return made


def _with_units(numbers: dict[str, float]) -> dict[str, Any]:
    return {k: v * b.second if k.startswith("tau") else v for k, v in numbers.items()}
