"""The reference of the config: every field of every section, from the specs that check it."""

from typing import Any

from docs._build.docstrings import as_prose, literal
from docs._build.specs import SECTION, Types, fields, inner_specs
from docs._build.tables import table
from metaplast.runs.config import NEW
from metaplast.runs.job import ROW_KEYS, Config
from metaplast.training.group import RunGroup

PAGE = "reference/config.md"
INTRO = """# Config

A job has one config. An experiment gives it, and the words of a command change it: `group=NAME`
changes a part, and `a.b=VALUE` changes a field. Every field of this page is such a word, as in
`metaplast train problem.n_tasks=16`. A part brings fields of its own, such as `rule.rate`.
`config.yaml` in the folder of a run holds the whole config of that run.

The tables are made from the specs that check a config.

## The config
"""
NAMED = ("rules", "space")
"""Sections that hold one spec under every name."""
ROWS = """## rows

`rows` is a mapping from the name of a row to the fields in which the row differs from the main
rule. The keys of a row are {keys}. `from` names the row from whose trained numbers the search of
this row starts. `rows.NAME=null` drops a row of the experiment.

## Several runs: seeds and vary
"""


def pages() -> dict[str, str]:
    """{address: Markdown} of the page of the config."""
    lines = [INTRO, *fields_table(Config, defaults=NEW)]
    for name, spec in inner_specs(Config):
        prefix = f"{name}.NAME." if name in NAMED else f"{name}."
        lines += [
            "",
            f"## {name}",
            "",
            as_prose(spec.__doc__ or ""),
            "",
            *fields_table(spec, prefix),
        ]
    keys = ", ".join(f"`{key}`" for key in ROW_KEYS)
    lines += [
        "",
        ROWS.format(keys=keys),
        as_prose(RunGroup.__doc__ or ""),
        "",
        *fields_table(RunGroup),
    ]
    return {PAGE: "\n".join(lines) + "\n"}


def fields_table(cls: Any, prefix: str = "", defaults: dict[str, Any] | None = None) -> list[str]:
    """The table of the fields of a spec.

    Args:
        cls: the class of the spec.
        prefix: the words before the name of a field, such as `problem.`.
        defaults: defaults that differ from those of the class.
    """
    rows = []
    for field in fields(cls, Types("plugins/", has_sections=True)):
        words = ", ".join(filter(None, (field.type, field.bounds)))
        default = f"`{field.default}`" if field.default else "none: give one"
        if field.type == SECTION:
            words = f"[{SECTION}](#{field.name})"
            default = "see there"
        if defaults and field.name in defaults:
            default = f"`{defaults[field.name]}`"
        rows.append([f"`{prefix}{field.name}`", words, default, literal(field.meaning)])
    return table(("field", "type", "default", "meaning"), rows)
