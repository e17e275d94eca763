"""One outer loop in a comparison: several settings are tried, and the best is trained with every
seed.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from metaplast.comparing.budget import Mark, spend
from metaplast.outer import AbstractOuterLoop
from metaplast.results import evaluate, loops
from metaplast.runs import folder
from metaplast.runs.config import Plain
from metaplast.runs.job import Config
from metaplast.space import within
from metaplast.tasks import Split

Tick = Callable[[float, int], None]  # trainings done, of at most so many


class Contestant:
    """One outer loop in a comparison. Finished trainings lie in the folder `where`; they are kept.

    trainings: {"tries": [training of every setting],
        "chosen": {budget: index of the setting},
        "runs": {budget: [training of every seed]}}
    """

    def __init__(self, where: Path, config: Config, outer: AbstractOuterLoop, tick: Tick) -> None:
        where.mkdir(parents=True, exist_ok=True)
        self.where, self.config, self.tick = where, config, tick
        self.problem, self.outer = config.meta_problem(), within(outer, config.space)
        self.budgets = config.compare.budgets()
        self.total = config.compare.tries + config.compare.seeds * len(self.budgets)
        self.done = 0
        self.trainings: Plain = {
            "tries": [],
            "chosen": {},
            "runs": {name: [] for name in self.budgets},
        }

    def tune(self, seed: int) -> None:
        """Every setting once, all on one seed, with all budgets; validation lives choose, for each
        budget by itself.
        """
        for index, hyper in enumerate(self._hypers()):
            run = partial(self._run, seed, hyper, self.budgets, judged=False)
            self.trainings["tries"].append(self._kept(f"try-{index}", run, 1))
        self.trainings["chosen"] = {
            name: loops.best_try(self.trainings["tries"], name) for name in self.budgets
        }

    def judge(self, seed: int) -> None:
        """The chosen settings, with the budgets that each was chosen for."""
        for index in dict.fromkeys(self.trainings["chosen"].values()):
            own = {
                name: budget
                for name, budget in self.budgets.items()
                if self.trainings["chosen"][name] == index
            }
            run = partial(
                self._run, seed, self.trainings["tries"][index]["hyper"], own, judged=True
            )
            found = self._kept(f"seed-{seed}-try-{index}", run, len(own))
            for name in own:
                self.trainings["runs"][name].append({"seed": seed, **found})

    def _kept(self, name: str, run: Callable[[], Plain], worth: int) -> Plain:
        file = self.where / f"{name}.json"
        if not file.is_file():
            folder.write_json(file, run())
        self.done += worth
        self.tick(self.done, self.total)
        return json.loads(file.read_text())

    def _hypers(self) -> list[dict[str, float]]:
        """The loop's own numbers, then points of the R-sequence (Roberts 2018) around them, equal
        steps in the log.
        """
        compare = self.config.compare
        own = {name: float(value) for name, value in self.outer.hyper().items()}
        free = [
            name
            for name, value in own.items()
            if value and name.split("_")[-1] not in compare.fixed
        ]
        golden = 1.0
        for _ in range(64):  # the root of x^(d+1) = x + 1
            golden = (1 + golden) ** (1 / (len(free) + 1))
        units = [
            [(0.5 + i / golden ** (k + 1)) % 1 for k in range(len(free))]
            for i in range(compare.tries)
        ]
        factors = [
            {name: compare.factor ** (2 * u - 1) for name, u in zip(free, us, strict=True)}
            for us in units
        ]
        return [
            {name: value * each.get(name, 1.0) for name, value in own.items()} for each in factors
        ]

    def _run(
        self, seed: int, hyper: dict[str, float], budgets: dict[str, float], judged: bool
    ) -> Plain:
        """One training and its scores: on validation lives at every mark, if judged on held-out
        ones at the ends.
        """
        n = self.config.compare.points if judged else 1
        limits = {
            name: [budget * 2.0 ** (k - n + 1) for k in range(n)]
            for name, budget in budgets.items()
        }
        types = self.outer.hyper()
        numbers = {name: jnp.asarray(value, types[name].dtype) for name, value in hyper.items()}
        ticking = lambda share: self.tick(self.done + share * len(budgets), self.total)
        course = spend(self.problem, self.outer, seed, numbers, limits, ticking)
        known: dict[int, Plain] = {}

        def scored(mark: Mark, split: Split) -> Plain:
            if split != "validation" or mark.steps not in known:
                known[mark.steps] = self._scores(mark, split)
            spent = {"steps": mark.steps, "lives": mark.lives, "cpu_s": round(mark.cpu_s, 4)}
            return {**spent, **known[mark.steps]}

        curve = {
            name: [scored(mark, "validation") for mark in marks]
            for name, marks in course.marks.items()
        }
        ends = (
            {name: scored(marks[-1], "heldout") for name, marks in course.marks.items()}
            if judged
            else {}
        )
        totals = {key: value for key, value in course._asdict().items() if key != "marks"}
        return {"hyper": hyper, **totals, "curve": curve, "heldout": ends}

    def _scores(self, mark: Mark, split: Split) -> Plain:
        """Every training is scored on the same lives of a split: those of the experiment's seed."""
        n = (
            self.config.evaluation.heldout
            if split == "heldout"
            else self.config.evaluation.validation
        )
        found = evaluate.lives(self.problem, mark.theta, self.config.seed, split, n)
        scores = {
            key: found[key].astype(np.float64) for key in ("loss", "accuracy") if key in found
        }
        means: dict[str, Any] = {}
        for key, values in scores.items():
            finite = values[np.isfinite(values)]
            means[key] = float(finite.mean()) if len(finite) else None
        return {
            **means,
            "not_finite": int((~np.isfinite(scores["loss"])).sum()),
            "n": len(scores["loss"]),
        }
