"""One life: birth, then steps of network -> task -> credit -> rules -> weights."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import Move
from metaplast.feedback.base import AbstractFeedback, FeedbackView
from metaplast.feedback.random import Random as RandomFeedback
from metaplast.genomes.base import AbstractGenome, Plastic
from metaplast.genomes.random import Random as RandomGenome
from metaplast.life import rollback
from metaplast.life.alignment import angles
from metaplast.life.apart import places
from metaplast.life.as_rates import as_rates, no_rates
from metaplast.life.at_synapse import (
    AtSynapse,
    SpikeTimes,
    at_synapse,
    empty_queues,
    retimed_edges,
)
from metaplast.life.backward import Living, live
from metaplast.life.phases import is_plastic, stretches
from metaplast.life.presentations import check_presentations, with_full_table
from metaplast.life.scan import scan
from metaplast.life.sensitivity import Flow, carried, flow_of, readout_memory, varied_by
from metaplast.life.slots import Slot, check_shared, check_start, first_theta, theta_of
from metaplast.life.view import (
    EdgeWeights,
    Read,
    Seen,
    Witnessed,
    edge_reads,
    edge_view,
    n_numbers,
    read,
    seen_again,
    with_eligibility,
    with_site,
    with_surprise,
    with_task_signals,
)
from metaplast.locality.reads import is_affine_in_weight
from metaplast.networks import base as network
from metaplast.networks.base import AbstractNetwork, NetworkState
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.base import cleared
from metaplast.signals import (
    FEEDBACK_FIELDS,
    Credit,
    Feedback,
    Key,
    NeuronView,
    RuleState,
    Score,
    Synapses,
    Theta,
    Trace,
    pytree,
)
from metaplast.spec import Count, NonNegative, Positive, decode, plugin, spec
from metaplast.tasks import AbstractTaskFamily, some_task
from metaplast.wiring import Edge, Wiring

Recorded = Literal[
    "weights", "activity", "potential", "gain", "sent", "feedback", "log_probability"
]
_NAME = re.compile(r"\w[\w-]{0,63}")
WEIGHTS = frozenset({"weight"})
# Folded into a key beside its `split` in four:
PREPARED = 3  # the key of the numbers by which a genome writes others, in that of the genome
POTENTIALS = 4  # the key of first potentials
FEEDBACK = 5  # the key of the feedback, in a step and at a new trial
REWIRING = 7  # the key of births of synapses, in that of the rule of an edge
SETTLING = 6  # the key of the steps of the network before the last


@pytree
class Life:
    """The state of a life: all that its next step needs.

    Attributes:
        synapses: edge -> its weights and mask.
        born: edge -> its initial weights, for the edges whose rule reads them.
        network: the state of neurons and transmissions.
        behind: edge -> the queues from the soma to the synapses (life/at_synapse.py), for the edges
            with a rule of spike times that need them.
        sensitivities: edge -> part of the state of its postsynaptic neurons -> d part / d weight
            (life/sensitivity.py), for the edges whose rule reads the eligibility.
        rates: edge -> the running rates of its spiking sides (life/as_rates.py), under
            `rate_trace`.
        rules: edge -> the state of its rule.
        feedback: the state of the feedback.
        task: the state of the task.
        key: the key of the life.
        t: the number of steps lived, an integer [].
    """

    synapses: dict[str, Synapses]
    born: dict[str, Array]
    network: NetworkState
    behind: dict[str, Theta]
    sensitivities: dict[str, dict[str, Array]]
    rates: dict[str, Theta]
    rules: dict[str, RuleState]
    feedback: Theta
    task: Theta
    key: Key
    t: Array


@spec
class Lifetime:
    """A network with its rules, living through tasks of one family.

    Args:
        task: the family of tasks.
        network: the writer of the wiring.
        feedback: the way from the task's errors to credit at every population.
        genome: the source of initial weights.
        slots: the rules, each with the edges that it changes.
        dt: seconds per step.
        record: the signals of every step that a trace keeps, per edge or population, beside the
            score. `log_probability` is log P(activity) of units that draw theirs, else 0.
        measure: additional metrics. `alignment` adds to every step the angle between the credit of
            each hidden population and the one of symmetric feedback, in degrees, as
            `angle_<population>`. `units` adds to a whole life, in `MetaProblem.losses`, the shares
            of silent and saturated units (life/units.py). `steps` adds there the score of every
            step.
        spike_times: when rules of spike times see a spike: when it is at the `synapse`, or when it
            is `transmitted` (life/at_synapse.py).
        rate_trace: seconds; above 0, every other rule sees rates in place of spikes: traces of
            this time constant, in units of `activity_reference` (life/as_rates.py).
        activity_reference: hertz that an activity of 1 stands for.
        settle: steps of the network, of dt each, in one step of the task, under one stimulus. The
            task, the feedback, the rules and the record see the last of them alone, and count dt
            for them all.

    Raises:
        BadInput: (from `check`) for a slot without edges, an edge in two slots, a rule that reads a
            signal which neither the wiring nor the task offers, or one that counts every step of
            the network where `settle` is above 1.
    """

    task: Annotated[AbstractTaskFamily, plugin("task")] = dataclasses.field(
        default_factory=lambda: decode("task", "teacher_student")
    )
    network: Annotated[AbstractNetwork, plugin("network")] = Feedforward()
    feedback: Annotated[AbstractFeedback, plugin("feedback")] = RandomFeedback()
    genome: Annotated[AbstractGenome, plugin("genome")] = RandomGenome()
    slots: tuple[Slot, ...] = (Slot(),)
    dt: Positive = 1e-3
    record: tuple[Recorded, ...] = ()
    measure: tuple[Literal["alignment", "units", "steps"], ...] = ()
    spike_times: SpikeTimes = "synapse"
    rate_trace: NonNegative = 0.0
    activity_reference: Positive = 1.0
    settle: Count = 1

    def wiring(self) -> Wiring:
        """The graph that the network writes for the sizes of the task."""
        return _wiring(self)

    def plastic(self) -> dict[str, tuple[Edge, Slot]]:
        """Edge name -> (edge, its slot), for every edge that a rule changes.

        Raises:
            BadInput: for an edge in two slots.
        """
        plastic = {}
        for edge in self.wiring().edges:
            if not edge.plastic:
                continue
            slots = [slot for slot in self.slots if fnmatchcase(edge.name, slot.edges)]
            if len(slots) > 1:
                fix = f"narrow 'edges' of {slots[0].name} or {slots[1].name}"
                raise BadInput(f"edge {edge.name}", "at most one slot", fix)
            if slots:
                plastic[edge.name] = (edge, slots[0])
        return plastic

    def _rules_by_edge(self) -> dict[str, Plastic]:
        """Edge name -> its rule, as a genome sees it."""
        rules = {}
        for name, (edge, slot) in self.plastic().items():
            rules[name] = Plastic(edge, slot.name, slot.rule, slot.shared)
        return rules

    def reads(self) -> dict[str, frozenset[str]]:
        """Edge name -> the fields of its view that its rule depends on (measured)."""
        return _reads(self)

    def check(self) -> None:
        """Refuse, by name, parts that cannot live together; nothing is compiled.

        Raises:
            BadInput: for a name that is no name or is used twice, and for parts that do not fit
                each other.
        """
        _check(self)

    def init(self, key: Key) -> Theta:
        """Check the lifetime and draw the first theta.

        Returns:
            {rules: {slot: theta, or {edge: theta}}, genome, feedback, neurons}.
        """
        self.check()
        return self._init(key)

    def _init(self, key: Key) -> Theta:
        wiring = self.wiring()
        k_rules, k_genome, k_feedback, k_neurons = jax.random.split(key, 4)
        rules: dict[str, Any] = {slot.name: {} for slot in self.slots}
        for index, (name, (edge, slot)) in enumerate(self.plastic().items()):
            rule_key = jax.random.fold_in(k_rules, 0 if slot.shared else index)
            theta = first_theta(slot, rule_key, edge)
            if slot.shared:
                rules[slot.name] = theta
            else:
                rules[slot.name][name] = theta
        theta = {
            "rules": rules,
            "genome": self.genome.init(k_genome, wiring),
            "feedback": self.feedback.init(k_feedback, wiring),
            "neurons": network.init(wiring, k_neurons),
        }
        k_prepared = jax.random.fold_in(k_genome, PREPARED)
        return self.genome.prepare(k_prepared, theta, wiring, self._rules_by_edge())

    def develop(self, theta: Theta) -> Theta:
        """The numbers that a life reads, from the numbers that a search moves.

            {rules, genome, feedback, neurons} = develop(theta)

        They are the same, unless the genome writes numbers of rules or of cells
        (`AbstractGenome.develop`). `begin` and `advance` develop theta by themselves.

        Args:
            theta: learned parameters, as `init` lays them out.
        """
        return self.genome.develop(theta, self.wiring(), self._rules_by_edge())

    def begin(self, theta: Theta, task: Any, key: Key) -> Life:
        """The birth of a life.

        Args:
            theta: learned parameters, as `init` lays them out.
            task: one task of the family.
            key: the key of the life.
        """
        theta = self.develop(theta)
        wiring = self.wiring()
        k_genome, k_feedback, k_task, k_life = jax.random.split(key, 4)
        synapses = self._synapses_at_birth(theta, task, k_genome)
        born = {}
        for name in self.plastic():
            if "weight_initial" in self.reads()[name]:
                born[name] = synapses[name].weight
        return Life(
            synapses=synapses,
            born=born,
            network=self._network_at_birth(theta, key),
            behind=self._empty_queues(),
            sensitivities=self._no_sensitivities(),
            rates=self._no_rates(),
            rules=self._fresh_rule_states(theta),
            feedback=self.feedback.init_state(theta["feedback"], wiring, k_feedback),
            task=self.task.begin(task, k_task, self.dt),
            key=k_life,
            t=jnp.zeros((), jnp.int32),
        )

    def _synapses_at_birth(self, theta: Theta, task: Any, key: Key) -> dict[str, Synapses]:
        """The synapses that the genome draws.

        Where a side of the edge sends spikes, an update may leave silent synapses as they are. The
        weights of such an edge are put within their bounds here.
        """
        wiring = self.wiring()
        drawn = self.genome.weights(theta["genome"], wiring, task, key)
        synapses = dict(drawn)
        for name, (edge, slot) in self.plastic().items():
            weight = drawn[name].weight
            mask = drawn[name].mask
            if wiring.spiking(edge):
                weight = jnp.clip(weight, *wiring.bounds(edge))
            if slot.rule.rewires:
                mask = jnp.broadcast_to(mask, edge.connection.shape)
            synapses[name] = Synapses(weight=weight, mask=mask)
        return synapses

    def _network_at_birth(self, theta: Theta, key: Key) -> NetworkState:
        """The first state of neurons and transmissions; key: of the life or of the trial."""
        potentials_key = jax.random.fold_in(key, POTENTIALS)
        return network.begin(self.wiring(), theta["neurons"], self.dt, potentials_key)

    def _retimed_edges(self) -> dict[str, Edge]:
        """The edges whose rule sees spikes at other times than those of their transmission."""
        if self.spike_times != "synapse":
            return {}
        by_rule = {
            name: edge for name, (edge, slot) in self.plastic().items() if slot.rule.spike_timing
        }
        return retimed_edges(self.wiring(), by_rule, self.dt)

    def _empty_queues(self) -> dict[str, Theta]:
        """The signals under way from the soma to the synapses of such edges, at birth."""
        return {
            name: empty_queues(edge, self.reads()[name], self.dt)
            for name, edge in self._retimed_edges().items()
        }

    def _flows(self) -> dict[str, tuple[Edge, Flow]]:
        """The edges whose rule reads the eligibility, and the ways through their neurons."""
        flows = {}
        for name, (edge, _) in self.plastic().items():
            if "eligibility" in self.reads()[name]:
                flows[name] = (edge, flow_of(self.wiring(), edge, self.dt))
        return flows

    def _no_sensitivities(self) -> dict[str, dict[str, Array]]:
        """The sensitivities at such edges, at birth."""
        sensitivities = {}
        for name, (edge, flow) in self._flows().items():
            sensitivities[name] = flow.at_birth(edge.connection)
        return sensitivities

    def _rated_edges(self) -> dict[str, Edge]:
        """The plastic edges with a spiking side, under `rate_trace`."""
        wiring = self.wiring()
        if not self.rate_trace:
            return {}
        return {name: edge for name, (edge, _) in self.plastic().items() if wiring.spiking(edge)}

    def _no_rates(self) -> dict[str, Theta]:
        """The running rates of such edges at birth."""
        return {name: no_rates(self.wiring(), edge) for name, edge in self._rated_edges().items()}

    def _fresh_rule_states(self, theta: Theta) -> dict[str, RuleState]:
        return {
            name: slot.rule.init_state(theta_of(theta, slot, name), edge.connection)
            for name, (edge, slot) in self.plastic().items()
        }

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
        """Live `n_steps` steps more.

        Args:
            theta: learned parameters, as `init` lays them out.
            task: the task that the life began with.
            life: the life so far.
            n_steps: the number of steps.
            start: the number of steps already lived, where the caller knows it: frozen phases then
                skip the rules. Without it they are masked, with equal results.
            gradient: keep the memory of a gradient at about sqrt(n_steps) states.

        Returns:
            (The life, a trace with one entry per step).
        """
        theta = self.develop(theta)
        traces = []
        for stretch in stretches(self.task.shape().phases, start, n_steps):
            step = lambda life, plastic=stretch.plastic: self._step(theta, task, life, plastic)
            saves_memory = gradient and stretch.plastic is not False  # frozen: no weights to store
            n_lived = stretch.n_steps
            if gradient and stretch.plastic and self._can_roll_back(theta, task, life, n_lived):
                life, trace = live(self._living(), theta, task, life, n_lived)
            else:
                life, trace = scan(step, life, n_lived, saves_memory)
            traces.append(trace)
        if len(traces) == 1:
            return life, traces[0]
        return life, jax.tree.map(lambda *x: jnp.concatenate(x), *traces)

    def _can_roll_back(self, theta: Theta, task: Any, life: Life, n_steps: int) -> bool:
        """Whether the backward pass may take changes back instead of storing weights.

        Every rule must be affine in the weight and keep no state of synapses. Left out are
        magnitudes and masked edges with a bound of 0, where many weights are at their bound,
        spikes, whose changes skip silent synapses, event-driven networks, and edges whose rule sees
        other times than those of the transmission.
        """
        wiring = self.wiring()
        if wiring.events:
            return False
        plastic = self.plastic()
        n_weights = sum(life.synapses[name].weight.size for name in plastic)
        if n_weights < rollback.LARGE or "weights" in self.record or self.task.shape().rests:
            return False
        if self._retimed_edges() or self._flows():
            return False
        n_seen = 0
        for name, (edge, slot) in plastic.items():
            fields = self.reads()[name]
            if slot.rule.rewires or jax.tree.leaves(life.rules[name].synapse):
                return False
            if not is_affine_in_weight(slot.rule, edge.connection, self._channels()):
                return False
            if wiring.magnitude(edge) or wiring.spiking(edge):
                return False
            low, high = wiring.bounds(edge)
            if life.synapses[name].mask.ndim and not low < 0 < high:
                return False
            n_seen += n_numbers(edge.connection, fields - WEIGHTS)
        at = places(life, list(plastic), lambda life: self._step(theta, task, life, True)[0])
        n_moving = sum(leaf.size for leaf in at.apart(life).moving)
        return rollback.pays(n_weights, n_seen + n_moving, n_steps)

    def _living(self) -> Living:
        """The steps of a life, for a backward pass that takes changes back."""
        return Living(list(self.plastic()), self._step_read, self._weights_before, self._touched)

    def _step_read(
        self, theta: Theta, task: Any, life: Life, bounded: bool
    ) -> tuple[Life, Trace, dict[str, Read]]:
        """One step of a life, and the signals that every rule read in it."""
        after, trace, seen = self._step_seen(theta, task, life, True, bounded)
        signals = {}
        for name, (view, gate) in seen.items():
            signals[name] = Read(read(view, self.reads()[name] - WEIGHTS), gate)
        return after, trace, signals

    def witnessed(
        self, theta: Theta, task: Any, life: Life, plastic: bool
    ) -> tuple[Life, Trace, dict[str, Witnessed]]:
        """One step of a life, with the signals and the change of every rule in it.

        Args:
            theta: learned parameters, as `init` lays them out.
            task: the task that the life began with.
            life: the life before the step.
            plastic: whether rules are at work in the step.

        Returns:
            (The life, the entry of the trace, edge -> the rule at work there). Nothing is witnessed
            in a frozen step.
        """
        theta = self.develop(theta)
        after, trace, seen = self._step_seen(theta, task, life, plastic)
        if not seen:
            return after, trace, {}
        _, changes = self._changes(theta, life, seen)
        at_work = {}
        for name, (view, gate) in seen.items():
            at_work[name] = Witnessed(view, gate, changes[name])
        return after, trace, at_work

    def _channels(self) -> tuple[str, ...]:
        """The modulators that rules may read."""
        return tuple(sorted(with_surprise(self.task.shape().offers) - FEEDBACK_FIELDS))

    def _weights_before(
        self, theta: Theta, life: Life, signals: Mapping[str, Read], after: list[Array]
    ) -> list[Array]:
        """The weights of every edge before a step, without bounds.

            change(w) = a + b w,   after = w + change(w),   w = after - change(after) / (1 + b)

        Args:
            theta: learned parameters.
            life: before the step; its weights are not read.
            signals: the signals that every rule read in the step.
            after: the weights after it.
        """

        def changes(weights: list[Array]) -> list[Array]:
            seen = {}
            for (name, (edge, _)), weight in zip(self.plastic().items(), weights, strict=True):
                _, high = self.wiring().bounds(edge)
                fields, gate = signals[name]
                known = {**fields, "weight": weight}
                view = seen_again(edge, known, life.born.get(name), high, self._channels())
                seen[name] = Seen(view, gate)
            return list(self._changes(theta, life, seen)[1].values())

        ones = [jnp.ones_like(weight) for weight in after]
        changed, slopes = jax.jvp(changes, (after,), (ones,))
        before = []
        for weight, change, b in zip(after, changed, slopes, strict=True):
            before.append(weight - change / (1.0 + b))
        return before

    def _touched(self, weights: list[Array]) -> Array:
        """Whether a weight of a plastic edge is at a bound []."""
        flags = []
        for (edge, _), weight in zip(self.plastic().values(), weights, strict=True):
            low, high = self.wiring().bounds(edge)
            # Two extremes are read faster than a boolean for every synapse: 92 ms instead of 112.
            flags.append((jnp.min(weight) <= low) | (jnp.max(weight) >= high))
        return jnp.any(jnp.stack(flags))

    def _step(
        self, theta: Theta, task: Any, life: Life, plastic: bool | None
    ) -> tuple[Life, Trace]:
        """One step of a life; plastic: whether rules are at work in it, None where unknown."""
        life, trace, _ = self._step_seen(theta, task, life, plastic)
        return life, trace

    def _step_seen(
        self, theta: Theta, task: Any, life: Life, plastic: bool | None, bounded: bool = True
    ) -> tuple[Life, Trace, dict[str, Seen]]:
        """One step of a life, and the signals that every rule saw in it.

        bounded: whether weights are kept in their bounds.
        """
        wiring = self.wiring()
        shape = self.task.shape()
        step_key = jax.random.fold_in(life.key, life.t)
        k_stimulus, k_network, k_task, k_rules = jax.random.split(step_key, 4)

        stimulus = self.task.stimulus(task, life.task, k_stimulus, self.dt)
        flows = self._flows() if plastic is not False else {}
        before = life.network
        if self.settle > 1:
            before = self._settled(theta, life, stimulus, jax.random.fold_in(step_key, SETTLING))
        network_state, (views, transmitted), slopes, sites = network.stepped(
            wiring,
            theta["neurons"],
            life.synapses,
            before,
            stimulus,
            self.dt,
            k_network,
            varied_by(flows.values()),
        )
        arrivals, queues = self._arrivals(life, network_state, views, transmitted, sites)
        arrivals, rates = self._with_rates(life, arrivals, views, transmitted)
        observed = network.seen(wiring, shape, views)
        task_state, outcome = self.task.step(task, life.task, observed, k_task, self.dt)
        after = replace(
            life,
            network=network_state,
            behind=queues,
            rates=rates,
            task=task_state,
            t=life.t + 1,
        )
        score = outcome.score
        if wiring.events:
            score = with_full_table(score, network_state)
        seen: dict[str, Seen] = {}

        gate = outcome.feedback.gate
        at_work = is_plastic(shape, life.t, gate)

        lives_on = self.feedback.lives_on
        if plastic is not False or lives_on or "alignment" in self.measure:
            views, feedback = with_task_signals(views, wiring.output.name, outcome, shape.offers)
            what_it_sees = FeedbackView(
                wiring=wiring,
                synapses=life.synapses,
                views=views,
                sent=transmitted,
                stimulus=stimulus,
                network=network_state,
                neurons=theta["neurons"],
                feedback=feedback,
                plastic=at_work,
                key=jax.random.fold_in(step_key, FEEDBACK),
                dt=self.dt,
            )
            feedback_state, credit = self.feedback.step(
                theta["feedback"], life.feedback, what_it_sees
            )
            if lives_on:
                after = replace(after, feedback=feedback_state)
            if plastic is not False:
                sensitivities, eligible = carried(
                    wiring, flows, life.sensitivities, slopes, transmitted
                )
                seen = self._seen(after, views, sites, arrivals, eligible, credit, gate, k_rules)
                synapses, rules = self._learn(theta, after, seen, bounded)
                learned = replace(
                    after,
                    synapses=synapses,
                    sensitivities=sensitivities,
                    rules=rules,
                    feedback=feedback_state,
                )
                if plastic is None or shape.rests:
                    learned = _learned_where(at_work, learned, after)
                after = learned
            if "alignment" in self.measure:
                degrees = angles(
                    wiring, set(stimulus), life.synapses, views, outcome.feedback, credit
                )
                score = replace(score, metrics={**score.metrics, **degrees})
        if "reset" in shape.offers:
            after = self._reset(theta, after, outcome.feedback.reset)
        return after, self._trace(after, views, transmitted, outcome.feedback, score), seen

    def _settled(
        self, theta: Theta, life: Life, stimulus: Mapping[str, Array], key: Key
    ) -> NetworkState:
        """The state of the network before the last of the `settle` steps of one step of a life.

        Args:
            theta: learned parameters.
            life: the life before the step.
            stimulus: the stimulus of the step, held in all of them.
            key: the key of these steps.
        """
        wiring = self.wiring()

        def one(carry: tuple[NetworkState, Array]) -> tuple[tuple[NetworkState, Array], None]:
            state, index = carry
            k_network = jax.random.fold_in(key, index)
            after, _ = network.step(
                wiring, theta["neurons"], life.synapses, state, stimulus, self.dt, k_network
            )
            return (after, index + 1), None

        start = (life.network, jnp.zeros((), jnp.int32))
        (state, _), _ = scan(one, start, self.settle - 1, gradient=False)
        return state

    def _arrivals(
        self,
        life: Life,
        network_state: NetworkState,
        views: dict[str, NeuronView],
        transmitted: Mapping[str, Array],
        sites: Mapping[str, Array],
    ) -> tuple[dict[str, AtSynapse], dict[str, Theta]]:
        """The signals at the synapses of every edge in a step, and the queues after it.

        Args:
            life: the life before the step.
            network_state: the state of the network after the step.
            views: the view of every population in the step.
            transmitted: edge -> the transmitted signal [n_pre].
            sites: edge -> the potential where it ends [n_post].
        """
        arrivals = {name: AtSynapse(signal, {}) for name, signal in transmitted.items()}
        queues = {}
        for name, edge in self._retimed_edges().items():
            queues[name], arrival = at_synapse(
                self.wiring(),
                edge,
                life.behind[name],
                life.network,
                network_state,
                with_site(views, edge, sites[name]),
                self.dt,
            )
            arrivals[name] = arrival._replace(graded=AtSynapse(transmitted[name], {}))
        return arrivals, queues

    def _with_rates(
        self,
        life: Life,
        arrivals: Mapping[str, AtSynapse],
        views: Mapping[str, NeuronView],
        transmitted: Mapping[str, Array],
    ) -> tuple[dict[str, AtSynapse], dict[str, Theta]]:
        """The arrivals with rates in place of spikes under `rate_trace`, and the rates of the step.

        A rule of spike times keeps the spikes.
        """
        arrivals = dict(arrivals)
        rates = {}
        for name, edge in self._rated_edges().items():
            rates[name], rated = as_rates(
                edge,
                life.rates[name],
                transmitted[name],
                views,
                self.dt,
                self.rate_trace,
                self.activity_reference,
            )
            _, slot = self.plastic()[name]
            if slot.rule.spike_timing:
                rated = arrivals[name]._replace(graded=rated)
            arrivals[name] = rated
        return arrivals, rates

    def _seen(
        self,
        life: Life,
        views: dict[str, NeuronView],
        sites: Mapping[str, Array],
        arrivals: Mapping[str, AtSynapse],
        eligible: Mapping[str, Array],
        credit: Credit,
        gate: Array,
        key: Key,
    ) -> dict[str, Seen]:
        """The signals that the rule of every plastic edge sees in a step."""
        wiring = self.wiring()
        seen = {}
        for index, (name, (edge, _)) in enumerate(self.plastic().items()):
            now = life.synapses[name].weight
            _, high = wiring.bounds(edge)
            weights = EdgeWeights(now, life.born.get(name, now), high, wiring.effect(edge))
            rule_key = jax.random.fold_in(key, index)
            local = with_site(views, edge, sites[name])
            view = edge_view(
                edge, self.reads()[name], weights, local, arrivals[name], credit, rule_key
            )
            if name in eligible:
                view = with_eligibility(view, eligible[name])
            seen[name] = Seen(view, gate)
        return seen

    def _learn(
        self, theta: Theta, life: Life, seen: Mapping[str, Seen], bounded: bool
    ) -> tuple[dict[str, Synapses], dict[str, RuleState]]:
        """Apply every rule, then the change of weights: (synapses, states of rules).

        bounded: whether weights are kept in their bounds.
        """
        wiring = self.wiring()
        synapses = dict(life.synapses)
        if not bounded:
            rules, changes = self._changes(theta, life, seen)
            for name, change in changes.items():
                synapses[name] = replace(synapses[name], weight=synapses[name].weight + change)
            return synapses, rules
        rules = {}
        for name, (edge, slot) in self.plastic().items():
            old = life.synapses[name]
            view, gate = seen[name]
            sides = wiring.spiking(edge)
            if name in self._rated_edges() and not slot.rule.spike_timing:
                sides = frozenset()
            move = Move(old.mask, gate, *wiring.bounds(edge), sides)
            rules[name], weight = slot.rule.apply(
                theta_of(theta, slot, name), life.rules[name], move, edge.connection, view, self.dt
            )
            mask = old.mask
            if slot.rule.rewires:
                low, _ = wiring.bounds(edge)
                key = jax.random.fold_in(view.key, REWIRING)
                mask, weight = slot.rule.rewired(
                    mask, edge.connection, old.weight, weight, low, key
                )
            synapses[name] = Synapses(weight=weight, mask=mask)
        return synapses, rules

    def _changes(
        self, theta: Theta, life: Life, seen: Mapping[str, Seen]
    ) -> tuple[dict[str, RuleState], dict[str, Array]]:
        """(States of rules, changes of weights before bounds), by edge."""
        rules = {}
        changes = {}
        for name, (edge, slot) in self.plastic().items():
            view, gate = seen[name]
            rules[name], delta = slot.rule.step(
                theta_of(theta, slot, name), life.rules[name], edge.connection, view, self.dt
            )
            changes[name] = life.synapses[name].mask * (gate * delta)
        return rules, changes

    def _reset(self, theta: Theta, life: Life, reset: Array) -> Life:
        """A new trial: neurons and transmissions as at birth, rules `cleared`; weights stay.

        Of the feedback, what it names in `resets` is as at birth.

        Args:
            theta: learned parameters.
            life: the life after the step.
            reset: 1 where a new trial begins, else 0 [].
        """
        trial_key = jax.random.fold_in(life.key, life.t)
        rules = {}
        for name, (edge, slot) in self.plastic().items():
            unmoved = slot.rule.init_state(theta_of(theta, slot, name), edge.connection)
            rules[name] = cleared(slot.rule, life.rules[name], unmoved, reset)
        fresh = {
            "network": self._network_at_birth(theta, trial_key),
            "behind": self._empty_queues(),
            "sensitivities": self._no_sensitivities(),
            "rates": self._no_rates(),
        }
        old = {name: getattr(life, name) for name in fresh}
        new = jax.tree.map(lambda fresh, old: jnp.where(reset > 0, fresh, old), fresh, old)
        if self.feedback.resets:
            feedback_key = jax.random.fold_in(trial_key, FEEDBACK)
            at_birth = self.feedback.init_state(theta["feedback"], self.wiring(), feedback_key)
            new["feedback"] = self.feedback.new_trial(life.feedback, at_birth, reset)
        return replace(life, rules=rules, **new)

    def _trace(
        self,
        life: Life,
        views: Mapping[str, NeuronView],
        transmitted: Mapping[str, Array],
        feedback: Feedback,
        score: Score,
    ) -> Trace:
        """The entry of one step in the trace; life: after the step."""
        signals = {
            "weights": {name: s.weight for name, s in life.synapses.items()},
            "activity": {name: view.activity for name, view in views.items()},
            "potential": {name: view.potential for name, view in views.items()},
            "gain": {name: view.gain for name, view in views.items()},
            "log_probability": {name: view.log_probability for name, view in views.items()},
            "sent": transmitted,
            "feedback": feedback,
        }
        return Trace(score=score, recorded={name: signals[name] for name in self.record})


def _learned_where(plastic: Array, learned: Life, before: Life) -> Life:
    """The life with everything that rules changed, where the boolean `plastic` [] holds."""
    changed = {}
    for name in ("synapses", "sensitivities", "rules", "feedback"):
        changed[name] = jax.tree.map(
            lambda new, old: old if new is old else jnp.where(plastic, new, old),
            getattr(learned, name),
            getattr(before, name),
        )
    return replace(before, **changed)


def _check_names(kind: str, names: list[str]) -> None:
    """Raises: BadInput for a name that is no name, or that stands twice."""
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            expected = "a name of letters, digits, _ and -, used once"
            raise BadInput(f"{kind} {name!r}", expected, "rename it")


@lru_cache(maxsize=128)
def _check(lifetime: Lifetime) -> None:
    """See `Lifetime.check`. A lifetime that has passed once is not traced again."""
    _check_names("slot", [slot.name for slot in lifetime.slots])
    _check_names("edge", [edge.name for edge in lifetime.wiring().edges])
    network.check_watched(lifetime.wiring(), lifetime.task.shape())
    _reads(lifetime)
    check_shared(lifetime.plastic())
    check_start(lifetime.plastic())
    _check_events(lifetime)
    _check_settle(lifetime)
    _check_genome(lifetime)
    jax.eval_shape(
        lambda key: lifetime.begin(lifetime._init(key), some_task(lifetime.task, key), key),
        jax.eval_shape(jax.random.key, 0),
    )


def _check_events(lifetime: Lifetime) -> None:
    """Raises: BadInput for what an event-driven network cannot have (`check_presentations`)."""
    if not lifetime.wiring().events:
        return
    rules = {}
    for name, (_, slot) in lifetime.plastic().items():
        rules[name] = (slot.rule, lifetime.reads()[name])
    unlike = {"settle": lifetime.settle > 1, "rate_trace": lifetime.rate_trace > 0}
    shown = (*lifetime.record, *lifetime.measure)
    check_presentations(lifetime.wiring(), lifetime.feedback, rules, lifetime.dt, unlike, shown)


def _check_settle(lifetime: Lifetime) -> None:
    """Raises: BadInput for a rule that counts steps of the network which nobody shows it."""
    if lifetime.settle == 1:
        return
    reasons = {}
    for name, (edge, slot) in lifetime.plastic().items():
        if "eligibility" in lifetime.reads()[name]:
            reasons[name] = "reads the eligibility, which every step of the network moves"
        elif slot.rule.spike_timing and lifetime.wiring().spiking(edge):
            reasons[name] = "counts the times of spikes"
        elif name in lifetime._rated_edges():
            reasons[name] = "sees spikes as rates (rate_trace)"
    for name, reason in reasons.items():
        what = f"settle={lifetime.settle}: the rule at {name} {reason}"
        raise BadInput(what, "rules of the settled state alone", "set settle=1, or change the rule")


def _check_genome(lifetime: Lifetime) -> None:
    """Raises: BadInput for a genome that needs what the task does not offer."""
    offers = lifetime.task.shape().offers
    for need in sorted(lifetime.genome.needs - offers):
        expected = f"one of its offers: {', '.join(sorted(offers))}"
        raise BadInput(f"genome: needs {need!r} from the task", expected, "change genome or task")


@lru_cache(maxsize=128)
def _wiring(lifetime: Lifetime) -> Wiring:
    shape = lifetime.task.shape()
    return lifetime.network.wiring(shape.inputs, shape.n_out)


@lru_cache(maxsize=128)
def _reads(lifetime: Lifetime) -> dict[str, frozenset[str]]:
    """See `Lifetime.reads`. Raises: BadInput for a slot without edges, and see `edge_reads`."""
    wiring = lifetime.wiring()
    plastic = lifetime.plastic()
    used = {slot for _, slot in plastic.values()}
    for slot in lifetime.slots:
        if slot not in used:
            known = ", ".join(edge.name for edge in wiring.edges if edge.plastic)
            what = f"slot {slot.name}: edges {slot.edges!r}"
            raise BadInput(what, f"a pattern that matches one of {known}", "correct it")
    offers = with_surprise(lifetime.task.shape().offers)
    fields = {}
    for name, (edge, slot) in plastic.items():
        fields[name] = edge_reads(wiring, edge, slot.rule, offers, lifetime.feedback)
        if "eligibility" in fields[name]:
            flow_of(wiring, edge, lifetime.dt)
        slot.rule.check_readout(name, readout_memory(wiring, edge))
    return fields
