"""metaplast show: a rule as a formula and a card."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from metaplast.cli import _complete

if TYPE_CHECKING:
    from metaplast.reuse.node import Node
    from metaplast.reuse.rule_file import RuleFile


COLUMN = 15  # where the words of the card begin


@click.command("show")
@click.argument("rule", shell_complete=_complete.rules)
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first."
)
def command(rule: str, modules: tuple[str, ...]) -> None:
    """Print the formula and the card of RULE: a rule.safetensors, or the name of a known rule (oja,
    hebb, delta, ...).

    The formula is computed from the numbers in the file, never from text in it; nothing in the file
    is run.
    """
    from metaplast.cli import _setup
    from metaplast.language.account import from_plain
    from metaplast.reuse import formula
    from metaplast.reuse.known import is_name, known_rule, said_of
    from metaplast.reuse.node import node, nodes
    from metaplast.reuse.rule_file import read_rule

    _setup.import_plugins(modules)
    if is_name(rule):
        spec, said = known_rule(rule), said_of(rule)
        known = node(spec, from_plain(said["account"]), {})
        click.echo(f"delta_w = {formula.text(formula.expression(known))}")
        _print("rule", rule)
        _reach(said["reads"])
        return
    file = read_rule(rule)
    if any("account" not in slot for slot in file.document["slots"].values()):
        from metaplast.reuse.ask import whole

        file = whole(file)
    click.echo(formula.formula(file.document, file.tensors))
    _print("rule", rule)
    rules = nodes(file.document, file.tensors)
    for name, slot in file.document["slots"].items():
        _slot(
            name, slot, next(rule for key, rule in rules.items() if key.partition("/")[0] == name)
        )
    _card(file)


def _slot(name: str, slot: dict[str, Any], rule: "Node") -> None:
    from metaplast.reuse.formula import fields

    sizes = [
        f"{edge} {'x'.join(str(n) for n in facts['shape'])}"
        for edge, facts in slot["connections"].items()
    ]
    owner = "one theta for all" if slot["shared"] else "one theta each"
    _print("slot", f"{name}: edges {slot['edges']}, {owner}")
    _print("learned on", ", ".join(sizes))
    _print("form", " of ".join(_forms(slot["rule"])))
    read = fields(rule)
    if read is None:  # only running it can tell, as `load_rule` does
        _reach(slot["reads"], " (as written in the file)")
    else:
        _reach(read)
    _print("clock", slot["clock"])


def _reach(read: Iterable[str], note: str = "") -> None:
    from metaplast.language.grammar import reach

    _print("reach", reach(read) + note)
    _print("reads", ", ".join(sorted(read)))


def _card(file: "RuleFile") -> None:
    document, tensors = file.document, file.tensors
    _print("numbers", f"{sum(value.size for value in tensors.values())} in {len(tensors)} tensors")
    _print("dt", f"{document['dt']:g} s")
    _print("activity of 1", f"{document['activity_reference']:g} Hz")
    for score in document["scores"]:
        _print("score", _score(score))
    for key, value in document["provenance"].items():
        plain = (
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        _print(key, plain)


def _forms(spec: dict[str, Any]) -> list[str]:
    from metaplast.registry import current_name
    from metaplast.reuse.document import nested

    inner = [_forms(child) for _, child in nested(spec)]
    name = current_name("rule", spec["name"])
    return [name, *([] if not inner else inner[0] if len(inner) == 1 else [str(inner)])]


def _score(score: dict[str, Any]) -> str:
    """`discovered heldout accuracy 0.914 [0.910, 0.918] n 1024`; null is a number that was not
    finite.
    """
    interval = score.get("ci95")
    bounds = f" [{', '.join(_number(v) for v in interval)}]" if isinstance(interval, list) else ""
    head = " ".join(str(score.get(key, "?")) for key in ("name", "split", "metric"))
    return f"{head} {_number(score.get('mean'))}{bounds} n {score.get('n', '?')}"


def _number(value: Any) -> str:
    return (
        f"{value:.4g}"
        if isinstance(value, int | float)
        else "not finite"
        if value is None
        else str(value)
    )


def _print(label: str, value: Any) -> None:
    from metaplast.cli._listed import entry
    from metaplast.reuse.text import printable

    click.echo(entry(printable(label), printable(str(value)), COLUMN))
