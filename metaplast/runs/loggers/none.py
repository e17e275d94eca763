"""Nowhere else: the run folder holds everything."""

from metaplast.registry import register
from metaplast.runs.loggers.base import AbstractLogger
from metaplast.spec import spec


@register("logging", "none")
@spec
class None_(AbstractLogger):
    """No logger beside the run folder; no process is started, no socket opened."""

    @property
    def off(self) -> bool:
        return True
