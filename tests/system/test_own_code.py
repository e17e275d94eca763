"""The examples of rules in a user's own code run, and do as their page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system._commands import here

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "own_code"


def _printed(name: str, *arguments: str, path: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / f"{name}.py"), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(path)))},
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


@pytest.mark.system
def test_plain_jax_finds_the_leading_component() -> None:
    length, cosine, slope = _printed("plain_jax").splitlines()
    assert all(0.9 < number < 1.1 for number in _numbers(length))
    assert all(number > 0.97 for number in _numbers(cosine))
    assert all(abs(number) < 0.01 for number in _numbers(slope))


@pytest.mark.system
def test_an_agent_acts_while_its_weights_change() -> None:
    plastic, without = _printed("gymnasium_loop", "4").splitlines()
    assert plastic.startswith("plastic: mean steps")
    assert without.startswith("no plasticity: mean steps")


@pytest.mark.golden
def test_the_agent_learns_in_every_life() -> None:
    plastic, without = _printed("gymnasium_loop").splitlines()
    assert min(_numbers(plastic)[:5]) > 3 * max(_numbers(without)[:5])


@pytest.mark.golden
def test_every_optimiser_learns_digits_and_adam_is_best() -> None:
    accuracies = {}
    for line in _printed("optax_digits").splitlines():
        name, _, rest = line.partition(": accuracy ")
        accuracies[name] = _numbers(rest)[0]
    assert len(accuracies) == 5
    assert min(accuracies.values()) > 0.85
    assert max(accuracies, key=lambda name: accuracies[name]) == "Adam"


@pytest.mark.golden
def test_inputs_that_fire_together_win_in_snntorch(tmp_path: Path) -> None:
    """It needs torch and snntorch, which no extra of metaplast brings: its wheel holds CUDA."""
    pytest.importorskip("snntorch")
    words = ("export", "zoo/stdp", "--to", "python", "--out", "stdp.py")
    code, _, error = here(*words, cwd=tmp_path)
    assert code == 0, error
    together, alone = _printed("snntorch_layer", path=tmp_path).splitlines()
    assert _numbers(together)[0] > 0.28
    assert _numbers(alone)[0] < 0.15
