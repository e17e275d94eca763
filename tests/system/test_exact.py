"""The tests that compare bits, compiled as in a user's run: the fast lane compiles quickly, and so
differently.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_exact_is_so_in_a_users_run() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-m",
        "exact",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "false"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
