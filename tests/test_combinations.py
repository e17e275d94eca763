"""Any rule in any network under any outer loop.

Combinations drawn from the registry live for two outer steps. Parts that cannot live together are
refused by name, with the reason.
"""

import dataclasses
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import pydantic
import pytest

from metaplast.life.lifetime import Lifetime, Slot
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput, find
from metaplast.spec import decode, explain
from metaplast.testing.base import quick_jit
from tests._tiny import NETWORKS, OUTER, TASKS
from tests.contracts._enrolled import enrolled

KINDS = (
    "task",
    "network",
    "neuron",
    "connection",
    "transmission",
    "feedback",
    "genome",
    "rule",
    "objective",
    "outer",
)
# the fast lane lives through the first N_FAST of N_RUN, the system lane the rest
N_RUN = 40
N_FAST = 2
N_DRAWN = 400
LATER = pytest.mark.system
# A network that nobody trained is a rule at random: of full size, it blows up some of the networks.
# `eligibility` refuses most networks where its sum would not be the gradient.
RULES = {"mlp": {"scale": 0.01}, "eligibility": {"exact": False}}
TINY = {"task": TASKS, "network": NETWORKS, "outer": OUTER, "rule": RULES}


def _made(choice: dict[str, str]) -> tuple[MetaProblem, Any]:
    """Raises: BadInput for parts that cannot be combined."""
    parts = {
        kind: {"name": name, **TINY.get(kind, {}).get(name, {})} for kind, name in choice.items()
    }
    fields = {field.name for field in dataclasses.fields(find("network", choice["network"]))}
    parts["network"] |= {
        kind: parts[kind] for kind in ("neuron", "connection", "transmission") if kind in fields
    }
    try:
        lifetime = Lifetime(
            task=decode("task", parts["task"]),
            network=decode("network", parts["network"]),
            feedback=decode("feedback", parts["feedback"]),
            genome=decode("genome", parts["genome"]),
            slots=(Slot(rule=decode("rule", parts["rule"]), shared=False),),
        )
        problem = MetaProblem(lifetime, decode("objective", parts["objective"]), n_tasks=2)
        problem.check()
        outer = decode("outer", parts["outer"])
        jax.eval_shape(
            lambda key: outer.init(problem, problem.init(key), key, outer.hyper()),
            jax.random.key(0),
        )
    except pydantic.ValidationError as error:
        raise explain(error) from None
    return problem, outer


@lru_cache(maxsize=1)
def _drawing() -> Iterator[dict[str, str]]:
    rng = np.random.default_rng(0)
    choices = []
    for _ in range(N_DRAWN):
        choices.append({kind: str(rng.choice(enrolled(kind))) for kind in KINDS})
    return iter(choices)


RUN: list[dict[str, str]] = []
REFUSED: list[tuple[dict[str, str], str]] = []


def _combination(index: int) -> dict[str, str]:
    """The combination number `index` of those that can be.

    Those that cannot be are kept with the reason.
    """
    while len(RUN) <= index:
        choice = next(_drawing())
        try:
            _made(choice)
        except BadInput as error:
            REFUSED.append((choice, str(error)))
        else:
            RUN.append(choice)
    return RUN[index]


@LATER
def test_every_refusal_says_why_and_none_is_for_good():
    _combination(N_RUN - 1)
    assert REFUSED
    for _, line in REFUSED:
        what, expected, fix = line.split(" - ", 2)
        assert what
        assert expected.startswith("expected ")
        assert fix
        assert "\n" not in line
    for kind in KINDS:  # no name is refused whatever stands beside it
        ran = {c[kind] for c in RUN}
        tried = {c[kind] for c in RUN} | {c[kind] for c, _ in REFUSED}
        assert len(ran) >= 0.6 * len(tried), f"{kind}: only {sorted(ran)} of {sorted(tried)}"


@pytest.mark.parametrize(
    "index", [*range(N_FAST), *(pytest.param(i, marks=LATER) for i in range(N_FAST, N_RUN))]
)
def test_a_combination_lives(index):
    choice = _combination(index)
    problem, outer = _made(choice)
    step = quick_jit(lambda state, batch, key: outer.step(problem, state, batch, key))
    state = quick_jit(lambda key: outer.init(problem, problem.init(key), key, outer.hyper()))(
        jax.random.key(0)
    )
    sample = quick_jit(lambda key: problem.sample(key, 2, "train"))
    of_steps = []
    for index in range(2):
        keys = jax.random.split(jax.random.key(index))
        state, metrics = step(state, sample(keys[0]), keys[1])
        of_steps.append(
            {name: float(metrics[name]) for name in ("loss", "lives", "diverged", "skipped")}
        )
    for leaf in jax.tree.leaves(outer.theta(state)):
        assert np.isfinite(leaf).all()
    assert all(np.isfinite(m["loss"]) for m in of_steps), f"{choice}: {of_steps}"
    assert of_steps[-1]["skipped"] == 0, f"{choice}: {of_steps}"
