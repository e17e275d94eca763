"""Known answers, in a reduced form: a search over trees finds the rule of its task."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from metaplast import search_loop
from metaplast.rules.symbolic import Symbolic
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from outer_loops import _trees

pytestmark = pytest.mark.golden

# The first eight, whatever they find. Tried so far, in the shortened form: symbolic_oja is
# found on 1 and 2, not on 0, 100, 101, 102, 103; symbolic_error on 0, and not on 100;
# symbolic_reward on 0 and 1.
SEEDS = range(8)
# Root mean square distance of two rules on the probes, each scaled to a root mean square of 1.
TOLERANCE = 0.05


class Found(NamedTuple):
    """A rule with its theta."""

    rule: Symbolic
    theta: Any


def outputs(rule, theta, signs):
    """The rule's values on the probes, with a root mean square of 1."""
    values = np.asarray(rule.value(theta, lambda name: _trees.probe(name, name in signs)))
    return values / np.sqrt(np.mean(values**2))


def apart(found, target, signs=()):
    """The root mean square distance between a rule and the target expression."""
    known = Symbolic(expression=target, eligibility="score*pre", learn="none")
    difference = outputs(found.rule, found.theta, signs) - outputs(known, {}, signs)
    return float(np.sqrt(np.mean(difference**2)))


def search(name, seed, *words):
    """(the rule that the search finds, the metrics of its last step)."""
    words = [f"experiment={name}", f"seed={seed}", "rows={}", *words]
    config = parse(compose(words, Sources()), check=False).main
    problem = config.meta_problem()
    outer = config.outer
    begun = search_loop.begin(problem, outer, seed)
    *_, (_, state, metrics) = search_loop.steps(problem, outer, seed, begun, 0, outer.n_steps)
    slot = problem.lifetime.slots[0]
    return Found(*slot.rule.settled(outer.theta(state)["rules"][slot.name])), metrics


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("symbolic_oja", "post*(pre - post*weight)", ("outer.steps=30",)),
        ("symbolic_error", "pre*(modulator.teacher - post_potential)", ("outer.steps=30",)),
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
