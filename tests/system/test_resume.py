"""A killed and resumed run has the bits of a whole run. A run repeated from its config has too."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system._commands import bits, metaplast

pytestmark = pytest.mark.system

SMALL = (
    "experiment=oja",
    "outer.steps=120",
    "checkpoint_every=20",
    "evaluation.heldout=16",
    "evaluation.validation=16",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = metaplast("train", *SMALL, "--run-dir", str(folder / "run"), "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_killed_and_resumed_gives_the_same_bits(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    program = Path(sys.executable).with_name("metaplast")
    process = subprocess.Popen(
        [str(program), "train", *SMALL, "--run-dir", str(run), "--quiet"], cwd=tmp_path
    )
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(list((run / "checkpoints").glob("0*"))) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "summary.json").exists(), "the run was killed too late to prove anything"
    done = metaplast("resume", str(run), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bits(run) == bits(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_says_how_to_go_on(number: int, code: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "experiment=oja", "outer.steps=5000", "--run-dir", str(run), "--quiet"]
    program = Path(sys.executable).with_name("metaplast")
    process = subprocess.Popen(
        [str(program), *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (run / "metrics.jsonl").exists():
        time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert error.splitlines()[-1].endswith(f"metaplast resume {run}")
    assert "Traceback" not in error


def test_its_own_config_repeats_a_run(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = metaplast(
        "train",
        "--config",
        str(whole / "config.yaml"),
        "--run-dir",
        str(run),
        "--quiet",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert bits(run) == bits(whole)


def test_resuming_a_finished_run_changes_nothing(whole: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert metaplast("resume", str(whole), "--quiet", cwd=tmp_path).returncode == 0
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


def test_another_seed_gives_other_bits(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = metaplast("train", *SMALL, "seed=1", "--run-dir", str(run), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bits(run)["rule"] != bits(whole)["rule"]
