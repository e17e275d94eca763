"""The figures of plug-ins, computed from the plug-ins themselves.

A plug-in about which a figure would say nothing has none.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax

from docs._build import plugins_facts as facts
from docs._build import plugins_pictures as pictures
from docs._build.plugins_pictures import Picture
from metaplast.figures import spike_protocols, spike_windows, surfaces
from metaplast.figures.section import PagePart
from metaplast.figures.style import of_pages, save
from metaplast.registry import BadInput
from metaplast.results.spike_protocols import spike_protocols as protocols_of
from metaplast.results.surfaces import surfaces as surfaces_of
from metaplast.results.windows import spike_window
from metaplast.reuse.load import at_start
from metaplast.rules.base import AbstractRule

Draw = Callable[[Any], Picture | None]
DRAW: dict[str, Draw] = {
    "neuron": pictures.neuron,
    "transmission": pictures.transmission,
    "connection": pictures.connection,
    "network": pictures.network,
    "likelihood": pictures.likelihood,
    "task": pictures.task,
}
"""{kind: the function that draws one of its plug-ins}; rules have their own figures."""
NOTHING = "delta_w = 0"
"""The formula of a space to search, at its start."""


class Figure(NamedTuple):
    """A figure of a page.

    svg: the picture.
    alt: the words for a reader who does not see it.
    caption: the words below it.
    """

    svg: str
    alt: str
    caption: str


def of(kind: str, name: str) -> list[Figure]:
    """The figures of a plug-in.

    Args:
        kind: one of KINDS.
        name: as `metaplast list` shows it.
    """
    made = facts.instance(kind, name)
    with of_pages(), _compiled_quickly(), tempfile.TemporaryDirectory() as folder:
        if kind == "rule":
            return list(_of_rule(name, made, Path(folder)))
        if kind not in DRAW:
            return []
        try:
            picture = DRAW[kind](made)
        except BadInput:
            return []  # its data come with a package that is not installed here
        if picture is None:
            return []
        path = Path(folder) / "figure.svg"
        save(picture.figure, path)
        return [Figure(path.read_text(), f"{name}: {picture.alt}", picture.caption)]


@contextmanager
def _compiled_quickly() -> Iterator[None]:
    """Compile without optimisation: a figure compiles more than it computes."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def _of_rule(name: str, made: AbstractRule, folder: Path) -> Iterator[Figure]:
    """Windows and protocols of a rule of spike times; the change over two signals of any other."""
    picture = pictures.rule(made)
    if picture is not None:
        path = folder / "own.svg"
        save(picture.figure, path)
        yield Figure(path.read_text(), f"{name}: {picture.alt}", picture.caption)
        return
    rule = at_start(name, made)
    if rule.formula == NOTHING:
        return
    window = spike_window(rule)
    if window is not None:
        if window.pair.any():
            yield from _figures(spike_windows.part({name: window}, folder))
            protocols = protocols_of(rule)
            if protocols is not None:
                yield from _figures(spike_protocols.part({name: protocols}, folder))
        return
    moving = [each for each in surfaces_of(rule) if each.delta_w.any()]
    if moving:
        yield from _figures(surfaces.part({name: moving}, "", folder))


def _figures(part: PagePart) -> Iterator[Figure]:
    for figure in part.section.figures:
        words = [*part.section.paragraphs]
        if figure.caption.endswith("."):
            words.append(figure.caption)
        yield Figure(figure.path.read_text(), figure.alt, " ".join(dict.fromkeys(words)))
