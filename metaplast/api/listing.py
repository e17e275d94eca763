"""List the plug-ins, experiments and signals."""

from os import PathLike
from pathlib import Path

from metaplast.api.rows import Rows
from metaplast.runs import catalogue
from metaplast.runs.catalogue import Listed
from metaplast.runs.config import Sources


def list(room: str | None = None, *, config_dir: str | PathLike[str] | None = None) -> Rows[Listed]:
    """The plug-ins of a room with one line on each, as `metaplast list` prints them.

        mp.list("rules")

    Args:
        room: rules, tasks, networks, neurons, ...; experiments; or signals, the inputs of a term
            of a rule. None: the rooms.
        config_dir: a folder of config groups of your own.

    Raises: BadInput for an unknown room.
    """
    sources = Sources(None if config_dir is None else Path(config_dir))
    rows = catalogue.rooms(sources) if room is None else catalogue.listed(room, sources)
    return Rows(rows, Listed._fields)
