"""The plug-ins, experiments and signals by name, one line on each."""

import sys
from typing import NamedTuple

from metaplast import registry
from metaplast.registry import KINDS, BadInput
from metaplast.reuse import shelf
from metaplast.reuse.signal_words import lines
from metaplast.runs.config import Sources

SIGNALS = "signals"
EXPERIMENTS = "experiments"
ZOO = "zoo"


class Listed(NamedTuple):
    """One thing by its name.

    name: of the thing.
    words: one line on it.
    """

    name: str
    words: str


def rooms(sources: Sources) -> list[Listed]:
    """Every room of plug-ins with the names in it, then the signals and the zoo."""
    rows = []
    for kind, (_, plural) in KINDS.items():
        rows.append(Listed(plural, ", ".join(_names(kind, sources))))
    rows.append(Listed(SIGNALS, "the inputs of a term of a rule: metaplast list signals"))
    rows.append(Listed(ZOO, "rule files with cards: metaplast list zoo"))
    return rows


def listed(room: str, sources: Sources) -> list[Listed]:
    """The things in a room.

    Args:
        room: a kind, its plural, `signals`, `experiments` or `zoo`.
        sources: the folders of config groups.

    Raises: BadInput for an unknown room.
    """
    if room in (SIGNALS, SIGNALS.removesuffix("s")):
        return [Listed(name, f"{field}: {words}") for name, field, words in lines()]
    if room in (EXPERIMENTS, EXPERIMENTS.removesuffix("s")):
        group = EXPERIMENTS.removesuffix("s")
        return [Listed(name, sources.headline(group, name)) for name in sources.names(group)]
    if room == ZOO:
        return [Listed(shelf.PREFIX + name, shelf.shelved(name).title) for name in shelf.names()]
    kinds: dict[str, str] = {}
    for kind, (_, plural) in KINDS.items():
        kinds |= {kind: kind, plural: kind}
    if room not in kinds:
        plurals = [plural for _, plural in KINDS.values()]
        expected = f"one of {', '.join([*plurals, EXPERIMENTS, SIGNALS, ZOO])}"
        raise BadInput(f"kind {room!r}", expected, "choose one")
    kind = kinds[room]
    of_code = registry.names(kind)
    rows = []
    for name in sorted({*of_code, *sources.names(kind)}):
        words = _headline(kind, name) if name in of_code else sources.headline(kind, name)
        rows.append(Listed(name, words))
    return rows


def _names(kind: str, sources: Sources) -> list[str]:
    """The plug-ins of a kind, and the files of its config group, such as rules that are terms."""
    return sorted({*registry.names(kind), *sources.names(kind)})


def _headline(kind: str, name: str) -> str:
    """The first line of the docstring of a plug-in, or the reason why it cannot be imported.

    A plug-in without a docstring has an empty line. The docstring of the module comes first where
    the module holds this plug-in alone.
    """
    try:
        cls = registry.find(kind, name)
    except Exception as error:
        # A broken plug-in of the user must not hide the others.
        return f"cannot be imported: {type(error).__name__}: {error}".splitlines()[0]
    module = sys.modules.get(cls.__module__)
    of_class = cls.__doc__ or ""
    of_module = (module and module.__doc__) or ""
    if of_class.startswith(f"{cls.__name__}("):
        of_class = ""  # Python writes it for a dataclass without a docstring
    is_alone = cls.__module__.rpartition(".")[2] == name
    docstring = (of_module or of_class) if is_alone else (of_class or of_module)
    return next(iter(docstring.strip().splitlines()), "")
