"""Protocols of slices against a loop over all pairs and triplets, and what they are known for."""

import numpy as np
import pytest

import metaplast as mp
from metaplast.figures import spike_protocols as figure
from metaplast.results.spike_protocols import FREQUENCIES, INTERVALS, N_PAIRS, spike_protocols

DT = 1e-3


def _triplet_rule(name: str, pre: list[int], post: list[int]) -> float:
    """The change by the rule of Pfister & Gerstner 2006, spike by spike, in continuous time."""
    spec = mp.load_rule(f"zoo/{name}").spec
    trace = lambda times, now, tau: sum(np.exp(-(now - t) * DT / tau) for t in times if t < now)
    change = 0.0
    for now in post:
        r1, o2 = trace(pre, now, spec.tau_plus), trace(post, now, spec.tau_y)
        change += r1 * (spec.a2_plus + spec.a3_plus * o2)
    for now in pre:
        o1, r2 = trace(post, now, spec.tau_minus), trace(pre, now, spec.tau_x)
        change -= o1 * (spec.a2_minus + spec.a3_minus * r2)
    return float(change)


@pytest.mark.parametrize("name", ["triplet_visual", "triplet_hippocampus"])
def test_every_number_is_that_of_a_loop_over_spikes(name: str) -> None:
    found = spike_protocols(mp.load_rule(f"zoo/{name}"))
    assert found is not None
    assert found.frequencies.tolist() == list(FREQUENCIES)
    for index, frequency in enumerate(FREQUENCIES):
        first = [k * round(1.0 / (frequency * DT)) for k in range(N_PAIRS)]
        second = [step + 10 for step in first]
        later = _triplet_rule(name, first, second) / N_PAIRS
        earlier = _triplet_rule(name, second, first) / N_PAIRS
        np.testing.assert_allclose(found.post_later[index], later, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(found.post_earlier[index], earlier, rtol=1e-4, atol=1e-8)
    for index, (one, other) in enumerate(INTERVALS):
        middle = [round(one / DT)]
        outer = [0, round((one + other) / DT)]
        np.testing.assert_allclose(
            [found.pre_post_pre[index], found.post_pre_post[index]],
            [_triplet_rule(name, outer, middle), _triplet_rule(name, middle, outer)],
            rtol=1e-4,
            atol=1e-8,
        )


def test_slow_pairs_do_not_potentiate_in_visual_cortex(tmp_path) -> None:
    """Potentiation needs a frequency there, which a rule of pairs alone does not have."""
    visual = spike_protocols(mp.load_rule("zoo/triplet_visual"))
    pairs = spike_protocols(mp.load_rule("zoo/stdp"))
    assert visual is not None and pairs is not None
    assert visual.post_later[-1] > 0.01
    assert visual.post_later[0] < 1e-4
    assert visual.post_earlier[0] < 0.0 < visual.post_earlier[-1]
    np.testing.assert_allclose(pairs.post_later[0], 0.005 * np.exp(-0.5), rtol=1e-3)
    page = figure.part({"rule": visual}, tmp_path)
    told = page.numbers["rule"]["post_earlier"]
    np.testing.assert_allclose(told, visual.post_earlier, rtol=1e-5)
    assert (tmp_path / "protocols_0.svg").is_file()


def test_a_rule_without_spike_times_has_no_protocols() -> None:
    assert spike_protocols(mp.load_rule("oja")) is None
