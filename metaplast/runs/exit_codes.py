"""Exit codes that rooms below the command line know; `metaplast/cli/main.py` has all of them."""

from collections.abc import Iterable

LOST = 1
"""A worker process was killed, or several processes failed in several ways."""


def shared(codes: Iterable[int]) -> int:
    """The exit code of several processes: the one that all failed ones share, else LOST.

    Args:
        codes: of the processes, 0 of those that did not fail.
    """
    failed = set(codes) - {0}
    if len(failed) > 1:
        return LOST
    return failed.pop() if failed else 0
