"""The counts by which the progress of a run is shown."""

from typing import NamedTuple


class Counted(NamedTuple):
    """The counts of a kind of run.

    unit: the word for one count, in the plural; "" where counts are no measure of time, so
        that they are not shown and nothing is forecast.
    whole: whether all stages are known when the first is under way.
    once: whether a stage is done when all its counts are done.
    """

    unit: str
    whole: bool = True
    once: bool = True
