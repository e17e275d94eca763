"""Versions that decide the last bits of a run."""

import json
import logging
import platform
from importlib.metadata import version
from pathlib import Path

log = logging.getLogger(__name__)


def environment() -> dict[str, str]:
    """Versions that decide the last bits of a run. No name of a host or a user is among them."""
    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return machine | {name: version(name) for name in packages}


def warn_of_other_versions(run: Path) -> None:
    """Warn where a run goes on with other versions, since its last bits may then differ."""
    file = run / "environment.json"
    try:
        recorded = dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return  # the earlier versions are unknown
    changes = []
    for name, value in environment().items():
        if recorded.get(name) != value:
            changes.append(f"{name} {recorded.get(name)} -> {value}")
    if recorded and changes:
        log.warning("%s goes on with %s: the last bits may differ", run, ", ".join(changes))
