"""The docstrings of this repository as Markdown, for the pages of the Python reference."""

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from docs._build.docstrings import as_markdown  # noqa: E402


class HouseStyle(griffe.Extension):
    """Give every docstring to mkdocstrings as Markdown."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
