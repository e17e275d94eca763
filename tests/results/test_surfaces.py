"""Surfaces against the closed forms of known rules."""

from dataclasses import replace

import numpy as np
import pytest

from inner_tasks.regression import Regression
from metaplast.feedback.none import None_
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.lif import Lif
from metaplast.results.surfaces import Extent, held_at, spikes_at, surfaces
from metaplast.reuse.load import load_rule
from metaplast.rules.abcd import Abcd


def test_oja_over_pre_and_post_is_its_closed_form():
    (surface,) = surfaces(load_rule("oja"))
    rate, x, y = 0.1, surface.x_values[None, :], surface.y_values[:, None]
    assert (surface.x, surface.y, surface.held) == ("pre", "post", {"weight": pytest.approx(0.2)})
    np.testing.assert_allclose(surface.delta_w, rate * (y * x - y**2 * 0.2), atol=1e-7)
    assert not surface.stateful and not surface.averaged


def test_an_axis_reaches_as_far_as_the_signal_does():
    (surface,) = surfaces(load_rule("oja"), met={"pre": Extent(0.0, 2.5)})
    assert (surface.x_values.min(), surface.x_values.max()) == (0.0, 2.5)
    assert (surface.y_values.min(), surface.y_values.max()) == (-1.0, 1.0)


def test_delta_over_pre_and_error():
    rule = load_rule("delta")
    (surface,) = surfaces(rule)
    expected = -rule.spec.rate * surface.y_values[:, None] * surface.x_values[None, :]
    assert (surface.x, surface.y, surface.held) == ("pre", "error", {})
    np.testing.assert_allclose(surface.delta_w, expected, atol=1e-7)


def test_a_number_per_synapse_is_averaged_and_said():
    theta = {
        name: np.full((2, 3), value, np.float32)
        for name, value in zip("abcd", (1, 2, 3, 4), strict=True)
    }
    theta["a"][0, 0] = 7.0  # mean 2
    rule = replace(
        load_rule("oja"),
        spec=Abcd(),
        theta=theta,
        reads=frozenset({"pre.activity", "post.activity"}),
    )
    (surface,) = surfaces(rule)
    x, y = surface.x_values[None, :], surface.y_values[:, None]
    np.testing.assert_allclose(
        surface.delta_w, 0.1 * (2 * x * y + 2 * x + 3 * y + 4), rtol=1e-5, atol=1e-6
    )
    assert surface.averaged


def test_a_rule_that_reads_one_signal_has_no_surface():
    assert surfaces(replace(load_rule("oja"), reads=frozenset({"weight"}))) == []


def test_what_is_held():
    assert (held_at("modulators.reward"), held_at("post.feedback"), held_at("weight")) == (
        1.0,
        0.0,
        0.2,
    )


def test_two_signals_that_are_spikes_have_no_surface_and_one_has_its_two_values() -> None:
    assert surfaces(load_rule("triplet_visual")) == []
    assert surfaces(load_rule("oja"), events=("pre", "post")) == []
    (graded,) = surfaces(load_rule("oja"))
    (surface,) = surfaces(load_rule("oja"), events=("post",))
    assert surface.y_values.tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(surface.delta_w[0], graded.delta_w[30])
    np.testing.assert_array_equal(surface.delta_w[1], graded.delta_w[-1])


def test_the_spikes_at_an_edge_are_those_of_its_spiking_cells() -> None:
    network = Feedforward(hidden=(3,), neuron=Lif())
    slot = Slot(rule=Abcd())
    life = Lifetime(Regression(), network, None_(), slots=(slot,))
    assert spikes_at(life, "input_to_hidden_1") == ["post"]
    assert spikes_at(life, "hidden_1_to_output") == ["pre"]
