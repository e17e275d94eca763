"""A run in which nothing is plastic: its page shows its spikes, and no sentence names a rule."""

import json
from pathlib import Path

import pytest

from metaplast.training import page, summary_text
from metaplast.training.effort import SPIKES, Effort
from tests.report.test_report import check_page
from tests.training.test_verdict import forge

CONFIG = """
task: {name: prototypes, n_in: 3, n_classes: 2, shots: 1, queries: 2}
network: {name: feedforward, hidden: [3], neuron: {name: lif, threshold: 0.05}}
feedback: {name: none}
genome: {name: direct}
rule: null
outer: {name: bptt, steps: 3}
evaluation: {heldout: 64, validation: 64, candidates: 1}
rows: {}
"""
FORBIDDEN = (
    "the rule ",
    "another rule",
    "searched rule",
    "reads no further",
    "its terms",
    "change of weight",
    "hebb",
    "step size",
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return forge(tmp_path / "run", {"discovered": 0.85}, {"discovered": 0.85}, config=CONFIG)


@pytest.mark.parametrize("effort", [None, Effort.USUAL])
def test_the_page_shows_the_spikes_and_no_part_of_a_rule(run: Path, effort: Effort | None) -> None:
    page.inspect_runs([run], None, n_lives=4, effort=effort)
    record = json.loads((run / "inspect.json").read_text())
    assert set(record[SPIKES]["populations"]) == {"hidden_1"}
    assert {path.name for path in (run / "figures").glob("spikes_*")} == {
        "spikes_raster.svg",
        "spikes_membranes.svg",
        "spikes_intervals.svg",
    }
    assert not {"landscape", "ablation", "life"} & set(record)
    text = check_page((run / "report.html").read_text()).text
    assert "The first held-out life of the network" in text
    assert "No synapse changes within a life." in text
    assert "Not made here" not in text and "plasticity is on" not in text
    curves = (run / "figures" / "curves_accuracy.svg").read_text()
    assert ">plastic<" not in curves and ">frozen<" not in curves
    assert not [words for words in FORBIDDEN if words in text.lower()]


def test_the_spikes_are_drawn_by_name(run: Path) -> None:
    assert set(page.figures_of([run], SPIKES)) == {
        "spikes_raster",
        "spikes_membranes",
        "spikes_intervals",
    }


def test_the_end_of_a_run_names_no_rule(run: Path) -> None:
    text = summary_text.render(run)
    assert "the network has" in text
    assert not [words for words in FORBIDDEN if words in text.lower()]
