"""The lines of metrics.jsonl tell the pace of the steps: no other work stands between them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metaplast.runs import saver
from metaplast.training import first_step, loop


def test_the_report_on_the_first_step_is_done_before_that_step_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    outer: Any = SimpleNamespace(theta=lambda _: {"rules": {}}, n_steps=9)
    config: Any = SimpleNamespace(checkpoint_every=9)
    state: Any = SimpleNamespace(outer=None, bad=0)
    trainee = loop.Trainee(tmp_path, config, "", 0, state, watched=True)
    steps: Any = [(step, [None], [{"loss": np.ones(())}]) for step in (1, 2)]
    monkeypatch.setattr(loop, "_after", lambda trainee, *_: trainee)
    monkeypatch.setattr(first_step, "report", lambda *_: done.append("report"))
    monkeypatch.setattr(saver.SAVER, "finish", lambda _, step: done.append(f"step {step.step}"))
    loop._advance([trainee], iter(steps), outer, outer, lambda _, step: None)
    assert done == ["report", "step 1", "step 2"]
