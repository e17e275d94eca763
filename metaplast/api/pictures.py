"""The pictures in the folder of a run, which a notebook shows."""

import base64
from html import escape
from pathlib import Path

from metaplast.settings.names import FIGURES


class SavedPicture:
    """A picture in the folder of a run.

    path: of the .svg file.
    """

    def __init__(self, path: Path) -> None:
        """Name a picture.

        Args:
            path: of the .svg file.
        """
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Picture {self.path}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.path.read_bytes()).decode()
        # As an image, a picture of a folder that came from elsewhere runs no script.
        return f'<img alt="{escape(self.path.stem)}" src="data:image/svg+xml;base64,{data}">'


def pictures_of(folder: Path) -> dict[str, SavedPicture]:
    """{name: picture} of a run, by name.

    Args:
        folder: of the run.
    """
    pictures = {}
    for path in sorted((folder / FIGURES).glob("*.svg")):
        pictures[path.stem] = SavedPicture(path)
    return pictures
