"""Running the installed command line as a user does."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from metaplast.cli.main import main

TINY = (
    "outer.steps=2",
    "evaluation.validation=4",
    "evaluation.heldout=4",
    "evaluation.candidates=1",
)


def metaplast(*words: str, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """`metaplast WORDS` in a process of its own, from the environment that runs the tests."""
    program = Path(sys.executable).with_name("metaplast")
    return subprocess.run(
        [str(program), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def here(*words: str, cwd: Path) -> tuple[int, str, str]:
    """`metaplast WORDS` in this process, for what needs no new one: (exit code, standard output,
    standard error).
    """
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setenv(
            "JAX_COMPILATION_CACHE_DIR", ""
        )  # the verb would set it, for all that this process starts
        patch.chdir(cwd)
        with pytest.raises(SystemExit) as ended:
            main(list(words))
    return int(ended.value.code or 0), out.getvalue(), error.getvalue()


def bits(run: Path) -> dict[str, Any]:
    """What must not change: the rule, every outer step and the summary, wall times apart."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run / "summary.json").read_text())
    summary["rows"]["discovered"].pop("wall_s")
    return {
        "rule": (run / "rule.safetensors").read_bytes(),
        "lives": (run / "lives.safetensors").read_bytes(),
        "metrics": [{key: value for key, value in row.items() if key != "wall_s"} for row in rows],
        "summary": {key: value for key, value in summary.items() if key != "wall_s"},
    }
