"""A learned or known rule, ready for use on any arrays."""

import difflib
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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
from metaplast.registry import BadInput
from metaplast.reuse import formula as formulas
from metaplast.reuse.ask import account_of, accounts_of_before, node_of
from metaplast.reuse.document import Entry, entries
from metaplast.reuse.known import is_name, known_rule
from metaplast.reuse.reference import TINY, compare, floats, reference
from metaplast.reuse.rule_file import read_rule
from metaplast.reuse.text import quote
from metaplast.reuse.view import check_step, check_weights, complete
from metaplast.rules.base import AbstractRule, Clock
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import decode, explain

MAX_STATE = 2**24
Plain = dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Rule:
    """A rule and its numbers; a plain constant, not a pytree.

    `init` and `update` are pure and can be traced.

    name: of a known rule, or the entry of a file: slot, or slot/edge
    spec: the form of the rule
    theta: its numbers
    edges: the edges that it was learned on; empty for a known rule
    connections: {edge: sizes and spec} of these edges
    reads: fields of the view that it reads, as measured
    reach: the farthest source of these fields, see metaplast.rules
    clock: of its updates, see metaplast.rules
    dt: seconds per step in training; None: any
    activity_reference: hertz that an activity of 1 stands for
    formula: the rule as text
    document: the document of the file, with scores and provenance; empty for a known rule
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

    def __repr__(self) -> str:
        return f"Rule {self.name}: {self.formula}"

    def init(self, weights: Any) -> RuleState:
        """The state at birth.

        Args:
            weights: [n_post, n_pre], or in the layout of an edge that the file describes.

        Raises: BadInput for weights that the rule cannot have.
        """
        weights = check_weights(weights)
        return self.spec.init_state(floats(self.theta), self._connection(weights.shape))

    def update(self, view: SynapseView, state: RuleState, *, dt: float) -> tuple[RuleState, Array]:
        """One step of the rule. It changes no weight: add delta_w to the weights yourself.

        Args:
            view: the signals at the synapses, such as `synapse_view` builds.
            state: of the rule, from `init` or from the step before.
            dt: seconds of the step.

        Returns: (state, delta_w); delta_w has the layout and dtype of view.weight.
        Raises: BadInput naming a signal that the rule reads and the view lacks, or a wrong shape,
            dtype, state or dt.
        """
        step = check_step(dt)
        connection: AbstractConnection = TINY  # until the view is checked
        if isinstance(view, SynapseView) and view.weight is not None:
            connection = self._connection(check_weights(view.weight).shape)
        whole = complete(view, connection, self.reads, self.name)
        _check_state(state, _templates(self.spec, connection)[1])
        state, delta = self.spec.step(floats(self.theta), state, connection, whole, step)
        return state, delta.astype(_dtype_of(view.weight))

    def _connection(self, shape: tuple[int, ...]) -> AbstractConnection:
        for edge, facts in self.connections.items():
            if tuple(facts["shape"]) == shape and facts["spec"]["name"] != "dense":
                connection = _decode_connection(facts, f"edge {edge}")
                break
        else:
            if len(shape) != 2 or 0 in shape:
                raise BadInput(f"weight of shape {shape}", "[n_post, n_pre]", "reshape it")
            connection = Dense(*shape)
        expected = [leaf.shape for leaf in jax.tree.leaves(_templates(self.spec, connection)[0])]
        given = [np.shape(leaf) for leaf in jax.tree.leaves(self.theta)]
        if expected != given:
            known = ", ".join(
                f"{name} {facts['shape']}" for name, facts in self.connections.items()
            )
            raise BadInput(
                f"weight of shape {shape}",
                f"that of the edge it was learned on: {known}",
                "it holds one number per synapse",
            )
        return connection


def load_rule(path_or_name: str | os.PathLike[str], edge: str | None = None) -> Rule:
    """The rule in a rule file, or a known rule by name (`oja`, `hebb`, `delta`, ...).

    The reference vector of the file is computed anew and compared.

    Args:
        path_or_name: the path of a rule file, or the name of a known rule.
        edge: the edge whose rule is loaded, where the file holds several rules.

    Returns: the rule with its numbers; its `init` and `update` run it on any arrays.
    Raises: BadInput, one line, for a bad file, an unknown name, or an edge that must be named.
    """
    if is_name(path_or_name):
        if edge is not None:
            raise BadInput(
                f"edge {quote(edge)} of {path_or_name}",
                "no edge: a known rule fits all",
                "leave it out",
            )
        return _known(str(path_or_name))
    file, where = read_rule(path_or_name), f"rule file {quote(str(path_or_name), 200)}"
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
    compare(
        file.document["reference"][entry.key],
        reference(spec, theta, channels, file.document["dt"]),
        where,
    )
    if "account" in entry.slot and from_plain(entry.slot["account"]) not in (
        *accounts_of_before(spec),
        account_of(spec),
    ):
        raise BadInput(
            f"{where}: account of its numbers",
            "what the rule's own code says of them",
            "write it again",
        )
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
    )


def _known(name: str) -> Rule:
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
    """A rule that ships, by name.

    A space to search has the coefficients of its start.
    """
    spec = _decode("rule", known_rule(name), f"rule {name}")
    theta = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), _templates(spec, TINY)[0])
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


def _choose(found: dict[str, Entry], edge: str | None, where: str) -> Entry:
    if edge is None and len(found) == 1:
        return next(iter(found.values()))
    choices = [name for entry in found.values() for name in entry.edges]
    for entry in found.values():
        if edge in entry.edges:
            return entry
    listed = ", ".join(choices[:20])
    if edge is None:
        raise BadInput(
            f"{where}: {len(found)} rules",
            f"edge=one of {listed}",
            f"e.g. load_rule(path, edge={choices[0]!r})",
        )
    near = difflib.get_close_matches(str(edge), choices, n=1)
    raise BadInput(
        f"{where}: edge {quote(edge)}",
        f"one of {listed}",
        f"did you mean {near[0]!r}?" if near else "choose one",
    )


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


def _theta(spec: AbstractRule, entry: Entry, tensors: dict[str, np.ndarray], where: str) -> Theta:
    """The tensors of an entry as the tree that the rule's own `init` gives.

    Every shape is checked on every edge.
    """
    found = {}
    for name, value in tensors.items():
        if name == entry.prefix or name.startswith(f"{entry.prefix}."):
            found[name] = value
    template, state = _templates(spec, TINY)
    if sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state)) > MAX_STATE:
        raise BadInput(
            f"{where}: state of the rule", f"at most {MAX_STATE} numbers", "this is no rule file"
        )
    paths, tree = jax.tree_util.tree_flatten_with_path(template)
    wanted = [".".join([entry.prefix, *(_part(p) for p in path)]) for path, _ in paths]
    wrong = sorted(set(wanted) ^ set(found))
    if wrong:
        kind = "extra" if wrong[0] in found else "missing"
        raise BadInput(
            f"{where}: {kind} tensor {quote(wrong[0])}", f"{len(wanted)} tensors", "write it again"
        )
    theta = jax.tree.unflatten(tree, [found[name] for name in wanted])
    if [v.shape for v in jax.tree.leaves(theta)] != [leaf.shape for _, leaf in paths]:
        for edge in entry.edges:
            real = _templates(
                spec, _decode_connection(entry.slot["connections"][edge], f"{where}: edge {edge}")
            )[0]
            for name, leaf in zip(wanted, jax.tree.leaves(real), strict=True):
                if found[name].shape != leaf.shape:
                    raise BadInput(
                        f"{where}: {name} of shape {found[name].shape}",
                        f"{leaf.shape}",
                        "write it again",
                    )
    return theta


@lru_cache(maxsize=256)
def _templates(spec: AbstractRule, connection: AbstractConnection) -> tuple[Theta, RuleState]:
    """Shapes of theta and of the state."""
    theta = jax.eval_shape(lambda: spec.init(jax.random.key(0), connection))
    return theta, jax.eval_shape(lambda t: spec.init_state(t, connection), theta)


def _check_state(state: Any, template: RuleState) -> None:
    given = jax.tree.map(jnp.shape, state) if isinstance(state, RuleState) else None
    if given != jax.tree.map(lambda leaf: leaf.shape, template):
        raise BadInput(
            "state", "what rule.init(weights) gave for weights of this shape", "call init first"
        )


def _dtype_of(weight: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(
        weight.dtype if isinstance(weight, Array) else np.asarray(weight).dtype
    )


def _part(key: Any) -> str:
    return str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))))
