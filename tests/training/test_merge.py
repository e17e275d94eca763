"""metaplast merge on a finished run: its files, its text, its part of the page, and errors."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import metaplast as mp
from metaplast.cli.main import main
from metaplast.runs.config import read_yaml
from metaplast.runs.folder import read_json
from metaplast.training.kept_merging import merging_part
from metaplast.training.merge import merge
from metaplast.training.summary import lives
from tests._runs import start_run

pytestmark = pytest.mark.system  # a whole run, then two more programs

CONFIG = """
task: {name: prototypes, n_in: 4, n_classes: 2, shots: 2, queries: 2}
network: {name: feedforward, hidden: [3]}
rule:
  name: per_synapse
  rule: {name: polynomial, terms: [error*pre, weight], initial: [-1, 0], learn: both, scale: 0.3}
shared: false
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 12, candidates: 1}
"""
N_SYNAPSES = 4 * 3 + 3 * 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    return start_run(read_yaml(CONFIG, "test"), folder)


def test_a_run_is_merged(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["merge", str(finished), "--k", "3", "--k", "6", "--lives", "12"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert f"{N_SYNAPSES} synapses with 3 numbers each, 12 held-out lives" in printed
    stored, metric = lives([finished], ["discovered"])
    plain = read_json(finished / "merge.json")
    assert plain["metric"] == metric
    mean = float(np.mean(stored["discovered"][0]))
    assert plain["searched"]["score"]["mean"] == pytest.approx(mean, rel=1e-5)
    assert [one["k"] for one in plain["clusters"]] == [1, 2, 3, 4, 6]
    sizes = [rule["n_synapses"] for rule in plain["clusters"][2]["rules"]]
    assert (len(sizes), sum(sizes)) == (3, N_SYNAPSES)
    for k in (3, 6):
        path = finished / f"rule.merged-{k}.safetensors"
        assert str(path) in printed
        vectors = []
        for edge in ("input_to_hidden_1", "hidden_1_to_output"):
            theta = mp.load_rule(path, edge=edge).theta
            coefficients = np.asarray(theta["coefficients"]).reshape(-1, 2)
            rates = np.asarray(theta["log_rate"]).reshape(-1, 1)
            vectors.append(np.concatenate([coefficients, rates], axis=1))
        assert len(np.unique(np.concatenate(vectors), axis=0)) == k


def test_python_gives_the_same(finished: Path, tmp_path: Path) -> None:
    merged = mp.open(finished).merge([3, 6], lives=12)
    assert merged.searched.k == N_SYNAPSES
    assert list(merged.clusters) == [1, 2, 3, 4, 6]
    assert list(merged.random) == [2, 3, 4, 6]
    again = merge(finished, [3, 6], 12)
    assert list(merged.clusters.values()) == again.merging.clusters
    assert merged.rule(3, "input_to_hidden_1").edges == ("input_to_hidden_1",)
    assert "synapses with 3 numbers each" in merged.text
    merged.plot().savefig(tmp_path / "picture.png")
    part = merging_part([finished], [0], tmp_path)
    assert part is not None
    assert part.section.title == "How many rules"
    with pytest.raises(mp.BadInput, match="k=0"):
        mp.open(finished).merge(0)


def test_what_cannot_be_merged_is_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(mp.BadInput, match=f"k = 19 rules for the {N_SYNAPSES} synapses"):
        merge(finished, [19], 12)
    begun = tmp_path / "begun"
    shutil.copytree(finished, begun)
    (begun / "summary.json").unlink()
    with pytest.raises(
        mp.BadInput, match=r"a finished run, with a summary.json - metaplast resume"
    ):
        merge(begun, [3], 12)
    assert merging_part([tmp_path], [0], tmp_path) is None
