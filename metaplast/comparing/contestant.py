"""One outer loop in a comparison: several settings are tried, and the best is trained with every
seed.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from metaplast.comparing.budget import Mark, spend
from metaplast.comparing.files import read_training, write_training
from metaplast.outer import AbstractOuterLoop
from metaplast.results import evaluate, loops
from metaplast.results.loop_comparison import (
    Hyper,
    LoopTraining,
    LoopTrainings,
    ScoredMark,
    SeedTraining,
)
from metaplast.runs.job import Config
from metaplast.tasks import Split

Tick = Callable[[float, int], None]  # trainings done, of at most so many


class Contestant:
    """One outer loop in a comparison. Its finished trainings are kept in a folder.

    trainings: filled by `tune` and `judge`.
    """

    def __init__(self, folder: Path, config: Config, outer: AbstractOuterLoop, tick: Tick) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = config
        self.tick = tick
        self.problem = config.meta_problem()
        self.outer = replace(config, outer=outer).outer_loop()
        self.budgets = config.compare.budgets()
        self.total = config.compare.tries + config.compare.seeds * len(self.budgets)
        self.done = 0
        self.trainings = LoopTrainings([], {}, {budget: [] for budget in self.budgets})

    def tune(self, seed: int) -> None:
        """Train every setting once, all on one seed, with all budgets.

        Validation lives choose a setting for each budget by itself.
        """
        tries = self.trainings.tries
        for index, hyper in enumerate(self._settings()):
            train = partial(self._train, seed, hyper, self.budgets, judged=False)
            tries.append(self._kept(f"try-{index}", train, 1))
        for budget in self.budgets:
            self.trainings.chosen[budget] = loops.best_try(tries, budget)

    def judge(self, seed: int) -> None:
        """Train each chosen setting with the budgets that it was chosen for."""
        chosen = self.trainings.chosen
        for index in dict.fromkeys(chosen.values()):
            budgets = {}
            for name, amount in self.budgets.items():
                if chosen[name] == index:
                    budgets[name] = amount
            hyper = self.trainings.tries[index].hyper
            train = partial(self._train, seed, hyper, budgets, judged=True)
            training = self._kept(f"seed-{seed}-try-{index}", train, len(budgets))
            for name in budgets:
                self.trainings.runs[name].append(SeedTraining(seed, training))

    def _kept(self, name: str, train: Callable[[], LoopTraining], worth: int) -> LoopTraining:
        """The training of that name from its file; it is made where there is none.

        Args:
            name: of the file.
            train: makes the training.
            worth: of how many trainings the progress bar counts it.
        """
        file = self.folder / f"{name}.json"
        if not file.is_file():
            write_training(file, train())
        self.done += worth
        self.tick(self.done, self.total)
        return read_training(file)

    def _settings(self) -> list[Hyper]:
        """The loop's own numbers, then points of the R-sequence (Roberts 2018) around them.

        The steps are equal in the logarithm.
        """
        compare = self.config.compare
        first = {}
        for name, value in self.outer.hyper().items():
            first[name] = float(value)
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

    def _train(
        self, seed: int, hyper: Hyper, budgets: dict[str, float], judged: bool
    ) -> LoopTraining:
        """Train once, and score the thetas on the way.

        Args:
            seed: of the training.
            hyper: the setting.
            budgets: {budget: amount}; the training lasts until the later one ends.
            judged: whether the ends are scored on held-out lives too, and not only every mark on
                validation lives.
        """
        n_points = self.config.compare.points if judged else 1
        limits = {}
        for name, amount in budgets.items():
            limits[name] = []
            for k in range(n_points):
                limits[name].append(amount * 2.0 ** (k - n_points + 1))
        types = self.outer.hyper()
        numbers = {}
        for name, value in hyper.items():
            numbers[name] = jnp.asarray(value, types[name].dtype)
        ticking = lambda share: self.tick(self.done + share * len(budgets), self.total)
        course = spend(self.problem, self.outer, seed, numbers, limits, ticking)
        curve = {}
        scored: dict[int, ScoredMark] = {}  # outer steps -> the score on validation lives
        for name, marks in course.marks.items():
            curve[name] = []
            for mark in marks:
                if mark.steps not in scored:
                    scored[mark.steps] = self._scored(mark, "validation")
                curve[name].append(scored[mark.steps])
        heldout = {}
        if judged:
            heldout = {}
            for name, marks in course.marks.items():
                heldout[name] = self._scored(marks[-1], "heldout")
        return LoopTraining(
            hyper=hyper,
            steps=course.steps,
            lives=course.lives,
            cpu_s=course.cpu_s,
            diverged=course.diverged,
            skipped=course.skipped,
            moved=course.moved,
            curve=curve,
            heldout=heldout,
        )

    def _scored(self, mark: Mark, split: Split) -> ScoredMark:
        """Every training is scored on the same lives of a split: those of the experiment's seed."""
        evaluation = self.config.evaluation
        n = evaluation.heldout if split == "heldout" else evaluation.validation
        values = evaluate.lives(
            self.problem, mark.theta, self.config.seed, split, n, evaluation.piece
        )
        loss = values["loss"]
        accuracy = values.get("accuracy")
        return ScoredMark(
            steps=mark.steps,
            lives=mark.lives,
            cpu_s=round(mark.cpu_s, 4),
            loss=_finite_mean(loss),
            accuracy=None if accuracy is None else _finite_mean(accuracy),
            not_finite=int((~np.isfinite(loss)).sum()),
            n=len(loss),
        )


def _finite_mean(values: np.ndarray) -> float:
    """The mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)].astype(np.float64)
    return float(finite.mean()) if len(finite) else np.nan
