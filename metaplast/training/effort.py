"""The time that an inspection may take, and the parts that live the rule anew in it."""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from metaplast.inspection.verdict import Horizon

Tick = Callable[[str, int, int], None]
"""tick(stage, counts of it that are done, all its counts)"""


class Effort(IntEnum):
    """The time of an inspection, the shortest first (docs/guides/inspect.md has seconds)."""

    QUICK = 0
    USUAL = 1
    THOROUGH = 2


class Planned(NamedTuple):
    """A part of a page that lives the rule anew.

    name: its key in inspect.json.
    title: its title on the page, and its name in the progress.
    least: the effort from which on it is made.
    """

    name: str
    title: str
    least: Effort


PLAN: tuple[Planned, ...] = (
    Planned("ablation", "Terms knocked out", Effort.USUAL),
    Planned("landscape", "Change of weight in the task", Effort.QUICK),
    Planned("distillation", "The rule in named terms", Effort.USUAL),
    Planned("kinship", "Nearest known rules", Effort.USUAL),
    Planned("identifiability", "What the task pins down", Effort.USUAL),
    Planned("horizons", "Other lives and networks", Effort.USUAL),
    Planned("life", "Through a life", Effort.QUICK),
)
"""The parts in the order of the page. `metaplast/training/inspected.py` makes them."""


class Findings:
    """What the verdict of a page takes from its parts, as far as they were made.

    identifiability: a sentence on what the task pins down; "" where it is not known.
    horizons: lives of other lengths.
    elsewhere: sentences on other networks.
    """

    def __init__(self) -> None:
        self.identifiability = ""
        self.horizons: list[Horizon] = []
        self.elsewhere: list[str] = []


def without(effort: Effort | None) -> list[str]:
    """The titles of the parts that an effort leaves out; None leaves out all."""
    titles = []
    for part in PLAN:
        if effort is None or part.least > effort:
            titles.append(part.title[0].lower() + part.title[1:])
    return titles
