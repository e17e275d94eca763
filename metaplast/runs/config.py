"""The composition of a config from YAML files and words of the command line.

A config file names registered plug-ins and never imports code. `${key}` is the only interpolation.
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
from metaplast.registry import BadInput, Plain
from metaplast.reuse.known import shipped_configs
from metaplast.runs.files import reader_of
from metaplast.runs.merging import GROUPS, merge
from metaplast.runs.started import with_starts
from metaplast.runs.yaml_text import (
    MAX_DEPTH,
    MAX_SHOWN,
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

DEFAULT_EXPERIMENT = "categories"
NEW: Plain = {"spike_times": "synapse"}
"""Fields that every new config has. A config of an earlier version lacks them."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Sources:
    """The folders of config groups: the user's folder first, then the shipped `configs`."""

    def __init__(self, extra: Path | None = None) -> None:
        if extra is not None and not extra.is_dir():
            raise BadInput(f"--config-dir {extra}", "an existing folder", "correct the path")
        self.roots = [shipped_configs()]
        if extra is not None:
            self.roots = [extra, *self.roots]

    def names(self, group: str) -> tuple[str, ...]:
        """The YAML files of a group, without their ending."""
        names: set[str] = set()
        for root in self.roots:
            folder = root / group
            if folder.is_dir():
                for entry in folder.iterdir():
                    if entry.name.endswith(".yaml"):
                        names.add(entry.name.removesuffix(".yaml"))
        return tuple(sorted(names))

    def load(self, group: str, name: str) -> Plain | None:
        """The content of one file of a group, or None where there is none."""
        for root in self.roots:
            file = root / group / f"{name}.yaml"
            if _NAME.fullmatch(name) and len(name) <= MAX_SHOWN and file.is_file():
                where = f"{self._option(root)}{group}/{name}.yaml"
                return read_yaml(text(file, where), where)
        return None

    def _option(self, root: Traversable) -> str:
        """The option that reads a file of a folder, for errors; empty for the shipped configs."""
        return f"--config-dir {root}: " if root is not self.roots[-1] else ""

    def headline(self, group: str, name: str) -> str:
        """The first sentence of the comment at the head of a file; may be empty."""
        for root in self.roots:
            file = root / group / f"{name}.yaml"
            if file.is_file():
                return headline(file.read_bytes().decode(errors="replace"))
        return ""


def compose(
    words: Sequence[str],
    sources: Sources,
    file: Path | None = None,
    default: str | None = DEFAULT_EXPERIMENT,
) -> Plain:
    """The config of a file or an experiment with words laid on it, in their order.

    Interpolations are kept, so that config.yaml keeps the user's meaning. A whole config in a file
    keeps the meaning that it had when it was written: the fields of NEW are not added to it.

    Args:
        words: `experiment=name`, `group=name` and `a.b=value`.
        sources: the folders of config groups.
        file: a whole config.
        default: the experiment without a file and without `experiment=name`; None: an empty config.

    Raises: BadInput naming the word or the file, and the nearest known name.
    """
    pairs = []
    for word in words:
        pairs.append(_split(word))
    for key, value in pairs:
        hint = reader_of(value, key) if key in GROUPS else ""
        if hint:
            raise BadInput(f"{key}={value}", f"the name of one: {key}=NAME", hint)
    experiments = []
    for key, value in pairs:
        if key == "experiment":
            experiments.append(value)
    before = read_file(file, "--config ") if file else {}
    plain = before if file else NEW
    if experiments:
        plain = _laid(plain, _experiment(experiments[-1], sources))
    elif not file and default is not None:
        plain = _laid(plain, _experiment(default, sources))
    for key, value in pairs:
        if key == "experiment":
            continue
        if key in GROUPS and _is_name(value):
            plain = {**plain, key: _choice(key, value, sources)}
        else:
            plain = _laid(plain, _dotted(key, value))
    return with_starts(_expand(plain, sources), before)


