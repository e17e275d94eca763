"""One life: birth, then steps of network -> task -> credit -> rules -> weights."""

import dataclasses
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import Move
from metaplast.feedback.base import AbstractFeedback
from metaplast.feedback.random import Random as RandomFeedback
from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.random import Random as RandomGenome
from metaplast.life.alignment import angles
from metaplast.life.at_synapse import AtSynapse, SpikeTimes, at_synapse, timed, waiting
from metaplast.life.scan import pieces, plastic_at, scan
from metaplast.life.slots import Slot, check_shared, theta_of
from metaplast.life.view import answered, edge_reads, edge_view, with_surprise
from metaplast.networks import base as network
from metaplast.networks.base import AbstractNetwork, NetworkState
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.base import cleared
from metaplast.signals import Credit, Key, NeuronView, RuleState, Synapses, Theta, Trace, pytree
from metaplast.spec import Positive, decode, plugin, spec
from metaplast.tasks import AbstractTaskFamily, some_task
from metaplast.wiring import Edge, Wiring

_NAME = re.compile(r"\w[\w-]{0,63}")
POTENTIALS = 4  # of the keys that follow from one, after those of `split`


@pytree
class Life:
    """Everything the next step needs. born: initial weights of the edges whose rule reads them;
    behind: what is on its way from the soma to the synapses of rules of spike times; t: steps
    lived."""

    synapses: dict[str, Synapses]
    born: dict[str, Array]
    network: NetworkState
    behind: dict[str, Theta]
    rules: dict[str, RuleState]
    feedback: Theta
    task: Theta
    key: Key
    t: Array


