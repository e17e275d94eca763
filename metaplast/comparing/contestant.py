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
        """Train each chosen setting with the budgets that it was chosen for."""
        chosen = self.trainings["chosen"]
        for index in dict.fromkeys(chosen.values()):
            budgets = {}
            for name, budget in self.budgets.items():
                if chosen[name] == index:
                    budgets[name] = budget
            hyper = self.trainings["tries"][index]["hyper"]
            run = partial(self._run, seed, hyper, budgets, judged=True)
            training = self._kept(f"seed-{seed}-try-{index}", run, len(budgets))
            for name in budgets:
                self.trainings["runs"][name].append({"seed": seed, **training})

    def _kept(self, name: str, run: Callable[[], Plain], worth: int) -> Plain:
        file = self.where / f"{name}.json"
        if not file.is_file():
            folder.write_json(file, run())
        self.done += worth
        self.tick(self.done, self.total)
        return json.loads(file.read_text())

    def _hypers(self) -> list[dict[str, float]]:
        """The loop's own numbers, then points of the R-sequence (Roberts 2018) around them.

        The steps are equal in the logarithm.
        """
        compare = self.config.compare
        first = {name: float(value) for name, value in self.outer.hyper().items()}
        free = []
        for name, value in first.items():
            if value and name.split("_")[-1] not in compare.fixed:
                free.append(name)
        golden = 1.0
        for _ in range(64):  # the root of x^(d+1) = x + 1
            golden = (1 + golden) ** (1 / (len(free) + 1))
        settings = []
        for index in range(compare.tries):
            setting = dict(first)
            for axis, name in enumerate(free):
                unit = (0.5 + index / golden ** (axis + 1)) % 1
                setting[name] = first[name] * compare.factor ** (2 * unit - 1)
            settings.append(setting)
        return settings

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
        values_of = evaluate.lives(self.problem, mark.theta, self.config.seed, split, n)
        scores = {
            key: values_of[key].astype(np.float64)
            for key in ("loss", "accuracy")
            if key in values_of
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
