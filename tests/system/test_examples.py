"""The examples run as they stand, and their search lowers the loss."""

import ast
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
    losses = re.findall(r"^outer step \d+: loss (\S+)$", done.stdout, re.MULTILINE)
    assert float(losses[-1]) < 0.1 * float(losses[0])
    assert done.stdout.splitlines()[-1].startswith("delta_w = ")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_search_in_25_lines(example: Path) -> None:
    """Blank lines, comments and docstrings do not count."""
    tree = ast.parse(example.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        line
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    code = []
    for number, line in enumerate(example.read_text().splitlines(), 1):
        if line.strip() and not line.strip().startswith("#") and number not in docstrings:
            code.append(line)
    assert len(code) <= 25


def test_there_are_the_two_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"train", "own_rule"}
