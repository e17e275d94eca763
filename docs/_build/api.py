"""The Python reference: the names of `metaplast`, and the modules that authors of plug-ins use."""

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any

import metaplast
from docs._build.docstrings import literal, summary
from metaplast import registry

FOLDER = "reference/api"
HOMES = {
    "runs": ("Runs in Python", ("metaplast.api",)),
    "rules": ("Rules and rule files", ("metaplast.reuse",)),
    "lives": ("Lives and problems", ("metaplast.life", "metaplast.problem", "metaplast.signals")),
    "specs": ("Specs and the registry", ("metaplast.registry", "metaplast.spec")),
}
"""{page: (title, homes of the public names that stand on it)}"""
PICTURES = "metaplast.api.plot"
"""The module that is a public name, `mp.plot`."""
MODULES = (
    "metaplast.signals",
    "metaplast.language.grammar",
    "metaplast.wiring",
    "metaplast.search_loop",
    "metaplast.recording",
    "metaplast.testing",
)
"""Modules that have a page of their own, beside those with the base of a kind of plug-in."""
BASES = {"task": "metaplast.tasks", "outer": "metaplast.outer"}
"""{kind: the module of its base} where that is not the module `base` of its room."""


def pages() -> dict[str, str]:
    """{address: Markdown} of the Python reference."""
    made = {}
    index = ["# Python", ""]
    for name, (title, _) in HOMES.items():
        made[f"{FOLDER}/{name}.md"] = _of_names(name)
        index += [f"## {title}", "", f"All of it: [{title}]({name}.md)", ""]
        for public in _names(name):
            words = literal(summary(getattr(metaplast, public).__doc__))
            index.append(f"- [`mp.{public}`]({name}.md#{_path(public)}): {words}")
        index.append("")
    module = import_module(PICTURES)
    made[f"{FOLDER}/plot.md"] = _of_module(module)
    words = literal(summary(module.__doc__ or ""))
    index += ["## Pictures", "", f"- [`mp.plot`](plot.md): {words}", ""]
    index += ["## For authors of plug-ins", ""]
    for name in _modules():
        module = import_module(name)
        address = f"{name.removeprefix('metaplast.').replace('.', '_')}.md"
        made[f"{FOLDER}/{address}"] = _of_module(module)
        index.append(f"- [`{name}`]({address}): {literal(summary(module.__doc__ or ''))}")
    made[f"{FOLDER}/index.md"] = "\n".join(index) + "\n"
    return made


def _modules() -> list[str]:
    """The modules that have a page of their own."""
    bases = []
    for kind, room in registry.KINDS.items():
        bases.append(BASES.get(kind, f"{room.package}.base"))
    return [*bases, *MODULES]


def _names(page: str) -> list[str]:
    """The public names that stand on a page."""
    homes = HOMES[page][1]
    names = []
    for name in metaplast.__all__:
        value = getattr(metaplast, name)
        if name == "__version__" or isinstance(value, ModuleType):
            continue
        if value.__module__.startswith(homes):
            names.append(name)
    return names


def _path(name: str) -> str:
    """The full path of a public name."""
    value = getattr(metaplast, name)
    return f"{value.__module__}.{value.__qualname__}"


def _of_names(page: str) -> str:
    """The page of some public names."""
    words = "Each name is an attribute of `metaplast` (`import metaplast as mp`)."
    text = f"# {HOMES[page][0]}\n\n{words}\n"
    for name in _names(page):
        options = f"    options:\n      heading: mp.{name}\n      toc_label: mp.{name}\n"
        text += f"\n::: {_path(name)}\n{options}"
    return text


def _of_module(module: ModuleType) -> str:
    """The page of a module, without the names that stand on the pages of public names."""
    members = [name for name, value in vars(module).items() if _stands_here(name, value, module)]
    lines = [
        f"# {module.__name__}",
        "",
        f"::: {module.__name__}",
        "    options:",
        "      show_root_heading: false",
        "      show_root_toc_entry: false",
        "      heading_level: 2",
        f"      members: [{', '.join(members)}]",
    ]
    return "\n".join(lines) + "\n"


def _stands_here(name: str, value: Any, module: ModuleType) -> bool:
    """Whether a name is a class or function of the module that no other page has."""
    if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
        return False
    return value.__module__ == module.__name__ and name not in metaplast.__all__
