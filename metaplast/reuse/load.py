"""A learned rule or a known rule, ready for use on any arrays."""

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pydantic
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.account import from_plain
from metaplast.language.grammar import REACHES, reach
from metaplast.locality.reads import measured
from metaplast.registry import BadInput, Plain, nearest
from metaplast.reuse import formula as formulas
from metaplast.reuse import html
from metaplast.reuse.ask import account_of, accounts_of_before, node_of
from metaplast.reuse.describe import describe_loaded
from metaplast.reuse.document import MAX_WORDS, RuleEntry, entries
from metaplast.reuse.known import is_name, known_rule, rule_path
from metaplast.reuse.reference import TINY, compare, floats, reference
from metaplast.reuse.rule_file import RuleFile, checksum, read_rule, save_rule
from metaplast.reuse.text import printable, quote
from metaplast.reuse.view import check_step, check_weights, complete
from metaplast.rules.base import AbstractRule, Clock
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import decode, encode, explain

DT = 1e-3
"""Seconds of a step in the file of a rule that was learned at no step."""
ANY = "any"
"""The edge in the file of a rule that was found on none."""
MAX_STATE = 2**24
"""The most numbers in the state of a rule on a tiny connection."""


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """A rule and its numbers. It is a constant and no pytree.

    `init` and `update` are pure and can be traced.

    name: name of a known rule, or entry of a file (slot, or slot/edge).
    spec: form of the rule.
    theta: numbers of the rule.
    edges: edges on which it was learned; empty for a known rule.
    connections: {edge: sizes and spec} of these edges.
    reads: fields of the view that it reads, as measured.
    reach: farthest source of these fields, see metaplast.language.grammar.reach.
    clock: clock of its updates, see metaplast.rules.base.AbstractRule.
    dt: seconds of a step in training; None: any.
    activity_reference: hertz that an activity of 1 stands for.
    formula: the rule as text.
    document: document of the file, with scores and provenance; empty for a known rule.
    ancestry: the rules from which it was made, the eldest first, see metaplast.reuse.document.
    sha256: checksum of the file; empty for a rule without one.
    given: the path or name by which it was loaded.
    """

    name: str
    spec: AbstractRule
    theta: Theta
    edges: tuple[str, ...]
    connections: Plain
    reads: frozenset[str]
    reach: str
    clock: Clock
    dt: float | None
    activity_reference: float
    formula: str
    document: Plain
    ancestry: tuple[Plain, ...] = ()
    sha256: str = ""
    given: str = ""

    def __repr__(self) -> str:
        return f"Rule {self.name}: {self.formula}"

    def _repr_html_(self) -> str:
        known = [
            ("rule", self.name),
            ("reach", self.reach),
            ("reads", ", ".join(sorted(self.reads)) or "nothing"),
            ("clock", self.clock),
        ]
        if self.edges:
            known.append(("learned on", ", ".join(self.edges)))
        return html.formula(self.formula) + html.facts(known)

    def init(self, weights: Any) -> RuleState:
        """The state of the rule at birth.

        Args:
            weights: the weights [n_post, n_pre], or in the layout of an edge of the file.

        Raises: BadInput for weights that do not fit the rule.
        """
        weights = check_weights(weights)
        return self.spec.init_state(floats(self.theta), self._connection(weights.shape))

    def update(self, view: SynapseView, state: RuleState, *, dt: float) -> tuple[RuleState, Array]:
        """One step of the rule. It changes no weights: the caller adds delta_w to them.

        Args:
            view: the signals at the synapses, from `synapse_view`.
            state: the state of the rule, from `init` or from the step before.
            dt: seconds of the step.

        Returns: the new state, and delta_w in the layout and dtype of view.weight.
        Raises: BadInput for a signal that the rule reads and the view lacks, or for a wrong shape,
            dtype, state or dt.
        """
        step = check_step(dt)
        # `complete` refuses a view without weights, so any connection serves for it.
        connection: AbstractConnection = TINY
        if isinstance(view, SynapseView) and view.weight is not None:
            connection = self._connection(check_weights(view.weight).shape)
        whole = complete(view, connection, self.reads, self.name)
        _check_state(state, _templates(self.spec, connection).state)
        state, delta = self.spec.step(floats(self.theta), state, connection, whole, step)
        return state, delta.astype(_dtype_of(view.weight))

    def as_ancestor(self, change: str) -> Plain:
        """The rule as an ancestor of another one.

        Args:
            change: the way from this rule to the next one, in words.
        """
        name = printable(self.given or self.name)[:MAX_WORDS]
        return {"rule": name, "sha256": self.sha256, "change": printable(change)[:MAX_WORDS]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rule, of the edges that it has, as a rule file of its own.

        A rule without edges, such as a known one, is written as of one tiny edge.

        Args:
            path: the path of the file. An existing file is replaced.

        Raises: BadInput for numbers that a file cannot hold; OSError where the disk refuses.
        """
        file = self.as_file()
        save_rule(path, file.document, file.tensors)

    def as_file(self) -> RuleFile:
        """The content of a rule file of its own, as `save` writes it."""
        connections = self.connections
        if not connections:
            sizes = {"n_post": TINY.n_post, "n_pre": TINY.n_pre, "shape": list(TINY.shape)}
            connections = {ANY: {**sizes, "spec": encode(TINY)}}
        document, tensors = describe_loaded(
            self.spec,
            self.theta,
            connections,
            self.reads,
            dt=self.dt or DT,
            activity_reference=self.activity_reference,
            ancestry=self.ancestry,
        )
        for fact in ("provenance", "scores"):
            document[fact] = self.document.get(fact, document[fact])
        return RuleFile(document, tensors)

    def _connection(self, shape: tuple[int, ...]) -> AbstractConnection:
        """The connection of weights of a shape. Raises: BadInput where theta does not fit it."""
        connection = self._connection_of_shape(shape)
        template = _templates(self.spec, connection).theta
        expected = [leaf.shape for leaf in jax.tree.leaves(template)]
        actual = [np.shape(leaf) for leaf in jax.tree.leaves(self.theta)]
        if expected != actual:
            edges = [f"{name} {facts['shape']}" for name, facts in self.connections.items()]
            raise BadInput(
                f"weight of shape {shape}",
                f"the shape of an edge on which it was learned: {', '.join(edges)}",
                "it holds one number per synapse",
            )
        return connection

    def _connection_of_shape(self, shape: tuple[int, ...]) -> AbstractConnection:
        """The sparse connection of an edge of the file that has the shape, else a dense one."""
        for edge, facts in self.connections.items():
            if tuple(facts["shape"]) == shape and facts["spec"]["name"] != "dense":
                return _decode_connection(facts, f"edge {edge}")
        if len(shape) != 2 or 0 in shape:
            raise BadInput(f"weight of shape {shape}", "[n_post, n_pre]", "reshape it")
        return Dense(*shape)


def load_rule(path_or_name: str | os.PathLike[str], edge: str | None = None) -> Rule:
    """The rule of a rule file, or a known rule such as `oja`, `hebb` and `delta`.

    The reference vector of the file is computed anew and compared.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, the name of a known rule,
            or the name of a rule of the zoo, such as `zoo/oja`.
        edge: the edge whose rule is loaded, for a file with several rules.

    Returns: the rule with its numbers. Its `init` and `update` run it on any arrays.
    Raises: BadInput, one line, for a bad file, an unknown name, or a missing edge.
    """
    if is_name(path_or_name):
        if edge is not None:
            raise BadInput(
                f"edge {quote(edge)} of {path_or_name}",
                "no edge: a known rule fits all",
                "leave it out",
            )
        return _known(str(path_or_name))
    path = rule_path(path_or_name)
    file = read_rule(path)
    where = f"rule file {quote(str(path), 200)}"
    entry = _choose(entries(file.document), edge, where)
    spec = _decode("rule", entry.slot["rule"], f"{where}: {entry.key}")
    theta = _theta(spec, entry, file.tensors, f"{where}: {entry.key}")
    channels, reads = measured(spec, TINY)
    if REACHES.index(reach(reads)) > REACHES.index(entry.slot["reach"]):
        raise BadInput(
            f"{where}: reach={entry.slot['reach']}",
            f"{reach(reads)}, as measured",
            "write it again",
        )
    vector = reference(spec, theta, channels, file.document["dt"])
    compare(file.document["reference"][entry.key], vector, where)
    _check_account(entry, spec, where)
    text = formulas.text(formulas.expression(node_of(spec, theta)))
    return Rule(
        name=entry.key,
        spec=spec,
        theta=theta,
        edges=entry.edges,
        connections={name: entry.slot["connections"][name] for name in entry.edges},
        reads=reads,
        reach=reach(reads),
        clock=spec.clock,
        dt=file.document["dt"],
        activity_reference=file.document["activity_reference"],
        formula=f"delta_w = {text}",
        document=file.document,
        ancestry=tuple(file.document["ancestry"]),
        sha256=checksum(file.document, file.tensors),
        given=str(path_or_name),
    )


def _check_account(entry: RuleEntry, spec: AbstractRule, where: str) -> None:
    """The account in a file is an account of the rule's code. Raises: BadInput where it is not."""
    if "account" not in entry.slot:
        return
    accounts = (*accounts_of_before(spec), account_of(spec))
    if from_plain(entry.slot["account"]) not in accounts:
        raise BadInput(
            f"{where}: account of its numbers",
            "the account of the rule's own code",
            "write it again",
        )


def _known(name: str) -> Rule:
    """A known rule. Raises: BadInput for a space to search, whose coefficients are unknown."""
    rule = known(name)
    coefficients = formulas.rule_terms(node_of(rule.spec, rule.theta)).values()
    if coefficients and not any(coefficients):
        raise BadInput(
            f"rule {name}",
            "a rule whose coefficients are known",
            "it is a space to search: train rule=" + name,
        )
    return rule


def known(name: str) -> Rule:
    """A known rule by name. A space to search has the coefficients of its start."""
    return at_start(name, _decode("rule", known_rule(name), f"rule {name}"))


def at_start(name: str, spec: AbstractRule) -> Rule:
    """A rule with a theta of 0, the neutral prior.

    Args:
        name: of the rule.
        spec: its form.
    """
    template = _templates(spec, TINY).theta
    theta = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), template)
    _, reads = measured(spec, TINY)
    return Rule(
        name=name,
        spec=spec,
        theta=theta,
        edges=(),
        connections={},
        reads=reads,
        reach=reach(reads),
        clock=spec.clock,
        dt=None,
        activity_reference=1.0,
        formula=f"delta_w = {formulas.text(formulas.expression(node_of(spec, theta)))}",
        document={},
    )


