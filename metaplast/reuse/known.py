"""Known rules: the rules that ship as `configs/rule/*.yaml`."""

import difflib
import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from metaplast import registry
from metaplast.language.grammar import expand
from metaplast.registry import BadInput, nearest
from metaplast.reuse import shelf
from metaplast.reuse.text import quote

FILE = "rule.safetensors"
"""The name of the rule file in the folder of a run."""
CONFIG = "config.yaml"
"""A file that the folder of every run holds."""
SUMMARY = "summary.json"
"""A file that the folder of one finished training holds."""
RESULTS = (SUMMARY, "group.json", "fit.json", "compare.json")
"""Files of which the folder of a run holds one when it has ended."""


def shipped_configs() -> Traversable:
    """The folder of config groups, in the installed package or beside it in a checkout."""
    try:
        return resources.files("metaplast.configs")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "configs"


def known_rules() -> tuple[str, ...]:
    """The names of all known rules."""
    names = []
    for file in _folder().iterdir():
        if file.name.endswith(".yaml"):
            names.append(file.name.removesuffix(".yaml"))
    return tuple(sorted(names))


def known_rule(name: str) -> dict[str, Any]:
    """The plain spec of a known rule.

    Raises: BadInput naming the nearest known rule, or what has the name in place of one.
    """
    known = known_rules()
    if name not in known and name in registry.names("rule"):
        page = f"reference/plugins/rules/{name}"
        words = f"metaplast list rules and the page {page} of the documentation describe it"
        if name in shelf.names():
            words = f"the zoo has it: {shelf.PREFIX}{name}; {words}"
        raise BadInput(
            f"rule {name!r}: a class of rules, whose numbers a config gives (rule={name})",
            "a rule with numbers: a known rule, a rule of the zoo or a file of a run",
            words,
        )
    if name not in known:
        fix = nearest(name, known, "or give the path of a rule.safetensors")
        near_zoo = difflib.get_close_matches(name, shelf.names(), n=1)
        if name in shelf.names():
            fix = f"the zoo has it: {shelf.PREFIX}{name}"
        elif near_zoo and near_zoo[0] not in known:
            fix = f"did you mean {shelf.PREFIX + near_zoo[0]!r}?"
        raise BadInput(f"rule {quote(name)}", f"one of {', '.join(known)}", fix)
    content = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    plain = OmegaConf.to_container(OmegaConf.create(content))
    return _expanded(plain) if isinstance(plain, dict) else {}


def facts_of(name: str) -> dict[str, Any]:
    """The stored facts {account, reads} of a known rule.

    A reader of them need not run the code of the rule.
    """
    file = resources.files("metaplast.reuse").joinpath("known_rules.yaml")
    facts: Any = OmegaConf.to_container(OmegaConf.create(file.read_text(encoding="utf-8")))
    return facts[name]


def _expanded(plain: Any) -> Any:
    """Plain data in which families such as `taylor 2 of post pre weight` are written out."""
    if not isinstance(plain, dict):
        return plain
    expanded: dict[str, Any] = {}
    for key, value in plain.items():
        if key == "terms":
            expanded["terms"] = list(expand(value))
        else:
            expanded[str(key)] = _expanded(value)
    return expanded


def is_name(path_or_name: str | os.PathLike[str]) -> bool:
    """Whether a text is the name of a known rule and no path of a file.

    A path object, a text with a separator and a text that ends with .safetensors are paths. So is
    the name of an existing file, unless a known rule has that name.

    Raises: BadInput for anything but a text or a path.
    """
    if not isinstance(path_or_name, str | os.PathLike):
        raise BadInput(
            f"rule {quote(path_or_name)}", "a path or the name of a known rule", "correct it"
        )
    text = str(path_or_name)
    if isinstance(path_or_name, os.PathLike) or os.sep in text or "\0" in text:
        return False
    if text.endswith(".safetensors"):
        return False
    return text in known_rules() or not os.path.exists(text)


def rule_path(path_or_name: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The path of the rule file in the folder of a run; anything else as it is.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, or the name of a known
            rule or of a rule of the zoo.

    Raises: BadInput for the folder of a run that has not ended, or that has no rule.
    """
    if is_name(path_or_name) or shelf.is_shelved(path_or_name) or "\0" in str(path_or_name):
        return path_or_name
    folder = Path(path_or_name)
    inside = folder / FILE
    if inside.is_file():
        return inside
    has_ended = any((folder / name).is_file() for name in RESULTS)
    if (folder / CONFIG).is_file() and (folder / SUMMARY).is_file():
        raise BadInput(
            f"rule {quote(str(path_or_name), 200)}: a run without a rule",
            "the folder of a run with a plastic synapse",
            "metaplast inspect shows its scores and its activity",
        )
    if (folder / CONFIG).is_file() and not has_ended:
        raise BadInput(
            f"rule {quote(str(path_or_name), 200)}: the run has not ended",
            "the folder of a run with a rule",
            "wait for it, or go on: metaplast resume",
        )
    return path_or_name


def _folder() -> Traversable:
    return shipped_configs() / "rule"
