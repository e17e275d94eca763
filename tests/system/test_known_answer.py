"""The search finds the rule that is known to be there (27 terms, from the activity alone)."""

import json
from pathlib import Path

import pytest

from tests.system._commands import metaplast

pytestmark = pytest.mark.system


def test_oja_is_recovered(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = metaplast("train", "experiment=oja", "--run-dir", str(run), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    terms = json.loads((run / "summary.json").read_text())["rule"]["terms"]["rule"]
    assert len(terms) == 27
    assert abs(terms.pop("post*pre") - 1) < 1e-3
    assert abs(terms.pop("post^2*weight") + 1) < 1e-3
    assert max(abs(value) for value in terms.values()) < 1e-3
