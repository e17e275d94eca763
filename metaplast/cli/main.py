"""The command line. Each verb is one file here, imported only when it is used; a new file is a new
verb.
"""

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click

from metaplast.runs import stopping, threads

EXIT_LOST, EXIT_BAD_INPUT, EXIT_BUSY, EXIT_NO_CHECKPOINT, EXIT_DISK, EXIT_DIVERGED, EXIT_INT = (
    1,
    2,
    3,
    4,
    5,
    6,
    130,
)

NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
TOO_MANY = (errno.EMFILE, errno.ENFILE)


class Verbs(click.Group):
    """Finds verbs by file name, so that `--help` imports neither jax nor pydantic."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        files = [
            Path(name) for name in os.listdir(Path(__file__).parent)
        ]  # an error of it is told, not an empty list
        return sorted(
            f.stem
            for f in files
            if f.suffix == ".py" and f.stem != "main" and not f.stem.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        return import_module(f"metaplast.cli.{cmd_name}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        import difflib

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            near = difflib.get_close_matches(args[0], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see metaplast --help"
            raise click.UsageError(
                f"verb {args[0]!r} - expected one of {', '.join(known)} - {hint}"
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.version_option(package_name="metaplast")
@click.pass_context
def cli(context: click.Context) -> None:
    """Search for synaptic plasticity rules with an outer loop, inspect and reuse what it finds.

    A bare `metaplast train` searches a local rule that learns which handwritten digits belong
    together, beside tuned baselines.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code; an error is one line, unless --debug is
    given.
    """
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    _open_standard_streams()
    threads.one_each()
    try:
        # Before the first heavy import, where there is nothing to save: an exception that Python
        # throws on SIGINT is swallowed where it meets a callback of the garbage collector. A run
        # that has begun has a block of its own.
        with stopping.stoppable(None, lambda: None, patience=0.0):
            code = cli.main(
                [w for w in words if w != "--debug"], prog_name="metaplast", standalone_mode=False
            )
    except Exception as error:
        if debug:
            raise
        code = report(error)
    except KeyboardInterrupt:
        code = EXIT_INT
    sys.exit(code if isinstance(code, int) else 0)


def _open_standard_streams() -> None:
    """What was closed when the process started goes nowhere: a file opened later must not stand in
    its place.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def report(error: Exception) -> int:
    """Print the one line of an error and give its exit code; an error that is not ours is not
    hidden.
    """
    line, code = _classify(error)
    if code is None:
        raise error
    with suppress(OSError):  # nobody may be left to read it: the code still tells
        sys.stderr.write(f"error: {_printable(line)}\n")
        sys.stderr.flush()
    return code


def _classify(error: Exception) -> tuple[str, int | None]:
    if isinstance(error, click.exceptions.Abort):
        return "interrupted", EXIT_INT
    if isinstance(error, click.ClickException):
        message = error.format_message()
        return (
            message
            if " - " in message
            else f"{message} - expected what 'metaplast --help' shows - correct the command",
            2,
        )
    kind = type(error).__name__
    if kind == "BadInput":
        return str(error), EXIT_BAD_INPUT
    codes = {
        "Busy": EXIT_BUSY,
        "NoCheckpoint": EXIT_NO_CHECKPOINT,
        "Diverged": EXIT_DIVERGED,
        "WorkerLost": EXIT_LOST,
    }
    if kind == "Interrupted":
        return str(error), getattr(error, "code", EXIT_INT)
    if kind in codes:
        return str(error), codes[kind]
    if isinstance(error, OSError):
        return _of_the_disk(error)
    return str(error), None


def _of_the_disk(error: OSError) -> tuple[str, int]:
    """Where and why, and what helps: a path that cannot be is bad input, all else is the disk's."""
    nameless = "this process" if error.errno in TOO_MANY else "standard output"
    what = f"{_shown(str(error.filename or nameless))}: {error.strerror or error}"
    if error.errno in NO_PATH:
        return f"{what} - expected the path of a file or folder - correct the path", EXIT_BAD_INPUT
    if error.errno in FULL:
        fix = (
            "make room or choose another --run-dir; a run that has begun goes on with metaplast "
            "resume"
        )
        return f"{what} - expected a disk that takes files - {fix}", EXIT_DISK
    if error.errno in TOO_MANY:
        return (
            f"{what} - expected fewer than the limit - raise it (ulimit -n); metaplast resume goes "
            f"on",
            EXIT_DISK,
        )
    fix = "correct the path or its permissions; a run that has begun goes on with metaplast resume"
    return f"{what} - expected a path that can be read and written - {fix}", EXIT_DISK


def _shown(path: str) -> str:
    from metaplast.runs.folder import shown

    return shown(path)


def _printable(text: str) -> str:
    """One line without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
