"""The bits of a rule and of its lives, from Python."""

from os import PathLike
from typing import Any

from metaplast.api.carrying import precision_kept
from metaplast.api.checks import FEWEST, name_of, whole
from metaplast.api.run import Run
from metaplast.api.words import words_of
from metaplast.inspection.information import Sizes, plain
from metaplast.inspection.information import words as sentences
from metaplast.registry import Plain
from metaplast.reuse import html
from metaplast.training.information import information_of


class Information:
    """The bits of a rule, the bits that its lives learn, and the innate share of its score.

    numbers: every measurement, as `metaplast information --json` prints them.
    text: the same in words.
    """

    def __init__(self, numbers: Plain, text: str) -> None:
        """Hold the measurements.

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


def information(
    rule: str | PathLike[str] | Run,
    experiment: str | None = None,
    *,
    lives: int = 64,
    tasks: int = 8,
    lives_per_task: int = 16,
    chance: float | None = None,
    **words: Any,
) -> Information:
    """Count the bits of a rule and of its held-out lives, as `metaplast information` does.

        mp.information("zoo/oja", "oja").numbers["learned"]

    Args:
        rule: a finished run, the path of a rule file, or `zoo/NAME`.
        experiment: the name of the experiment in whose task a rule file lives; None: of a run.
        lives: lives behind the bits of numbers and the innate share.
        tasks: the most tasks that are told apart by the weights of their lives.
        lives_per_task: lives of each of these tasks.
        chance: the score of guessing; None: where the accuracy of a task has one, that one.
        words: config words of the task of a rule file, as in `train`.

    Raises: BadInput for an unfinished run, a bad rule file, and words that do not compose.
    """
    sizes = Sizes(
        whole("lives", lives, FEWEST),
        whole("tasks", tasks, FEWEST),
        whole("lives_per_task", lives_per_task, FEWEST),
    )
    name = str(rule.alone()) if isinstance(rule, Run) else name_of(rule)
    said = []
    if experiment is not None or words:
        said = words_of(experiment, words)
    with precision_kept():
        bits = information_of(name, said, "heldout", sizes, chance)
    return Information(plain(bits), "\n".join(sentences(bits)))
