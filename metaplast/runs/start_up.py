"""The preparation of a verb: the compilation cache, and the user's plug-ins."""

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from metaplast.registry import BadInput


def prepare(modules: Sequence[str] = ()) -> None:
    """Switch on the compilation cache on disk, and import the user's plug-ins.

    The cache is private to the user. All settings are environment variables, so that worker
    processes inherit them. This must run before JAX is imported.

    Args:
        modules: the plug-ins.

    Raises: BadInput for a plug-in that cannot be imported.
    """
    # The default is a collection every 700 objects, and takes a tenth of a short run.
    gc.set_threshold(200_000, 50, 50)
    # The last collection, of objects that the end of the process frees anyway, takes 0.4 s.
    atexit.register(gc.freeze)
    keep_programs()
    import_plugins(modules)


def keep_programs() -> None:
    """Switch on the compilation cache on disk, also where JAX is imported already."""
    # In a worker, one arena gives the memory of a compilation back. Several keep it in pieces.
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = caches / "metaplast" / "jax"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    except (OSError, RuntimeError):
        return  # a read-only home: compile every time
    if "jax" in sys.modules and os.environ["JAX_COMPILATION_CACHE_DIR"]:
        config = sys.modules["jax"].config
        if config.jax_compilation_cache_dir is None:
            config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
            config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def import_plugins(modules: Sequence[str]) -> None:
    """Import the user's modules, so that their plug-ins are found by name.

    Raises: BadInput for a module that fails with any error.
    """
    if modules:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            import_module(module)
        except (Exception, SystemExit) as error:
            # The code of a user may raise any error, or end the process as a script does.
            raise BadInput(
                f"--import {module}: {_reason(error)}", "an importable module", _fix_of(module)
            ) from error


def _reason(error: BaseException) -> str:
    """The reason why a module cannot be imported.

    It is the message of an error in finding the module, and the kind, message and place of an error
    in its code.
    """
    in_finding = isinstance(error, ImportError | TypeError | ValueError)
    if in_finding and not isinstance(error, UnicodeError):
        return str(error)
    reason = f"{type(error).__name__}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    did_run = last.filename != __file__ and not last.filename.startswith("<")
    if did_run:
        reason += f" in {Path(last.filename).name}, line {last.lineno}"
    return reason


def _fix_of(module: str) -> str:
    if module.endswith(".py"):
        name = module.removesuffix(".py").replace(os.sep, ".")
        return f"name the module, not its file: --import {name}"
    return "correct the name or install it; --debug shows where it fails"
