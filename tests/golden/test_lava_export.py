"""The exported rules for Loihi, run by Lava, are as far from the rule as their files say.

It wants a Python with Lava (lava-nc 0.10, Python 3.10): METAPLAST_LAVA_PYTHON names it.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from metaplast.reuse.export import lava
from metaplast.reuse.export._loihi import LARGEST_WEIGHT, Lived
from metaplast.reuse.export.exported import export
from metaplast.rules.base import AbstractRule
from metaplast.rules.stdp import Stdp
from metaplast.rules.triplet import Triplet
from metaplast.rules.vogels import Vogels
from tests.reuse._exports import subject

PYTHON = os.environ.get("METAPLAST_LAVA_PYTHON", "")
RULES: dict[str, AbstractRule] = {
    "stdp": Stdp(),
    "bounded": Stdp(mu_potentiation=1.0, mu_depression=1.0),
    "nearest": Stdp(pairing="nearest"),
    "triplet": Triplet(),
    "vogels": Vogels(),
}
pytestmark = [
    pytest.mark.golden,
    pytest.mark.skipif(not PYTHON, reason="METAPLAST_LAVA_PYTHON names no Python with Lava"),
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Lived, np.ndarray]]:
    """{rule: (lives by the rule and the emulation, weights of Lava)}."""
    folder = tmp_path_factory.mktemp("lava")
    lives = {}
    for name, rule in RULES.items():
        (folder / f"{name}.py").write_text(export(subject(rule, {}), "lava").text)
        lives[name] = lava.lived(subject(rule, {}))
    some = lives["stdp"]
    np.savez(folder / "spikes.npz", pre=some.pre, post=some.post, first=some.first)
    program = Path(__file__).with_name("_lava_program.py")
    done = subprocess.run(
        [PYTHON, str(program), str(folder), *RULES],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (lives[name], np.load(folder / f"{name}.npy")) for name in RULES}


@pytest.mark.parametrize("name", RULES)
def test_lava_is_as_near_to_the_rule_as_the_emulation(
    name: str, ran: dict[str, tuple[Lived, np.ndarray]]
) -> None:
    lived, weights = ran[name]
    change = lived.exact - lived.first / LARGEST_WEIGHT
    of_lava = (weights - lived.first) / LARGEST_WEIGHT
    size = np.sqrt(np.mean(change**2))
    emulated = np.sqrt(np.mean((lived.chip / LARGEST_WEIGHT - lived.exact) ** 2)) / size
    found = np.sqrt(np.mean((of_lava - change) ** 2)) / size
    assert 0.6 * emulated < found < 1.4 * emulated
    assert np.corrcoef(of_lava.ravel(), change.ravel())[0, 1] > 0.85
