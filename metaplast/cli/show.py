"""metaplast show: a rule as a formula and a card."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from metaplast.cli import _complete, _options

if TYPE_CHECKING:
    from metaplast.reuse.node import Node
    from metaplast.reuse.rule_file import RuleFile


COLUMN = 15
"""The column in which the words of a card begin."""


@click.command("show")
@click.argument("rule", shell_complete=_complete.rules)
@_options.modules
def command(rule: str, modules: tuple[str, ...]) -> None:
    """Print the formula and the facts of a rule.

    RULE is a rule.safetensors, the folder of a run, or the name of a known rule such as oja. The
    formula is computed from the numbers in the file and never from text in it. Nothing in the file
    is run.
    """
    from metaplast.cli import _setup
    from metaplast.language.account import from_plain
    from metaplast.reuse import formula
    from metaplast.reuse.known import facts_of, is_name, known_rule, rule_path
    from metaplast.reuse.node import node, nodes
    from metaplast.reuse.rule_file import read_rule

    _setup.import_plugins(modules)
    if is_name(rule):
        spec = known_rule(rule)
        facts = facts_of(rule)
        known = node(spec, from_plain(facts["account"]), {})
        click.echo(f"delta_w = {formula.text(formula.expression(known))}")
        _print("rule", rule)
        _reach(facts["reads"])
        return
    file = read_rule(rule_path(rule))
    if any("account" not in slot for slot in file.document["slots"].values()):
        from metaplast.reuse.ask import whole

        file = whole(file)
    click.echo(formula.formula(file.document, file.tensors))
    _print("rule", rule)
    first_of_slot: dict[str, Node] = {}
    for entry, rule_node in nodes(file.document, file.tensors).items():
        first_of_slot.setdefault(entry.partition("/")[0], rule_node)
    for name, slot in file.document["slots"].items():
        _slot(name, slot, first_of_slot[name])
    _card(file)


def _slot(name: str, slot: dict[str, Any], rule: "Node") -> None:
    """Print the lines of one slot."""
    from metaplast.reuse.formula import fields

    sizes = []
    for edge, connection in slot["connections"].items():
        shape = "x".join(str(n) for n in connection["shape"])
        sizes.append(f"{edge} {shape}")
    owner = "one theta for all" if slot["shared"] else "one theta each"
    _print("slot", f"{name}: edges {slot['edges']}, {owner}")
    _print("learned on", ", ".join(sizes))
    _print("form", " of ".join(_forms(slot["rule"])))
    read = fields(rule)
    if read is None:
        # Only a run of the rule shows what it reads, and `show` runs no rule.
        _reach(slot["reads"], " (as written in the file)")
    else:
        _reach(read)
    _print("clock", slot["clock"])


def _reach(read: Iterable[str], note: str = "") -> None:
    """Print the reach and the fields that a rule reads."""
    from metaplast.language.grammar import reach

    _print("reach", reach(read) + note)
    _print("reads", ", ".join(sorted(read)))


def _card(file: "RuleFile") -> None:
    """Print the facts of a rule file."""
    document = file.document
    tensors = file.tensors
    _print("numbers", f"{sum(value.size for value in tensors.values())} in {len(tensors)} tensors")
    _print("dt", f"{document['dt']:g} s")
    _print("activity of 1", f"{document['activity_reference']:g} Hz")
    for score in document["scores"]:
        _print("score", _score(score))
    for key, value in document["provenance"].items():
        words = value
        if isinstance(value, dict):
            words = ", ".join(f"{name} {fact}" for name, fact in value.items())
        _print(key, words)


def _forms(spec: dict[str, Any]) -> list[str]:
    """The names of a rule and of the rules inside it, from the outside in."""
    from metaplast.registry import current_name
    from metaplast.reuse.document import nested

    name = current_name("rule", spec["name"])
    inner = []
    for _, child in nested(spec):
        inner.append(_forms(child))
    if len(inner) == 1:
        return [name, *inner[0]]
    return [name, str(inner)] if inner else [name]


def _score(score: dict[str, Any]) -> str:
    """A score in words: `discovered heldout accuracy 0.914 [0.910, 0.918] n 1024`."""
    interval = score.get("ci95")
    bounds = ""
    if isinstance(interval, list):
        bounds = f" [{', '.join(_number(bound) for bound in interval)}]"
    head = " ".join(str(score.get(key, "?")) for key in ("name", "split", "metric"))
    return f"{head} {_number(score.get('mean'))}{bounds} n {score.get('n', '?')}"


def _number(value: Any) -> str:
    """A number of a document. Null stands for a number that was not finite."""
    if value is None:
        return "not finite"
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _print(label: str, value: Any) -> None:
    """Print a line of the card."""
    from metaplast.cli._listed import entry
    from metaplast.reuse.text import printable

    click.echo(entry(printable(label), printable(str(value)), COLUMN))