def _laid(base: Plain, over: Plain) -> Plain:
    """`over` laid on `base`. `rows: {NAME: null}` in `over` drops that row of `base`.

    Raises: BadInput for a row that `base` does not have.
    """
    merged = merge(base, over)
    base_rows = base.get("rows")
    over_rows = over.get("rows")
    if not isinstance(over_rows, dict):
        return merged
    known = base_rows if isinstance(base_rows, dict) else {}
    dropped = []
    for name, row in over_rows.items():
        if row is None:
            dropped.append(name)
    for name in dropped:
        if name not in known:
            listed = ", ".join(known) or "none"
            fix = _nearest(name, tuple(known), "metaplast configs")
            raise BadInput(f"rows.{name}=null", f"a row of the experiment: {listed}", fix)
    rows = {}
    for name, row in merged["rows"].items():
        if name not in dropped:
            rows[name] = row
    return {**merged, "rows": rows}


def resolve(plain: Plain) -> Plain:
    """The config with every `${key}` replaced. Raises: BadInput for a key that does not exist."""
    try:
        resolved: Any = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
    except OmegaConfBaseException as error:
        raise BadInput(
            f"config: {one_line(error)}", "${key} of an existing key", "correct it"
        ) from None
    return resolved


def to_yaml(plain: Plain) -> str:
    """The text of a config, as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(plain))


def _experiment(name: str, sources: Sources, above: tuple[str, ...] = ()) -> Plain:
    """The config of an experiment, laid on the experiment that it names as `base`."""
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
    """The config of `group=name`: a file of the group, else the plug-in with all its defaults."""
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
    """The config with every group that is given by name alone, such as `rule: oja`, written out."""
    expanded = {}
    for key, value in plain.items():
        if key in GROUPS[1:] and isinstance(value, str) and _is_name(value):
            expanded[key] = _choice(key, value, sources)
        elif key in ("rows", "rules") and isinstance(value, dict):
            expanded[key] = _expand_parts(value, sources)
        else:
            expanded[key] = value
    return expanded


def _expand_parts(parts: Plain, sources: Sources) -> Plain:
    """The rows or the slots of a config, with every name of a file of a group written out.

    The name of a plug-in stays, and so does an unknown one: a row is laid on the config later.
    """
    expanded = {}
    for name, part in parts.items():
        expanded[name] = part
        if not isinstance(part, dict):
            continue
        expanded[name] = fields = dict(part)
        for key, value in part.items():
            if key == "rules" and isinstance(value, dict):
                fields[key] = _expand_parts(value, sources)
            elif isinstance(value, str) and _is_in_a_file(key, value, sources):
                fields[key] = _choice(key, value, sources)
            elif isinstance(value, dict) and _is_in_a_file(key, value.get("name"), sources):
                chosen = _choice(key, value["name"], sources)
                fields[key] = merge(chosen, {**value, "name": chosen["name"]})
    return expanded


def _is_in_a_file(key: str, name: Any, sources: Sources) -> bool:
    """Whether a name is one of a file of a group, and of no plug-in."""
    if key not in GROUPS[1:] or not isinstance(name, str):
        return False
    return name in sources.names(key) and name not in registry.names(key)


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals or not key:
        usual = "write experiment=NAME, group=NAME or a.b=value"
        hint = f"did you mean experiment={word}?" if _is_name(word) else usual
        raise BadInput(f"{short(word)!r}", "key=value", reader_of(word) or hint)
    if RESOLVER.search(value):
        raise BadInput(f"{word!r}", "a plain value", "write the value itself")
    return key, value


def value_of(word: str) -> Any:
    """The value of a word, as a config holds it; the name itself for `group=name`.

    Raises: BadInput for a text that is no word, and for a value that is no YAML.
    """
    key, value = _split(word)
    if key in GROUPS and _is_name(value):
        return value
    plain: Any = _dotted(key, value)
    for part in key.split("."):
        plain = plain[part]
    return plain


def _dotted(key: str, value: str) -> Plain:
    parts = key.split(".")
    if not all(_NAME.fullmatch(part) for part in parts):
        raise BadInput(f"{short(key)!r}", "names joined by dots", "write a.b=value")
    if len(parts) > MAX_DEPTH:
        raise BadInput(
            f"{short(key)!r}: nested too deep", f"at most {MAX_DEPTH} levels", "write it flatter"
        )
    plain: Any = None
    try:
        if depth(value) <= MAX_DEPTH:
            plain = OmegaConf.to_container(
                OmegaConf.from_dotlist([f"{key}={value}"]), resolve=False
            )
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


def _nearest(name: str, known: Sequence[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"see '{otherwise}'"
