"""Finished runs under a changed config: the same config gives the same numbers.

A theta that does not fit is refused.
"""

from pathlib import Path

import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.runs.config import read_yaml
from metaplast.training.kept_transfer import kept
from metaplast.training.summary import lives
from metaplast.training.transfer import judged, keep_all, transfer
from tests._runs import start_run

pytestmark = pytest.mark.system  # a whole run, then several more programs

CONFIG = """
task: {name: prototypes, n_in: 4, n_classes: 2, shots: 2, queries: 2}
network: {name: feedforward, hidden: [3, 3]}
genome: {name: random, learn_gain: true}
rules:
  first:
    edges: "input_*"
    rule: {name: polynomial, terms: [error*pre], initial: [-1], learn: both}
  later:
    edges: "hidden_*"
    rule: {name: polynomial, terms: [error*pre], initial: [-1], learn: both}
outer: {name: bptt, steps: 1}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 6, candidates: 1}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_run(
        read_yaml(CONFIG, "test"), tmp_path_factory.mktemp("runs") / "run", 1, lambda *_: None
    )


def test_the_same_setting_gives_the_scores_of_the_run(finished):
    stored, metric = lives([finished], ["discovered"])
    text = transfer([finished], [], 6)
    assert metric == "accuracy"
    assert f"discovered  {np.mean(stored['discovered'][0]):.3f} " in text
    head, _, rest = text.partition("\n\nNext: ")
    found, sure, doubts = head.splitlines()
    assert found.startswith("as trained: the rule has accuracy ")
    assert sure.startswith("How sure: one seed (0)")
    assert doubts.startswith("Why not to believe it: ")
    assert "every row as it was trained, in: the setting they were trained in" in rest


def test_a_run_keeps_the_scores_of_a_changed_world(finished):
    """They are the lives of the table; the world of the search is not kept as a changed one."""
    for same in ([], ["task.shots=2"]):
        assert keep_all(judged([finished], same, 6)) == []
    assert kept(finished) == []
    found = judged([finished], ["task.shots=1"], 6)
    (line,) = keep_all(found)
    assert line.startswith("kept for metaplast inspect: ")
    (world,) = kept(finished)
    assert (world.changes, world.metric) == (["task.shots=1"], "accuracy")
    again = judged([finished], ["task.shots=1"], 6)
    np.testing.assert_allclose(world.rows["discovered"], again.lived[0].rows["discovered"])


def test_slots_that_share_a_theta_go_into_a_deeper_network(finished):
    text = transfer([finished], ["network.hidden=[3,3,3]", "task.shots=1"], 4)
    assert "in: network.hidden=[3,3,3] task.shots=1" in text


def test_what_does_not_fit_is_refused(finished):
    with pytest.raises(BadInput, match="do not fit the changed network"):
        transfer(
            [finished],
            ["rules.first.rule.terms=[error*pre,weight]", "rules.first.rule.initial=[-1,0]"],
            4,
        )
    with pytest.raises(BadInput, match="row 'hebb' - expected one of discovered"):
        transfer([finished], [], 4, ["hebb"])
    with pytest.raises(BadInput, match="a run folder"):
        transfer([finished.parent / "nothing"], [], 4)
