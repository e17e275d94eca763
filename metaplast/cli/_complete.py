"""What a shell offers after Tab: experiments, the names of every group, kinds of plug-in, rules
that ship.

bash hands over `experiment=di` as three words, `experiment`, `=` and `di`; other shells as one.
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
        before = [word for word in ctx.params.get(param.name or "") or () if word != "="]
        return words(before, incomplete) or [CompletionItem(incomplete, type="file")]


def words(before: list[str], incomplete: str) -> list[CompletionItem]:
    """group=name pairs that begin with `incomplete`; names alone where the word before is a group,
    as bash has it.
    """
    from metaplast.runs.config import GROUPS

    last = before[-1] if before else ""
    if last in GROUPS:
        return _items(_of_group(last), incomplete)
    pairs = [
        f"{group}={name}"
        for group in GROUPS
        if _meet(f"{group}=", incomplete)
        for name in _of_group(group)
    ]
    return _items(pairs, incomplete)


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from metaplast.registry import KINDS

    return _items([*(plural for _, plural in KINDS.values()), "signals"], incomplete)


def rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Those that ship, beside files."""
    from metaplast.reuse.known import known_rules

    return [*_items(known_rules(), incomplete), CompletionItem(incomplete, type="file")]


def _meet(a: str, b: str) -> bool:
    return a.startswith(b) or b.startswith(a)


def _of_group(group: str) -> list[str]:
    from metaplast.registry import KINDS, names
    from metaplast.runs.config import Sources

    return sorted({*Sources().names(group), *(names(group) if group in KINDS else ())})


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
