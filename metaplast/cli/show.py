"""metaplast show: a rule as a formula and a card."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from metaplast.cli import _complete

if TYPE_CHECKING:
    from metaplast.reuse.rule_file import RuleFile


@click.command("show")
@click.argument("rule", shell_complete=_complete.rules)
@click.option("--import", "modules", multiple=True, metavar="MODULE", help="Import your own plug-ins first.")
def command(rule: str, modules: tuple[str, ...]) -> None:
    """Print the formula and the card of RULE: a rule.safetensors, or the name of a known rule (oja, hebb, delta, ...).

    The formula is computed from the numbers in the file, never from text in it; nothing in the file is run.
    """
    from metaplast.cli import _setup
    from metaplast.reuse import formula
    from metaplast.reuse.known import is_name, known_rule
    from metaplast.reuse.rule_file import read_rule

    _setup.import_plugins(modules)
    if is_name(rule):
        spec = known_rule(rule)
        click.echo(f"delta_w = {formula.text(formula.expression(spec, {}))}")
        _print("rule", rule)
        read = formula.fields(spec)
        if read is None:  # only running it can tell
            from metaplast.reuse.load import load_rule

            read = load_rule(rule).reads
        _reach(read)
        return
    file = read_rule(rule)
    click.echo(formula.formula(file.document, file.tensors))
    _print("rule", rule)
    for name, slot in file.document["slots"].items():
        _slot(name, slot)
    _card(file)


def _slot(name: str, slot: dict[str, Any]) -> None:
    from metaplast.reuse.formula import fields

    sizes = [f"{edge} {'x'.join(str(n) for n in facts['shape'])}" for edge, facts in slot["connections"].items()]
    owner = "one theta for all" if slot["shared"] else "one theta each"
    _print("slot", f"{name}: edges {slot['edges']}, {owner}")
    _print("learned on", ", ".join(sizes))
    _print("form", " of ".join(_forms(slot["rule"])))
    read = fields(slot["rule"])  # of other forms than terms, what is written in the file (`load_rule` measures it)
    _reach(slot["reads"] if read is None else read, " (as written in the file)" if read is None else "")
    _print("clock", slot["clock"])


def _reach(read: Iterable[str], note: str = "") -> None:
    from metaplast.rules._grammar import reach

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
        plain = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        _print(key, plain)


def _forms(spec: dict[str, Any]) -> list[str]:
    from metaplast.reuse._document import children

    inner = [_forms(child) for _, child, _ in children(spec, {})]
    return [spec["name"], *([] if not inner else inner[0] if len(inner) == 1 else [str(inner)])]


def _score(score: dict[str, Any]) -> str:
    """`discovered heldout accuracy 0.914 [0.910, 0.918] n 1024`; null is a number that was not finite."""
    interval = score.get("ci95")
    bounds = f" [{', '.join(_number(v) for v in interval)}]" if isinstance(interval, list) else ""
    head = " ".join(str(score.get(key, "?")) for key in ("name", "split", "metric"))
    return f"{head} {_number(score.get('mean'))}{bounds} n {score.get('n', '?')}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "not finite" if value is None else str(value)


def _print(label: str, value: Any) -> None:
    from metaplast.reuse.text import printable

    click.echo(f"{printable(label):14} {printable(str(value))}")
