"""Several outer loops on one problem, each tuned, under equal budgets."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax

from metaplast import train
from metaplast.comparing.budget import warm
from metaplast.comparing.contestant import Contestant
from metaplast.figures import loop_curves
from metaplast.outer import AbstractOuterLoop
from metaplast.problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.results import loops
from metaplast.runs import folder
from metaplast.runs.config import Plain
from metaplast.runs.job import Config, parse
from metaplast.runs.lifecycle import Progress
from metaplast.runs.stopping import stoppable
from metaplast.space import within
from metaplast.spec import encode

RESULT = "compare.json"
TUNING = 10_000  # added to the seed of the trainings that are judged


class Entry(NamedTuple):
    """config: the problem with one outer loop.
    refused: why that loop cannot work on the problem; "" where it takes part.
    """

    config: Config
    refused: str

    @property
    def outer(self) -> AbstractOuterLoop:
        return self.config.outer


def contest_config(plain: Plain) -> Config:
    """The one row that a comparison is about. Raises: BadInput."""
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


def entries(config: Config, only: Sequence[str]) -> dict[str, Entry]:
    """Every outer loop that is named, and why it cannot take part, if so.

    Raises: BadInput, the first one's, where nobody can.
    """
    problem = config.meta_problem()
    everybody = {}
    errors = []
    loops_by_name = config.compare.contestants(config.outer, config.problem.n_tasks, only)
    for name, outer in loops_by_name.items():
        refused = ""
        try:
            _check(problem, within(outer, config.space), outer, config.seed)
        except BadInput as error:
            errors.append(BadInput(f"{name}: {error.what}", error.expected, error.fix))
            refused = f"{error.what} - expected {error.expected}"
        everybody[name] = Entry(replace(config, outer=outer), refused)
    if errors and len(errors) == len(everybody):
        raise errors[0]
    return everybody


def contest(run: Path, config: Config, everybody: dict[str, Entry], progress: Progress) -> None:
    """Tune every loop, train it with every seed, write compare.json and its figure.

    Finished trainings are kept; one that was interrupted begins again.
    """
    jax.config.update("jax_enable_x64", config.precision == "float64")
    with stoppable(run, lambda: None) as stop:
        contestants: dict[str, Contestant] = {}
        for name, entry in everybody.items():
            if entry.refused:
                continue

            def tick(done: float, total: int, name: str = name) -> None:
                progress(name, float(done), total)
                stop.check()

            contestant = Contestant(run / "loops" / name, config, entry.outer, tick)
            warm(contestant.problem, contestant.outer, config.seed + TUNING)
            contestants[name] = contestant
            stop.check()
        for contestant in contestants.values():
            contestant.tune(config.seed + TUNING)
        # One seed of every loop after the other: a change of the machine's load meets all of them.
        for seed in range(config.seed, config.seed + config.compare.seeds):
            for contestant in contestants.values():
                contestant.judge(seed)
        result = _result(config, everybody, contestants)
        loop_curves.draw(result, run / "figures" / "loops.png")
        folder.write_json(run / RESULT, result)


def _check(
    problem: MetaProblem, searched: AbstractOuterLoop, outer: AbstractOuterLoop, seed: int
) -> None:
    """Raises: BadInput for a loop that cannot be searched, or whose state changes its shape."""
    state = jax.eval_shape(partial(train.begin, problem, searched, seed))
    if len(outer.forms(state)) > 1:
        raise BadInput(
            "restarts, which compile anew in the middle", "a state of one shape", "set restarts=0"
        )


def _result(
    config: Config, everybody: dict[str, Entry], contestants: dict[str, Contestant]
) -> Plain:
    """compare.json."""
    courses = {}
    for name, entry in everybody.items():
        courses[name] = {"outer": encode(entry.outer), "refused": entry.refused or None}
        if name in contestants:
            courses[name] |= contestants[name].trainings
    summary = loops.summed_up(courses, list(config.compare.budgets()))
    settings = {key: value for key, value in encode(config.compare).items() if key != "loops"}
    return {
        "schema": loops.SCHEMA,
        "experiment": config.experiment,
        "seed": config.seed,
        "compare": settings,
        **summary,
    }
