"""What the progress of a run counts."""

from typing import NamedTuple


class Counted(NamedTuple):
    """unit: the word for it.
    whole: all stages are known when the first is under way.
    once: a stage is at its end when it is counted through.
    """

    unit: str
    whole: bool = True
    once: bool = True
