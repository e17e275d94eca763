"""A picture that is renewed until the run has ended."""

from rich.console import Console
from rich.live import Live

from metaplast.runs.stopping import stoppable
from metaplast.watching.folder_watch import FolderWatch
from metaplast.watching.seen import ENDED, RunSeen
from metaplast.watching.terminal import picture

RENEWED_S = 2.0
"""Seconds between two looks."""


def until_the_end(watch: FolderWatch, console: Console) -> RunSeen:
    """Show a folder until its run has ended.

    Args:
        watch: looks at the folder.
        console: the terminal.

    Returns: what was seen last.
    Raises: Interrupted after a signal, which the run itself does not get.
    """
    with stoppable(None, lambda: None) as stop:
        seen = watch.look()
        with Live(picture(seen), console=console, auto_refresh=False) as live:
            while seen.state not in ENDED and not stop.saved.wait(RENEWED_S):
                seen = watch.look()
                live.update(picture(seen), refresh=True)
    return seen
