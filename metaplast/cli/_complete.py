"""Completions for the shell: experiments, names of every group, kinds of plug-in, known rules.

bash passes `experiment=di` as the three words `experiment`, `=` and `di`. Other shells pass one
word.
"""

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


class Word(click.ParamType):
    """A word of a config (experiment=NAME, group=NAME, a.b=value), or a path."""

    name = "word"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(
                "'' - expected a word, or the path of a file or folder - leave it out", param, ctx
            )
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before = []
        for word in ctx.params.get(param.name or "") or ():
            if word != "=":
                before.append(word)
        return words(before, incomplete) or [CompletionItem(incomplete, type="file")]


class SweptWord(Word):
    """A word of a sweep, whose values stand between commas."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        first, comma, last = incomplete.rpartition(",")
        key, equals, _ = incomplete.partition("=")
        head = key + equals if equals else ""
        if not comma:
            return super().shell_complete(ctx, param, incomplete)
        items = []
        for item in super().shell_complete(ctx, param, head + last):
            items.append(CompletionItem(f"{first},{item.value.removeprefix(head)}"))
        return items


def words(before: list[str], incomplete: str) -> list[CompletionItem]:
    """Completions of a config word: pairs `group=name`, or names where the last word is a group.

    Args:
        before: the words before.
        incomplete: the beginning of the word.
    """
    from metaplast.runs.merging import GROUPS

    last = before[-1] if before else ""
    if last in GROUPS:
        return _items(_of_group(last), incomplete)
    pairs = []
    for group in GROUPS:
        # The names of a group are read only where they may be needed.
        if _agree(f"{group}=", incomplete):
            pairs += [f"{group}={name}" for name in _of_group(group)]
    return _items(pairs, incomplete)


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completions of a kind of plug-in."""
    from metaplast.registry import KINDS

    return _items([*(plural for _, plural in KINDS.values()), "signals", "zoo"], incomplete)


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completions of a rule: the known rules, the zoo, and files."""
    from metaplast.reuse import shelf
    from metaplast.reuse.known import known_rules

    shelved = [shelf.PREFIX + name for name in shelf.names()]
    known = [*known_rules(), *shelved]
    return [*_items(known, incomplete), CompletionItem(incomplete, type="file")]


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completions of a target of an export."""
    from metaplast.reuse.export.exported import TARGETS

    return _items(TARGETS, incomplete)


def _agree(a: str, b: str) -> bool:
    """Whether two texts agree as far as the shorter one goes."""
    return a.startswith(b) or b.startswith(a)


def _of_group(group: str) -> list[str]:
    """The names of a group: its files, and its plug-ins."""
    from metaplast.registry import KINDS, names
    from metaplast.runs.config import Sources

    return sorted({*Sources().names(group), *(names(group) if group in KINDS else ())})


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
