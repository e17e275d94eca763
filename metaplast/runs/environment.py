"""The versions that the bits of a run depend on."""

import json
import logging
import platform
from importlib.metadata import version
from pathlib import Path

log = logging.getLogger(__name__)


def environment() -> dict[str, str]:
    """Versions that the bits of a run depend on; no host or user names."""
    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return machine | {name: version(name) for name in packages}


def warn_of_other_versions(run: Path) -> None:
    """Bits may differ from those of the run so far where its versions or machine did."""
    file = run / "environment.json"
    try:
        before = dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return  # nothing is known of them
    other = [
        f"{name} {before.get(name)} -> {value}"
        for name, value in environment().items()
        if before.get(name) != value
    ]
    if before and other:
        log.warning("%s goes on with %s: the last bits may differ", run, ", ".join(other))
