"""`mp.fit` asks for the fit that `metaplast fit` asks for."""

from pathlib import Path
from typing import Any

import pytest

import metaplast as mp
from metaplast.fitting.kind import KIND
from metaplast.fitting.request import request_of
from metaplast.registry import BadInput
from metaplast.runs import lifecycle
from metaplast.runs.config import Sources
from metaplast.runs.lifecycle import Request


@pytest.mark.parametrize(
    ("keywords", "words", "truth"),
    [
        ({}, [], []),
        ({"fit": {"bootstrap": 3}, "seed": 2}, ["fit.bootstrap=3", "seed=2"], []),
        ({"recover": {"rule": {"name": "oja", "rate": 0.1}}}, [], ["rule=oja", "rule.rate=0.1"]),
        (
            {"experiment": "recordings", "steps": 3},
            ["experiment=recordings", "outer.steps=3"],
            [],
        ),
    ],
)
def test_the_request_is_that_of_the_command_line(
    keywords: Any, words: list[str], truth: list[str], monkeypatch: Any, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def start(kind: Any, request: Request, path: Path | None, means: Any) -> Path:
        asked.extend([kind, request, path])
        (tmp_path / "config.yaml").touch()
        return tmp_path

    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setattr(lifecycle, "start", start)
    run = mp.fit(run_dir=tmp_path / "new", quiet=True, **keywords)
    plain, recover = request_of(words, truth, Sources())
    assert asked == [KIND, Request(plain, {"recover": recover}), tmp_path / "new"]
    assert run.folder == tmp_path


def test_data_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data .*none.npz - expected an .npz or .nwb file"):
        mp.fit(tmp_path / "none.npz")
