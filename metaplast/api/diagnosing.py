"""Diagnose a problem from Python."""

from os import PathLike
from pathlib import Path
from typing import Any

from metaplast.api.carrying import precision_kept
from metaplast.api.checks import FEWEST, whole
from metaplast.api.run import Run
from metaplast.api.words import words_of
from metaplast.diagnosis import diagnose as diagnosis
from metaplast.registry import Plain
from metaplast.reuse import html
from metaplast.runs.config import Sources


class Diagnosed:
    """Measurements of the gradient of a problem, and the outer loop that they advise.

    numbers: every measurement, as `metaplast diagnose --json` prints them.
    text: the same in words.
    """

    def __init__(self, numbers: Plain, text: str) -> None:
        """Hold a diagnosis.

        Args:
            numbers: every measurement.
            text: the same in words.
        """
        self.numbers = numbers
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return html.formula(self.text)


def diagnose(
    experiment: str | Run | None = None,
    *,
    lives: int = 32,
    config_dir: str | PathLike[str] | None = None,
    **words: Any,
) -> Diagnosed:
    """Measure whether gradients of a problem can be trusted, as `metaplast diagnose` does.

        print(mp.diagnose("oja", task={"n_steps": 40}))

    Args:
        experiment: the name of an experiment, or a finished run, which is measured at its first and
            at its final theta; None: the main job.
        lives: lives of every measurement.
        config_dir: a folder of config groups of your own.
        words: config words, as in `train`.

    Raises: BadInput for words that do not compose, an unfinished run, or a problem without a
        number to search.
    """
    lives = whole("lives", lives, FEWEST)
    run = None
    if isinstance(experiment, Run):
        run = experiment.alone()
        experiment = None
    sources = Sources(None if config_dir is None else Path(config_dir))
    with precision_kept():
        report = diagnosis.diagnose(words_of(experiment, words), sources, lives, run)
    return Diagnosed(diagnosis.plain(report), diagnosis.render(report))
