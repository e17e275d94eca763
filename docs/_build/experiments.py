"""The reference of the experiments that ship: their parts, and their files."""

from typing import Any

from docs._build.docstrings import literal
from docs._build.links import ROOT
from docs._build.tables import table
from metaplast.runs.config import Sources, compose

PAGE = "reference/experiments.md"
PARTS = ("task", "network", "feedback", "genome", "rule", "objective", "outer")
INTRO = """# Experiments

An experiment is one file in `configs/experiment/`. It names the parts of a job, their fields, and
the rows of the table. `metaplast train experiment=NAME` runs it. The fields are those of
[Config](config.md). `base` names another experiment on which the file is laid.
"""


def pages() -> dict[str, str]:
    """{address: Markdown} of the page of experiments."""
    sources = Sources()
    names = sources.names("experiment")
    rows = []
    for name in names:
        rows.append([f"[{name}](#{name})", literal(sources.headline("experiment", name))])
    lines = [INTRO, *table(("experiment", "content"), rows)]
    for name in names:
        lines += ["", f"## {name}", "", literal(sources.headline("experiment", name)), ""]
        lines += table(("part", "name"), _parts(compose([f"experiment={name}"], sources)))
        lines += ["", f'??? note "configs/experiment/{name}.yaml"', "", "    ```yaml"]
        text = (ROOT / "configs" / "experiment" / f"{name}.yaml").read_text()
        lines += [f"    {line}" for line in text.rstrip().splitlines()]
        lines.append("    ```")
    return {PAGE: "\n".join(lines) + "\n"}


def _parts(plain: dict[str, Any]) -> list[list[str]]:
    """The parts of a composed config by name, and its rows."""
    rows = []
    for part in PARTS:
        value = plain.get(part)
        if value:
            rows.append([part, f"`{value['name']}`"])
    if plain.get("rows"):
        rows.append(["rows", ", ".join(f"`{name}`" for name in plain["rows"])])
    return rows
