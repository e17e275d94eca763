"""Loggers beside a run: their files, and their errors.

A logger does not change the run, and an error of it costs one line.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metaplast.runs import follower as follow
from metaplast.runs.folder import write_text
from metaplast.runs.follower import followed
from metaplast.runs.loggers.base import Sink
from metaplast.runs.loggers.wandb import Wandb
from tests.system._commands import bits

pytestmark = pytest.mark.system

WORDS = ("experiment=oja", "outer.steps=30", "evaluation.heldout=8", "evaluation.validation=8")
PROGRAM = str(Path(sys.executable).with_name("metaplast"))
KEYS = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "AWS_SECRET_ACCESS_KEY": "PLANTED/secret+TWO",
    "HF_TOKEN": "hf_PLANTEDthree",
    "DATABASE_PASSWORD": "PLANTED four",
}


def _train(
    folder: Path, name: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "train", *WORDS, *words, "--run-dir", str(folder / name), "--quiet"]
    env = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    assert _train(folder, "run").returncode == 0
    return folder / "run"


def test_wandb_offline_holds_the_run_and_no_key(plain: Path, tmp_path: Path) -> None:
    done = _train(tmp_path, "run", "logging=wandb", "logging.every=3", "checkpoint_every=7", **KEYS)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (record,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    content = record.read_bytes()
    for word in (
        b"discovered/outer_step",
        b"discovered/loss",
        b"heldout/loss/discovered",
        b"rule.safetensors",
    ):
        assert word in content, word
    everything = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    everything |= {Path("stdout"): done.stdout.encode(), Path("stderr"): done.stderr.encode()}
    for name, value in KEYS.items():
        assert not [path for path, data in everything.items() if value.encode() in data], name
    assert bits(tmp_path / "run") == bits(
        plain
    )  # neither the logger nor its interval changes a bit


def test_tensorboard_writes_events(plain: Path, tmp_path: Path) -> None:
    done = _train(tmp_path, "run", "logging=tensorboard")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (events,) = (tmp_path / "run" / "tensorboard").glob("events*")
    content = events.read_bytes()
    assert content.count(b"discovered/loss") == 30
    assert b"heldout/loss/discovered" in content
    assert bits(tmp_path / "run") == bits(plain)


def _fake(folder: Path, body: str) -> str:
    (folder / "fake").mkdir()
    (folder / "fake" / "wandb.py").write_text(body)
    return str(folder / "fake")


@pytest.mark.parametrize(
    "body", ["raise RuntimeError('no wandb today\\x1b[2J')", "import os\nos.abort()", "1/0"]
)
def test_a_wandb_that_breaks_costs_one_line(body: str, plain: Path, tmp_path: Path) -> None:
    done = _train(tmp_path, "run", "logging=wandb", PYTHONPATH=_fake(tmp_path, body), **KEYS)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("logging=wandb failed, the run is not affected")
    assert done.stderr.strip().isprintable()
    assert bits(tmp_path / "run") == bits(plain)


def test_online_without_an_account_costs_one_line(plain: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": ""}
    done = _train(tmp_path, "run", "logging=wandb", "logging.mode=online", **home)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert "logging=wandb" in done.stderr
    assert bits(tmp_path / "run") == bits(plain)


def test_a_logger_that_hangs_is_stopped(plain: Path, tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setenv("PYTHONPATH", _fake(tmp_path, "import time\ntime.sleep(1000)"))
    monkeypatch.setattr(follow, "PATIENCE", 3.0)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(
        (plain / "config.yaml").read_text() + "logging: {name: wandb}\n"
    )
    started = time.monotonic()
    with followed(run, Wandb()):
        pass
    assert time.monotonic() - started < 20
    assert [r.getMessage() for r in caplog.records] == [
        "logging=wandb did not end within 3 s and was stopped: the run is not affected"
    ]


def test_a_file_that_was_cut_back_is_read_anew_and_no_step_twice(tmp_path: Path) -> None:
    got: list[int] = []
    sink, seen = Sink(lambda _, step, __: got.append(step), lambda *_: None), {}
    log = tmp_path / "metrics.jsonl"
    line = '{{"outer_step": {}, "loss": {}}}\n'.format
    log.write_text("".join(line(i, 0.123456) for i in range(1, 8)) + '{"outer_st')
    follow._hand_over(tmp_path, 1, sink, seen)
    write_text(
        log, "".join(line(i, 0.1) for i in range(1, 6))
    )  # a resumed run cuts it back, under another inode
    follow._hand_over(tmp_path, 1, sink, seen)
    with log.open("a") as file:
        file.write("".join(line(i, 0.1) for i in range(6, 11)))
    follow._hand_over(tmp_path, 1, sink, seen)
    assert got == [*range(1, 11)]


def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    assert (
        follow.hide(f"login {KEYS['WANDB_API_KEY']} and {KEYS['HF_TOKEN']}\x1b")
        == "login *** and *** "
    )


def test_plot_draws_several_runs(plain: Path, tmp_path: Path) -> None:
    assert _train(tmp_path, "other", "seed=1").returncode == 0
    words = [
        PROGRAM,
        "plot",
        str(plain),
        str(tmp_path / "other"),
        "--out",
        str(tmp_path / "curves.png"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    for more, said in (
        (["--metric", "luck"], "one of wall_s"),
        (["--row", "hebb"], "row hebb"),
        (["--out", "x"], ".png"),
    ):
        done = subprocess.run([*words, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_doctor_says_what_is_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    parts = [
        line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")
    ]  # a long value goes on
    assert parts[-7:] == ["devices", "memory", "cache", "runs", "wandb", "tensorboardX", "two"]
    assert not list(tmp_path.iterdir())
