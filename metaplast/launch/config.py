"""From YAML groups and command-line words to one validated job.

A config file names registered things and can never import code; interpolation is limited to `${key}`.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError
from yaml.error import MarkedYAMLError

from metaplast import registry
from metaplast.registry import BadInput
from metaplast.reuse.known import shipped_configs

Plain = dict[str, Any]
GROUPS = ("experiment", "task", "network", "feedback", "genome", "rule", "objective", "outer", "logging")
DEFAULT_EXPERIMENT = "categories"
NEW: Plain = {"spike_times": "synapse"}  # what a config made now says, and one of before does not
MAX_BYTES = 1_000_000
MAX_DEPTH = 40
_RESOLVER = re.compile(r"\$\{[^}]*:")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Sources:
    """Where config groups are looked up: the directory given by the user first, then the shipped `configs`."""

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
            if _NAME.fullmatch(name) and file.is_file():
                return read_yaml(file.read_text(), f"{group}/{name}.yaml")
        return None

    def headline(self, group: str, name: str) -> str:
        """The comment a file begins with, if it does."""
        for root in self.roots:
            file = root / group / f"{name}.yaml"
            if file.is_file():
                first = file.read_text().lstrip().partition("\n")[0]
                return first.removeprefix("#").strip() if first.startswith("#") else ""
        return ""


def read_yaml(text: str, where: str) -> Plain:
    """A YAML mapping with text keys. Raises: BadInput for anything else, duplicate keys included."""
    if len(text) > MAX_BYTES:
        raise BadInput(f"{where}: {len(text)} characters", f"at most {MAX_BYTES}", "give a smaller file")
    if found := _RESOLVER.search(text):
        raise BadInput(f"{where}: {found.group(0)}...", "plain ${key} at most", "write the value itself")
    try:
        plain = None if _depth(text) > MAX_DEPTH else OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{where}: {_one_line(error)}", "a YAML mapping", "correct the file") from None
    if plain is None:
        raise BadInput(f"{where}: nested too deep", f"at most {MAX_DEPTH} levels", "write it flatter")
    if not isinstance(plain, dict):
        raise BadInput(f"{where}: a {type(plain).__name__}", "a YAML mapping", "correct the file")
    return _text_keys(plain, where)


def _depth(text: str) -> int:
    """Of mappings and lists within each other, as far as MAX_DEPTH and one more: a loader that goes deeper crashes."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if deepest > MAX_DEPTH:
            break
    return deepest


def compose(words: Sequence[str], sources: Sources, file: Path | None = None) -> Plain:
    """The merged config: a file or an experiment, then `group=name` and `a.b=value` words in the order given.

    Interpolations are kept, so that the text in a run folder says what was meant. A whole config in a file keeps the
    meaning that it had when it was written: what NEW says is not put into it.
    Raises: BadInput naming the word or file, and the nearest known name.
    """
    pairs = [_split(word) for word in words]
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
    """`over` laid on `base`, mapping by mapping; lists are replaced, an empty mapping empties; a changed `name` drops
    the old one's fields."""
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
    return {**merged, "rows": {name: row for name, row in merged["rows"].items() if name not in dropped}}


def _same_plugin(old: Plain, new: Plain) -> bool:
    return new.get("name", old.get("name")) == old.get("name")


def resolve(plain: Plain) -> Plain:
    """The config with its `${key}` replaced. Raises: BadInput for a key that does not exist."""
    try:
        return OmegaConf.to_container(OmegaConf.create(plain), resolve=True)  # pyright: ignore[reportReturnType]
    except OmegaConfBaseException as error:
        raise BadInput(f"config: {_one_line(error)}", "${key} of an existing key", "correct it") from None


def to_yaml(plain: Plain) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(plain))


def read_file(file: Path, said: str = "") -> Plain:
    """The YAML mapping in a file; `said` stands before its name in an error. Raises: BadInput."""
    if file.exists() and not file.is_file():
        raise BadInput(f"{said}{file}", "a file: a folder or a pipe cannot be read again", "correct the path")
    try:
        return read_yaml(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{said}{file}: {_one_line(error)}", "a readable YAML file", "correct the path") from None


def _experiment(name: str, sources: Sources, above: tuple[str, ...] = ()) -> Plain:
    """An experiment laid on its `base`, another experiment, where it names one."""
    plain = sources.load("experiment", name)
    if plain is None:
        known = sources.names("experiment")
        raise BadInput(f"experiment={name}", f"one of {', '.join(known)}", _nearest(name, known, "metaplast configs"))
    base = plain.pop("base", None)
    if base is not None and (not isinstance(base, str) or base in ("", name, *above)):
        raise BadInput(f"experiment {name}: base {base!r}", "the name of another experiment", "correct the file")
    below = _experiment(base, sources, (name, *above)) if base else {}
    return {**_laid(below, plain), "experiment": name}


def _choice(group: str, name: str, sources: Sources) -> Plain:
    """What `group=name` means: a file of that group, else the plug-in with all its defaults."""
    plain = sources.load(group, name)
    if plain is not None:
        return plain if "name" in plain else {"name": name, **plain}
    known = tuple(sorted({*sources.names(group), *registry.names(group)}))
    if name not in known:
        raise BadInput(
            f"{group}={name}", f"one of {', '.join(known)}", _nearest(name, known, f"metaplast list {group}")
        )
    return {"name": name}


def _expand(plain: Plain, sources: Sources) -> Plain:
    """In files too, a group may be given by name alone: `rule: oja`."""
    return {
        key: _choice(key, value, sources) if key in GROUPS[1:] and isinstance(value, str) and _is_name(value) else value
        for key, value in plain.items()
    }


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        hint = (
            f"did you mean experiment={word}?" if _is_name(word) else "write experiment=NAME, group=NAME or a.b=value"
        )
        raise BadInput(f"{word!r}", "key=value", hint)
    if _RESOLVER.search(value):
        raise BadInput(f"{word!r}", "a plain value", "write the value itself")
    return key, value


def _dotted(key: str, value: str) -> Plain:
    if not all(_NAME.fullmatch(part) for part in key.split(".")):
        raise BadInput(f"{key!r}", "names joined by dots", "write a.b=value")
    try:
        plain = OmegaConf.to_container(OmegaConf.from_dotlist([f"{key}={value}"]), resolve=False)
    except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{key}={value!r}: {_one_line(error)}", "a YAML value", "quote it") from None
    return _text_keys(plain, key)  # pyright: ignore[reportArgumentType]


def _text_keys(plain: Any, where: str) -> Any:
    if isinstance(plain, Mapping):
        for key in plain:
            if not isinstance(key, str) and (type(key) is not int or str(key) in plain):
                raise BadInput(f"{where}: key {key!r}", "text keys, each once", "quote the key, or remove it")
        return {str(key): _text_keys(value, where) for key, value in plain.items()}
    return [_text_keys(item, where) for item in plain] if isinstance(plain, list) else plain


def _is_name(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and not value.isdigit() and value != "null"


def _nearest(given: str, known: Sequence[str], otherwise: str) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"see '{otherwise}'"


def _one_line(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"[:200]
    return str(error).splitlines()[0].strip()[:200] if str(error) else type(error).__name__
