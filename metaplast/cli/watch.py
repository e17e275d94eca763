"""metaplast watch: the progress of a run, of a group or of a sweep, seen from outside."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from metaplast.cli._paths import Given

if TYPE_CHECKING:
    from metaplast.watching.seen import RunSeen


@click.command("watch")
@click.argument("run_dir", type=Given("folder"))
@click.option("--once", is_flag=True, help="Show one picture and end, as without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON and end.")
def command(run_dir: Path, once: bool, as_json: bool) -> int:
    """Show how far a run is, from another shell or host. Nothing in its folder is changed.

    RUN_DIR is the folder of a run, of a group of runs or of a sweep. The picture shows the outer
    steps, the loss, the pace and the time that is left of every row, and what went wrong. On a
    terminal it is renewed until the run has ended. Ctrl-C leaves the picture, and the run goes on.

    The exit code is 0 for a run that is under way, interrupted or done. Where the files tell that a
    run ended badly, it is that of the run.

    Example: metaplast watch runs/a --once
    """
    from rich.console import Console

    from metaplast.runs.stopping import Interrupted
    from metaplast.watching.contents import check
    from metaplast.watching.folder_watch import FolderWatch
    from metaplast.watching.live import until_the_end
    from metaplast.watching.plain import to_json
    from metaplast.watching.terminal import picture

    check(run_dir)
    watch = FolderWatch(run_dir)
    if as_json or once or not sys.stdout.isatty():
        seen = watch.look()
        if as_json:
            click.echo(json.dumps(to_json(seen), allow_nan=False))
        else:
            Console().print(picture(seen))
    else:
        try:
            seen = until_the_end(watch, Console())
        except Interrupted as error:
            return error.code
    return _code_of(seen)


def _code_of(seen: "RunSeen") -> int:
    """The exit code with which a run ended badly; 0 where it did not, or where it is not known."""
    from metaplast.cli.main import EXIT_DIVERGED, EXIT_NO_CHECKPOINT
    from metaplast.runs import exit_codes
    from metaplast.watching.seen import DAMAGED, DIVERGED, ENDED

    if seen.kind == "sweep" and seen.state in ENDED:
        return exit_codes.shared(map(_code_of, seen.parts))
    return {DIVERGED: EXIT_DIVERGED, DAMAGED: EXIT_NO_CHECKPOINT}.get(seen.state, seen.code)