def _choose(by_key: dict[str, RuleEntry], edge: str | None, where: str) -> RuleEntry:
    """The entry of an edge, or the only entry. Raises: BadInput where it must be named."""
    if edge is None and len(by_key) == 1:
        return next(iter(by_key.values()))
    edges: list[str] = []
    for entry in by_key.values():
        if edge in entry.edges:
            return entry
        edges += entry.edges
    listed = ", ".join(edges[:20])
    if edge is None:
        raise BadInput(
            f"{where}: {len(by_key)} rules",
            f"edge=one of {listed}",
            f"e.g. load_rule(path, edge={edges[0]!r})",
        )
    fix = nearest(str(edge), edges, "choose one")
    raise BadInput(f"{where}: edge {quote(edge)}", f"one of {listed}", fix)


def _decode(kind: str, spec: Plain, where: str) -> Any:
    try:
        return decode(kind, spec)
    except pydantic.ValidationError as error:
        raise explain(error, where) from None
    except BadInput as error:
        raise BadInput(f"{where}: {error.what}", error.expected, error.fix) from None


def _decode_connection(facts: Plain, where: str) -> AbstractConnection:
    connection = _decode("connection", facts["spec"], where)
    sizes = (connection.n_post, connection.n_pre)
    if sizes != (facts["n_post"], facts["n_pre"]) or list(connection.shape) != facts["shape"]:
        raise BadInput(
            f"{where}: connection of other sizes",
            f"{facts['n_post']} x {facts['n_pre']}",
            "write it again",
        )
    return connection


