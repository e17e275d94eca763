"""The notebooks of examples/notebooks as pages: their words and their code."""

from docs._build.links import ROOT

FOLDER = ROOT / "examples" / "notebooks"


def pages() -> dict[str, str]:
    """{address: Markdown} of every notebook."""
    made = {}
    for path in sorted(FOLDER.glob("*.py")):
        made[f"notebooks/{path.stem}.md"] = _page(path.read_text(), path.name)
    return made


def _page(text: str, name: str) -> str:
    """The Markdown of a script in the percent format."""
    parts = []
    for cell in text.split("# %%")[1:]:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines()]
            parts.append("\n".join(lines))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    where = f"The file is [examples/notebooks/{name}](../../examples/notebooks/{name})."
    return "\n\n".join([parts[0], where, *parts[1:]]) + "\n"
