"""Versions, devices and the layout that decide the last bits of a run."""

import json
import logging
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from metaplast.native import library
from metaplast.runs import folder

FILE = "environment.json"
CPU_LAYOUT = "chunks of 163840 bytes or 16 lives, runs in turn"
"""The layout of lives of a run that did not record one."""
log = logging.getLogger(__name__)


def environment() -> dict[str, str]:
    """Versions, device and layout that decide the last bits of a run, and its step of spikes.

    No name of a host or a user is among them.
    """
    import jax  # who reads what a run recorded needs none

    from metaplast import tuning

    packages = ("metaplast", "jax", "jaxlib", "numpy", "optax", "evosax", "scikit-learn")
    machine = {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    return (
        machine
        | {name: version(name) for name in packages}
        | {
            "device": jax.devices()[0].device_kind,
            "layout": tuning.here().told(),
            "step": library.name(),
        }
    )


def recorded(run: Path) -> dict[str, Any]:
    """The versions of the start of a run, and the number of its devices now.

    Returns: {} where the file is not there or is damaged.
    """
    try:
        return dict(json.loads((run / FILE).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def record_devices(run: Path, n: dict[str, int]) -> None:
    """Record on how many devices a run goes on.

    Args:
        run: its folder.
        n: the numbers of `processes` and `devices`.
    """
    earlier = recorded(run)
    if earlier and earlier != earlier | n:
        folder.write_json(run / FILE, earlier | n)


def warn_of_other_versions(
    run: Path, has_spikes: bool = True, here: dict[str, Any] | None = None
) -> None:
    """Warn where a run goes on with other versions, or on other devices.

    Its last bits may then differ.

    Args:
        run: its folder.
        has_spikes: whether a population spikes. Elsewhere no native step is used.
        here: the facts of now, as in the file; None: `environment()`.
    """
    earlier = recorded(run)
    if not earlier:
        return
    if here is None:
        here = environment()
    earlier.setdefault("layout", CPU_LAYOUT)
    earlier.setdefault("step", "jax")  # before there was a native one
    for name in ("device", "processes", "devices"):
        if name in here:
            earlier.setdefault(name, here[name])  # it was not recorded
    changes = []
    for name, value in here.items():
        if earlier.get(name) != value and (has_spikes or name != "step"):
            changes.append(f"{name} {earlier.get(name)} -> {value}")
    remedy = ""
    if has_spikes and earlier["step"] == "jax" and library.name() != "jax":
        remedy = f"; {library.OFF}=0 keeps the step of before"
    if changes:
        told = ", ".join(changes)
        log.warning("%s goes on with %s: the last bits may differ%s", run, told, remedy)
