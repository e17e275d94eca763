"""Several outer loops on one problem, each tuned, under equal budgets."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax

from metaplast import search_loop
from metaplast.comparing import page
from metaplast.comparing.budget import warm
from metaplast.comparing.contestant import Contestant
from metaplast.comparing.files import write_comparison
from metaplast.outer import AbstractOuterLoop
from metaplast.problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.results import loops
from metaplast.results.loop_comparison import ContestSettings, LoopComparison
from metaplast.results.loops import LoopRecord
from metaplast.runs.config import Plain
from metaplast.runs.job import Config, parse
from metaplast.runs.lifecycle import Means
from metaplast.spec import encode

TUNING = 10_000  # added to the experiment's seed: the settings are tried on another seed


class NamedLoop(NamedTuple):
    """An outer loop that was named.

    config: the problem with this loop.
    refused: the reason why the loop cannot work on the problem; an empty string where it can.
    """

    config: Config
    refused: str

    @property
    def outer(self) -> AbstractOuterLoop:
        return self.config.outer


def contest_config(plain: Plain) -> Config:
    """The one row that a comparison is about.

    Raises: BadInput for a group of runs, no budget, or lives that change their length.
    """
    for name in {"seeds", "vary"} & set(plain):
        raise BadInput(
            f"{name}={plain[name]}", "compare.seeds and compare.tries", f"leave out {name}"
        )
    config = parse({**plain, "rows": {}}).main
    config.compare.budgets()
    if config.problem.curriculum:
        fix = (
            "set problem.curriculum={}: its stages come after outer steps, and those are not equal"
        )
        raise BadInput("problem.curriculum in a comparison", "lives of one length", fix)
    return config


def entries(config: Config, only: Sequence[str]) -> dict[str, NamedLoop]:
    """Every outer loop that is named, with the reason where it cannot take part.

    Raises: BadInput of the first loop, where none can take part.
    """
    problem = config.meta_problem()
    named = {}
    errors = []
    loops_by_name = config.compare.contestants(config.outer, config.problem.n_tasks, only)
    for name, outer in loops_by_name.items():
        refused = ""
        try:
            searched = replace(config, outer=outer).outer_loop()
            _check(problem, searched, outer, config.seed)
        except BadInput as error:
            errors.append(BadInput(f"{name}: {error.what}", error.expected, error.fix))
            refused = f"{error.what} - expected {error.expected}"
        named[name] = NamedLoop(replace(config, outer=outer), refused)
    if errors and len(errors) == len(named):
        raise errors[0]
    return named


def contest(run: Path, config: Config, named: dict[str, NamedLoop], means: Means) -> None:
    """Tune every loop, train it with every seed, write the page and compare.json.

    Finished trainings are kept. A training that was interrupted begins again.

    Args:
        run: the folder of the comparison.
        config: the problem, and how loops are compared on it.
        named: the outer loops.
        means: shows how many trainings of a loop are done, and knows of signals.
    """
    started = time.monotonic()
    jax.config.update("jax_enable_x64", config.precision == "float64")
    contestants: dict[str, Contestant] = {}
    for name, entry in named.items():
        if entry.refused:
            continue

        def tick(done: float, total: int, name: str = name) -> None:
            means.progress(name, float(done), total)
            means.stop.check()

        contestant = Contestant(run / "loops" / name, config, entry.outer, tick)
        warm(contestant.problem, contestant.outer, config.seed + TUNING)
        contestants[name] = contestant
        means.stop.check()
    for contestant in contestants.values():
        contestant.tune(config.seed + TUNING)
    # One seed of every loop after the other: a change of the machine's load meets all of them.
    for seed in range(config.seed, config.seed + config.compare.seeds):
        for contestant in contestants.values():
            contestant.judge(seed)
    comparison = _comparison(config, named, contestants)
    page.write(run, comparison, time.monotonic() - started)
    write_comparison(run, comparison)


def _check(
    problem: MetaProblem, searched: AbstractOuterLoop, outer: AbstractOuterLoop, seed: int
) -> None:
    """Refuse a loop that cannot take part.

    Args:
        problem: the lives.
        searched: the loop in its search space.
        outer: the loop as it was named.
        seed: of the experiment.

    Raises: BadInput for a loop that cannot work on the problem, or whose state changes its shape.
    """
    state = jax.eval_shape(partial(search_loop.begin, problem, searched, seed))
    if len(outer.forms(state)) > 1:
        raise BadInput(
            "restarts, which compile anew in the middle", "a state of one shape", "set restarts=0"
        )


def _comparison(
    config: Config, named: dict[str, NamedLoop], contestants: dict[str, Contestant]
) -> LoopComparison:
    """The comparison of the trained loops, with the refused ones."""
    records = {}
    for name, entry in named.items():
        trainings = contestants[name].trainings if name in contestants else None
        records[name] = LoopRecord(encode(entry.outer), entry.refused, trainings)
    settings = encode(config.compare)
    del settings["loops"]
    experiment = loops.Experiment(config.experiment, config.seed, ContestSettings(**settings))
    return loops.compared(experiment, records, list(config.compare.budgets()))
