"""One tiny run of mp.train, shared by the tests of a worker."""

from pathlib import Path
from typing import Any

import pytest

import metaplast as mp

TINY: dict[str, Any] = {
    "steps": 3,
    "task": {"n_in": 4, "n_out": 3, "n_steps": 6},
    "problem": {"n_tasks": 2},
    "evaluation": {"validation": 4, "heldout": 6, "candidates": 1},
    "objective": {"name": "mean_loss"},
    "rule": {"name": "polynomial", "terms": ["post*pre", "post^2*weight"]},
}
"""Keywords of a run that takes a few seconds."""


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> mp.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", "")
        folder = Path(tmp_path_factory.mktemp("api")) / "api_run"
        return mp.train("oja", run_dir=folder, quiet=True, **TINY)
