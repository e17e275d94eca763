"""A grid of a tiny run: the rule lives as in its run, and in a deeper network, beside baselines."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import metaplast as mp
from metaplast.api import transferring
from metaplast.registry import BadInput
from metaplast.runs.config import read_yaml
from metaplast.runs.row_files import LIVES, read_arrays
from metaplast.training.grid import CELLS, GridRequest, make_grid
from metaplast.training.grid_text import grid_text
from tests._runs import start_run
from tests.report.test_report import check_page

pytestmark = pytest.mark.system  # a whole run, then several more programs

CONFIG = """
task: {name: prototypes, n_in: 4, n_classes: 2, shots: 2, queries: 2}
network: {name: feedforward, hidden: [3]}
genome: {name: random, learn_gain: true}
rule: {name: polynomial, terms: [error*pre], initial: [-1], learn: both}
shared: false
outer: {name: bptt, steps: 3, learning_rate: 0.3}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 20, candidates: 1}
rows:
  tuned:
    rule: {name: polynomial, terms: [pre], initial: [1], learn: rate}
  still:
    rule: null
    genome: {name: random, learn_gain: false}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_run(read_yaml(CONFIG, "test"), tmp_path_factory.mktemp("runs") / "run")


def test_the_rule_lives_as_in_its_run_and_baselines_are_tuned_in_every_cell(run):
    asked = ("network.hidden=[3,3]", "task.blocks=3")
    path, made = make_grid(GridRequest(str(run), (), asked, budget=1, lives=20), lambda line: None)
    start, deep, refused = made.cells
    assert path == run / "grid"
    assert (made.about.searched, made.about.budget, made.about.rows) == (3, 1, ["tuned"])
    assert made.about.is_run

    (folder,) = (path / CELLS).glob("start-as_given-*")
    np.testing.assert_allclose(
        read_arrays(folder / LIVES)["loss"], read_arrays(run / LIVES)["loss"], rtol=1e-5
    )
    assert start.notes == []

    assert deep.notes == [
        "hidden_1_to_hidden_2 has the rule of input_to_hidden_1",
        "hidden_2_to_output has the rule of hidden_1_to_output",
        "2 of its numbers beside the rule (genome) start anew",
    ]
    for one in (start, deep):
        assert [score.name for score in one.cell.scores] == ["discovered", "tuned"]
        assert one.cell.baseline == "tuned" and one.cell.n == 20
        mine, other = one.cell.scores
        assert one.cell.better_by.mean == pytest.approx(mine.mean - other.mean, abs=1e-5)
    assert refused.how == "refused (does not fit)" and refused.cell is None
    assert "a divisor of n_classes=2" in refused.refused

    page = check_page((path / "report.html").read_text()).text
    found = grid_text(made).splitlines()[0]
    assert page.index(found) < page.index("Next") < page.index("rule better by")
    assert "refused" in page and str(run.parent) not in page

    again = mp.transfer(mp.open(run), factors=asked, budget=1, lives=20, quiet=True)
    # A refused cell is tried again, so its seconds differ.
    untimed = [[replace(one, wall_s=0.0) for one in cells] for cells in (again.cells, made.cells)]
    assert again.folder == path and untimed[0] == untimed[1]
    assert again.text == grid_text(made) and len(again.plot().axes) == 2
    assert again._repr_html_().startswith("<pre>")
    with pytest.raises(BadInput, match="a list of factors"):
        mp.transfer(mp.open(run), factors="width")


def test_a_grid_of_a_notebook_is_stopped_by_hand_and_goes_on(run, tmp_path, monkeypatch):
    lines = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(transferring, "_say", stop)
    asked = {"factors": ["task.shots=3"], "budget": 1, "lives": 4, "out": tmp_path / "grid"}
    with pytest.raises(KeyboardInterrupt, match="go on with the same call"):
        mp.transfer(mp.open(run), **asked)
    assert len(list((tmp_path / "grid" / CELLS).glob("*/cell.json"))) == 1
    again = mp.transfer(mp.open(run), **asked)
    assert len(again.cells) == 2
    logs = sorted((tmp_path / "grid" / CELLS).glob("*/rows/tuned/metrics.jsonl"))
    assert [len(log.read_text().splitlines()) for log in logs] == [1, 1]
