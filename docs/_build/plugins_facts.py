"""The facts of a plug-in that its code gives: state, learned numbers, signals."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from docs._build.plugins_latex import PRIME
from metaplast import registry
from metaplast.connections.dense import Dense
from metaplast.language.grammar import reach
from metaplast.locality.reads import measured
from metaplast.neurons.base import AbstractNeuron
from metaplast.registry import BadInput
from metaplast.reuse.ask import node_of
from metaplast.reuse.export import latex
from metaplast.reuse.export._program import Program
from metaplast.reuse.export.lowered import program
from metaplast.reuse.reference import TINY
from metaplast.rules.base import AbstractRule
from metaplast.runs import job
from metaplast.runs.config import Sources, compose
from metaplast.spec import decode
from metaplast.transmission.base import AbstractTransmission

SYNAPSES = Dense(n_post=101, n_pre=103)
_SIZES = {101: "n_post", 103: "n_pre", 107: "n"}
_N = 107
_PRIMED = re.compile(r"(\\mathrm\{[^}]*\}|\\phi)'")
_PRIME = PRIME.replace("\\", r"\\")
_DT = 1e-3


class Leaf(NamedTuple):
    """One array of a state or of theta.

    name: with the names of the parts that hold it, with dots between.
    shape: as in docstrings.
    place: the side of a synapse that carries it; empty for other states.
    """

    name: str
    shape: str
    place: str = ""


class Locality(NamedTuple):
    """The signals of a rule.

    reach: `synapse`, `neuron` or `layer`.
    reads: fields of the view.
    """

    reach: str
    reads: tuple[str, ...]


@lru_cache
def locality(rule: AbstractRule) -> Locality:
    """The signals that a rule reads, as measured on its program."""
    fields = measured(rule, TINY)[1]
    return Locality(reach(fields), tuple(sorted(fields - {"key"})))


def state(plugin: Any) -> list[Leaf] | None:
    """The state that a plug-in carries from step to step; None for a kind without such a state.

    Args:
        plugin: an instance.
    """
    if isinstance(plugin, AbstractRule):
        tree = jax.eval_shape(lambda: plugin.init_state(_theta(plugin), SYNAPSES))
        leaves = []
        for side in ("pre", "post", "synapse", "scalar"):
            for leaf in _leaves(getattr(tree, side)):
                leaves.append(leaf._replace(place=side))
        return leaves
    if isinstance(plugin, AbstractNeuron):
        return list(_leaves(jax.eval_shape(lambda: plugin.init_state(_theta(plugin), _N))))
    if isinstance(plugin, AbstractTransmission):
        tree = jax.eval_shape(lambda: plugin.init_state(SYNAPSES.n_pre, _DT))
        return list(_leaves(tree))
    return None


def theta(plugin: Any) -> list[Leaf] | None:
    """The learned numbers of a plug-in; None for a kind whose numbers depend on the wiring.

    Args:
        plugin: an instance.
    """
    if isinstance(plugin, AbstractRule | AbstractNeuron):
        return list(_leaves(jax.eval_shape(lambda: _theta(plugin))))
    return None


def _theta(plugin: Any) -> Any:
    key = jax.random.key(0)
    if isinstance(plugin, AbstractRule):
        return plugin.init(key, SYNAPSES)
    return plugin.init(key, _N)


def _leaves(tree: Any) -> Iterator[Leaf]:
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        names = [str(getattr(part, "key", getattr(part, "idx", part))) for part in path]
        sizes = [_SIZES.get(size, str(size)) for size in leaf.shape]
        yield Leaf(".".join(names), f"[{', '.join(sizes)}]")


def step_of(rule: AbstractRule) -> Program:
    """The equations of one step of a rule, as `metaplast export` has them, at a theta of 0."""
    shapes = jax.eval_shape(lambda: rule.init(jax.random.key(0), TINY))
    neutral = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    return program(node_of(rule, neutral))


def step_latex(equations: Program) -> list[str]:
    """The LaTeX of each equation of a step, without alignment."""
    whole: list[str] = []
    for row in latex.rows(equations):
        text = row.removesuffix(r"\\").strip()
        if text.startswith(r"&\quad"):
            whole[-1] += " " + text.removeprefix(r"&\quad").strip()
        else:
            whole.append(text.replace("&=", "=", 1))
    # latex2mathml does not lower an operator that is an index.
    whole = [equation.replace(r"_{\max}", r"_{\text{max}}") for equation in whole]
    return [primed(equation) for equation in whole]


def primed(latex_of_step: str) -> str:
    """LaTeX of the exporter with primes that are letters of their own (plugins_latex.PRIME)."""
    return _PRIMED.sub(rf"{{\g<1>{_PRIME}}}", latex_of_step)


@lru_cache
def experiments() -> dict[str, frozenset[Any]]:
    """{experiment: the plug-ins of all its rows}, each plug-in as an instance."""
    sources = Sources()
    by_experiment = {}
    for name in sources.names("experiment"):
        try:
            parsed = job.parse(compose([f"experiment={name}"], sources), check=False)
        except BadInput:
            continue  # its data come with a package that is not installed here
        by_experiment[name] = frozenset(_inside(parsed.rows))
    return by_experiment


def _inside(value: Any) -> Iterator[Any]:
    """All plug-ins in a value, to any depth."""
    if isinstance(value, tuple):
        for item in value:
            yield from _inside(item)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        if registry.name_of(type(value)):
            yield value
        for field in value.__dataclass_fields__:
            yield from _inside(getattr(value, field))


@lru_cache
def instance(kind: str, name: str) -> Any:
    """A plug-in with the defaults of its fields, or the rule of a file of the group `rule`.

    Args:
        kind: one of KINDS.
        name: as `metaplast list` shows it.
    """
    if not is_data(kind, name):
        return registry.find(kind, name)()
    return decode(kind, dict(Sources().load(kind, name) or {}))


@lru_cache
def is_data(kind: str, name: str) -> bool:
    """Whether a name is a file of the group `rule` and no class."""
    return name not in _classes(kind)


@lru_cache
def _classes(kind: str) -> frozenset[str]:
    return frozenset(registry.names(kind))
