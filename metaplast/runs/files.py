"""Which command or option reads a file that was given in the wrong place."""

import os
from pathlib import Path


def reader_of(given: str, group: str = "") -> str:
    """What to write instead; empty for what is no file. group: the config group it was given for,
    as `rule=FILE`.
    """
    path = Path(given)
    if path.suffix in (".yaml", ".yml"):
        if group not in ("", "experiment"):
            return (
                f"name the folder that holds {group}/{path.name}: --config-dir DIR "
                f"{group}={path.stem}"
            )
        return f"a whole config is read by metaplast train --config {given}"
    if path.suffix == ".safetensors":
        return f"a rule file is read by metaplast show {given}, metaplast inspect and load_rule"
    if path.suffix in (".npz", ".nwb"):
        return f"a recording is read by metaplast fit {given}"
    if path.suffix == ".py":
        return f"a module is read by --import {path.stem}"
    if os.sep not in given or not path.is_dir():
        return ""
    if (path / "config.yaml").is_file():
        return (
            f"a run folder is read by metaplast resume {given}; its config by --config "
            f"{path / 'config.yaml'}"
        )
    return f"a folder of config groups is read by --config-dir {given}"
