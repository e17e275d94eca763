"""From YAML groups and command-line words to one validated job.

A config file names registered things and can never import code; interpolation is limited to
`${key}`.
"""

import difflib
import re
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from metaplast import registry
from metaplast.registry import BadInput
from metaplast.reuse.known import shipped_configs
from metaplast.runs.files import reader_of
from metaplast.runs.yaml_text import (
    MAX_DEPTH,
    MAX_SAID,
    RESOLVER,
    depth,
    headline,
    one_line,
    read_file,
    read_yaml,
    short,
    text,
    text_keys,
)

Plain = dict[str, Any]
GROUPS = (
    "experiment",
    "task",
    "network",
    "feedback",
    "genome",
    "rule",
    "objective",
    "outer",
    "logging",
)
DEFAULT_EXPERIMENT = "categories"
NEW: Plain = {"spike_times": "synapse"}  # what a config made now says, and one of before does not
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Sources:
    """Where config groups are looked up: the directory given by the user first, then the shipped
    `configs`.
    """

    def __init__(self, extra: Path | None = None) -> None:
        if extra is not None and not extra.is_dir():
            raise BadInput(f"--config-dir {extra}", "an existing folder", "correct the path")
        self.roots = [*([extra] if extra else []), shipped_configs()]

    def names(self, group: str) -> tuple[str, ...]:
        """The YAML files of a group, without their ending."""
        found = {
            entry.name.removesuffix(".yaml")
            for root in self.roots
            if (folder := root / group).is_dir()
            for entry in folder.iterdir()
            if entry.name.endswith(".yaml")
        }
        return tuple(sorted(found))

    def load(self, group: str, name: str) -> Plain | None:
        """The content of one file of a group, or None where there is none."""
        for root in self.roots:
            file = root / group / f"{name}.yaml"
            if _NAME.fullmatch(name) and len(name) <= MAX_SAID and file.is_file():
                where = f"{self._option(root)}{group}/{name}.yaml"
                return read_yaml(text(file, where), where)
        return None

    def _option(self, root: Traversable) -> str:
        """What an error says before the name of a file: the option that reads it."""
        return f"--config-dir {root}: " if root is not self.roots[-1] else ""

    def headline(self, group: str, name: str) -> str:
        """The comment a file begins with, to the first line that ends a sentence; empty where there
        is none.
        """
        for root in self.roots:
            file = root / group / f"{name}.yaml"
            if file.is_file():
                return headline(file.read_text(encoding="utf-8", errors="replace"))
        return ""


def compose(words: Sequence[str], sources: Sources, file: Path | None = None) -> Plain:
    """The merged config: a file or an experiment, then `group=name` and `a.b=value` words in the
    order given.

    Interpolations are kept, so that the text in a run folder says what was meant. A whole config in
    a file keeps the
    meaning that it had when it was written: what NEW says is not put into it.
    Raises: BadInput naming the word or file, and the nearest known name.
    """
    pairs = [_split(word) for word in words]
    for key, value in pairs:
        if key in GROUPS and (hint := reader_of(value, key)):
            raise BadInput(f"{key}={value}", f"the name of one: {key}=NAME", hint)
    chosen = [value for key, value in pairs if key == "experiment"]
    plain = read_file(file, "--config ") if file else NEW
    if chosen or not file:
        plain = _laid(plain, _experiment((chosen or [DEFAULT_EXPERIMENT])[-1], sources))
    for key, value in pairs:
        if key == "experiment":
            continue
        if key in GROUPS and _is_name(value):
            plain = {**plain, key: _choice(key, value, sources)}
        else:
            plain = _laid(plain, _dotted(key, value))
    return _expand(plain, sources)


