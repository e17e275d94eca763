"""Lives that are cut short: their objective, and every outer loop on lives that grow longer."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast import search_loop
from metaplast.life.lifetime import Lifetime
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.final_loss import FinalLoss
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.unroll import shortened
from metaplast.registry import BadInput, find
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Numbers, parse
from metaplast.spec import build, encode
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import quadratic
from outer_loops.bptt import Bptt
from tests.contracts._enrolled import enrolled

PHASES = ((3, True), (2, False), (4, True))
FAST = ("pes",)  # its lives go on from stage to stage; bptt has a test of its own below
LOOPS = []
for loop in enrolled("outer"):
    marks = [] if loop in FAST else [pytest.mark.system]
    LOOPS.append(pytest.param(loop, marks=marks))


def _bits(tree: Any) -> list[bytes]:
    return [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]


@pytest.mark.parametrize(
    ("n_steps", "left"),
    [
        (0, PHASES),
        (9, PHASES),
        (1, ((1, True),)),
        (3, ((3, True),)),
        (4, ((3, True), (1, False))),
        (8, ((3, True), (2, False), (3, True))),
    ],
)
def test_the_phases_that_are_reached_are_left(n_steps, left):
    assert shortened(PHASES, n_steps) == left


def test_the_loss_of_a_cut_life_is_the_one_of_its_first_steps():
    """4 plastic steps, then 3 without plasticity, are cut within either, or between them.

    Judged, it is the whole life.
    """
    lifetime = Lifetime(
        task=TeacherStudent(n_in=3, n_out=2, n_steps=4, n_test=3), network=Feedforward(hidden=())
    )
    whole = MetaProblem(lifetime=lifetime, objective=FinalLoss(), n_tasks=2)
    mean = dataclasses.replace(whole, objective=MeanLoss(), unroll=6)

    @quick_jit
    def live(key: Any) -> Any:
        theta = jax.tree.map(lambda x: x[None], whole.init(key))
        batch = whole.sample(key, 2, "train")
        _, window = whole.advance(theta, whole.begin(theta, batch), 7)
        loss_of = lambda problem: problem.losses(theta, batch)[0][0]
        losses_of_cut_lives = {
            "mean of 6 steps, with its gradient": mean.value_and_grad(
                jax.tree.map(lambda x: x[0], theta), batch
            ).loss,
            "mean of 6 steps": loss_of(mean),
            "last phase of 3 steps": loss_of(dataclasses.replace(whole, unroll=3)),
            "last phase of 6 steps": loss_of(dataclasses.replace(whole, unroll=6)),
            "mean of whole lives": loss_of(mean.whole()),
            "last phase of whole lives": loss_of(whole),
        }
        return window.trace.score.loss, losses_of_cut_lives

    losses, losses_of_cut_lives = live(jax.random.key(0))
    steps = {
        "mean of 6 steps, with its gradient": losses[:, :6],
        "mean of 6 steps": losses[:, :6],
        "last phase of 3 steps": losses[:, :3],
        "last phase of 6 steps": losses[:, 4:6],
        "mean of whole lives": losses,
        "last phase of whole lives": losses[:, 4:],
    }
    for name, losses_of_steps in steps.items():
        np.testing.assert_allclose(
            losses_of_cut_lives[name], losses_of_steps.mean(), rtol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("name", LOOPS)
def test_every_outer_loop_goes_through_a_curriculum_and_resumes_in_it(name):
    outer = find("outer", name)()
    problem = dataclasses.replace(quadratic(), curriculum=((0, 4), (2, 16)))
    start = search_loop.begin(problem, outer, 3)
    compiled = search_loop._step._cache_size()
    steps = list(search_loop.steps(problem, outer, 3, start, 0, 4))
    assert [int(m["unroll"]) for _, _, m in steps] == [4, 4, 16, 16]
    assert all(np.isfinite(m["loss"]) for _, _, m in steps)
    assert search_loop._step._cache_size() - compiled == 2
    assert _bits(outer.theta(steps[-1][1])) != _bits(outer.theta(start))
    for done in (1, 2, 3):
        # As a checkpoint brings it back.
        saved = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), steps[done - 1][1])
        resumed = list(search_loop.steps(problem, outer, 3, saved, done, 4))
        assert _bits(resumed) == _bits(steps[done:])


def test_a_stage_is_the_problem_of_that_length():
    outer = Bptt()
    problem = dataclasses.replace(quadratic(), curriculum=((0, 4), (2, 0)))
    steps = list(search_loop.steps(problem, outer, 0, search_loop.begin(problem, outer, 0), 0, 3))
    short = dataclasses.replace(quadratic(), unroll=4)
    first_steps = list(search_loop.steps(short, outer, 0, search_loop.begin(short, outer, 0), 0, 2))
    assert _bits([s for _, s, _ in first_steps]) == _bits([s for _, s, _ in steps[:2]])
    _, after, metrics = next(search_loop.steps(quadratic(), outer, 0, first_steps[-1][1], 2, 3))
    assert _bits(after) == _bits(steps[2][1])
    assert "unroll" not in metrics
    thetas = jax.tree.map(lambda x: x[None], outer.theta(after))
    batch = problem.sample(jax.random.key(0), 2, "validation")
    programs = set()
    for judged in (problem, short, quadratic()):
        judge = partial(search_loop.evaluate.__wrapped__, judged)
        programs.add(str(jax.make_jaxpr(judge)(thetas, batch)))
    assert len(programs) == 1  # whole lives, however training lives are cut


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"unroll": 17}, "problem.unroll=17 - expected at most the 16 steps of a life"),
        (
            {"unroll": 4, "curriculum": ((0, 4),)},
            "problem.unroll=4 and a curriculum - expected one of the two",
        ),
        (
            {"curriculum": ((1, 4),)},
            r"problem.curriculum={1: 4} - expected outer steps that begin at 0",
        ),
        ({"curriculum": {"0": 4, "0x": 9}}, "valid integer"),
        ({"curriculum": ((0, 4), (0, 5))}, "outer steps that begin at 0 and grow"),
        ({"curriculum": ((0, 0), (5, 4))}, "lives that grow longer"),
        ({"curriculum": ((0, 4), (5, 4))}, "lives that grow longer"),
        ({"curriculum": ((0, 4), (5, 17))}, "at most the 16 steps of a life"),
    ],
)
def test_a_curriculum_that_cannot_be_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(quadratic(), **fields).check()


def test_a_config_gives_it_by_outer_step():
    words = ["experiment=oja", "rows={}"]
    for text in ("{0: 10, 100: 0}", "[[0, 10], [100, 0]]"):
        config = parse(compose([*words, f"problem.curriculum={text}"], Sources())).main
        assert config.meta_problem().curriculum == ((0, 10), (100, 0))
        assert build(Numbers, encode(config.problem)) == config.problem
    with pytest.raises(BadInput, match="lives that grow longer"):
        parse(compose([*words, "problem.curriculum={0: 10, 100: 5}"], Sources()))


def test_a_curriculum_is_checked_in_every_stage_before_anything_compiles():
    window = partial(find("outer", "truncated_bptt"), window=4)
    problem = dataclasses.replace(quadratic(), curriculum=((0, 4), (2, 10)))
    with pytest.raises(BadInput, match="window=4 of"):
        search_loop.begin(problem, window(), 0)
