"""Known answers, in a reduced form: a search over trees finds the rule of its task."""

import pytest

from benchmarks.symbolic_seeds import TOLERANCE, Found, apart, search
from metaplast.rules.symbolic import Symbolic

pytestmark = pytest.mark.golden

# The first eight, whatever they find.
SEEDS = range(8)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("symbolic_oja", "post*(pre - post*weight)", ("outer.steps=30", "outer.tries=1")),
        (
            "symbolic_error",
            "pre*(modulator.teacher - post_potential)",
            ("outer.steps=30", "outer.tries=1"),
        ),
        ("symbolic_reward", "(modulator.reward - 1)*eligibility", ("outer.steps=12",)),
    ],
)
def test_the_rule_is_found_up_to_its_rate_in_one_of_eight_runs(name, target, words):
    distances = []
    for seed in SEEDS:
        found, metrics = search(name, seed, *words)
        assert metrics["saved"] >= 0.8
        distances.append(apart(found, target, ("modulator.reward",)))
        if distances[-1] < TOLERANCE:
            break
    assert min(distances) < TOLERANCE, distances


def test_other_rules_are_not_taken_for_the_known_ones():
    def rule(text):
        return Found(Symbolic(expression=text, eligibility="score*pre", learn="none"), {})

    oja = "post*(pre - post*weight)"
    assert apart(rule("2*post*pre - (post + post)*post*weight"), oja) < 1e-5
    assert apart(rule("post*(pre - weight)"), oja) > 0.5
    reward = "(modulator.reward - 1)*eligibility"
    signs = ("modulator.reward",)
    assert apart(rule("modulator.reward*eligibility"), reward, signs) > 0.5
    assert apart(rule("(modulator.reward - 0.5)*eligibility"), reward, signs) > 0.2
