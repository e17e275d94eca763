"""The option that names the folder of a run."""

from pathlib import Path
from typing import Any

import click


class NewFolder(click.Path):
    """A path. An empty one, as of a variable that is not set, would be the present folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("--run-dir '' - expected the path of a folder - leave the option out for a fresh one", param, ctx)
        return super().convert(value, param, ctx)
