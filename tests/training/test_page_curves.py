"""Which curves a page draws of a life, and in which order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaplast.figures import learning_curves
from metaplast.figures.section import PagePart, Section
from metaplast.results import curves
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.training import course
from metaplast.training.finished_run import FinishedRun


def _bands(scored: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """(The metrics in the order of their pictures, the words) of a life scored at some steps."""
    job = parse(compose(("experiment=inhibition", "rows={}"), Sources()), check=False)
    n_steps = job.main.task.shape().n_steps
    weight = np.zeros((4, n_steps))
    weight[:, scored] = 1.0
    values = np.arange(4 * n_steps, dtype=float).reshape(4, n_steps)
    steps = {"weight": weight, "blown": values, "loss": values, "rate": values}
    monkeypatch.setattr(course, "_per_step", lambda *_: curves.counted(steps))
    drawn: list[str] = []

    def part(bands: Any, *_: Any) -> PagePart:
        drawn.extend(bands)
        return PagePart(Section(""), {})

    monkeypatch.setattr(learning_curves, "part", part)
    monkeypatch.setattr(course, "_same_as_loss", lambda _: [])
    nothing: Any = None
    run = FinishedRun(tmp_path, job, nothing, None)
    lines = {"discovered": [course.RowOfRun(run, "discovered")]}
    made = course.curves_part(lines, 4, tmp_path, lambda *_: None, ())
    return drawn, " ".join(made.section.paragraphs)


def test_a_life_that_is_scored_once_has_no_curve(tmp_path, monkeypatch) -> None:
    drawn, words = _bands([1999], tmp_path, monkeypatch)
    assert drawn == []
    assert words == "No curve: the task scores at most one step of a life: 2000."


def test_the_judged_metric_has_the_first_curve(tmp_path, monkeypatch) -> None:
    drawn, _ = _bands([10, 1999], tmp_path, monkeypatch)
    assert drawn == ["loss", "blown", "rate"]
