"""Several outer loops on one problem, each tuned, under equal budgets: from the config to the folder."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.inspection import evaluate, loop_figures, loops
from metaplast.interfaces import AbstractOuterLoop
from metaplast.launch import folder, preflight
from metaplast.launch.budget import Course, Mark, spend, warm
from metaplast.launch.compare_settings import Compare
from metaplast.launch.config import Plain, read_file, to_yaml
from metaplast.launch.job import Config, Job, parse
from metaplast.launch.run import environment
from metaplast.launch.stopping import stoppable
from metaplast.problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.space import within
from metaplast.spec import encode

REQUEST, RESULT = "compare_request.json", "compare.json"
TUNING = 10_000  # added to the seed of the trainings that are judged
Progress = Callable[[str, int, int], None]
Tick = Callable[[float], None]


def start(plain: Plain, path: Path | None, progress: Progress, only: Sequence[str] = ()) -> Path:
    """A new comparison. only: names of the outer loops that take part. Nothing on disk changes unless it is valid.

    Raises: BadInput, folder.Busy, stopping.Interrupted, OSError.
    """
    job = parse({**plain, "rows": {}})
    preflight.check(job, 1)
    _entrants(job.main, only)
    run = folder.create(path or folder.fresh_path(f"compare-{job.main.experiment}", job.main.seed))
    with folder.locked(run), folder.logged(run):
        folder.write_text(run / "config.yaml", to_yaml(plain))
        folder.write_json(run / "environment.json", environment())
        folder.write_json(run / REQUEST, {"only": list(only)})
        _execute(run, job, only, progress)
    return run


def is_comparison(run: Path) -> bool:
    return (run / REQUEST).is_file()


def resume(run: Path, progress: Progress) -> Path:
    """Go on with a comparison: finished trainings are kept, the one that was interrupted begins again."""
    folder.check_idle(run)
    only = json.loads((run / REQUEST).read_text())["only"]
    job = parse({**read_file(run / "config.yaml"), "rows": {}})
    with folder.locked(run), folder.logged(run):
        if not (run / RESULT).is_file():
            _execute(run, job, only, progress)
    return run


def render(run: Path) -> str:
    """What `metaplast compare` prints at the end."""
    files = [("json", run / RESULT), ("figure", run / "figures" / "loops.png")]
    return "\n\n".join([loops.render(read(run)), "\n".join(f"{kind:8} {path}" for kind, path in files)])


def read(run: Path) -> Plain:
    return json.loads((run / RESULT).read_text())


def _entrants(config: Config, only: Sequence[str]) -> dict[str, AbstractOuterLoop]:
    config.compare.budgets()
    found = config.compare.entrants(config.outer, only)
    return {name: within(outer, config.space) for name, outer in found.items()}


def _execute(run: Path, job: Job, only: Sequence[str], progress: Progress) -> None:
    config = job.main
    jax.config.update("jax_enable_x64", config.precision == "float64")
    problem, told = config.meta_problem(), {}
    with stoppable(run, lambda: None) as stop:
        for name, outer in _entrants(config, only).items():

            def tick(done: float, total: int, name: str = name) -> None:
                progress(name, int(100 * done), 100 * total)
                stop.check()

            told[name] = {"outer": encode(outer), **_Entrant(run / "loops" / name, config, problem, outer).told(tick)}
        if all(one["refused"] for one in told.values()):
            first = next(name for name in told)
            raise BadInput(f"{first}: {told[first]['refused']}", "an outer loop that works on this problem", "--loops")
        result = loops.summed_up(told, list(config.compare.budgets()))
        settings = {key: value for key, value in encode(config.compare).items() if key != "loops"}
        head = {"schema": loops.SCHEMA, "experiment": config.experiment, "seed": config.seed, "compare": settings}
        loop_figures.curves(result, run / "figures" / "loops.png")
        folder.write_json(run / RESULT, {**head, **result})


class _Entrant:
    """One outer loop: tried, chosen, trained with several seeds. Its finished trainings lie in `where`."""

    def __init__(self, where: Path, config: Config, problem: MetaProblem, outer: AbstractOuterLoop) -> None:
        self.where, self.config, self.problem, self.outer = where, config, problem, outer
        self.compare: Compare = config.compare

    def told(self, tick: Callable[[float, int], None]) -> Plain:
        """{"refused": why or null, "compile_s", "tries": [...], "chosen": {budget: try}, "runs": {budget: [seeds]}}."""
        self.where.mkdir(parents=True, exist_ok=True)
        tuning = self.config.seed + TUNING
        try:
            self.outer.check(self.problem, train.stream(self.config.seed, "theta"))
            compile_s = warm(self.problem, self.outer, tuning)
        except BadInput as error:
            return {"refused": f"{error.what} - expected {error.expected}"}
        budgets, hypers = self.compare.budgets(), self._hypers()
        total, done = len(hypers) + len(budgets) * self.compare.seeds, 0
        tries = []
        for index, hyper in enumerate(hypers):
            ticking = lambda share, at=index: tick(at + share, total)  # noqa: E731
            tries.append(self._kept(f"try-{index}", partial(self._run, tuning, hyper, budgets, ticking, "validation")))
        chosen = {name: loops.best_try(tries, name) for name in budgets}
        done, runs = len(tries), {name: [] for name in budgets}
        for index in dict.fromkeys(chosen.values()):
            own = {name: budget for name, budget in budgets.items() if chosen[name] == index}
            for seed in range(self.config.seed, self.config.seed + self.compare.seeds):
                ticking = lambda share, at=done, own=own: tick(at + len(own) * share, total)  # noqa: E731
                run = partial(self._run, seed, hypers[index], own, ticking, "heldout")
                found = self._kept(f"seed-{seed}-try-{index}", run)
                done += len(own)
                for name in own:
                    runs[name].append({"seed": seed, **found})
        return {"refused": None, "compile_s": round(compile_s, 2), "tries": tries, "chosen": chosen, "runs": runs}

    def _kept(self, name: str, run: Callable[[], Plain]) -> Plain:
        file = self.where / f"{name}.json"
        if not file.is_file():
            folder.write_json(file, run())
        return json.loads(file.read_text())

    def _hypers(self) -> list[dict[str, float]]:
        """The loop's own numbers, then points of the R-sequence (Roberts 2018) around them, equal steps in the log."""
        own = {name: float(value) for name, value in self.outer.hyper().items()}
        golden = 1.0
        for _ in range(64):  # the root of x^(d+1) = x + 1
            golden = (1 + golden) ** (1 / (len(own) + 1))
        found = []
        for i in range(self.compare.tries):
            unit = [(0.5 + i / golden ** (k + 1)) % 1 for k in range(len(own))]
            found.append(
                {name: own[name] * self.compare.factor ** (2 * u - 1) for name, u in zip(own, unit, strict=True)}
            )
        return found

    def _run(self, seed: int, hyper: dict[str, float], budgets: dict[str, float], tick: Tick, split: Any) -> Plain:
        """One training and its scores: on validation lives at every mark, and on held-out ones at the budget's end."""
        n = self.compare.points
        limits = {name: [budget * 2.0 ** (k - n + 1) for k in range(n)] for name, budget in budgets.items()}
        if split == "validation":
            limits = {name: at[-1:] for name, at in limits.items()}
        types = self.outer.hyper()
        numbers = {name: jnp.asarray(value, types[name].dtype) for name, value in hyper.items()}
        course = spend(self.problem, self.outer, seed, numbers, limits, tick)
        curve = {name: [self._scored(mark, "validation") for mark in marks] for name, marks in course.marks.items()}
        heldout = {name: self._scored(marks[-1], "heldout") for name, marks in course.marks.items()}
        return {
            "hyper": hyper,
            **_totals(course),
            "curve": curve,
            **({"heldout": heldout} if split == "heldout" else {}),
        }

    def _scored(self, mark: Mark, split: Any) -> Plain:
        """Every training is scored on the same lives of a split: those of the experiment's seed."""
        n = self.config.evaluation.heldout if split == "heldout" else self.config.evaluation.validation
        scores = evaluate.lives(self.problem, mark.theta, self.config.seed, split, n)
        own = {key: scores[key] for key in ("loss", "accuracy") if key in scores}
        finite = {key: values[np.isfinite(values)] for key, values in own.items()}
        means = {key: float(values.mean()) if len(values) else None for key, values in finite.items()}
        spent = {"steps": mark.steps, "lives": mark.lives, "cpu_s": round(mark.cpu_s, 4)}
        return {**spent, **means, "not_finite": int((~np.isfinite(own["loss"])).sum()), "n": len(own["loss"])}


def _totals(course: Course) -> Plain:
    plain = course._replace(cpu_s=round(course.cpu_s, 4))._asdict()
    return {key: value for key, value in plain.items() if key != "marks"}
