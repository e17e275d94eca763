"""Print the speed of spiking networks that learn, beside Brian2's C++.

    python -m benchmarks.spiking [LOW HIGH]

W3 is N leaky integrate-and-fire neurons under steady currents, uniform between LOW and HIGH. Their
recurrent synapses are plastic by the timing of spike pairs. dt is 1 ms, and a run lasts 5 s. Times
are CPU seconds of one pinned core without compilation. Synapse updates are synapses x steps.

Both sides have the same synapses, first weights and drives. Their rates and mean weights show that
they do the same work.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import _measure, plain_spiking, spiking_brian2
from benchmarks._measure import cpu_seconds, first_call
from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.feedback.none import None_ as NoFeedback
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Life, Lifetime, Slot
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.lif import Lif
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.rules.stdp import Stdp
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Positive, spec
from metaplast.tasks import AbstractTaskFamily, Split

DT = 1e-3
TAU = 20e-3
STEPS = 5000
NETWORKS = 32
REPEATS = 5
CHECKED = 300  # steps; later a rounding error may move a spike by one
CURRENTS = (0.85, 1.15)  # of the neurons, uniform; the threshold is at 1
COUPLING = 0.1  # the largest weights onto a neuron, summed: weak, or regular neurons fall into step
UP = 1e-2  # potentiation by a pair, in shares of the largest weight
DOWN = 1.05e-2  # depression by a pair, in shares of the largest weight
DRIVE = "input_to_output"
PLASTIC = "output_to_output"


@pytree
class Start:
    """One network at birth.

    weights: of `input_to_output`, the drive of each neuron [n, 1]; of `output_to_output`, the
        plastic synapses.
    """

    weights: dict[str, Array]


@register("task", "steady_drive")
@spec
class SteadyDrive(AbstractTaskFamily):
    """A constant drive for every neuron, and first weights uniform in [0, largest].

    The loss of a step is the mean activity.
    """

    n: Count = 256
    layout: tuple[Count, ...] = (256, 256)
    largest: Positive = 1 / 256
    currents: tuple[float, float] = CURRENTS
    n_steps: Count = STEPS

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"weights"})
        return TaskShape({"input": 1}, self.n, phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Start:
        k_current, k_weight = jax.random.split(key)
        low, high = self.currents
        current = jax.random.uniform(k_current, (self.n, 1), minval=low, maxval=high)
        weights = self.largest * jax.random.uniform(k_weight, self.layout)
        return Start(weights={DRIVE: -math.expm1(-DT / TAU) * current, PLASTIC: weights})

    def begin(self, task: Start, key: Key, dt: float) -> dict[str, Array]:
        return {}

    def stimulus(
        self, task: Start, state: dict[str, Array], key: Key, dt: float
    ) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: Start, state: dict[str, Array], output: NeuronView, key: Key, dt: float
    ) -> tuple[dict[str, Array], Outcome]:
        score = Score(loss=jnp.mean(output.activity), weight=jnp.ones(()), metrics={})
        return state, Outcome(feedback=feedback(self.n), score=score)


class Work(NamedTuple):
    """A workload: a number of networks with these plastic synapses."""

    name: str
    connection: AbstractConnection
    networks: int = 1
    currents: tuple[float, float] = CURRENTS

    @property
    def n_synapses(self) -> int:
        return math.prod(self.connection.shape)


def works(
    n_sparse: int = 1000,
    n_dense: int = 256,
    networks: int = NETWORKS,
    currents: tuple[float, float] = CURRENTS,
) -> tuple[Work, ...]:
    """The workloads: a sparse network, a dense one, and several dense ones."""
    dense = Dense(n_dense, n_dense)
    return (
        Work(f"N {n_sparse}, 10 %", Sparse(n_sparse, n_sparse, probability=0.1), currents=currents),
        Work(f"N {n_dense}, dense", dense, currents=currents),
        Work(f"{networks} x N {n_dense}, dense", dense, networks, currents),
    )


def problem(work: Work, n_steps: int = STEPS) -> MetaProblem:
    """The framework's side. A spike moves V by the weight."""
    largest = COUPLING / work.connection.fan_in
    task = SteadyDrive(
        n=work.connection.n_post,
        layout=work.connection.shape,
        largest=largest,
        currents=work.currents,
        n_steps=n_steps,
    )
    loop = Recurrent(
        readout=False,
        neuron=Lif(tau_m=TAU, soma_input="jump"),
        connection=work.connection,
        bounds=(0.0, largest),
    )
    rule = Stdp(potentiation=UP * largest, depression=DOWN * largest)
    slots = (Slot(edges=PLASTIC, rule=rule),)
    # The native step and the recorded numbers pair a spike when it is transmitted.
    lifetime = Lifetime(task, loop, NoFeedback(), Given(), slots, DT, spike_times="transmitted")
    return MetaProblem(lifetime, MeanLoss(), n_tasks=work.networks)


