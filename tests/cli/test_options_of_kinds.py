"""Options that a kind of run does not use are refused before anything is computed."""

from pathlib import Path

import pytest

from metaplast.runs import lifecycle
from tests.system._commands import here

TRAINING = ""
FITTING = "fit_request.json"
COMPARING = "compare_request.json"
SWEEPING = "sweep.json"


def made(path: Path, marker: str) -> Path:
    """A run folder that holds the marker of its kind and an empty config."""
    path.mkdir()
    (path / "config.yaml").write_text("{}\n")
    if marker:
        (path / marker).write_text("{}\n")
    return path


@pytest.mark.parametrize(
    ("marker", "options", "line"),
    [
        (FITTING, ["--against", "oja"], "--against with fits - expected --row or --out"),
        (TRAINING, ["--out", "a.png"], "--out with training runs - expected --row or --against"),
        (COMPARING, ["--row", "oja"], "--row with comparisons of outer loops - expected no such"),
        (COMPARING, ["--against", "oja"], "--against with comparisons of outer loops"),
        (COMPARING, ["--out", "a.png"], "--out with comparisons of outer loops"),
        (SWEEPING, ["--row", "oja"], "--row with sweeps - expected no such"),
        (COMPARING, ["--row", ""], "--row with comparisons of outer loops"),
    ],
)
def test_compare_refuses_an_option_without_a_use(
    marker: str, options: list[str], line: str, tmp_path: Path
) -> None:
    made(tmp_path / "run", marker)
    code, _, error = here("compare", "run", *options, cwd=tmp_path)
    assert code == 2
    assert error.startswith(f"error: {line}")
    assert error.endswith(" - leave it out\n")
    assert error.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


def test_compare_refuses_runs_of_two_kinds(tmp_path: Path) -> None:
    made(tmp_path / "one", FITTING)
    made(tmp_path / "other", TRAINING)
    code, _, error = here("compare", "one", "other", cwd=tmp_path)
    assert (code, error) == (
        2,
        "error: other beside one - expected runs of one kind, not training runs beside fits - "
        "compare them one by one\n",
    )


@pytest.mark.parametrize("marker", [FITTING, COMPARING])
def test_resume_refuses_jobs_where_rows_come_one_by_one(marker: str, tmp_path: Path) -> None:
    made(tmp_path / "run", marker)
    code, _, error = here("resume", "run", "--jobs", "2", cwd=tmp_path)
    assert code == 2
    assert error.startswith("error: --jobs with ")
    assert error.endswith(" - expected this option with training runs - leave it out\n")
    assert error.count("\n") == 1


def test_every_kind_names_options_that_there_are() -> None:
    for kind in lifecycle.kinds():
        assert set(kind.compare_options) <= set(lifecycle.CompareOptions._fields)
        assert kind.noun
