"""The pages that are made at build time."""

from importlib import import_module
from importlib.util import find_spec

from docs._build.links import PROJECT, ROOT

GENERATORS = (
    "api",
    "commands",
    "config",
    "errors",
    "experiments",
    "notebooks",
    "plugins",
    "signals",
)
"""Modules of this folder. Each has `pages()`, which gives {address: Markdown}."""


def pages() -> dict[str, str]:
    """{address of a page: its Markdown} of every generated page."""
    made = {}
    for path, address in PROJECT.items():
        made[address] = (ROOT / path).read_text()
    for name in GENERATORS:
        module = f"docs._build.{name}"
        if find_spec(module):
            made.update(import_module(module).pages())
    return made
