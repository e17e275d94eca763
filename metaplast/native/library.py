"""The library of the native step: built by the user's compiler, kept in the user's cache folder.

A library belongs to one source, one JAX and one kind of processor. Its name holds a hash of the
three, so that another version or machine does not see it. Nothing is built when metaplast is
installed or run.
"""

import ctypes
import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from metaplast.registry import BadInput

log = logging.getLogger(__name__)

OFF = "METAPLAST_NATIVE"
"""The environment variable that turns the native step off, where it is 0."""
SOURCE = Path(__file__).with_name("synapses.cc")
# Not -ffast-math: a library built with it makes the whole process flush small numbers to zero.
FLAGS = (
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c++17",
    "-shared",
    "-fPIC",
    "-w",
)
BUILD = "metaplast native build"


class Built(NamedTuple):
    """A library that is there and whole.

    path: the file.
    digest: the first digits of its SHA-256.
    compiler: the first line of the compiler's version.
    flags: the flags of the compiler.
    """

    path: Path
    digest: str
    compiler: str
    flags: str


def folder() -> Path:
    """The folder of libraries, in the user's cache folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "metaplast" / "native"


@lru_cache(maxsize=1)
def key() -> str:
    """A hash of the source, the flags, the version of JAX and the processor."""
    parts = (SOURCE.read_text(), *FLAGS, version("jax"), version("jaxlib"), _processor())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def path() -> Path:
    """The file of the library for this source, JAX and processor."""
    return folder() / f"step-{key()}.so"


def build() -> Built:
    """Compile the library into the cache folder, in place of an earlier one.

    Returns: the library.

    Raises:
        BadInput: where no compiler is found, it fails, or its library cannot be loaded.
        OSError: where the folder cannot be written.
    """
    compiler = _compiler()
    target = path()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        file = Path(place) / target.name
        _compile(compiler, file)
        load(file)
        facts = {
            "sha256": _digest(file),
            "compiler": _version_of(compiler),
            "flags": " ".join(FLAGS),
            "jax": version("jax"),
            "processor": hashlib.sha256(_processor().encode()).hexdigest()[:16],
        }
        note = Path(place) / "facts.json"
        note.write_text(json.dumps(facts, indent=1))
        note.replace(_facts_file(target))
        file.replace(target)
    available.cache_clear()
    built = found()
    if built is None:
        raise BadInput(str(target), "the library that was just built", "build it again")
    return built


def remove() -> list[Path]:
    """Delete all libraries of the cache folder, and name them.

    Raises: OSError where the folder cannot be written.
    """
    gone = []
    for file in sorted(folder().glob("step-*")):
        file.unlink()
        if file.suffix == ".so":
            gone.append(file)
    available.cache_clear()
    return gone


def found() -> Built | None:
    """The library for this source, JAX and processor; None where it was not built.

    Raises: BadInput for a damaged library, or one that another user may change.
    """
    file = path()
    if not file.exists():
        return None
    if not _is_own(file):
        raise BadInput(
            f"native step: {file}, which others may change",
            "a library and a folder that only you may write",
            f"remove both, and run {BUILD}",
        )
    try:
        facts = json.loads(_facts_file(file).read_bytes())
        digest = _digest(file)
        if facts["sha256"] != digest:
            raise ValueError
        return Built(file, digest[:12], str(facts["compiler"]), str(facts["flags"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            f"native step: {file} is damaged", "the file that was built", f"run {BUILD}"
        ) from None


def _is_own(file: Path) -> bool:
    """Whether a file and its folder belong to this user, and nobody else may write them."""
    if not hasattr(os, "getuid"):
        return True
    for place in (file, file.parent):
        status = place.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return False
    return True


@lru_cache(maxsize=1)
def available() -> Built | None:
    """The library that this process uses. None where it is off or not built.

    A library that is damaged or cannot be loaded gives one warning, and None.
    """
    if is_off():
        return None
    try:
        built = found()
        if built is not None:
            load(built.path)
        return built
    except BadInput as error:
        log.warning("%s; going on without it", error)
    except (OSError, RuntimeError) as error:
        log.warning("native step: %s; going on without it", error)
    return None


def load(file: Path) -> ctypes.CDLL:
    """The library of a file.

    Raises: BadInput where the system does not load it.
    """
    try:
        return ctypes.CDLL(str(file))
    except OSError as error:
        raise BadInput(f"native step: {error}", "a library that loads", f"run {BUILD}") from None


def is_off() -> bool:
    """Whether the environment turns the native step off."""
    return os.environ.get(OFF, "") == "0"


def name() -> str:
    """`native` and a hash where this process has a native step, else `jax`."""
    built = available()
    return "jax" if built is None else f"native {built.digest}"


def _compiler() -> str:
    """The user's C++ compiler: CXX of the environment, or one of the usual names.

    Raises: BadInput where there is none.
    """
    wanted = os.environ.get("CXX", "")
    for candidate in (wanted,) if wanted else ("c++", "g++", "clang++"):
        place = shutil.which(candidate)
        if place is not None:
            return place
    what = f"CXX={wanted}" if wanted else "no C++ compiler"
    raise BadInput(what, "c++, g++ or clang++ on PATH", "install one, or set CXX")


def _compile(compiler: str, target: Path) -> None:
    """Raises: BadInput, with the first line of its errors, where the compiler fails."""
    import jax

    command = [compiler, *FLAGS, f"-I{jax.ffi.include_dir()}", str(SOURCE), "-o", str(target)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, errors="replace")
        reason = _reason(run.stderr) if run.returncode or not target.exists() else ""
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise BadInput(f"{compiler}: {reason}", "a compiler of C++17", "set CXX to another one")


def _reason(errors: str) -> str:
    """The first line of a compiler's output that names an error, or else its first line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    for line in lines:
        if "error" in line:
            return line
    return lines[0] if lines else "it failed without a word"


def _version_of(compiler: str) -> str:
    run = subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace")
    lines = run.stdout.splitlines()
    return lines[0].strip() if lines else Path(compiler).name


def _facts_file(library: Path) -> Path:
    return library.with_suffix(".json")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _processor() -> str:
    """The processor's instruction sets, as far as the system tells them."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    except OSError:
        pass  # another system than Linux
    return f"{platform.machine()} {platform.processor()}"
