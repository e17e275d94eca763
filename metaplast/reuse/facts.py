"""Facts of the document of a rule file in words."""

from typing import Any

from metaplast.registry import Plain, current_name
from metaplast.reuse.document import nested


def forms(spec: Plain) -> list[Any]:
    """The names of a rule and of the rules inside it, from the outside in.

    Several rules inside one rule are one item, a list of such lists.
    """
    name = current_name("rule", spec["name"])
    inner = [forms(child) for _, child in nested(spec)]
    if len(inner) == 1:
        return [name, *inner[0]]
    return [name, inner] if inner else [name]


def forms_text(spec: Plain) -> str:
    """The names in words, such as `clip of polynomial`."""
    return " of ".join(map(str, forms(spec)))


def edges_text(slot: Plain) -> str:
    """The edges on which a slot of a file was learned, with their shapes."""
    sizes = []
    for edge, connection in slot["connections"].items():
        shape = "x".join(str(n) for n in connection["shape"])
        sizes.append(f"{edge} {shape}")
    return ", ".join(sizes)


def score_text(score: Plain) -> str:
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


def value_text(value: Any) -> str:
    """A fact of the provenance in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {fact}" for name, fact in value.items())
    return str(value)
