"""No logger: the run folder holds all numbers."""

from metaplast.registry import register
from metaplast.runs.loggers.base import AbstractLogger
from metaplast.spec import spec


@register("logging", "none")
@spec
class None_(AbstractLogger):
    """No logger beside the run folder. It starts no process and opens no connection.

    Source: elementary.
    """

    @property
    def off(self) -> bool:
        return True
