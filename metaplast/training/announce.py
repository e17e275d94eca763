"""What a run says while it goes on: each row as soon as it is done, the searched rule with its
formula.
"""

import json
from collections.abc import Sequence

import jax

from metaplast.results.statistics import estimate
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Run
from metaplast.runs.lifecycle import Say
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.training import summary


class Announcer:
    """Says every finished row of `runs` once, in the order in which they finish."""

    def __init__(self, runs: Sequence[Run], names: Sequence[str], say: Say) -> None:
        self.runs = runs
        self.say = say
        self.waiting = [
            name for name in names if not self._done(name)
        ]  # a resumed run says what is new

    def look(self) -> None:
        """Say what is done by now and was not said."""
        for name in [name for name in self.waiting if self._done(name)]:
            self.waiting.remove(name)
            self.say(self._line(name))
            if name == DISCOVERED and len(self.runs) == 1:
                self._say_rule()

    def _done(self, name: str) -> bool:
        files = [row_folder(one.folder, name) / "row.json" for one in self.runs]
        return all(file.is_file() for file in files)

    def _line(self, name: str) -> str:
        folders = [one.folder for one in self.runs]
        rows, metric = summary.lives(folders, [name])
        found = estimate(rows[name])
        told = [
            json.loads((row_folder(folder, name) / "row.json").read_text()) for folder in folders
        ]
        wall_s = sum(one.get("wall_s", 0.0) for one in told)
        interval = f"[{found.low:.3f}, {found.high:.3f}]"
        return f"{name:<24} {metric} {found.mean:.3f}  {interval}  {wall_s:.0f} s"

    def _say_rule(self) -> None:
        config = self.runs[0].job.main
        if not config.slots():
            return
        jax.config.update("jax_enable_x64", config.precision == "float64")
        problem = config.meta_problem()
        theta = theta_of(self.runs[0].folder, problem)
        document, tensors = describe_rule(problem.lifetime, theta, provenance={}, scores=[])
        self.say(formula(document, tensors))
