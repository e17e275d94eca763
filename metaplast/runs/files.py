"""The command or option that reads a file, for a file that was given in the wrong place."""

import os
from pathlib import Path

from metaplast.settings.names import CONFIG, FIGURES


def reader_of(word: str, group: str = "") -> str:
    """The words that a user writes to have a file read; empty where the word names no file.

    Args:
        word: a word of the command line.
        group: the config group for which it was given, as in `rule=FILE`.
    """
    path = Path(word)
    if path.suffix in (".yaml", ".yml"):
        if group not in ("", "experiment"):
            return (
                f"name the folder that holds {group}/{path.name}: --config-dir DIR "
                f"{group}={path.stem}"
            )
        return f"a whole config is read by metaplast train --config {word}"
    if path.suffix == ".safetensors":
        return f"a rule file is read by metaplast show {word}, metaplast inspect and load_rule"
    if path.suffix in (".npz", ".nwb"):
        return f"a recording is read by metaplast fit {word}"
    if path.suffix == ".py":
        return f"a module is read by --import {path.stem}"
    if os.sep not in word or not path.is_dir():
        return ""
    if (path / CONFIG).is_file():
        return (
            f"a run folder is read by metaplast resume {word}; its config by --config "
            f"{path / 'config.yaml'}"
        )
    return f"a folder of config groups is read by --config-dir {word}"


def figures_in(run: Path) -> str:
    """The words that name the figures in the folder of a run; empty where there are none."""
    names = [path.stem for path in sorted((run / FIGURES).glob("*.svg"))]
    if not names:
        return ""
    return f"its figures lie in {run / FIGURES}: {', '.join(names)}"
