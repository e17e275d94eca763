"""The origin of a run: its command, the moment at which it began, and the hashes of its data."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.runs import environment, folder
from metaplast.settings.names import CONFIG

FILE = "provenance.json"
SCHEMA = "metaplast.provenance/1"
SHOWN_DIGITS = 16
"""Of a hash, on a page; the file holds all of them."""
IMPORT = "--import"
SILENT = ("--quiet", "--json")
NOT_RECORDED = "not recorded"


class Provenance(NamedTuple):
    """The origin of a run.

    command: as it was given; "" for a run from Python.
    begun: the moment, in UTC, to the second.
    data: {name of a file: its SHA-256} of the files behind the tasks.
    modules: the plug-ins that were imported for it (`--import`).
    """

    command: str
    begun: str
    data: Mapping[str, str]
    modules: Sequence[str] = ()


def record(run: Path, command: str, data: Mapping[str, str], modules: Sequence[str] = ()) -> None:
    """Write provenance.json into the folder of a run that begins now. See `Provenance`."""
    begun = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    origin = {"schema": SCHEMA, "command": command, "begun": begun, "data": dict(data)}
    if modules:
        origin["modules"] = list(modules)
    folder.write_json(run / FILE, origin)


def read(run: Path) -> Provenance | None:
    """The origin of a run; None where it is not on record, or the record is damaged."""
    try:
        plain = json.loads((run / FILE).read_bytes())
        data = {str(name): str(digest) for name, digest in plain["data"].items()}
        command = str(plain["command"])
        modules = list(map(str, plain.get("modules", ()))) or _modules_in(command)
        return Provenance(command, str(plain["begun"]), data, modules)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def imports(runs: Sequence[Path], more: Sequence[str] = ()) -> list[str]:
    """The words of a command that import the plug-ins of some runs and `more`, each once."""
    modules: dict[str, None] = dict.fromkeys(more)
    for run in runs:
        origin = read(run)
        if origin is not None:
            modules |= dict.fromkeys(origin.modules)
    words = []
    for module in modules:
        words += [IMPORT, module]
    return words


def _modules_in(command: str) -> list[str]:
    """The plug-ins that a command imports: the only record of them in older runs."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    modules = []
    for word, value in pairwise([*words, ""]):
        if word == IMPORT:
            modules.append(value)
        if word.startswith(f"{IMPORT}="):
            modules.append(word.partition("=")[2])
    return modules


def facts(run: Path, wall_s: float | None, again: str = "") -> list[tuple[str, str]]:
    """(name, value) of the origin of a run, for the head of a page.

    A record that is there and cannot be read is named as damaged, and the facts that it held are
    left out.

    Args:
        run: the folder of the run.
        wall_s: seconds that it took; None: not known.
        again: a command that makes the run from its config; "" where there is none.
    """
    origin = read(run)
    versions: dict[str, Any] = environment.recorded(run)
    damaged = []
    facts = [("config", f"{as_given(run)}/{CONFIG}")]
    if origin is None and (run / FILE).exists():
        damaged.append(f"{FILE} (the command, the data and the beginning of the run)")
        if again:
            facts.append(("command", _made_again(again)))
    else:
        facts += [
            ("command", _command_words(origin, again)),
            ("data", _data_words(origin)),
            ("begun", NOT_RECORDED if origin is None else f"{origin.begun} UTC"),
        ]
    if not versions and (run / environment.FILE).exists():
        damaged.append(f"{environment.FILE} (the versions)")
    else:
        facts.append(("metaplast", str(versions.get("metaplast", NOT_RECORDED))))
    facts.append(("took", NOT_RECORDED if wall_s is None else f"{wall_s:.0f} s"))
    if damaged:
        facts.insert(0, ("damaged", f"{' and '.join(damaged)} cannot be read"))
    return facts


def _made_again(again: str) -> str:
    """A command that is not on record."""
    return f"{again} (made from {CONFIG})"


def _command_words(origin: Provenance | None, again: str) -> str:
    """The recorded command, else one that makes the run from its config."""
    if origin is not None and origin.command:
        return shown_command(origin.command)
    if again:
        return _made_again(again)
    return NOT_RECORDED


def _data_words(origin: Provenance | None) -> str:
    """The files of the data, with the first digits of their hashes."""
    if origin is None:
        return NOT_RECORDED
    if not origin.data:
        return "drawn by the task; no file"
    words = []
    for name, digest in origin.data.items():
        words.append(f"{name}, SHA-256 {digest[:SHOWN_DIGITS]}")
    return "; ".join(words)


def as_given(run: Path) -> str:
    """The path of a run as its user gave it; only its name where that is a path of a machine."""
    if run.is_absolute():
        return run.name
    return str(run)


def words_again(command: str) -> list[str]:
    """The words of a recorded command, for a new run: without its folder, and as a page shows them.

    Options that only change what is printed are left out too.
    """
    words = []
    for word in without(shlex.split(shown_command(command)), "--run-dir"):
        if word not in SILENT:
            words.append(word)
    return words


def without(words: Sequence[str], option: str) -> list[str]:
    """The words of a command without an option and its value, wherever it stands."""
    kept = []
    is_value = False
    for word in words:
        if not is_value and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        is_value = word == option
    return kept


def shown_command(command: str) -> str:
    """A command for a page: of a path of a machine only the name is left."""
    words = []
    for word in shlex.split(command):
        key, equals, value = word.rpartition("=")
        if Path(value).is_absolute():
            value = Path(value).name
        words.append(f"{key}{equals}{value}")
    return shlex.join(words)
