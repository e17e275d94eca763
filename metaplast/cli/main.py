"""The command line. Each verb is one file of this folder, which is imported when it is used."""

import errno
import itertools
import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from metaplast.runs import exit_codes, stopping, threads
from metaplast.settings.names import CAUGHT

EXIT_LOST = exit_codes.LOST
EXIT_BAD_INPUT = 2
EXIT_BUSY = 3
EXIT_NO_CHECKPOINT = 4
EXIT_DISK = 5
EXIT_DIVERGED = 6
EXIT_PROCESS = 7
EXIT_INT = 130
CODES = {
    "BadInput": EXIT_BAD_INPUT,
    "Busy": EXIT_BUSY,
    "NoCheckpoint": EXIT_NO_CHECKPOINT,
    "Diverged": EXIT_DIVERGED,
    "WorkerLost": EXIT_LOST,
    "MembersFailed": EXIT_LOST,
    "ProcessLost": EXIT_PROCESS,
    "Interrupted": EXIT_INT,
}
"""{error: exit code}. Names stand for classes, so that an error imports no heavy module.

An error that has a `code` of its own ends with that.
"""

NO_PATH = (errno.ENAMETOOLONG, errno.ELOOP)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
TOO_MANY = (errno.EMFILE, errno.ENFILE)


class Verbs(click.Group):
    """The verbs, found by the names of files, so that `--help` imports neither jax nor pydantic."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        verbs = []
        # `os.listdir` raises an error where `Path.glob` would give an empty list.
        for name in os.listdir(Path(__file__).parent):
            file = Path(name)
            if file.suffix == ".py" and file.stem != "main" and not file.stem.startswith("_"):
                verbs.append(file.stem)
        return sorted(verbs)

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
    """Search for synaptic plasticity rules with an outer loop, and inspect and reuse them.

    `metaplast train` alone searches a local rule that learns which handwritten digits belong
    together, and compares it with tuned baselines.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code.

    An error is one line. With --debug it is a traceback, and so is an error of a part of a page,
    which leaves the rest of the page as it is.

    Args:
        arguments: the words of the command; None: the words of the process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    _open_standard_streams()
    threads.one_each()
    if debug:
        _show_caught()
    try:
        # Before a run begins there is nothing to save. The exception that Python throws on SIGINT
        # is lost where it meets a callback of the garbage collector, so this block listens too. A
        # run has its own block.
        with stopping.stoppable(None, lambda: None, patience=0.0):
            command = []
            for word in words:
                if word != "--debug":
                    command.append(word)
            code = cli.main(command, prog_name="metaplast", standalone_mode=False, obj=words)
    except Exception as error:
        # `report` raises an error anew that is none of this package.
        if debug:
            raise
        code = report(error)
    except KeyboardInterrupt:
        code = EXIT_INT
    sys.exit(code if isinstance(code, int) else 0)


def _show_caught() -> None:
    """Print the tracebacks of errors that a program tells in words and leaves behind."""
    log = logging.getLogger(CAUGHT)
    log.setLevel(logging.DEBUG)
    log.handlers = [logging.StreamHandler()]


def _open_standard_streams() -> None:
    """Open the standard streams that were closed when the process started, as /dev/null.

    Otherwise a file that is opened later would take their place.
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
    """Print the one line of an error, and give its exit code.

    Raises: the error itself where it is none of this package.
    """
    ending = _ending_of(error)
    if ending is None:
        raise error
    with suppress(OSError):  # stderr may be closed; the exit code still tells
        sys.stderr.write(f"error: {_printable(ending.line)}\n")
        sys.stderr.flush()
    return ending.code


class _Ending(NamedTuple):
    """The end of a command with an error.

    line: the line that is printed.
    code: the exit code.
    """

    line: str
    code: int


def _ending_of(error: Exception) -> _Ending | None:
    """The line and the exit code of an error; None for an unknown error."""
    if isinstance(error, click.exceptions.Abort):
        return _Ending("interrupted", EXIT_INT)
    if isinstance(error, click.ClickException):
        line = error.format_message()
        if isinstance(error, click.NoSuchOption) and error.ctx is not None:
            line += _option_fix(error, error.ctx)
        elif " - " not in line:
            line += " - expected a command of 'metaplast --help' - correct the command"
        return _Ending(line, EXIT_BAD_INPUT)
    for base in type(error).__mro__:
        if base.__name__ in CODES:
            return _Ending(str(error), getattr(error, "code", CODES[base.__name__]))
    if isinstance(error, OSError):
        return _ending_of_disk(error)
    return None


def _option_fix(error: click.NoSuchOption, context: click.Context) -> str:
    """What was expected in place of an unknown option, and the fix."""
    from metaplast.cli._complete import Word

    expected = f" - expected an option of '{context.command_path} --help'"
    if not any(isinstance(each.type, Word) for each in context.command.params):
        return f"{expected} - correct the option"
    name = error.option_name.lstrip("-")
    value = "VALUE"
    words = list(context.find_root().obj or ())
    for word, after in itertools.pairwise(words):
        if word == error.option_name and not after.startswith("-"):
            value = after
    for word in words:
        if word.startswith(f"{error.option_name}="):
            value = word.partition("=")[2]
    return f"{expected} - words have no dashes: write {name}={value}"


def _ending_of_disk(error: OSError) -> _Ending:
    """The line and the exit code of an error of the disk. An impossible path is bad input."""
    nameless = "this process" if error.errno in TOO_MANY else "standard output"
    what = f"{_shown(str(error.filename or nameless))}: {error.strerror or error}"
    if error.errno in NO_PATH:
        line = f"{what} - expected the path of a file or folder - correct the path"
        return _Ending(line, EXIT_BAD_INPUT)
    if error.errno in FULL:
        expected = "a disk that takes files"
        fix = (
            "make room or choose another --run-dir; a run that has begun goes on with metaplast "
            "resume"
        )
    elif error.errno in TOO_MANY:
        expected = "fewer than the limit"
        fix = "raise it (ulimit -n); metaplast resume goes on"
    else:
        expected = "a path that can be read and written"
        fix = (
            "correct the path or its permissions; a run that has begun goes on with metaplast "
            "resume"
        )
    return _Ending(f"{what} - expected {expected} - {fix}", EXIT_DISK)


def _shown(path: str) -> str:
    from metaplast.runs.folder import shown

    return shown(path)


def _printable(text: str) -> str:
    """The text with an escape in place of every character that is not printable."""
    characters = []
    for character in text:
        if not character.isprintable():
            character = character.encode("unicode_escape").decode()
        characters.append(character)
    return "".join(characters)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
