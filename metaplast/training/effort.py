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
    least: the effort from which on it is made; None: the page that a training writes has it too.
    of_spikes: whether only networks with spiking cells have it.
    """

    name: str
    title: str
    least: Effort | None
    of_spikes: bool = False


SPIKES = "spikes"
"""The name of the part on one life of a spiking network."""
PLAN: tuple[Planned, ...] = (
    Planned("ablation", "Terms knocked out", Effort.USUAL),
    Planned("landscape", "Change of weight in the task", Effort.QUICK),
    Planned("distillation", "The rule in named terms", Effort.USUAL),
    Planned("kinship", "Nearest known rules", Effort.USUAL),
    Planned("identifiability", "What the task pins down", Effort.USUAL),
    Planned("innate", "Inborn or learned", Effort.USUAL),
    Planned("horizons", "Other lives and networks", Effort.USUAL),
    Planned("life", "Through a life", Effort.QUICK),
    Planned(SPIKES, "One life, spike by spike", None, of_spikes=True),
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


def is_made(
    least: Effort | None,
    of_spikes: bool,
    effort: Effort | None,
    has_spikes: bool,
    has_rule: bool,
) -> bool:
    """Whether a page has a part.

    Args:
        least: of the part.
        of_spikes: of the part.
        effort: of the page; None: the page that a training writes.
        has_spikes: whether the network has spiking cells.
        has_rule: whether the network has a rule; without one, only its spikes are shown.
    """
    if of_spikes and not has_spikes:
        return False
    if not of_spikes and not has_rule:
        return False
    return least is None or (effort is not None and least <= effort)


def without(effort: Effort | None) -> list[str]:
    """The titles of the parts that an effort leaves out, of a network with a rule.

    Args:
        effort: of the page; None: the page that a training writes.
    """
    titles = []
    for part in PLAN:
        if not is_made(part.least, part.of_spikes, effort, has_spikes=True, has_rule=True):
            titles.append(part.title[0].lower() + part.title[1:])
    return titles
