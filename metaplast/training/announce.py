"""Lines of text during a run: every finished row, and the formula of the searched rule."""

from collections.abc import Sequence

import jax

from metaplast.results.statistics import estimate
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.formula import formula
from metaplast.runs import row_files
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Run
from metaplast.runs.lifecycle import Say
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.training import summary
from metaplast.training.row_record import read_record


class Announcer:
    """An announcer of finished rows. It announces each row once, as soon as all runs have it."""

    def __init__(self, runs: Sequence[Run], names: Sequence[str], say: Say) -> None:
        """Begin with the rows that are not done yet.

        Args:
            runs: the runs.
            names: the rows.
            say: shows a line of text.
        """
        self.runs = runs
        self.say = say
        self.waiting = list(names)
        for name in self._done():
            self.waiting.remove(name)

    def look(self) -> None:
        """Announce the rows that were done since the last look."""
        for name in self._done():
            self.waiting.remove(name)
            self.say(self._line(name))
            if name == DISCOVERED and len(self.runs) == 1:
                self._say_rule()

    def _done(self) -> list[str]:
        """The waiting rows that all runs have."""
        done = []
        for name in self.waiting:
            if all(row_files.is_finished(row_folder(run.folder, name)) for run in self.runs):
                done.append(name)
        return done

    def _line(self, name: str) -> str:
        """The score of a row in one line."""
        folders = [run.folder for run in self.runs]
        rows, metric = summary.lives(folders, [name])
        score = estimate(rows[name])
        wall_s = 0.0
        for folder in folders:
            wall_s += read_record(row_folder(folder, name)).wall_s or 0.0
        interval = f"[{score.low:.3f}, {score.high:.3f}]"
        return f"{name:<24} {metric} {score.mean:.3f}  {interval}  {wall_s:.0f} s"

    def _say_rule(self) -> None:
        config = self.runs[0].job.main
        if not config.slots():
            return
        jax.config.update("jax_enable_x64", config.precision == "float64")
        problem = config.meta_problem()
        theta = theta_of(self.runs[0].folder, problem)
        document, tensors = describe_rule(problem.lifetime, theta, provenance={}, scores=[])
        self.say(formula(document, tensors))
