"""The pages that are made at build time."""

from importlib import import_module

from docs._build.links import PROJECT, ROOT

GENERATORS = (
    "api",
    "commands",
    "config",
    "errors",
    "experiments",
    "plugins",
    "signals",
)
"""Modules of this folder.

Each has `pages()`, which gives {address: Markdown}. A module with pictures has `figures()` too,
which gives {address: SVG}.
"""


def pages() -> dict[str, str]:
    """{address: text} of every generated page and picture."""
    made = {}
    for path, address in PROJECT.items():
        made[address] = (ROOT / path).read_text()
    for name in GENERATORS:
        module = import_module(f"docs._build.{name}")
        made.update(module.pages())
        if hasattr(module, "figures"):
            made.update(module.figures())
    return made
