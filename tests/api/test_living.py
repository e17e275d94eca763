"""One life in Python against a loop in NumPy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import metaplast as mp
from metaplast.registry import BadInput

TASK = {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 6}
NETWORK = {"name": "feedforward", "hidden": []}


@pytest.fixture(scope="module")
def life() -> mp.LivedLife:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", "")
        return mp.live(NETWORK, "oja", TASK, n_steps=5, seed=3)


def test_weights_follow_the_rule(life: mp.LivedLife) -> None:
    """Oja's rule at a rate of 0.1: w += 0.1 (post pre - post^2 w)."""
    (edge,) = life.weights
    pre, post = life.activities["input"], life.activities["output"]
    weights = life.weights_at_birth[edge]
    assert pre.shape == (5, 4) and post.shape == (5, 3)
    for t in range(5):
        change = np.outer(post[t], pre[t]) - post[t][:, None] ** 2 * weights
        weights = weights + 0.1 * change
        assert np.allclose(life.weights[edge][t], weights, atol=1e-6)


def test_a_life_has_time_scores_and_a_picture(life: mp.LivedLife) -> None:
    assert np.allclose(life.time, life.dt * np.arange(1, 6))
    assert life.scores["loss"].shape == (5,) and life.spikes == {}
    assert len(life.plot().axes) == len(life.activities) + len(life.weights) + len(life.scores)
    assert "5 steps" in repr(life) and "output 3 units" in life._repr_html_()


@pytest.mark.parametrize("n_steps", [0, 7, 2.0])
def test_no_more_steps_than_the_task_has(n_steps: Any) -> None:
    with pytest.raises(BadInput, match="1 to 6, the life of the task"):
        mp.live(NETWORK, "oja", TASK, n_steps=n_steps)


def test_a_rule_with_its_numbers_lives_the_life_of_its_run(run: mp.Run) -> None:
    found = mp.live(run.config["network"], run.rule, run.config["task"], genome="given")
    stored = load_file(run.folder / "steps.safetensors")["loss"]
    assert np.allclose(found.scores["loss"], stored[0], atol=1e-7)
    (edge,) = found.weights
    state = run.rule.init(found.weights_at_birth[edge])
    view = mp.synapse_view(
        pre=found.activities["input"][0],
        post=found.activities["output"][0],
        weight=found.weights_at_birth[edge],
    )
    _, change = run.rule.update(view, state, dt=found.dt)
    assert np.allclose(found.weights[edge][0], found.weights_at_birth[edge] + change, atol=1e-6)


def test_a_rule_may_live_on_some_edges_alone(run: mp.Run) -> None:
    network = {"name": "feedforward", "hidden": [2]}
    life = mp.live(network, "oja", TASK, edges="input_to_*", seed=3)
    for edge, weights in life.weights.items():
        moved = not np.allclose(weights[-1], life.weights_at_birth[edge])
        assert moved == edge.startswith("input_to")
    named = mp.live(network, {"name": "oja", "rate": 1e-12}, TASK, edges="input_to_*", seed=3)
    assert np.allclose(named.weights[edge], named.weights_at_birth[edge], atol=1e-9)
    with pytest.raises(BadInput, match="without a rule"):
        mp.live(network, None, TASK, edges="input_to_*")
    with pytest.raises(BadInput, match="beside rules"):
        mp.live(network, "oja", TASK, edges="input_to_*", rules={})
    network = run.config["network"]
    everywhere = mp.live(network, run.rule, run.config["task"], genome="given")
    (edge,) = everywhere.weights
    there = mp.live(network, run.rule, run.config["task"], edges=edge, genome="given")
    assert np.array_equal(there.weights[edge], everywhere.weights[edge])


def test_a_loaded_rule_lives_on_the_edges_on_which_it_was_found(run: mp.Run) -> None:
    """Two hidden layers have one edge of the same name, and the others stay as they are."""
    own = replace(run.rule, edges=("input_to_hidden_1",))
    network = {"name": "feedforward", "hidden": [2]}
    life = mp.live(network, own, TASK, seed=3)
    moved = set()
    for edge, weights in life.weights.items():
        if not np.allclose(weights[-1], life.weights_at_birth[edge]):
            moved.add(edge)
    assert moved == {"input_to_hidden_1"}
    named = mp.live(network, own, TASK, edges="input_to_hidden_1", seed=3)
    assert np.array_equal(named.weights["input_to_hidden_1"], life.weights["input_to_hidden_1"])
    with pytest.warns(UserWarning, match="no edge i_to_e, .* edges= names others"):
        mp.live(network, replace(own, edges=("i_to_e",)), TASK, seed=3, n_steps=2)


def test_a_loaded_rule_is_no_form_and_the_error_is_one_line() -> None:
    with pytest.raises(TypeError, match=r"a loaded rule with its numbers .* give \.spec") as caught:
        mp.Slot(rule=mp.load_rule("oja"))
    assert "\n" not in str(caught.value)
