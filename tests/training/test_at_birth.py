"""Rules judged at birth and after learning, from the command line, from Python and on the page."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from click.testing import CliRunner

import metaplast as mp
from metaplast.cli.eval import command
from metaplast.registry import BadInput
from metaplast.results import evaluate
from metaplast.runs.config import read_yaml
from metaplast.runs.job import parse
from metaplast.runs.row_files import candidates_of, save_candidates, theta_of
from metaplast.testing.outer_loop import quadratic
from metaplast.training.at_birth import judged_at_birth, text_of
from metaplast.training.row_record import chosen_step
from metaplast.training.summary import lives
from tests._runs import start_run

CONFIG = """
task: {name: prototypes, n_in: 4, n_classes: 2, shots: 4, queries: 2}
network: {name: feedforward, hidden: []}
genome: {name: direct}
rule: {name: polynomial, terms: [error*pre], initial: [-1], learn: rate}
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 12, candidates: 2}
rows:
  no_plasticity: {rule: null}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = read_yaml(CONFIG, "test")
    return start_run(plain, tmp_path_factory.mktemp("runs") / "run", 1, lambda *_: None)


def test_candidates_come_back_with_their_steps(tmp_path: Path) -> None:
    problem = quadratic()
    theta = problem.init(jax.random.key(0))
    assert candidates_of(tmp_path, problem) is None
    stacked = jax.tree.map(lambda leaf: np.stack([leaf, 2.0 * leaf]), theta)
    save_candidates(tmp_path, [0, 7], stacked)
    kept = candidates_of(tmp_path, problem)
    assert kept is not None
    steps, thetas = kept
    assert steps == [0, 7]
    jax.tree.map(np.testing.assert_array_equal, thetas, stacked)
    save_candidates(tmp_path, [0, 7, 9], stacked)
    with pytest.raises(BadInput, match="of shape"):
        candidates_of(tmp_path, problem)


@pytest.mark.system
def test_a_run_is_judged_with_its_births_on_the_lives_of_its_table(finished: Path) -> None:
    stored, metric = lives([finished], ["discovered"])
    job = parse(read_yaml(CONFIG, "test"))
    problem = job.main.meta_problem()
    theta = theta_of(finished, problem)
    still = job.row("no_plasticity").meta_problem()
    born = evaluate.lives(still, {**theta, "rules": {}}, 0, "heldout", 12)["accuracy"]
    judged = judged_at_birth([str(finished)], [], 12)
    ours = judged.rows["discovered"]
    assert metric == judged.metric == "accuracy"
    assert ours.learned.mean == pytest.approx(np.mean(stored["discovered"][0]))
    assert ours.at_birth.mean == pytest.approx(born.mean())
    assert ours.gain.mean == pytest.approx(ours.learned.mean - born.mean())
    assert ours.chance == 0.5
    assert judged.rows["no_plasticity"].gain.mean == 0.0
    # The curve ends with the theta that was chosen, among those that were kept.
    kept = candidates_of(finished, problem)
    assert kept is not None
    steps, thetas = kept
    assert steps == [0, 1, 2]
    at = steps.index(chosen_step(finished))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda x: x[at], thetas), theta)


@pytest.mark.system
def test_the_command_and_python_say_the_same(finished: Path) -> None:
    words = [str(finished), "task.shots=2", "--innate", "--lives", "8", "--row", "no_plasticity"]
    printed = CliRunner().invoke(command, words)
    assert printed.exit_code == 0, printed.output
    found: Any = mp.innate(finished, lives=8, rows=["no_plasticity"], task={"shots": 2})
    assert printed.stdout == f"{found.text}\n"
    assert "in: task.shots=2" in found.text and "At birth, with no rule at work" in found.text
    with pytest.raises(BadInput, match="a rule without a task"):
        judged_at_birth([str(finished / "rule.safetensors")], [], 4)


@pytest.mark.system
def test_a_loss_says_that_it_has_no_share() -> None:
    judged = judged_at_birth(["zoo/oja"], ["experiment=oja"], 4)
    assert "There is no innate share: no score of guessing is known." in text_of(judged)


@pytest.mark.system
def test_the_page_of_a_run_shows_the_course_of_its_search(finished: Path) -> None:
    mp.open(finished).inspect(quiet=True)
    part = json.loads((finished / "inspect.json").read_text())["innate"]
    assert [point["outer_step"] for point in part["points"]] == ["0", "1", "2"]
    assert list(part["points"][0]["scores"]) == ["0", "0.5", "1", "2"]