def merge(base: Plain, over: Plain) -> Plain:
    """`over` laid on `base`, mapping by mapping; lists are replaced, an empty mapping empties; a
    changed `name` drops the old one's fields."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, dict) and isinstance(old, str) and key in GROUPS:
            old = {"name": old}
        if isinstance(value, dict) and isinstance(old, dict) and value and _same_plugin(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _laid(base: Plain, over: Plain) -> Plain:
    """`merge`, in which `rows: {NAME: null}` of `over` drops that row of `base`.

    Raises: BadInput for a row that `base` does not have.
    """
    merged, below, above = merge(base, over), base.get("rows"), over.get("rows")
    if not isinstance(above, dict):
        return merged
    rows = below if isinstance(below, dict) else {}
    dropped = [name for name, row in above.items() if row is None]
    for name in dropped:
        if name not in rows:
            known = ", ".join(rows) or "none"
            fix = _nearest(name, tuple(rows), "metaplast configs")
            raise BadInput(f"rows.{name}=null", f"a row of the experiment: {known}", fix)
    return {
        **merged,
        "rows": {name: row for name, row in merged["rows"].items() if name not in dropped},
    }


def _same_plugin(old: Plain, new: Plain) -> bool:
    return new.get("name", old.get("name")) == old.get("name")


def resolve(plain: Plain) -> Plain:
    """The config with its `${key}` replaced. Raises: BadInput for a key that does not exist."""
    try:
        return OmegaConf.to_container(OmegaConf.create(plain), resolve=True)  # pyright: ignore[reportReturnType]
    except OmegaConfBaseException as error:
        raise BadInput(
            f"config: {one_line(error)}", "${key} of an existing key", "correct it"
        ) from None


def to_yaml(plain: Plain) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(plain))


def _experiment(name: str, sources: Sources, above: tuple[str, ...] = ()) -> Plain:
    """An experiment laid on its `base`, another experiment, where it names one."""
    plain = sources.load("experiment", name)
    if plain is None:
        known = sources.names("experiment")
        raise BadInput(
            f"experiment={name}",
            f"one of {', '.join(known)}",
            _nearest(name, known, "metaplast configs"),
        )
    base = plain.pop("base", None)
    if base is not None and (not isinstance(base, str) or base in ("", name, *above)):
        raise BadInput(
            f"experiment {name}: base {base!r}",
            "the name of another experiment",
            "correct the file",
        )
    below = _experiment(base, sources, (name, *above)) if base else {}
    return {**_laid(below, plain), "experiment": name}


def _choice(group: str, name: str, sources: Sources) -> Plain:
    """What `group=name` means: a file of that group, else the plug-in with all its defaults."""
    plain = sources.load(group, name)
    if plain is not None:
        return plain if "name" in plain else {"name": name, **plain}
    known = tuple(sorted({*sources.names(group), *registry.names(group)}))
    name = registry.current_name(group, name)
    if name not in known:
        raise BadInput(
            f"{group}={name}",
            f"one of {', '.join(known)}",
            _nearest(name, known, f"metaplast list {group}"),
        )
    return {"name": name}


def _expand(plain: Plain, sources: Sources) -> Plain:
    """In files too, a group may be given by name alone: `rule: oja`."""
    return {
        key: _choice(key, value, sources)
        if key in GROUPS[1:] and isinstance(value, str) and _is_name(value)
        else value
        for key, value in plain.items()
    }


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        usual = "write experiment=NAME, group=NAME or a.b=value"
        hint = f"did you mean experiment={word}?" if _is_name(word) else usual
        raise BadInput(f"{short(word)!r}", "key=value", reader_of(word) or hint)
    if RESOLVER.search(value):
        raise BadInput(f"{word!r}", "a plain value", "write the value itself")
    return key, value


def _dotted(key: str, value: str) -> Plain:
    parts = key.split(".")
    if not all(_NAME.fullmatch(part) for part in parts):
        raise BadInput(f"{short(key)!r}", "names joined by dots", "write a.b=value")
    if len(parts) > MAX_DEPTH:
        raise BadInput(
            f"{short(key)!r}: nested too deep", f"at most {MAX_DEPTH} levels", "write it flatter"
        )
    plain: Plain | None = None
    try:
        if depth(value) <= MAX_DEPTH:
            plain = OmegaConf.to_container(
                OmegaConf.from_dotlist([f"{key}={value}"]), resolve=False
            )  # pyright: ignore[reportAssignmentType]
    except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{key}={short(value)!r}: {one_line(error)}", "a YAML value", "quote it"
        ) from None
    if plain is None:
        what = f"{key}={short(value)!r}: nested too deep"
        raise BadInput(what, f"at most {MAX_DEPTH} levels", "write it flatter")
    return text_keys(plain, key)


def _is_name(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and not value.isdigit() and value != "null"


def _nearest(given: str, known: Sequence[str], otherwise: str) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"see '{otherwise}'"
