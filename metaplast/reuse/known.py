"""Known rules: term lists that ship as `configs/rule/*.yaml`."""

import difflib
import os
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from metaplast.language.grammar import expand
from metaplast.registry import BadInput
from metaplast.reuse.text import quote


def shipped_configs() -> Traversable:
    """The folder of config groups: inside the installed package, or beside it in a checkout."""
    try:
        return resources.files("metaplast.configs")
    except ModuleNotFoundError:
        return Path(__file__).resolve().parents[2] / "configs"


def known_rules() -> tuple[str, ...]:
    """The names of the rules that ship."""
    return tuple(
        sorted(
            f.name.removesuffix(".yaml") for f in _folder().iterdir() if f.name.endswith(".yaml")
        )
    )


def known_rule(name: str) -> dict[str, Any]:
    """The plain spec of a rule that ships.

    Raises: BadInput naming the nearest known rule.
    """
    known = known_rules()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "or give the path of a rule.safetensors"
        raise BadInput(f"rule {quote(name)}", f"one of {', '.join(known)}", hint)
    plain = OmegaConf.to_container(
        OmegaConf.create((_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    )
    return _expanded(plain) if isinstance(plain, dict) else {}


def said_of(name: str) -> dict[str, Any]:
    """{account, reads} of a rule that ships: what its code says and does, kept so that it need not
    be run.
    """
    text = (
        resources.files("metaplast.reuse").joinpath("known_rules.yaml").read_text(encoding="utf-8")
    )
    kept = OmegaConf.to_container(OmegaConf.create(text))
    return kept[name]  # pyright: ignore[reportCallIssue, reportArgumentType, reportOptionalSubscript, reportReturnType]


def _expanded(plain: Any) -> Any:
    """Families such as `taylor 2 of post pre weight` written out, at any depth."""
    if not isinstance(plain, dict):
        return plain
    return {str(k): list(expand(v)) if k == "terms" else _expanded(v) for k, v in plain.items()}


def is_name(given: str | os.PathLike[str]) -> bool:
    """Whether a text means a known rule rather than a file: no path, no .safetensors, and no such
    file unless shipped.

    Raises: BadInput for anything that is no text or path.
    """
    if not isinstance(given, str | os.PathLike):
        raise BadInput(f"rule {quote(given)}", "a path or the name of a known rule", "correct it")
    text = str(given)
    if (
        isinstance(given, os.PathLike)
        or os.sep in text
        or text.endswith(".safetensors")
        or "\0" in text
    ):
        return False
    return text in known_rules() or not os.path.exists(text)


def _folder() -> Traversable:
    return shipped_configs() / "rule"
