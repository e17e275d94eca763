"""Running the installed command line as a user does."""

import subprocess
import sys
from pathlib import Path

TINY = ("outer.steps=2", "evaluation.validation=4", "evaluation.heldout=4", "evaluation.candidates=1")


def metaplast(*words: str, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """`metaplast WORDS` in a process of its own, from the environment that runs the tests."""
    program = Path(sys.executable).with_name("metaplast")
    return subprocess.run([str(program), *words], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