def graph(connection: AbstractConnection) -> tuple[np.ndarray, np.ndarray]:
    """Postsynaptic and presynaptic neuron of every synapse, in the order of the weights."""
    if isinstance(connection, Sparse):
        return connection.topology()
    post, pre = np.indices(connection.shape)
    return post.ravel(), pre.ravel()


def alone(work: Work, start: Start, n_steps: int) -> tuple[Life, Array]:
    """One network of the framework: (its life at the end, spikes [T, n])."""
    life = replace(problem(work, n_steps).lifetime, record=("activity",))
    key = jax.random.key(0)
    theta = life.init(key)

    def run(task: Start) -> Any:
        return life.advance(theta, task, life.begin(theta, task, key), n_steps)

    last, trace = jax.jit(run)(start)
    return last, trace.recorded["activity"]["output"]


class Result(NamedTuple):
    """The outcome of a run.

    rate: the firing rate, in hertz.
    weight: the mean weight at the end, as a share of the largest.
    """

    rate: float
    weight: float


class Side(NamedTuple):
    """One way to do the work.

    name: its name.
    seconds: runs it, and returns the CPU seconds of the whole run.
    result: the outcome of the last run.
    """

    name: str
    seconds: Callable[[], float]
    result: Callable[[], Result]


class Begun(NamedTuple):
    """Networks of the framework at birth.

    world: the problem.
    theta: of the rules.
    lives: all networks.
    """

    world: MetaProblem
    theta: Any
    lives: Any

    @property
    def task(self) -> Start:
        """The task of the first network."""
        return jax.tree.map(lambda x: x[0], self.lives.tasks)

    def one(self, n_steps: int) -> _measure.Side:
        """The first network for some steps."""
        task = self.task
        advance = jax.jit(lambda life: self.world.lifetime.advance(self.theta, task, life, n_steps))
        life = jax.tree.map(lambda x: x[0], self.lives.life)
        return _measure.Side("", advance, (life,))

    def all(self, n_steps: int) -> _measure.Side:
        """All networks for some steps."""
        thetas = jax.tree.map(lambda x: x[None], self.theta)
        advance = jax.jit(lambda lives: self.world.advance(thetas, lives, n_steps))
        return _measure.Side("", advance, (self.lives,))


def begin(work: Work, n_steps: int = STEPS) -> Begun:
    """The networks of a workload at birth."""
    world = problem(work, n_steps)
    key = jax.random.key(0)
    batch = jax.jit(world.sample, static_argnums=(1, 2))(key, work.networks, "train")
    theta = world.init(key)
    lives = jax.jit(world.begin)(jax.tree.map(lambda x: x[None], theta), batch)
    return Begun(world, theta, lives)


def framework(work: Work, n_steps: int = STEPS) -> tuple[Side, Start]:
    """(the framework's side, the first task).

    It is `Lifetime.advance` of one network, and `MetaProblem.advance` of several.
    """
    begun = begin(work, n_steps)
    run = (begun.all(n_steps) if work.networks > 1 else begun.one(n_steps)).run

    def result() -> Result:
        life, trace = run()
        if work.networks > 1:
            life = life.life
            trace = trace.trace
        rate = float(jnp.mean(trace.score.loss)) / DT
        weight = float(jnp.mean(life.synapses[PLASTIC].weight))
        return Result(rate, weight / (COUPLING / work.connection.fan_in))

    return Side("framework", lambda: cpu_seconds(run), result), begun.task


def network(work: Work, task: Start) -> spiking_brian2.Network:
    """The same network for Brian2."""
    post, pre = graph(work.connection)
    largest = COUPLING / work.connection.fan_in
    current = np.asarray(task.weights[DRIVE], float)[:, 0] / -math.expm1(-DT / TAU)
    weight = np.asarray(task.weights[PLASTIC], float).ravel()
    return spiking_brian2.Network(
        current, pre, post, weight, largest, TAU, UP * largest, DOWN * largest
    )


