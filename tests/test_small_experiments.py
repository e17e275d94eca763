"""Small forms of experiments with spiking cells: one outer step moves every number."""

import pytest

from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.spec import decode
from tests._moves import demand_all_move

CROSSING = ("task.n_in=4", "task.group=2", "task.n_frames=4", "task.frame=10")
SMALL = {
    "store_recall": (
        "task.n_symbols=3",
        "task.symbol_steps=10",
        "task.delay=1",
        "task.group=2",
        "task.rate=400",
        "network.n_recurrent=6",
    ),
    "delayed_reward": (
        "task.n_in=4",
        "task.n_trials=4",
        "task.n_judged=3",
        "task.longest=20",
        "task.further=0",
    ),
    "receptive_fields": (
        "task.side=3",
        "task.n_out=4",
        "task.shown=6",
        "task.angles=3",
        "task.repeats=2",
    ),
    "crossing": CROSSING,
    "crossing_spikes": CROSSING,
    "stdp_features": (
        "task.n_out=4",
        "task.shots=1",
        "task.fitted=1",
        "task.chosen=1",
        "task.queries=1",
    ),
    "winner_take_all": (
        "task.n_out=3",
        "task.n_classes=2",
        "task.shots=2",
        "task.passes=1",
        "task.named=1",
        "task.queries=2",
    ),
}
OUTER = {
    "es": {"name": "es", "steps": 1, "population": 4},
    "bptt": {"name": "bptt", "steps": 1},
}


@pytest.mark.parametrize(
    ("experiment", "outer"),
    [
        ("delayed_reward", "es"),
        ("receptive_fields", "es"),
        ("crossing", "es"),
        ("crossing_spikes", "es"),
        ("stdp_features", "es"),
        ("winner_take_all", "es"),
        ("store_recall", "bptt"),
        pytest.param("store_recall", "es", marks=pytest.mark.system),
    ],
)
def test_a_small_form_of_an_experiment_moves_every_number_that_it_learns(experiment, outer):
    words = (f"experiment={experiment}", "rows={}", "problem.n_tasks=2", *SMALL[experiment])
    problem = parse(compose(words, Sources())).main.meta_problem()
    demand_all_move(problem, decode("outer", OUTER[outer]))
