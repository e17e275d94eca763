"""A search by proposals beside a second process: the example answers, and a stopped run goes on."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system._commands import bits, here

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "experiment=symbolic_oja",
    "rows={}",
    "outer=proposals",
    "outer.steps=5",
    "outer.lines=4",
    "outer.validation=8",
    "evaluation.validation=8",
    "evaluation.heldout=8",
    "checkpoint_every=1",
    "--config-dir",
    str(ROOT / "configs"),
)


def _train(path: Path, timeout: int) -> tuple[int, str, str]:
    words = (*WORDS, "outer.folder=box", f"outer.timeout={timeout}", "--run-dir", "run")
    return here("train", *words, cwd=path)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that the example answered as a process of its own."""
    path = tmp_path_factory.mktemp("answered")
    program = str(ROOT / "examples" / "proposals" / "mutate.py")
    example = subprocess.Popen([sys.executable, program, str(path / "box"), "0"])
    try:
        code, _, error = _train(path, 300)
        assert code == 0, error
        assert example.wait(30) == 0
    finally:
        example.kill()
    return path


def test_the_example_answers_and_what_it_reads_are_scores(answered: Path) -> None:
    asked = json.loads((answered / "box" / "asked.json").read_text())
    assert asked["done"]
    for generation in range(1, 5):
        scores = json.loads((answered / "box" / f"scores_{generation}.json").read_text())
        assert len(scores["scores"]) == 4
    rows = [json.loads(line) for line in (answered / "run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["best_loss"] <= rows[0]["best_loss"]


def test_a_run_whose_proposer_stops_goes_on_with_the_same_bits(
    answered: Path, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    box.mkdir()
    for generation in (1, 2):
        shutil.copy(answered / "box" / f"proposals_{generation}.txt", box)
    code, _, error = _train(tmp_path, 1)
    assert code == 2 and "no answer within outer.timeout=1 seconds" in error
    for generation in (1, 2):
        (box / f"proposals_{generation}.txt").unlink()  # the checkpoint holds what was read
    for generation in (3, 4):
        shutil.copy(answered / "box" / f"proposals_{generation}.txt", box)
    # Step 3 ended without an answer, so its checkpoint is that of step 2.
    code, _, error = here("resume", "run", cwd=tmp_path)
    assert code == 0, error
    assert bits(tmp_path / "run") == bits(answered / "run")
