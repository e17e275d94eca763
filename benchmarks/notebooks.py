"""The notebooks of the docs: scripts of examples/notebooks, executed whole, with their outputs.

    python -m benchmarks.notebooks
    python -m benchmarks.notebooks find_a_rule

It writes docs/notebooks/<name>.md with its pictures. It needs nbconvert and ipykernel, and takes
about ten minutes of two cores.
"""

import argparse
import base64
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))
PAGES = ROOT / "docs" / "notebooks"
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "CHOICES": str(ROOT / "docs" / "guides" / "fit" / "choices.csv"),
}
"""Variables under which a notebook runs."""
INLINE = re.compile(r'<img alt="([\w-]+)" src="data:image/svg\+xml;base64,([\w+/=]+)">')
"""A picture of a run as a notebook shows it."""


def notebook_of(script: Path) -> Any:
    """The cells of a script in the percent format."""
    return jupytext.read(script)


def executed(script: Path) -> Any:
    """A notebook with its outputs, executed in a fresh kernel and an empty folder."""
    from nbclient import NotebookClient

    notebook = notebook_of(script)
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        with TemporaryDirectory() as folder:
            where = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=3000, kernel_name="python3", resources=where).execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return notebook


def write(script: Path) -> None:
    """Execute a notebook, and write its page and its pictures."""
    from nbconvert import MarkdownExporter

    notebook = executed(script)
    exporter = MarkdownExporter(exclude_input_prompt=True)
    where = {"output_files_dir": script.stem}
    text, resources = exporter.from_notebook_node(notebook, resources=where)
    pictures = PAGES / script.stem
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True, exist_ok=True)
    for name, content in resources["outputs"].items():
        (PAGES / name).write_bytes(content)
    text = with_files(text, script.stem)
    (PAGES / f"{script.stem}.md").write_text(text, encoding="utf-8")


def with_files(text: str, folder: str) -> str:
    """The page whose inline pictures lie in files of a folder, because some sites show no others.

    Args:
        text: of the page.
        folder: of its pictures, below the folder of pages.
    """

    def saved(found: re.Match[str]) -> str:
        name = f"{folder}/{found[1]}.svg"
        (PAGES / name).write_bytes(base64.b64decode(found[2]))
        return f"![{found[1]}]({name})"

    return INLINE.sub(saved, text)


def main() -> None:
    """Write the pages of the notebooks that the arguments name; all without a name."""
    names = [script.stem for script in SCRIPTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().names or names
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        parser.error(f"{unknown[0]}: not one of {', '.join(names)}")
    for script in SCRIPTS:
        if script.stem in wanted:
            write(script)


if __name__ == "__main__":
    main()
