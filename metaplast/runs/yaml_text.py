"""YAML of configs: a mapping with text keys, never deeper or longer than a config is, errors with
their line.
"""

import re
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from metaplast.registry import BadInput

Plain = dict[str, Any]
MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_SAID = 200  # characters of an error, or of what it quotes
TOO_DEEP = (
    "exceeded maximum nesting depth"  # libyaml's own limit since PyYAML 6.0.4: it reads ahead
)
RESOLVER = re.compile(r"\$\{[^}]*:")


def read_file(file: Path, said: str = "") -> Plain:
    """The YAML mapping in a file; `said` stands before its name in an error. Raises: BadInput."""
    if file.exists() and not file.is_file():
        raise BadInput(
            f"{said}{file}", "a file: a folder or a pipe cannot be read again", "correct the path"
        )
    return read_yaml(text(file, f"{said}{file}"), f"{said}{file}")


def text(file: Path | Traversable, where: str) -> str:
    """The text of a file, of which no more is read than a config may hold. Raises: BadInput."""
    try:
        with file.open("rb") as handle:
            return handle.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{where}: {one_line(error)}", "a readable YAML file", "correct the path"
        ) from None


def read_yaml(content: str, where: str) -> Plain:
    """A YAML mapping with text keys. Raises: BadInput for anything else, duplicate keys
    included.
    """
    if len(content) > MAX_BYTES:
        raise BadInput(
            f"{where}: more than {MAX_BYTES} characters", "a config", "give a smaller file"
        )
    if found := RESOLVER.search(content):
        raise BadInput(
            f"{where}: {found.group(0)}...", "plain ${key} at most", "write the value itself"
        )
    try:
        plain = (
            None
            if depth(content) > MAX_DEPTH
            else OmegaConf.to_container(OmegaConf.create(content), resolve=False)
        )
    except (OmegaConfBaseException, YAMLError, ValueError, RecursionError) as error:
        raise BadInput(
            f"{where}: {one_line(error, content)}", "a YAML mapping", "correct the file"
        ) from None
    if plain is None:
        raise BadInput(
            f"{where}: nested too deep", f"at most {MAX_DEPTH} levels", "write it flatter"
        )
    if not isinstance(plain, dict):
        raise BadInput(f"{where}: a {type(plain).__name__}", "a YAML mapping", "correct the file")
    return text_keys(plain, where)


def depth(content: str) -> int:
    """Of mappings and lists within each other, as far as MAX_DEPTH and one more: a loader that goes
    deeper crashes.
    """
    depth = deepest = 0
    try:
        for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                deepest = max(deepest, depth)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if deepest > MAX_DEPTH:
                break
    except MarkedYAMLError as error:
        if error.problem != TOO_DEEP:
            raise
        return MAX_DEPTH + 1
    return deepest


def headline(content: str) -> str:
    """The comment that a file begins with, to the first line that ends a sentence; empty where
    there is none.
    """
    said = []
    for line in content.lstrip().splitlines():
        if not line.startswith("#"):
            break
        said.append(line.removeprefix("#").strip())
        if said[-1].endswith((".", ":")):
            break
    return " ".join(said)


def text_keys(plain: Any, where: str) -> Any:
    """Keys as text, at any depth. Raises: BadInput for a key that is no text or number."""
    if isinstance(plain, Mapping):
        for key in plain:
            if not isinstance(key, str) and (type(key) is not int or str(key) in plain):
                raise BadInput(
                    f"{where}: key {key!r}", "text keys, each once", "quote the key, or remove it"
                )
        return {str(key): text_keys(value, where) for key, value in plain.items()}
    return [text_keys(item, where) for item in plain] if isinstance(plain, list) else plain


def short(content: str) -> str:
    """What an error quotes of a long word."""
    return content if len(content) <= MAX_SAID else f"{content[:MAX_SAID]}..."


def one_line(error: Exception, content: str = "") -> str:
    """The cause, with its line in `content` or its key where that is known."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"[:MAX_SAID]
    if isinstance(error, ReaderError):
        at = content.find(chr(error.character)) if isinstance(error.character, int) else -1
        line = f"line {content.count(chr(10), 0, at) + 1}: " if at >= 0 else ""
        return f"{line}{error.reason}"[:MAX_SAID]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # its path is named already
    first = str(error).splitlines()[0].strip()[:MAX_SAID] if str(error) else type(error).__name__
    key = getattr(error, "full_key", None)
    return f"{first} (at {key})" if key else first
