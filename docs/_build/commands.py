"""The reference of the command line: every verb with its words and options."""

from collections.abc import Iterator

import click

from docs._build.docstrings import as_markdown, literal
from docs._build.tables import table
from metaplast.cli.main import cli

PAGE = "reference/commands.md"


def pages() -> dict[str, str]:
    """{address: Markdown} of the page of the command line."""
    context = click.Context(cli, info_name="metaplast")
    lines = ["# Commands", "", as_markdown(cli.help or "")]
    lines += _options(context)
    verbs = []
    for verb in _verbs(context):
        name = verb.command_path.removeprefix("metaplast ")
        words = verb.command.get_short_help_str(200)
        verbs.append([f"[`{name}`](#{name.replace(' ', '-')})", literal(words)])
    lines += ["", *table(("verb", "use"), verbs)]
    for verb in _verbs(context):
        lines += ["", *_verb(verb)]
    return {PAGE: "\n".join(lines) + "\n"}


def _verbs(context: click.Context) -> Iterator[click.Context]:
    """The context of every verb, and of the verbs inside a verb."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        verb = click.Context(command, info_name=name, parent=context)
        yield verb
        if isinstance(command, click.Group):
            yield from _verbs(verb)


def _verb(verb: click.Context) -> list[str]:
    """The lines of one verb."""
    name = verb.command_path.removeprefix("metaplast ")
    usage = " ".join([verb.command_path, *verb.command.collect_usage_pieces(verb)])
    lines = [f"## {name}", "", "```text", usage, "```", ""]
    lines += [as_markdown(verb.command.help or ""), *_options(verb)]
    return lines


def _options(verb: click.Context) -> list[str]:
    """The table of the options of a verb."""
    rows = []
    for parameter in verb.command.get_params(verb):
        record = parameter.get_help_record(verb)
        if record is not None:
            names, words = record
            rows.append([f"`{names}`", literal(words)])
    return table(("option", "meaning"), rows)