@spec
class Lifetime:
    """A network with its rules, living through tasks of one family.

    dt: seconds per step; record: what a trace keeps of every step, per edge or population, beside
    the score; measure: what is added to the metrics of every step: `alignment`, the angle between
    the credit of each hidden population and the one of symmetric feedback, in degrees, as
    `angle_<population>`; or to those of a whole life, in
    `MetaProblem.losses`: `units`, the shares of silent and saturated units (life/units.py).
    spike_times: when rules of spike times see a spike: when it is at the `synapse`, or
    `transmitted` (life/at_synapse.py).
    Raises: BadInput (from `check`) for a slot without edges, an edge in two slots, or a rule that
    reads a signal which neither the wiring nor the task offers.
    """

    task: Annotated[AbstractTaskFamily, plugin("task")] = dataclasses.field(
        default_factory=lambda: decode("task", "teacher_student")
    )
    network: Annotated[AbstractNetwork, plugin("network")] = Feedforward()
    feedback: Annotated[AbstractFeedback, plugin("feedback")] = RandomFeedback()
    genome: Annotated[AbstractGenome, plugin("genome")] = RandomGenome()
    slots: tuple[Slot, ...] = (Slot(),)
    dt: Positive = 1e-3
    record: tuple[Literal["weights", "activity", "gain", "sent", "feedback"], ...] = ()
    measure: tuple[Literal["alignment", "units"], ...] = ()
    spike_times: SpikeTimes = "synapse"

    def wiring(self) -> Wiring:
        return _wiring(self)

    def plastic(self) -> dict[str, tuple[Edge, Slot]]:
        """Edge name -> (edge, its slot), for every edge that a rule changes."""
        found = {}
        for edge in self.wiring().edges:
            slots = [
                slot for slot in self.slots if edge.plastic and fnmatchcase(edge.name, slot.edges)
            ]
            if len(slots) > 1:
                fix = f"narrow 'edges' of {slots[0].name} or {slots[1].name}"
                raise BadInput(f"edge {edge.name}", "at most one slot", fix)
            if slots:
                found[edge.name] = (edge, slots[0])
        return found

    def _timed(self) -> dict[str, Edge]:
        """The edges whose rule sees spikes at other times than those at which the edge transmits
        them.
        """
        by_rule = {
            name: edge for name, (edge, slot) in self.plastic().items() if slot.rule.spike_timing
        }
        return timed(self.wiring(), by_rule, self.dt) if self.spike_times == "synapse" else {}

    def _behind(self) -> dict[str, Theta]:
        return {
            name: waiting(edge, self.reads()[name], self.dt) for name, edge in self._timed().items()
        }

    def reads(self) -> dict[str, frozenset[str]]:
        """Edge name -> the fields of its view that its rule depends on (measured)."""
        return _reads(self)

    def check(self) -> None:
        """Refuse, by name, what cannot live together; nothing is compiled."""
        slots, edges = (
            [slot.name for slot in self.slots],
            [edge.name for edge in self.wiring().edges],
        )
        for kind, names in (("slot", slots), ("edge", edges)):
            for name in names:
                if not _NAME.fullmatch(name) or names.count(name) > 1:
                    raise BadInput(
                        f"{kind} {name!r}",
                        "a name of letters, digits, _ and -, used once",
                        "rename it",
                    )
        network.check_watched(self.wiring(), self.task.shape())
        _reads(self)
        check_shared(self.plastic())
        offers = self.task.shape().offers
        for need in sorted(self.genome.needs - offers):
            expected = f"one of what it offers: {', '.join(sorted(offers))}"
            raise BadInput(
                f"genome: needs {need!r} from the task", expected, "change genome or task"
            )
        jax.eval_shape(
            lambda key: self.begin(self._init(key), some_task(self.task, key), key),
            jax.random.key(0),
        )

    def init(self, key: Key) -> Theta:
        """theta = {rules: {slot: theta, or {edge: theta}}, genome, feedback, neurons}."""
        self.check()
        return self._init(key)

    def _init(self, key: Key) -> Theta:
        wiring = self.wiring()
        k_rules, k_genome, k_feedback, k_neurons = jax.random.split(key, 4)
        rules: dict[str, Any] = {slot.name: {} for slot in self.slots}
        for index, (name, (edge, slot)) in enumerate(self.plastic().items()):
            theta = slot.rule.init(
                jax.random.fold_in(k_rules, 0 if slot.shared else index), edge.connection
            )
            if slot.shared:
                rules[slot.name] = theta
            else:
                rules[slot.name][name] = theta
        return {
            "rules": rules,
            "genome": self.genome.init(k_genome, wiring),
            "feedback": self.feedback.init(k_feedback, wiring),
            "neurons": network.init(wiring, k_neurons),
        }

    def begin(self, theta: Theta, task: Any, key: Key) -> Life:
        """The birth of a life."""
        wiring = self.wiring()
        k_genome, k_feedback, k_task, k_life = jax.random.split(key, 4)
        drawn = self.genome.weights(theta["genome"], wiring, task, k_genome)
        plastic, used = self.plastic(), self.reads()
        among = {
            name: wiring.bounds(edge) for name, (edge, _) in plastic.items() if wiring.spiking(edge)
        }
        bounded = {
            name: jnp.clip(drawn[name].weight, *ends) for name, ends in among.items()
        }  # for silent synapses
        synapses = {
            name: Synapses(weight=bounded.get(name, s.weight), mask=s.mask)
            for name, s in drawn.items()
        }
        return Life(
            synapses=synapses,
            born={
                name: synapses[name].weight for name in plastic if "weight_initial" in used[name]
            },
            network=network.begin(
                wiring, theta["neurons"], self.dt, jax.random.fold_in(key, POTENTIALS)
            ),
            behind=self._behind(),
            rules={
                name: slot.rule.init_state(theta_of(theta, slot, name), edge.connection)
                for name, (edge, slot) in plastic.items()
            },
            feedback=self.feedback.init_state(theta["feedback"], wiring, k_feedback),
            task=self.task.begin(task, k_task, self.dt),
            key=k_life,
            t=jnp.zeros((), jnp.int32),
        )

    def advance(
        self,
        theta: Theta,
        task: Any,
        life: Life,
        n_steps: int,
        *,
        start: int | None = None,
        gradient: bool = False,
    ) -> tuple[Life, Trace]:
        """Live `n_steps` more: (life, trace with one entry per step).

        start: the number of steps already lived where the caller knows it: frozen phases then skip
        the rules; without it they are masked, with equal results. gradient: keep the memory of a
        gradient at about sqrt(n_steps) states.
        """
        traces = []
        for length, plastic in pieces(self.task.shape().phases, start, n_steps):
            step = lambda life, plastic=plastic: self._step(theta, task, life, plastic)
            life, trace = scan(
                step, life, length, gradient and plastic is not False
            )  # frozen: no weights to store
            traces.append(trace)
        return life, traces[0] if len(traces) == 1 else jax.tree.map(
            lambda *x: jnp.concatenate(x), *traces
        )

    def _step(
        self, theta: Theta, task: Any, life: Life, plastic: bool | None
    ) -> tuple[Life, Trace]:
        wiring = self.wiring()
        k_stimulus, k_network, k_task, k_rules = jax.random.split(
            jax.random.fold_in(life.key, life.t), 4
        )
        stimulus = self.task.stimulus(task, life.task, k_stimulus, self.dt)
        state, (views, sent) = network.step(
            wiring, theta["neurons"], life.synapses, life.network, stimulus, self.dt, k_network
        )
        arrived, behind = {name: AtSynapse(signal, {}) for name, signal in sent.items()}, {}
        for name, edge in self._timed().items():
            both = (life.network, state)
            behind[name], seen = at_synapse(wiring, edge, life.behind[name], both, views, self.dt)
            arrived[name] = seen._replace(sent=sent[name])
        output = network.seen(wiring, self.task.shape(), views)
        task_state, outcome = self.task.step(task, life.task, output, k_task, self.dt)
        new = replace(life, network=state, behind=behind, task=task_state, t=life.t + 1)
        score = outcome.score
        if plastic is not False or "alignment" in self.measure:
            views, given = answered(views, wiring.output.name, outcome, self.task.shape().offers)
            told, credit = self.feedback.step(
                theta["feedback"], life.feedback, wiring, life.synapses, views, given, self.dt
            )
            if plastic is not False:
                learned = (
                    *self._learn(
                        theta, new, views, arrived, credit, (outcome.feedback.gate, k_rules)
                    ),
                    told,
                )
                if plastic is None or self.task.shape().rests:
                    on = plastic_at(self.task.shape(), life.t, outcome.feedback.gate)
                    before = (new.synapses, new.rules, new.feedback)
                    learned = jax.tree.map(lambda a, b: jnp.where(on, a, b), learned, before)
                new = replace(new, synapses=learned[0], rules=learned[1], feedback=learned[2])
            if "alignment" in self.measure:
                found = angles(
                    wiring, set(stimulus), life.synapses, views, outcome.feedback, credit
                )
                score = replace(score, metrics={**score.metrics, **found})
        if "reset" in self.task.shape().offers:
            new = self._reset(theta, new, outcome.feedback.reset)
        recorded = {
            "weights": {name: s.weight for name, s in new.synapses.items()},
            "activity": {name: view.activity for name, view in views.items()},
            "gain": {name: view.gain for name, view in views.items()},
            "sent": sent,
            "feedback": outcome.feedback,
        }
        return new, Trace(score=score, recorded={name: recorded[name] for name in self.record})

    def _learn(
        self,
        theta: Theta,
        life: Life,
        views: dict[str, NeuronView],
        arrived: dict[str, AtSynapse],
        credit: Credit,
        gate_and_key: tuple[Array, Key],
    ) -> tuple[dict[str, Synapses], dict[str, RuleState]]:
        """Every rule, then the bounded change of weights."""
        wiring, used, (gate, key) = self.wiring(), self.reads(), gate_and_key
        synapses, rules = dict(life.synapses), {}
        for index, (name, (edge, slot)) in enumerate(self.plastic().items()):
            old, (low, high) = life.synapses[name], wiring.bounds(edge)
            weights = (old.weight, life.born.get(name, old.weight), high, wiring.effect(edge))
            view = edge_view(
                edge,
                used[name],
                weights,
                views,
                arrived[name],
                credit,
                jax.random.fold_in(key, index),
            )
            own, move = (
                theta_of(theta, slot, name),
                Move(old.mask, gate, low, high, wiring.spiking(edge)),
            )
            rules[name], new = slot.rule.apply(
                own, life.rules[name], move, edge.connection, view, self.dt
            )
            synapses[name] = Synapses(weight=new, mask=old.mask)
        return synapses, rules

    def _reset(self, theta: Theta, life: Life, reset: Array) -> Life:
        """A new trial: neurons and transmissions as at birth, rules `cleared`; weights stay."""
        key = jax.random.fold_in(life.key, life.t)
        first = network.begin(
            self.wiring(), theta["neurons"], self.dt, jax.random.fold_in(key, POTENTIALS)
        )
        rules = {}
        for name, (edge, slot) in self.plastic().items():
            fresh = slot.rule.init_state(theta_of(theta, slot, name), edge.connection)
            rules[name] = cleared(slot.rule, life.rules[name], fresh, reset)
        fresh = (first, self._behind())
        seen, behind = _where(reset, fresh, (life.network, life.behind))
        return replace(life, network=seen, behind=behind, rules=rules)


def _where(condition: Array, yes: Theta, no: Theta) -> Theta:
    return jax.tree.map(lambda a, b: jnp.where(condition > 0, a, b), yes, no)


@lru_cache(maxsize=128)
def _wiring(lifetime: Lifetime) -> Wiring:
    shape = lifetime.task.shape()
    return lifetime.network.wiring(shape.inputs, shape.n_out)


@lru_cache(maxsize=128)
def _reads(lifetime: Lifetime) -> dict[str, frozenset[str]]:
    wiring, plastic = lifetime.wiring(), lifetime.plastic()
    used = {slot for _, slot in plastic.values()}
    for slot in lifetime.slots:
        if slot not in used:
            known = ", ".join(edge.name for edge in wiring.edges if edge.plastic)
            what = f"slot {slot.name}: edges {slot.edges!r}"
            raise BadInput(what, f"a pattern that matches one of {known}", "correct it")
    offers = with_surprise(lifetime.task.shape().offers)
    found = {}
    for name, (edge, slot) in plastic.items():
        found[name] = edge_reads(wiring, edge, slot.rule, offers, lifetime.feedback)
    return found
