"""The end of a run that cannot go on for want of finite losses."""

MAX_SKIPPED = 20
"""Outer steps in a row without a finite loss, after which a run has diverged."""


class Diverged(RuntimeError):
    """A run has no finite losses to go by (exit code 6). The message is one line."""
