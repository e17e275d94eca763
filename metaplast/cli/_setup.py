"""What the verbs share: the compilation cache, imported plug-ins."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from metaplast.registry import BadInput


def prepare(modules: Sequence[str] = ()) -> None:
    """Switch on the on-disk compilation cache (private to the user) and import the user's plug-ins.

    Set as environment variables before JAX is imported, so that worker processes inherit them.
    """
    os.environ.setdefault(
        "MALLOC_ARENA_MAX", "1"
    )  # of a worker: else what a compilation took is kept in many pieces
    try:
        home = (
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metaplast" / "jax"
        )
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    except (OSError, RuntimeError):
        pass  # a read-only home: compile every time
    import_plugins(modules)


def import_plugins(modules: Sequence[str]) -> None:
    """Import the user's own modules, so that what they register is found by name. Raises: BadInput
    for one that fails, whatever it fails with."""
    if modules:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            import_module(module)
        except Exception as error:
            raise BadInput(
                f"--import {module}: {_reason(error)}", "an importable module", _fix_of(module)
            ) from error


def _reason(error: Exception) -> str:
    """An error of the user's own module by its kind and place, one of looking for it by its
    words.
    """
    if isinstance(error, ImportError | TypeError | ValueError) and not isinstance(
        error, UnicodeError
    ):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = last.filename == __file__ or last.filename.startswith(
        "<"
    )  # a module that did not begin to run
    place = "" if ours else f" in {Path(last.filename).name}, line {last.lineno}"
    return f"{type(error).__name__}: {error}{place}"


def _fix_of(module: str) -> str:
    if module.endswith(".py"):
        return (
            f"name the module, not its file: --import "
            f"{module.removesuffix('.py').replace(os.sep, '.')}"
        )
    return "correct the name or install it; --debug shows where it fails"
