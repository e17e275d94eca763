"""The zoo: rule files that ship with the package, with the facts of their cards."""

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from metaplast.registry import BadInput, nearest
from metaplast.reuse.text import quote

PREFIX = "zoo/"
_NAME = re.compile(r"zoo/\w+")


@dataclass(frozen=True)
class Shelved:
    """The facts on one rule of the zoo that its file does not hold.

    title: the rule in one line.
    source: where it was published, or how it was found.
    range: signals and constants for which it does as it says.
    limits: its behaviour at and beyond the ends of that range.
    made: words of a config whose rule was written as it starts; empty for a trained rule.
    trained: words of the training whose rule was written; empty for a rule of the literature.
    """

    title: str
    source: str
    range: str
    limits: str
    made: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()


def is_shelved(path_or_name: str | os.PathLike[str]) -> bool:
    """Whether a text names a rule of the zoo, such as `zoo/oja`.

    It does whatever files there are. A path object and a text with an ending are paths of files.
    """
    return isinstance(path_or_name, str) and _NAME.fullmatch(path_or_name) is not None


def names() -> tuple[str, ...]:
    """The names of all rules of the zoo, without `zoo/`."""
    return tuple(sorted(_cards()))


def shelved(name: str) -> Shelved:
    """The facts on a rule of the zoo.

    Args:
        name: the name, with or without `zoo/`.

    Raises: BadInput that names the nearest rule of the zoo.
    """
    short = name.removeprefix(PREFIX)
    cards = _cards()
    if short not in cards:
        fix = nearest(short, names(), "see metaplast list zoo")
        raise BadInput(f"rule {quote(PREFIX + short)}", f"one of {', '.join(cards)}", fix)
    return cards[short]


def file_of(name: str) -> Path:
    """The rule file of a rule of the zoo.

    Args:
        name: the name, with or without `zoo/`.

    Raises: BadInput that names the nearest rule of the zoo.
    """
    shelved(name)
    return folder() / f"{name.removeprefix(PREFIX)}.safetensors"


def folder() -> Path:
    """The folder of the rule files."""
    return Path(str(resources.files("metaplast.reuse.zoo")))


@cache
def _cards() -> dict[str, Shelved]:
    text = (folder() / "cards.yaml").read_text(encoding="utf-8")
    plain: Any = OmegaConf.to_container(OmegaConf.create(text))
    cards = {}
    for name, facts in plain.items():
        made = tuple(facts.pop("made", ()))
        trained = tuple(facts.pop("trained", ()))
        cards[name] = Shelved(**facts, made=made, trained=trained)
    return cards
