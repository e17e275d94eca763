"""The YAML of configs: a mapping with text keys, of limited depth and length.

Errors name their line.
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

from metaplast.registry import BadInput, Plain

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_SHOWN = 200
"""Characters of an error, and of a word that an error quotes."""
TOO_DEEP = "exceeded maximum nesting depth"
"""The words of libyaml's own limit, which PyYAML has since 6.0.4. libyaml reads ahead."""
RESOLVER = re.compile(r"\$\{[^}]*:")


def read_file(file: Path, option: str = "") -> Plain:
    """The YAML mapping in a file.

    Args:
        file: the file.
        option: the words before the name of the file in an error.

    Raises: BadInput for anything but a YAML mapping.
    """
    where = f"{option}{file}"
    if file.exists() and not file.is_file():
        raise BadInput(where, "a file: a folder or a pipe cannot be read again", "correct the path")
    return read_yaml(text(file, where), where)


def text(file: Path | Traversable, where: str) -> str:
    """The text of a file, up to the length of the longest config.

    Args:
        file: the file.
        where: the name of the file in an error.

    Raises: BadInput for a file that cannot be read.
    """
    try:
        with file.open("rb") as handle:
            return handle.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{where}: {one_line(error)}", "a readable YAML file", "correct the path"
        ) from None


def read_yaml(content: str, where: str) -> Plain:
    """The YAML mapping in a text.

    Args:
        content: the text.
        where: the name of the text in an error.

    Raises: BadInput for anything but a mapping with text keys, each once.
    """
    if len(content) > MAX_BYTES:
        raise BadInput(
            f"{where}: more than {MAX_BYTES} characters", "a config", "give a smaller file"
        )
    resolver = RESOLVER.search(content)
    if resolver:
        raise BadInput(
            f"{where}: {resolver.group(0)}...", "plain ${key} at most", "write the value itself"
        )
    plain: Any = None
    try:
        if depth(content) <= MAX_DEPTH:
            plain = OmegaConf.to_container(OmegaConf.create(content), resolve=False)
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
    """The depth of mappings and lists within each other, at most MAX_DEPTH + 1.

    A loader crashes in deeper ones, so they are not read.
    """
    level = 0
    deepest = 0
    try:
        for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.CollectionStartEvent):
                level += 1
                deepest = max(deepest, level)
            elif isinstance(event, yaml.CollectionEndEvent):
                level -= 1
            if deepest > MAX_DEPTH:
                break
    except MarkedYAMLError as error:
        if error.problem != TOO_DEEP:
            raise
        return MAX_DEPTH + 1
    return deepest


def headline(content: str) -> str:
    """The comment at the head of a file, to the first line that ends a sentence; may be empty."""
    lines = []
    for line in content.lstrip().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
        if lines[-1].endswith("."):
            break
    return " ".join(lines)


def text_keys(plain: Any, where: str) -> Any:
    """Plain data with all keys as text. Raises: BadInput for a key that is no text or number."""
    if isinstance(plain, Mapping):
        for key in plain:
            if not isinstance(key, str) and (type(key) is not int or str(key) in plain):
                raise BadInput(
                    f"{where}: key {key!r}", "text keys, each once", "quote the key, or remove it"
                )
        return {str(key): text_keys(value, where) for key, value in plain.items()}
    if isinstance(plain, list):
        return [text_keys(item, where) for item in plain]
    return plain


def short(content: str) -> str:
    """The beginning of a long word, as an error quotes it."""
    return content if len(content) <= MAX_SHOWN else f"{content[:MAX_SHOWN]}..."


def one_line(error: Exception, content: str = "") -> str:
    """The cause of an error in one line, with its line in the text or its key where it is known.

    Args:
        error: the error of a loader or of the disk.
        content: the text that was loaded.
    """
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"[:MAX_SHOWN]
    if isinstance(error, ReaderError):
        at = -1
        if isinstance(error.character, int):
            at = content.find(chr(error.character))
        line = ""
        if at >= 0:
            line = f"line {content.count(chr(10), 0, at) + 1}: "
        return f"{line}{error.reason}"[:MAX_SHOWN]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # the message names the path already
    cause = type(error).__name__
    if str(error):
        cause = str(error).splitlines()[0].strip()[:MAX_SHOWN]
    key = getattr(error, "full_key", None)
    return f"{cause} (at {key})" if key else cause
