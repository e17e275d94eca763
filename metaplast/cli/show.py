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

    RULE is a rule.safetensors, the folder of a run, or the name of a known rule such as oja or
    zoo/oja. The formula is computed from the numbers in the file and never from text in it. Nothing
    in the file is run.
    """
    from metaplast.language.account import from_plain
    from metaplast.reuse import formula
    from metaplast.reuse.known import facts_of, is_name, known_rule, rule_path
    from metaplast.reuse.node import node, nodes
    from metaplast.reuse.rule_file import read_rule
    from metaplast.runs import start_up

    start_up.import_plugins(modules)
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
    from metaplast.reuse import facts
    from metaplast.reuse.formula import fields

    owner = "one theta for all" if slot["shared"] else "one theta each"
    _print("slot", f"{name}: edges {slot['edges']}, {owner}")
    _print("learned on", facts.edges_text(slot))
    _print("form", facts.forms_text(slot["rule"]))
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
    from metaplast.reuse import facts

    document = file.document
    tensors = file.tensors
    _print("numbers", f"{sum(value.size for value in tensors.values())} in {len(tensors)} tensors")
    _print("dt", f"{document['dt']:g} s")
    _print("activity of 1", f"{document['activity_reference']:g} Hz")
    for score in document["scores"]:
        _print("score", facts.score_text(score))
    for key, value in document["provenance"].items():
        _print(key, facts.value_text(value))


def _print(label: str, value: Any) -> None:
    """Print a line of the card."""
    from metaplast.cli._listed import entry
    from metaplast.reuse.text import printable

    click.echo(entry(printable(label), printable(str(value)), COLUMN))
