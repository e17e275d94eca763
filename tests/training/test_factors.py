"""The factors of a grid: words that a config takes, and lives as long as they say."""

import pytest

from metaplast.registry import BadInput
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.training.factors import factors, own


def _config(*words):
    plain = compose(words, Sources())
    return parse({**plain, "rows": {}}, check=False).main


def _levels(config, name):
    (factor,) = factors(config, [name])
    return {level.label: level for level in factor.levels}


def _plastic_steps(config):
    return sum(n for n, plastic in config.task.shape().phases if plastic)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("task.shots=5,20,80", ["task.shots=5", "task.shots=20", "task.shots=80"]),
        ("network.hidden=[20],[40,40]", ["network.hidden=[20]", "network.hidden=[40,40]"]),
        ("network.neuron={name: lif, tau: 1},relu", None),
    ],
)
def test_a_factor_of_ones_own(word, words):
    found = [level.words[0] for level in own(word).levels]
    assert found == (words or ["network.neuron={name: lif, tau: 1}", "network.neuron=relu"])


@pytest.mark.parametrize("word", ["=5", "task.shots=", "task.shots=5,,6"])
def test_a_factor_without_a_field_or_a_value_is_refused(word):
    with pytest.raises(BadInput, match=r"A\.B=VALUE,VALUE"):
        own(word)


def test_an_unknown_factor_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match="depth"):
        factors(_config("experiment=readout"), ["depht"])


@pytest.mark.parametrize("experiment", ["categories", "readout"])
def test_a_longer_life_shows_new_images_and_then_the_same_ones_again(experiment):
    config = _config(f"experiment={experiment}")
    levels = _levels(config, "horizon")
    assert levels["x2"].words == ("task.shots=40",)
    assert not levels["x2"].note
    for label in ("x4", "x8"):
        assert "run out" in levels[label].note and "fresh warp" in levels[label].note
    for label, level in levels.items():
        longer = _config(f"experiment={experiment}", *level.words)
        assert _plastic_steps(longer) == float(label[1:]) * _plastic_steps(config)


def test_widths_and_depths_of_a_chain():
    config = _config("experiment=categories")
    assert [level.words for level in _levels(config, "width").values()] == [
        ("network.hidden=[50]",),
        ("network.hidden=[200]",),
        ("network.hidden=[400]",),
    ]
    depths = _levels(config, "depth")
    assert list(depths) == ["2", "3", "4", "5", "6"]  # the config has one layer
    assert depths["3"].words == ("network.hidden=[100, 100, 100]",)


def test_a_readout_has_no_width_to_change_but_a_depth():
    config = _config("experiment=readout")
    for name in ("width", "neuron"):
        assert all(level.refused for level in _levels(config, name).values())
    assert _levels(config, "depth")["1"].words == ("network.hidden=[40]",)


def test_populations_of_other_networks_are_scaled_too():
    config = _config("network={name: ei, n_e: 8, n_i: 3}")
    assert _levels(config, "width")["x2"].words == ("network.n_e=16", "network.n_i=6")
    assert all(level.refused for level in _levels(config, "depth").values())


def test_other_tasks_answer_alike_and_keep_the_split_of_the_seed():
    levels = _levels(_config("experiment=readout", "seed=3"), "task")
    assert {"categories", "prototypes", "tabular"} <= set(levels)
    assert not {"digits", "bandit", "teacher_student"} & set(levels)
    assert levels["categories"].words == ("task=categories", "task.split_seed=3")


def test_neurons_spike_where_those_of_the_config_do():
    assert set(_levels(_config("experiment=categories"), "neuron")) == {
        *("linear", "relu", "sigmoid", "tanh")
    }
    assert "alif" in _levels(_config("network={name: feedforward, neuron: lif}"), "neuron")


def test_three_pairs_change_two_factors_at_once():
    levels = _levels(_config("experiment=categories"), "pair")
    assert [level.words for level in levels.values()] == [
        ("network.hidden=[200, 200, 200]",),
        ("task.shots=40", "task.label_noise=0.3"),
        ("network.hidden=[100, 100, 100]", "task.shots=40"),
    ]