def peers(work: Work, task: Start, folder: Path, n_steps: int = STEPS) -> list[Side]:
    """Brian2's programs for the same network."""
    same = network(work, task)
    largest = COUPLING / work.connection.fan_in
    sides = []
    for form in spiking_brian2.FORMS:
        for dtype in (np.float64, np.float32):
            place = folder / f"{form}_{dtype.__name__}"
            program = spiking_brian2.Program(same, form, dtype, n_steps, DT, place)

            def result(program: spiking_brian2.Program = program) -> Result:
                count, mean = program.result()
                return Result(count / (n_steps * DT), mean / largest)

            sides.append(Side(f"Brian2, {form}, {dtype.__name__}", program.run, result))
    return sides


def compare(name: str, sides: list[Side], updates: int) -> None:
    """Run all sides in turn, and print their times and ratios to the first, round by round.

    One round before is not timed.
    """
    rounds = []
    for _ in range(REPEATS + 1):
        rounds.append([side.seconds() for side in sides])
    rounds = rounds[1:]
    print(f"{name}: {updates / 1e9:.2f} G synapse updates")
    for i, side in enumerate(sides):
        times = [one[i] for one in rounds]
        rate, weight = side.result()
        ratio = statistics.median(one[i] / one[0] for one in rounds)
        fastest = updates / min(times) / 1e9
        speed = f"{1e3 * min(times):.1f} ms at best, median {1e3 * statistics.median(times):.1f}"
        outcome = f"{rate:.1f} Hz, mean weight {weight:.3f} of the largest"
        print(
            f"    {side.name}: {fastest:.2f} G/s ({speed}); {ratio:.2f} x the time of "
            f"the first; {outcome}",
            flush=True,
        )


def plain_sides(work: Work, task: Start, n_steps: int = STEPS) -> list[_measure.Side]:
    """The plain scripts that can do the work: synapses of spikes, and all synapses where dense."""
    n = work.connection.n_post
    post, pre = graph(work.connection)
    largest = COUPLING / work.connection.fan_in
    numbers = plain_spiking.Constants(math.exp(-DT / TAU), UP * largest, DOWN * largest, largest)
    drive = task.weights[DRIVE][:, 0]
    weights = task.weights[PLASTIC]
    incoming = plain_spiking.side(post, pre, n)
    outgoing = plain_spiking.side(pre, post, n)
    args = (weights.reshape(-1), drive, incoming, outgoing, numbers, n_steps)
    sides = [_measure.Side("synapses of spikes", plain_spiking.by_spikes, args)]
    if isinstance(work.connection, Dense):
        args = (weights, drive, numbers, n_steps)
        sides.append(_measure.Side("all synapses", plain_spiking.dense, args))
    return sides


def rows() -> None:
    """W3 beside plain scripts: all spikes and the last weights of 300 steps are equal first."""
    for work in works()[:2]:
        begun = begin(work)
        task = begun.task
        ours = begun.one(STEPS)
        first = first_call(ours)
        last, spikes = alone(work, task, CHECKED)
        largest = COUPLING / work.connection.fan_in
        for side in plain_sides(work, task, CHECKED):
            state, counts = side.run()
            np.testing.assert_array_equal(counts, spikes.sum(1))
            weights = np.asarray(state.weights).ravel()[: work.n_synapses]
            expected = np.asarray(last.synapses[PLASTIC].weight).ravel()
            np.testing.assert_allclose(weights, expected, rtol=0.0, atol=1e-5 * largest)
        for theirs in plain_sides(work, task):
            _measure.compare(f"W3 {work.name}", ours, theirs, work.n_synapses * STEPS, first)


def main() -> None:
    hindrance = spiking_brian2.missing()
    if hindrance:
        print(f"no Brian2 beside it: {hindrance}")
    low, high = CURRENTS
    if len(sys.argv) > 2:
        low, high = map(float, sys.argv[1:3])
    for work in works(currents=(low, high)):
        ours, task = framework(work)
        with tempfile.TemporaryDirectory() as folder:
            sides = [ours]
            if work.networks == 1 and not hindrance:
                sides += peers(work, task, Path(folder))
            compare(f"W3, {work.name}", sides, work.n_synapses * STEPS * work.networks)


if __name__ == "__main__":
    main()
