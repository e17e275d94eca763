"""Small forms of the experiments on what is inborn, and the genomes of the guide in evolution."""

from typing import Any

import numpy as np
import pytest

from metaplast import search_loop
from metaplast.genomes.by_type import ByType
from metaplast.genomes.direct import Direct
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.genomes.gnet import Gnet
from metaplast.genomes.low_rank import LowRank
from metaplast.genomes.parts import Parts
from metaplast.genomes.random import Random
from metaplast.genomes.xox import Xox
from metaplast.life.lifetime import Lifetime
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Config, parse
from metaplast.spec import decode
from outer_loops.es import Es
from tests._moves import demand_all_move

SMALL = {
    "body": ("task.n_trials=2", "task.trial_steps=4", "problem.n_tasks=2", "outer.population=4"),
    "innate": ("task.queries=2", "network.hidden=[4]", "problem.n_tasks=2"),
    "baldwin": (
        *("task.n_bits=3", "task.n_trials=4", "outer.population=8"),
        *("problem.n_tasks=8", "problem.chunk=8"),
    ),
}
GENOMES = (
    Random(learn_gain=True),
    Direct(),
    Gnet(hidden=(3,)),
    Xox(genes=2),
    LowRank(rank=1),
    ByType(types=2),
    EvolvedMask(genome=Direct(), density=0.5),
)


def small(experiment: str) -> Config:
    """The main row of the small form of an experiment."""
    words = (f"experiment={experiment}", "rows={}", *SMALL[experiment])
    return parse(compose(words, Sources())).main


@pytest.mark.parametrize("experiment", ["body", "innate"])
def test_a_small_form_of_an_experiment_moves_every_number_that_it_learns(experiment: str) -> None:
    config = small(experiment)
    demand_all_move(config.meta_problem(), config.outer_loop())


def test_a_small_form_of_baldwin_breeds_alleles() -> None:
    config = small("baldwin")
    problem, outer = config.meta_problem(), config.outer_loop()
    born: Any = search_loop.begin(problem, outer, 0)
    ((_, state, metrics),) = search_loop.steps(problem, outer, 0, born, 0, 1)
    assert np.isfinite(metrics["loss"])
    assert set(np.unique(state.members)) <= {-1.0, 0.0, 1.0}
    assert np.any(state.members != born.members)


def test_evolution_moves_every_number_of_every_genome() -> None:
    """A chain of layers, and another genome at every edge: one program is compiled for all."""
    network = Feedforward(hidden=(3,) * (len(GENOMES) - 1))
    edges = [edge.name for edge in network.wiring({"input": 3}, 1).edges]
    genome = Parts(parts=tuple(zip(edges, GENOMES, strict=True)))
    task: Any = decode("task", {"name": "regression", "n_in": 3, "shots": 1, "queries": 1})
    lifetime = Lifetime(task=task, network=network, genome=genome, slots=())
    demand_all_move(MetaProblem(lifetime, n_tasks=2), Es(steps=1, population=4))
