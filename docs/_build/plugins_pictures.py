"""The drawings of plug-ins, one function for each kind."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.patches import FancyArrowPatch

from metaplast import registry
from metaplast.connections.dense import Dense
from metaplast.figures.style import DASHES, INK, OTHERS, OURS, PALETTE, PLASTIC, TRUE, subplots
from metaplast.locality.reads import blank_view
from metaplast.recording import AbstractRecording
from metaplast.rules.clopath import Clopath
from metaplast.signals import FEEDBACK_FIELDS, NeuronView

DT = 1e-3


class Picture(NamedTuple):
    """A drawing that is not saved yet.

    figure: of matplotlib.
    alt: the words for a reader who does not see it.
    caption: the words below it.
    """

    figure: Any
    alt: str
    caption: str


class Driven(NamedTuple):
    """How a spiking neuron is driven for its picture.

    port: at which the drive arrives.
    step: the drive of the step.
    largest: the largest drive of the curve of rates.
    words: the drive and its unit, for an axis.
    """

    port: str
    step: float
    largest: float
    words: str


DRIVEN = {
    "adex": Driven("soma", 700.0, 1500.0, "drive of the soma, pA"),
    "alif": Driven("soma", 1.5, 4.0, "drive of the soma, units of V"),
    "conductance_lif": Driven("excitatory", 0.5, 2.0, "excitatory conductance, units of the leak"),
    "hodgkin_huxley": Driven("soma", 10.0, 60.0, "drive of the soma, uA / cm^2"),
    "izhikevich": Driven("soma", 10.0, 40.0, "drive of the soma, mV / ms"),
    "lif": Driven("soma", 1.5, 4.0, "drive of the soma, units of V"),
    "poisson": Driven("soma", 40.0, 400.0, "drive of the soma, Hz"),
    "refractory": Driven("soma", 1.5, 20.0, "drive of the soma, units of V"),
    "stochastic": Driven("soma", 0.8, 1.6, "drive of the soma, units of v"),
    "two_compartment": Driven("dendrite", 1.0, 2.0, "drive of the dendrite, units of U"),
}
UNDRAWN = ("ant", "bandit", "recordings", "homeostasis", "taught")
"""Tasks without a figure: a package that may be missing, a stimulus that never changes, the user's
own data, a long simulation."""
SILENT = "The network is silent."
DRAWN = "The outputs are drawn from N(0, 1) in every step."
OUTPUTS = {
    "cart_pole": DRAWN,
    "pointmass": DRAWN,
    "spike_pattern_reward": "The output spikes with probability 0.05 in every step.",
}
"""Tasks whose answers would say nothing about a network that is silent."""
RATES = ("leaky", "relu", "sigmoid", "softplus", "tanh")
"""Neurons of graded activity whose activation says something."""


def rule(made: Any) -> Picture | None:
    """The change by a rule that reads the potential, under a potential that is held."""
    if not isinstance(made, Clopath):
        return None
    potentials = np.linspace(-80.0, 20.0, 41)
    spikes = np.zeros(1000)
    spikes[::40] = 1.0
    synapse = Dense(1, 1)
    theta = made.init(jax.random.key(0), synapse)
    blank = blank_view(synapse, ())

    def life(potential: Any) -> Any:
        def step(state: Any, spike: Any) -> Any:
            post = replace(blank.post, potential=jnp.full(1, potential))
            pre = replace(blank.pre, activity=spike[None])
            seen = replace(blank, pre=pre, post=post)
            return made.step(theta, state, synapse, seen, DT)

        start = made.init_state(theta, synapse)
        return jnp.sum(jax.lax.scan(step, start, jnp.asarray(spikes, float))[1])

    change = np.asarray(jax.jit(jax.vmap(life))(jnp.asarray(potentials, float)))
    figure, axes = subplots(figsize=(6, 3.4), layout="constrained")
    axes.plot(potentials, change, color=OURS, lw=1.6)
    axes.axhline(0.0, color="black", lw=0.8)
    for place, words in ((made.theta_minus, "theta_minus"), (made.theta_plus, "theta_plus")):
        axes.axvline(place, color=OTHERS, lw=0.8, ls="--")
        axes.annotate(words, (place, axes.get_ylim()[1]), fontsize=8, color=INK, va="top")
    axes.set_xlabel("potential of the postsynaptic neuron, mV")
    axes.set_ylabel("change of weight in 1 s")
    alt = f"change of weight from {change.min():.3g} to {change.max():.3g}"
    caption = (
        "The change of weight by 25 presynaptic spikes a second, for 1 s, while the potential "
    )
    return Picture(figure, alt, caption + "of the postsynaptic neuron is held and does not spike.")


def neuron(made: Any) -> Picture | None:
    """The response to a step, and the rate over the drive; the activation of a graded unit."""
    name = registry.name_of(type(made))
    if name in DRIVEN:
        return _spiking(made, DRIVEN[name])
    if name in RATES:
        return _graded(made)
    if name == "choice":
        return _choice(made)
    return None


def _lives(made: Any, port: str, drives: np.ndarray) -> NeuronView:
    """The view of every step, under drives [n_steps, n] of one port."""
    n_steps, n = drives.shape
    theta = made.init(jax.random.key(0), n)
    state = made.init_state(theta, n)

    def step(state: Any, now: Any) -> Any:
        drive, key = now
        ports = dict.fromkeys(made.ports, jnp.zeros(n)) | {port: drive}
        return made.step(theta, state, ports, DT, key)

    keys = jax.random.split(jax.random.key(0), n_steps)
    views = jax.jit(lambda inputs: jax.lax.scan(step, state, inputs)[1])
    return views((jnp.asarray(drives, jnp.zeros(()).dtype), keys))


def _spiking(made: Any, driven: Driven) -> Picture:
    n_steps = 1000
    drives = np.linspace(0.0, driven.largest, 33)
    shown = np.full((n_steps, 33 + 1), 0.0)
    shown[:, :-1] = drives
    shown[50:250, -1] = driven.step
    view = _lives(made, driven.port, shown)
    spikes = np.asarray(view.activity)
    rates = spikes[:, :-1].sum(axis=0) / (n_steps * DT)
    figure, (left, right) = subplots(1, 2, figsize=(8, 3), layout="constrained")
    time = np.arange(300)
    left.axvspan(50, 250, color=PLASTIC, lw=0)
    left.plot(time, np.asarray(view.potential)[:300, -1], color=OURS, lw=1.2)
    fired = np.flatnonzero(spikes[:300, -1])
    top = left.get_ylim()[1]
    left.plot(fired, np.full(fired.size, top), "|", color=TRUE, ms=8, label="spikes")
    left.set_xlabel("time, ms")
    left.set_ylabel("potential")
    left.legend(frameon=False, fontsize=8, loc="center right")
    right.plot(drives, rates, color=OURS, lw=1.4, marker=".", ms=4)
    right.set_xlabel(driven.words)
    right.set_ylabel("firing rate, Hz")
    words = f"Left: a step of {driven.step:g} ({driven.words}) from 50 to 250 ms (shaded), "
    words += "with dt = 1 ms. Right: the mean rate over 1 s under constant drives at port "
    words += f"`{driven.port}`. Other ports get 0; all fields are at their defaults."
    return Picture(figure, f"response to a step, and rates up to {rates.max():.0f} Hz", words)


def _graded(made: Any) -> Picture:
    drives = np.linspace(-3.0, 3.0, 121)
    figure, axes = subplots(figsize=(5, 3), layout="constrained")
    view = _lives(made, "soma", np.tile(drives, (200, 1)))
    activity = np.asarray(view.activity)[-1]
    axes.plot(drives, activity, color=OURS, lw=1.6, label="activity f(u)")
    axes.plot(drives, np.asarray(view.gain)[-1], color=TRUE, lw=1.4, ls="--", label="slope f'(u)")
    axes.axhline(0.0, color="black", lw=0.6)
    axes.set_xlabel("drive u")
    axes.set_ylabel("activity, slope")
    axes.legend(frameon=False, fontsize=8)
    alt = f"activity from {activity.min():.3g} to {activity.max():.3g}"
    return Picture(figure, alt, "Activity and its slope after 200 ms under a constant drive.")


def _choice(made: Any) -> Picture:
    """The share of choices of one of two units."""
    apart = np.linspace(-6.0, 6.0, 49)
    figure, axes = subplots(figsize=(5, 3), layout="constrained")
    for beta, colour, dash in zip((0.5, 1.0, 2.0), (OURS, TRUE, PALETTE[1]), DASHES, strict=False):
        chances = 1.0 / (1.0 + np.exp(-beta * apart))
        axes.plot(apart, chances, color=colour, ls=dash, lw=1.5, label=f"beta = {beta:g}")
    axes.set_xlabel("difference of the two drives")
    axes.set_ylabel("probability of the first unit")
    axes.legend(frameon=False, fontsize=8)
    words = "The probability of one of two units, for three values of `inverse_temperature`."
    return Picture(figure, "a sigmoid of the difference of two drives", words)


def transmission(made: Any) -> Picture | None:
    """The transmitted signal of a train of spikes."""
    if registry.name_of(type(made)) == "instant":
        return None
    fine = 1e-4
    n_steps = 5000
    spikes = np.zeros((n_steps, 1))
    spikes[200:2200:200] = 1.0
    spikes[4000] = 1.0
    state = made.init_state(1, fine)
    step = lambda state, pre: made.step(state, pre, fine)
    live = jax.jit(lambda trains: jax.lax.scan(step, state, trains)[1])
    signal = np.asarray(live(jnp.asarray(spikes, jnp.zeros(()).dtype)))[:, 0]
    figure, axes = subplots(figsize=(6.5, 2.8), layout="constrained")
    time = 1e3 * fine * np.arange(n_steps)
    axes.plot(time, signal, color=OURS, lw=1.3, label="transmitted signal")
    fired = np.flatnonzero(spikes[:, 0])
    base = np.full(fired.size, -0.06 * max(signal.max(), 1e-9))
    axes.plot(time[fired], base, "|", color=TRUE, ms=8, label="presynaptic spikes")
    axes.set_xlabel("time, ms")
    axes.set_ylabel("transmitted signal")
    axes.legend(frameon=False, fontsize=8, loc="center right")
    words = (
        "The signal of ten spikes at 50 Hz and of one spike 180 ms after the last (dt = 0.1 ms)."
    )
    return Picture(figure, f"a signal of up to {signal.max():.3g}", words)


def connection(made: Any) -> Picture | None:
    """The synapses of a random graph."""
    if registry.name_of(type(made)) in ("dense", "one_to_one"):
        return None
    sized = type(made)(n_post=20, n_pre=40, probability=made.probability, seed=made.seed)
    graph = sized.topology()
    mask = np.zeros((20, 40))
    mask[graph.post, graph.pre] = 1.0
    figure, axes = subplots(figsize=(5.5, 3), layout="constrained")
    axes.imshow(mask, cmap="Greys", vmin=0.0, vmax=1.3, aspect="auto", interpolation="nearest")
    axes.set_xlabel("presynaptic neuron")
    axes.set_ylabel("postsynaptic neuron")
    n = int(mask.sum())
    words = f"The {n} synapses (dark) of 40 x 20 pairs with the default probability and seed."
    return Picture(figure, f"{n} synapses of 800 pairs", words)


def network(made: Any) -> Picture:
    """The populations and the edges of a network."""
    wiring = made.wiring(*_task_sizes(registry.name_of(type(made))))
    names = [population.name for population in wiring.populations]
    figure, axes = subplots(figsize=(1.9 * len(names) + 1.2, 2.4), layout="constrained")
    place = {name: (1.9 * index, 0.0) for index, name in enumerate(names)}
    for edge in wiring.edges:
        _arrow(axes, place, names, edge, _lowers(wiring, edge))
    for population in wiring.populations:
        x, y = place[population.name]
        box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": INK}
        kind = registry.name_of(type(population.neuron))
        words = f"{population.name}\n{population.n} {kind}"
        axes.text(x, y, words, ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    axes.set_xlim(-0.9, 1.9 * (len(names) - 1) + 0.9)
    axes.set_ylim(-0.8, 1.0)
    axes.set_axis_off()
    edges = ", ".join(edge.name for edge in wiring.edges)
    words = "Populations in the order of their update, with their size and neuron, for a small "
    words += "task. Solid: transmits the output of this step; dashed: that of the last step. "
    words += f"Orange: inhibitory. Edges: {edges}."
    return Picture(figure, f"populations {', '.join(names)} and edges {edges}", words)


def _task_sizes(name: str) -> tuple[dict[str, int], int]:
    """Inputs and outputs of a small task that fits a network."""
    if name == "autoassociative":
        return {"input": 10}, 10
    if name == "clamped":
        return {"input": 10, "recorded": 4}, 4
    return {"input": 10}, 4


def _lowers(wiring: Any, edge: Any) -> bool:
    """Whether an edge inhibits: by its sign, or by the port at which it ends."""
    return wiring.sign(edge) < 0 or edge.port in wiring.population(edge.post).neuron.lowering


def _arrow(axes: Any, place: Any, names: list[str], edge: Any, lowers: bool) -> None:
    """One edge as an arrow; a loop where a population meets itself."""
    start, end = place[edge.pre], place[edge.post]
    late = names.index(edge.pre) >= names.index(edge.post)
    bend = 0.0
    distance = names.index(edge.post) - names.index(edge.pre)
    if late or distance > 1:
        bend = -0.35 if distance > 0 else -0.45
    if edge.pre == edge.post:
        start = (start[0] - 0.25, start[1] + 0.2)
        end = (end[0] + 0.25, end[1] + 0.2)
        bend = -1.6
    arrow = FancyArrowPatch(
        start,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=12,
        shrinkA=24 if edge.pre != edge.post else 2,
        shrinkB=26 if edge.pre != edge.post else 2,
        ls="--" if late else "-",
        color=TRUE if lowers else OURS,
        lw=1.4,
        zorder=2,
    )
    axes.add_patch(arrow)


def likelihood(made: Any) -> Picture | None:
    """The loss over the activity, for recorded values."""
    name = registry.name_of(type(made))
    values = {"bernoulli": (0.0, 1.0), "gaussian": (0.0, 1.0), "poisson": (0.0, 1.0, 3.0)}
    if name not in values:
        return None
    low = 0.05 if name == "poisson" else -4.0
    activity = np.linspace(low, 6.0 if name == "poisson" else 4.0, 161)
    figure, axes = subplots(figsize=(5, 3), layout="constrained")
    colours = (OURS, TRUE, PALETTE[1])
    for value, colour, dash in zip(values[name], colours, DASHES, strict=False):
        loss = made.loss(jnp.asarray(activity), jnp.full(activity.size, value))
        axes.plot(activity, np.asarray(loss), color=colour, ls=dash, lw=1.5, label=f"y = {value:g}")
    axes.set_xlabel("activity a of the model")
    axes.set_ylabel("loss, nats")
    axes.legend(frameon=False, fontsize=8, title="recorded value")
    return Picture(figure, "loss over activity", "The loss of one recorded value y.")


def task(made: Any) -> Picture | None:
    """The stimulus and the target of the first steps of one life."""
    name = registry.name_of(type(made))
    if name in UNDRAWN:
        return None
    shape = made.shape()
    if "target" not in shape.offers and not isinstance(made, AbstractRecording):
        channels = sorted(shape.offers - FEEDBACK_FIELDS)
    else:
        channels = []
    n_steps = min(shape.n_steps, 200)
    stimulus, signals = _life(made, shape.n_seen, n_steps)
    figure, (top, below) = subplots(
        2, 1, figsize=(7.5, 4.2), layout="constrained", sharex=True, height_ratios=(3, 2)
    )
    image = _image(top, stimulus)
    figure.colorbar(image, ax=top, label="stimulus")
    top.set_ylabel("input")
    below.set_xlabel("step of the life")
    target = signals["target"]
    if channels:
        below.set_ylabel("modulator")
        colours = (OURS, TRUE, *PALETTE)
        for channel, colour in zip(channels, colours, strict=False):
            values = signals["modulators"][channel]
            below.step(
                np.arange(n_steps), values, where="post", color=colour, lw=1.1, label=channel
            )
        below.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    elif target.shape[1] == 1:
        below.step(np.arange(n_steps), target[:, 0], where="post", color=OURS, lw=1.1)
        below.set_ylabel("target")
    else:
        figure.colorbar(_image(below, target), ax=below, label="target")
        below.set_ylabel("output")
    for boundary in _boundaries(shape.phases, n_steps):
        for axes in (top, below):
            axes.axvline(boundary, color=TRUE, lw=1.2, ls="--")
    words = f"The first {n_steps} of {shape.n_steps} steps of one life of the split `train`. "
    words += f"Rules act up to the dashed line, if there is one. {OUTPUTS.get(name, SILENT)}"
    return Picture(figure, f"stimulus of {stimulus.shape[1]} inputs over {n_steps} steps", words)


def _life(made: Any, n_seen: int, n_steps: int) -> tuple[np.ndarray, Any]:
    """Stimulus [n_steps, n_in] and feedback of every step, under the outputs of OUTPUTS."""
    key = jax.random.key(1)
    silent = NeuronView(**dict.fromkeys(NeuronView.__dataclass_fields__, jnp.zeros(n_seen)))
    name = registry.name_of(type(made))

    def output(key: Any) -> NeuronView:
        if OUTPUTS.get(name) == DRAWN:
            return replace(silent, activity=jax.random.normal(key, (n_seen,)))
        if name == "spike_pattern_reward":
            spikes = jax.random.bernoulli(key, 0.05, (n_seen,))
            return replace(silent, activity=spikes.astype(silent.activity.dtype))
        return silent

    def live(key: Any) -> Any:
        task = made.sample(key, "train")

        def step(state: Any, key: Any) -> Any:
            shown = made.stimulus(task, state, key, DT)
            state, outcome = made.step(task, state, output(key), key, DT)
            signals = {"target": outcome.feedback.target, "modulators": outcome.feedback.modulators}
            return state, (jnp.concatenate(list(shown.values())), signals)

        keys = jax.random.split(key, n_steps)
        return jax.lax.scan(step, made.begin(task, key, DT), keys)[1]

    stimulus, signals = jax.jit(live)(key)
    return np.asarray(stimulus), jax.tree.map(np.asarray, signals)


def _image(axes: Any, values: np.ndarray) -> Any:
    """Values [n_steps, n] as an image with steps from left to right."""
    largest = float(np.abs(values).max()) or 1.0
    signed = values.min() < 0
    return axes.imshow(
        values.T,
        aspect="auto",
        interpolation="nearest",
        cmap="RdBu_r" if signed else "Greys",
        vmin=-largest if signed else 0.0,
        vmax=largest,
        extent=(0, values.shape[0], values.shape[1], 0),
    )


def _boundaries(phases: tuple[tuple[int, bool], ...], n_steps: int) -> list[int]:
    """The steps at which a phase without plasticity begins."""
    begins = []
    first = 0
    for length, plastic in phases:
        if not plastic and 0 < first < n_steps:
            begins.append(first)
        first += length
    return begins