def _theta(
    spec: AbstractRule, entry: RuleEntry, tensors: dict[str, np.ndarray], where: str
) -> Theta:
    """The tensors of an entry as theta of its rule.

    The tree is the tree that `init` of the rule gives. Shapes are checked on every edge.

    Args:
        spec: the form of the rule.
        entry: the entry.
        tensors: the tensors of the file.
        where: the place in the file, for errors.

    Raises: BadInput for a missing tensor, an extra tensor, or a wrong shape.
    """
    by_name = {}
    for name, value in tensors.items():
        if name == entry.prefix or name.startswith(f"{entry.prefix}."):
            by_name[name] = value
    template, state = _templates(spec, TINY)
    if sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state)) > MAX_STATE:
        raise BadInput(
            f"{where}: state of the rule", f"at most {MAX_STATE} numbers", "this is no rule file"
        )
    paths, tree = jax.tree_util.tree_flatten_with_path(template)
    names = []
    for path, _ in paths:
        names.append(".".join([entry.prefix, *map(_part, path)]))
    wrong = sorted(set(names) ^ set(by_name))
    if wrong:
        kind = "extra" if wrong[0] in by_name else "missing"
        raise BadInput(
            f"{where}: {kind} tensor {quote(wrong[0])}", f"{len(names)} tensors", "write it again"
        )
    shapes = [by_name[name].shape for name in names]
    if shapes != [leaf.shape for _, leaf in paths]:
        # The shapes depend on the sizes of the edge.
        for edge in entry.edges:
            facts = entry.slot["connections"][edge]
            connection = _decode_connection(facts, f"{where}: edge {edge}")
            leaves = jax.tree.leaves(_templates(spec, connection).theta)
            for name, leaf in zip(names, leaves, strict=True):
                if by_name[name].shape != leaf.shape:
                    raise BadInput(
                        f"{where}: {name} of shape {by_name[name].shape}",
                        f"{leaf.shape}",
                        "write it again",
                    )
    return jax.tree.unflatten(tree, [by_name[name] for name in names])


class _Templates(NamedTuple):
    """The shapes of theta and of the state of a rule."""

    theta: Theta
    state: RuleState


@lru_cache(maxsize=256)
def _templates(spec: AbstractRule, connection: AbstractConnection) -> _Templates:
    theta = jax.eval_shape(lambda: spec.init(jax.random.key(0), connection))
    state = jax.eval_shape(lambda theta: spec.init_state(theta, connection), theta)
    return _Templates(theta, state)


def _check_state(state: Any, template: RuleState) -> None:
    """Raises: BadInput for a state of other shapes than its template."""
    shapes = jax.tree.map(jnp.shape, state) if isinstance(state, RuleState) else None
    if shapes != jax.tree.map(lambda leaf: leaf.shape, template):
        raise BadInput(
            "state", "the state of rule.init(weights) for weights of this shape", "call init first"
        )


def _dtype_of(weight: Any) -> Any:
    if not isinstance(weight, Array):
        weight = np.asarray(weight)
    return jax.dtypes.canonicalize_dtype(weight.dtype)


def _part(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))
