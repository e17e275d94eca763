"""Versions that decide the last bits of a run."""

import json
import logging
import platform
from importlib.metadata import version
from pathlib import Path

from metaplast.native import library

log = logging.getLogger(__name__)


def environment() -> dict[str, str]:
    """Versions that decide the last bits of a run, and whether the native step is there.

    No name of a host or a user is among them.
    """
    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return machine | {name: version(name) for name in packages} | {"step": library.name()}


def warn_of_other_versions(run: Path) -> None:
    """Warn where a run goes on with other versions, since its last bits may then differ."""
    file = run / "environment.json"
    try:
        recorded = dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return  # the earlier versions are unknown
    if not recorded:
        return
    recorded.setdefault("step", "jax")  # before there was a native one
    changes = []
    for name, value in environment().items():
        if recorded.get(name) != value:
            changes.append(f"{name} {recorded.get(name)} -> {value}")
    if changes:
        log.warning("%s goes on with %s: the last bits may differ", run, ", ".join(changes))
