"""Yin-Yang with exact spikes, with surrogate gradients, and with frozen hidden weights.

    python -m benchmarks.yin_yang --engine events --seeds 0 1 2 3 4
    python -m benchmarks.yin_yang --engine steps --hidden 120 --seeds 0 1 2 3 4

Both engines see the 5,000 points of task `yin_yang` in every epoch and are judged on 1,000 others.
Every seed is lived twice: with all weights learned, and with the hidden weights as drawn. Both have
the same points, the same start and Adam, each at its own rate (RATES). One JSON line a run.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from inner_tasks.yin_yang import YinYang
from metaplast.events.membrane import EventMembrane
from metaplast.events.spikes import first_spikes, spikes
from metaplast.networks import base as network
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.lif import Lif
from metaplast.neurons.linear import Linear
from metaplast.signals import Synapses

N_TRAIN = 5000
N_TEST = 1000
LATEST = 20e-3
DURATION = 40e-3
TAU_OUTPUT = 20e-3
CELL = Lif(tau_m=20e-3, tau_syn=5e-3, slope=25.0, reset_gradient=True)
RATES = {
    "events": {"learned": 1e-2, "frozen": 4e-2},
    "steps": {"learned": 1e-2, "frozen": 1e-2},
}
"""Chosen by hand; docs/studies/credit.md says how."""


class Judged(NamedTuple):
    """One point. loss; right: whether the answer is; full: whether the table of spikes is."""

    loss: Array
    right: Array
    full: Array


class Engine(NamedTuple):
    """init(key) -> weights {hidden, output}; judge(weights, input [5], label) -> Judged."""

    init: Callable[[Array], dict[str, Array]]
    judge: Callable[[dict[str, Array], Array, Array], Judged]


def events(n_hidden: int) -> Engine:
    """Exact spikes and EventProp; the class is that of the output that spikes first.

        loss = -log softmax(-t / 1 ms)_label + 0.03 (exp(t_label / 5 ms) - 1)

    A silent output of the right class has no gradient. The weights onto it from cells that spike
    are raised by the additional loss -sum of these weights.
    """
    cells = EventMembrane(tau_m=CELL.tau_m, tau_s=CELL.tau_syn, duration=DURATION, max_events=112)

    def init(key: Array) -> dict[str, Array]:
        k_hidden, k_output = jax.random.split(key)
        hidden = 1.5 + 0.78 * jax.random.normal(k_hidden, (5, n_hidden))
        output = 23.25 / n_hidden + 0.1 * jax.random.normal(k_output, (n_hidden, 3))
        return {"hidden": hidden, "output": output}

    def judge(weights: dict[str, Array], x: Array, label: Array) -> Judged:
        of_inputs = jnp.pad(weights["hidden"], ((0, 0), (0, 3)))
        of_hidden = jnp.pad(weights["output"], ((0, 0), (n_hidden, 0)))
        all_weights = jnp.concatenate([of_inputs, of_hidden, jnp.zeros((3, n_hidden + 3))])
        record = spikes(cells, all_weights, LATEST * (1.0 - x), jnp.arange(5))
        first = first_spikes(record, 5, n_hidden + 3, DURATION)
        output = first[n_hidden:]
        loss = -jax.nn.log_softmax(-output / 1e-3)[label]
        loss = loss + 0.03 * jnp.expm1(output[label] / 5e-3)
        active = first[:n_hidden] < DURATION
        onto = jnp.sum(jnp.where(active, weights["output"][:, label], 0.0))
        loss = loss - jnp.where(output[label] >= DURATION, onto, 0.0)
        return Judged(loss, jnp.argmin(output) == label, record.full)

    return Engine(init, judge)


def steps(n_hidden: int) -> Engine:
    """Steps of 0.5 ms and surrogate gradients; the class is that of the largest potential.

        loss = -log softmax(max_t y)_label

    y [3]: leaky readouts of 20 ms, to which a spike adds its weight.
    """
    dt = 0.5e-3
    per_spike = 1.0 / -math.expm1(-dt / TAU_OUTPUT)
    n_steps = round(DURATION / dt)
    wiring = Feedforward(
        hidden=(n_hidden,), neuron=CELL, output=Leaky(tau=TAU_OUTPUT, neuron=Linear())
    ).wiring({"input": 5}, 3)
    rest = network.init_state(wiring, {}, dt)

    def init(key: Array) -> dict[str, Array]:
        k_hidden, k_output = jax.random.split(key)
        hidden = 1.5 + 0.78 * jax.random.normal(k_hidden, (n_hidden, 5))
        return {"hidden": hidden, "output": 0.1 * jax.random.normal(k_output, (3, n_hidden))}

    def judge(weights: dict[str, Array], x: Array, label: Array) -> Judged:
        arrives = jnp.round(LATEST * (1.0 - x) / dt)
        ones = jnp.ones(())
        synapses = {
            "input_to_hidden_1": Synapses(weight=weights["hidden"], mask=ones),
            "hidden_1_to_output": Synapses(weight=weights["output"], mask=ones),
        }

        def step(state: Any, t: Array) -> tuple[Any, Array]:
            shown = {"input": (arrives == t).astype(x.dtype)}
            state, (views, _) = network.step(
                wiring, {}, synapses, state, shown, dt, jax.random.key(0)
            )
            return state, views["output"].activity

        _, outputs = jax.lax.scan(step, rest, jnp.arange(n_steps, dtype=x.dtype))
        logits = per_spike * jnp.max(outputs, axis=0)
        loss = -jax.nn.log_softmax(logits)[label]
        return Judged(loss, jnp.argmax(logits) == label, jnp.zeros((), bool))

    return Engine(init, judge)


def program(engine: Engine, batch: int, rate: float, decay: float) -> tuple[Any, Any, Any]:
    """(the optimiser, one epoch, one test)."""
    schedule = optax.exponential_decay(rate, N_TRAIN // batch, decay)
    optimiser = optax.adam(schedule)

    def mean(weights: dict[str, Array], x: Array, label: Array) -> tuple[Array, Judged]:
        judged = jax.vmap(engine.judge, (None, 0, 0))(weights, x, label)
        means = jax.tree.map(lambda leaf: jnp.mean(leaf.astype(jnp.float32)), judged)
        return means.loss, means

    def descend(carry: Any, shown: Any, learned: Array) -> tuple[Any, Judged]:
        weights, state = carry
        slope, judged = jax.grad(mean, has_aux=True)(weights, *shown)
        slope = {**slope, "hidden": learned * slope["hidden"]}
        change, state = optimiser.update(slope, state, weights)
        return (optax.apply_updates(weights, change), state), judged

    @jax.jit
    def epoch(carry: Any, key: Array, task: Any, learned: Array) -> tuple[Any, Judged]:
        order = jax.random.permutation(key, N_TRAIN).reshape(-1, batch)
        shown = (task.inputs[order], task.labels[order])
        carry, judged = jax.lax.scan(lambda c, s: descend(c, s, learned), carry, shown)
        return carry, jax.tree.map(jnp.mean, judged)

    @jax.jit
    def test(weights: dict[str, Array], task: Any) -> Judged:
        return mean(weights, task.inputs[:N_TEST], task.labels[:N_TEST])[1]

    return optimiser, epoch, test


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("events", "steps"), default="events")
    parser.add_argument("--hidden", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--rate", type=float, help="of Adam, in place of RATES")
    parser.add_argument("--decay", type=float, default=0.85)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rows", choices=("learned", "frozen"), nargs="+")
    chosen = parser.parse_args()
    engine = {"events": events, "steps": steps}[chosen.engine](chosen.hidden)
    programs = {}
    for row in chosen.rows or ("learned", "frozen"):
        rate = chosen.rate or RATES[chosen.engine][row]
        programs[row] = program(engine, chosen.batch, rate, chosen.decay)
    family = YinYang(n_train=N_TRAIN, n_test=N_TEST)
    for seed in chosen.seeds:
        k_train, k_test, k_init, k_order = jax.random.split(jax.random.key(seed), 4)
        train = family.sample(k_train, "train")
        heldout = family.sample(k_test, "heldout")
        for row, (optimiser, epoch, test) in programs.items():
            begun = time.process_time()
            weights = engine.init(k_init)
            carry = (weights, optimiser.init(weights))
            learned = jnp.asarray(float(row == "learned"))
            accuracies = []
            full = 0.0
            for index in range(chosen.epochs):
                key = jax.random.fold_in(k_order, index)
                carry, judged = epoch(carry, key, train, learned)
                full = max(full, float(judged.full))
                accuracies.append(round(float(test(carry[0], heldout).right), 4))
            line = {
                "engine": chosen.engine,
                "hidden": chosen.hidden,
                "seed": seed,
                "row": row,
                "accuracy": accuracies[-1],
                "by_epoch": accuracies,
                "full_tables": full,
                "cpu_seconds": round(time.process_time() - begun, 1),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
