"""Paths on the command line."""

from pathlib import Path
from typing import Any

import click


class Given(click.Path):
    """A path that is not empty.

    An empty path, such as an unset variable of the shell, would be the current folder.
    """

    def __init__(self, what: str = "file or folder") -> None:
        """Name the thing at the path, for errors."""
        super().__init__(path_type=Path)
        self.what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            name = param.get_error_hint(ctx).strip("'") if param else "path"
            fix = "leave it out" if isinstance(param, click.Option) else "name one"
            self.fail(f"{name} '' - expected the path of a {self.what} - {fix}", param, ctx)
        return super().convert(value, param, ctx)
