"""The command line. Each verb is one file here, imported only when it is used; a new file is a new verb."""

import os
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import click

from metaplast.launch import threads

EXIT_LOST, EXIT_BAD_INPUT, EXIT_BUSY, EXIT_NO_CHECKPOINT, EXIT_DISK, EXIT_DIVERGED, EXIT_INT = 1, 2, 3, 4, 5, 6, 130


class Verbs(click.Group):
    """Finds verbs by file name, so that `--help` imports neither jax nor pydantic."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        files = pkgutil.iter_modules([str(Path(__file__).parent)])
        return sorted(f.name for f in files if f.name != "main" and not f.name.startswith("_"))

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
            raise click.UsageError(f"verb {args[0]!r} - expected one of {', '.join(known)} - {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metaplast")
def cli() -> None:
    """Search for synaptic plasticity rules with an outer loop, inspect and reuse what it finds.

    A bare `metaplast train` searches a local rule that learns which handwritten digits belong together, beside tuned
    baselines.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with a documented code; an error is one line, unless --debug is given."""
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    threads.one_each()
    try:
        code = cli.main([w for w in words if w != "--debug"], prog_name="metaplast", standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        code = report(error)
    except KeyboardInterrupt:
        code = EXIT_INT
    sys.exit(code if isinstance(code, int) else 0)


def report(error: Exception) -> int:
    """Print the one line of an error and give its exit code; an error that is not ours is not hidden."""
    line, code = _classify(error)
    if code is None:
        raise error
    sys.stderr.write(f"error: {_printable(line)}\n")
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
        fix = "make room or choose another --run-dir; a run that has begun goes on with metaplast resume"
        return (
            f"{error.filename or 'disk'}: {error.strerror or error} - expected a disk that takes files - {fix}",
            EXIT_DISK,
        )
    return str(error), None


def _printable(text: str) -> str:
    """One line without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
