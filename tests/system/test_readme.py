"""Every command and every Python block of the README and of docs/ runs, in the order in which they
stand. A block with a title is a file, which the reader saves under that name.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.system._commands import TINY, here, metaplast

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(set(DOCS.rglob("*.md")) - set(DOCS.glob("notebooks/*.md")))
"""All pages but the notebooks, which tests/system/test_notebooks.py runs."""
FENCED = re.compile(r'^```(\w+)(?: title="([\w./-]+)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)
COMPARE = ("compare.lives=16", "compare.cpu_s=0", "compare.tries=1", "compare.seeds=1", "--quiet")
FIT = ("rows={}", "outer.steps=2", "fit.starts=1", "fit.strengths=[0.1]", "fit.bootstrap=2")
GRID = ("--lives", "4", "--budget", "1", "evaluation.validation=4", "evaluation.candidates=1")
LOOKS = (
    "card",
    "configs",
    "list",
    "show",
    "watch",
)  # what compiles nothing runs in this process, like --describe
# The first two bash blocks set up an environment: .ci/run executes the second of them.
# The main job is run below.
SETUP = 2


class Block(NamedTuple):
    """A block of a page.

    kind: its language.
    file: the name under which the reader saves it; empty where it is run.
    text: its text.
    """

    kind: str
    file: str
    text: str


def _blocks(page: Path) -> list[Block]:
    """The files, commands and Python blocks of a page, in order."""
    found = [Block(*parts) for parts in FENCED.findall(page.read_text())]
    return [block for block in found if block.file or block.kind in ("bash", "python")]


BLOCKS = _blocks(ROOT / "README.md")


def test_the_first_two_commands_are_the_ones_promised() -> None:
    first, second = (block.text.strip() for block in BLOCKS[:SETUP] if block.kind == "bash")
    assert first.endswith(".venv/bin/metaplast train")
    assert second.endswith(".venv/bin/python -m pytest")
    for command in (first, second):
        assert command.startswith(
            "python3 -m venv .venv && .venv/bin/pip install -q -r requirements/lock.txt -e "
        )


def test_every_command_runs(tmp_path: Path) -> None:
    assert _run(BLOCKS[SETUP:], tmp_path) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_command_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """Without the rows of the tables: tests/system/test_configs.py trains those. A page finds data
    as a clone has them, in docs/."""
    for data in DOCS.rglob("*.csv"):
        copy = tmp_path / data.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data, copy)
    assert _run(_blocks(page), tmp_path, "rows={}", "evaluation.references={}") >= 1


def _run(blocks: list[Block], folder: Path, *words: str) -> int:
    """How many commands and blocks ran."""
    ran = 0
    for kind, file, text in blocks:
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
            continue
        if kind == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{text}\n{done.stderr}"
            ran += 1
            continue
        for line in text.strip().splitlines():
            program, *given = shlex.split(line)
            assert program == "metaplast", line
            small = {
                "train": [*TINY, "checkpoint_every=1", *words],
                "sweep": [*TINY, "checkpoint_every=1", *words],
                "eval": GRID if "--grid" in given else ["--lives", "4"],
                "inspect": ["--lives", "4"],
                "information": ["--lives", "4", "--tasks", "2", "--lives-per-task", "2"],
                "compare": COMPARE if any("=" in word for word in given) else [],
                "fit": FIT
                if "--run-dir" in given
                else ["--describe"],  # which checks everything but fits nothing
            }
            command = [*given, *small.get(given[0], [])]
            if given[0] in LOOKS or "--describe" in command:
                code, _, error = here(*command, cwd=folder)
            else:
                done = metaplast(*command, cwd=folder)
                code, error = done.returncode, done.stderr
            assert code == 0, f"{line}\n{error}"
            ran += 1
    return ran
