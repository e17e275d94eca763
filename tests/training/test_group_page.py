"""A group of seeds ends with one page over all of them."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from metaplast.cli.main import cli
from metaplast.registry import BadInput
from metaplast.runs.config import read_file, read_yaml, to_yaml
from metaplast.training import inspect_any
from metaplast.training.effort import Effort
from metaplast.training.group import in_runs
from metaplast.training.kind import KIND
from metaplast.training.plot import plot
from metaplast.training.summary import read_summary
from metaplast.training.transfer import judged, scores_of
from tests._runs import start_run

PLAIN = read_yaml(
    """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: [], output: {name: tanh}}
rule: {name: polynomial, rate: 0.1, terms: [post*pre], initial: [0.5]}
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4}
seeds: 2
""",
    "test",
)


@pytest.fixture(scope="module")
def stages() -> dict[str, float]:
    """{stage of the progress: its total}, filled by `folder`."""
    return {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, stages: dict[str, float]) -> Path:
    def progress(name: str, _: float, total: float) -> None:
        stages[name] = total

    return start_run(PLAIN, tmp_path_factory.mktemp("runs") / "group", 1, progress)


def test_the_progress_of_a_group_counts_the_steps_of_all_its_runs(
    folder: Path, stages: dict[str, float]
) -> None:
    assert stages == {"discovered (2 runs)": 4}


def test_a_group_of_seeds_has_a_page_that_its_text_names(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "How sure: 2 seeds" in page
    assert "seed-0" in page and "seed-1" in page
    text = KIND.render(folder)
    assert f"report   {folder / 'report.html'}" in text
    assert text.index("How sure: 2 seeds") < text.index("Next: ") < text.index("95 % t intervals")


def test_the_folder_of_a_group_stands_for_its_runs(folder: Path, tmp_path: Path) -> None:
    runs = [folder / "seed-0", folder / "seed-1"]
    row = read_summary(runs[0]).trained_rows["discovered"]
    assert (row.spiking, row.output) == ([], "output")
    assert in_runs([folder]) == runs and in_runs(runs) == runs
    assert _told("compare", folder) == _told("compare", *runs)
    out = tmp_path / "search.svg"
    assert _told("plot", folder, "--out", out) == f"{out}\n"
    assert "seed-0" in out.read_text() and "seed-1" in out.read_text()
    with pytest.raises(BadInput, match=r"group of 2 settings .* name those of one setting: .*ed-1"):
        inspect_any._check_seeds(folder, [runs[0], _of_another_setting(runs[1], tmp_path)])


def test_runs_of_several_groups_are_told_apart_by_the_names_of_the_groups(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    out = tmp_path / "search.svg"
    assert _told("plot", folder, other, "--out", out) == f"{out}\n"
    assert "group/seed-0" in out.read_text() and "other/seed-1" in out.read_text()


def test_a_run_that_is_named_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="name every run once"):
        plot([folder, folder / "seed-0"], "loss", "discovered", tmp_path / "a.svg")


@pytest.mark.system
def test_the_folder_of_a_group_is_judged_and_drawn(folder: Path, tmp_path: Path) -> None:
    lived = judged([folder], [], 4)
    assert lived.runs == [folder / "seed-0", folder / "seed-1"]
    assert scores_of(lived).scores[0].n == 8
    out = tmp_path / "curves.svg"
    assert _told("plot", folder, "--what", "curves", "--out", out) == f"{out}\n"
    assert "step in the life" in out.read_text()
    page = inspect_any.inspect([str(folder)], [], None, 4, Effort.QUICK, lambda *_: None)[0]
    assert page == folder / "report.html"


def _of_another_setting(run: Path, place: Path) -> Path:
    """A folder with the config of a run and another dt."""
    other = place / run.name
    shutil.copytree(run, other)
    plain = read_file(run / "config.yaml")
    (other / "config.yaml").write_text(to_yaml({**plain, "dt": 0.002}))
    return other


def _told(*words: object) -> str:
    """The output of a command."""
    done = CliRunner().invoke(cli, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0
    return done.output
