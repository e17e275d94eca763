"""The examples run as they stand, and their search lowers the loss."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_lowers_its_loss_and_prints_a_rule(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    losses = dict(re.findall(r"^loss (before|after) (\S+)$", done.stdout, re.MULTILINE))
    assert float(losses["after"]) < 0.1 * float(losses["before"])
    assert done.stdout.splitlines()[-1].startswith("delta_w = ")


def test_there_are_the_two_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"train", "own_rule"}
