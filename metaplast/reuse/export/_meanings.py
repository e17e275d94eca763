"""The meaning of the numbers and the state of a rule, from the words of its class."""

import inspect
import re
from functools import lru_cache

from metaplast import registry

_ENTRY = re.compile(r"(\w+(?:, \w+)*)(?: \[[^]]*\])?: (.+)")


def meaning(rule: str, name: str) -> str:
    """The first sentence on a field or a trace of a rule; empty where its class has none.

    Args:
        rule: the name of the rule.
        name: of the field, or of a symbol in the equations of its docstring.
    """
    return _meanings(rule).get(name, "")


@lru_cache
def _meanings(rule: str) -> dict[str, str]:
    """{name: first sentence} of a rule and its bases, of which the nearest counts."""
    found: dict[str, str] = {}
    if not registry.has("rule", rule):
        return found
    for cls in registry.find("rule", rule).__mro__:
        for names, words in _entries(inspect.cleandoc(cls.__doc__ or "")):
            for name in names:
                found.setdefault(name, words)
    return found


def _entries(text: str) -> list[tuple[list[str], str]]:
    """(names, first sentence) of the entries `name, name: words` of a docstring."""
    found: list[tuple[list[str], list[str]]] = []
    margin = -1
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line.strip())
        indent = len(line) - len(line.lstrip())
        if entry is not None and (margin < 0 or indent <= margin):
            margin = indent
            found.append((entry[1].split(", "), [entry[2]]))
        elif found and line.strip() and indent > margin:
            found[-1][1].append(line.strip())
        else:
            margin = -1
    return [(names, _sentence(" ".join(words))) for names, words in found]


def _sentence(words: str) -> str:
    """The words up to the first full stop or semicolon at the end of a word."""
    return re.split(r"[.;](?:\s|$)", words)[0]
