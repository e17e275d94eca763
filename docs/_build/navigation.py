"""The menu of the site: sections by folder, in the order of this file."""

import posixpath
from typing import Any

from docs._build.links import lead, title

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": (
        "start/index.md",
        "start/search_a_rule.md",
        "start/fit_recordings.md",
        "start/take_a_rule_away.md",
        "start/",
    ),
    "Guides": (
        "guides/index.md",
        "guides/jobs.md",
        "guides/python.md",
        "guides/own_rule.md",
        "guides/own_task.md",
        "guides/own_neuron.md",
        "guides/own_code.md",
        "guides/outer_loops.md",
        "guides/genomes.md",
        "guides/clusters.md",
        "guides/distributed.md",
        "guides/accelerators.md",
        "guides/scaling.md",
        "guides/inspect.md",
        "guides/transfer.md",
        "guides/fit.md",
        "guides/trust_a_fit.md",
        "guides/spiking.md",
        "guides/native.md",
        "guides/symbolic.md",
        "guides/programs.md",
        "guides/proposals.md",
        "guides/zoo.md",
        "guides/export.md",
        "guides/",
    ),
    "Explanations": (
        "explanations/index.md",
        "explanations/signals.md",
        "explanations/reach.md",
        "explanations/baselines.md",
        "explanations/identifiability.md",
        "explanations/units.md",
        "explanations/",
        "explanations/glossary.md",
    ),
    "Reference": (
        "reference/index.md",
        "reference/commands.md",
        "reference/config.md",
        "reference/experiments.md",
        "reference/signals.md",
        "reference/rule_file.md",
        "reference/errors.md",
        "reference/error_messages.md",
        "reference/",
    ),
    "Results": ("results.md", "studies/"),
    "Gallery": ("gallery/index.md", "gallery/"),
    "Notebooks": ("notebooks/",),
    "Project": (
        "project/readme.md",
        "project/contributing.md",
        "architecture.md",
        "project/benchmarks.md",
        "project/changelog.md",
        "",
    ),
}
"""{section: its pages}. A name with a slash at its end stands for the pages of that folder which
are not named, by their titles; an empty name for all pages that are in no section.
"""
FIRST = (
    "reference/api/runs.md",
    "reference/api/rules.md",
    "reference/api/lives.md",
    "reference/api/specs.md",
)
"""Pages that stand before the others of a folder inside a section."""
FOLDERS = {"reference/plugins": "Parts"}
"""{folder inside a section: its words in the menu}. Others have the name of the folder."""
HIDDEN = ("source/",)
"""Folders whose pages are reached by links alone."""
UNLISTED = ("project", "studies")
"""Folders that are part of a section with other pages, and need no list of their own."""


def indexes(texts: dict[str, str]) -> dict[str, str]:
    """A list of the pages of every folder of pages that has no index.md of its own.

    Args:
        texts: {address of a page: its Markdown}.
    """
    inside: dict[str, list[str]] = {}
    for address in texts:
        folder = posixpath.dirname(address)
        if folder and not address.startswith(HIDDEN):
            inside.setdefault(folder, []).append(address)
    pages = {}
    for folder, addresses in inside.items():
        index = f"{folder}/index.md"
        if index in addresses or folder in UNLISTED:
            continue
        listed = _ordered(addresses, texts)
        for other in sorted(inside):
            if posixpath.dirname(other) == folder and f"{other}/index.md" in texts:
                listed.append(f"{other}/index.md")
        lines = [f"# {_words(folder, texts)}", ""]
        for address in listed:
            name = title(texts[address])
            if posixpath.basename(address) == "index.md":
                name = _words(posixpath.dirname(address), texts)
            link = f"[{name}]({address.removeprefix(folder + '/')})"
            lines.append(f"- {link}: {lead(texts[address])}".removesuffix(": "))
        pages[index] = "\n".join(lines) + "\n"
    return pages


def menu(texts: dict[str, str]) -> list[Any]:
    """The menu, as `nav` of mkdocs.yml would have it. A page that does not exist is left out.

    Args:
        texts: {address of a page: its Markdown}.
    """
    sections: list[Any] = [{"Home": "index.md"}]
    placed = {"index.md", *_order()} - {*FIRST}
    for section, names in SECTIONS.items():
        entries: list[Any] = []
        for name in names:
            if name in texts:
                entries.append(name)
            elif name == "" or name.endswith("/"):
                free = [page for page in texts if page.startswith(name) and page not in placed]
                free = [page for page in free if not page.startswith(HIDDEN)]
                placed.update(free)
                entries += _tree(name.rstrip("/"), free, texts)
        if entries:
            sections.append({section: entries})
    return sections


def _tree(folder: str, addresses: list[str], texts: dict[str, str]) -> list[Any]:
    """The pages of a folder, its index first, then the folders in it."""
    here = []
    below: dict[str, list[str]] = {}
    for address in addresses:
        first, slash, _ = address.removeprefix(f"{folder}/").partition("/")
        if slash:
            below.setdefault(f"{folder}/{first}".lstrip("/"), []).append(address)
        else:
            here.append(address)
    entries: list[Any] = _ordered(here, texts)
    for name in sorted(below):
        entries.append({_words(name, texts): _tree(name, below[name], texts)})
    return entries


def _ordered(addresses: list[str], texts: dict[str, str]) -> list[str]:
    """Pages in the order of SECTIONS, an index first, and the others by their titles."""
    order = _order()

    def place(address: str) -> tuple[int, int, str]:
        is_index = posixpath.basename(address) == "index.md"
        place = order.index(address) if address in order else len(order)
        return (0 if is_index else 1, place, title(texts[address]).lower())

    return sorted(addresses, key=place)


def _order() -> list[str]:
    """The pages that SECTIONS and FIRST name."""
    order: list[str] = [*FIRST]
    for names in SECTIONS.values():
        for name in names:
            if name.endswith(".md"):
                order.append(name)
    return order


def _words(folder: str, texts: dict[str, str]) -> str:
    """The name of a folder in the menu: the title of its index, or its own name."""
    heading = title(texts.get(f"{folder}/index.md", ""))
    name = heading or posixpath.basename(folder).replace("_", " ").capitalize()
    return FOLDERS.get(folder, name)
