"""The information of a finished run, or of a rule file in a task: `metaplast information`."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.inspection.information import FEW, Information, Sizes, information
from metaplast.inspection.subject import Subject
from metaplast.registry import BadInput
from metaplast.reuse import shelf
from metaplast.reuse.rule_file import RuleFile
from metaplast.runs.folder import row_folder
from metaplast.settings.names import DISCOVERED
from metaplast.tasks import Split
from metaplast.training.finished_run import read_finished
from metaplast.training.inspected import of_rule, of_run
from metaplast.training.pool import pool


def information_of(
    name: str,
    words: Sequence[str] = (),
    split: Split = "heldout",
    sizes: Sizes = FEW,
    chance: float | None = None,
) -> Information:
    """The information of a finished run, or of a rule file in the task of a config.

    Args:
        name: the folder of the run, or the path of a rule file, or `zoo/NAME`.
        words: of a rule file alone: words of a config that give its task.
        split: of the tasks.
        sizes: the lives that are lived.
        chance: the score of guessing; None: where the accuracy of a task has one, that one.

    Raises: BadInput for an unfinished run, a bad rule file, words that do not compose, and words
        that are missing or too many.
    """
    return information(subject_of(name, words), split, sizes, chance)


def subject_of(name: str, words: Sequence[str]) -> Subject:
    """A rule in its task. The arguments and the errors are those of `information_of`."""
    path = shelf.file_of(name) if shelf.is_shelved(name) else Path(name)
    if path.is_file():
        if not words:
            fix = f"e.g. metaplast information {name} experiment=oja"
            raise BadInput(f"{name} without a task", "words of a config", fix)
        return of_rule(path, words)
    if words:
        raise BadInput(" ".join(words), "a rule file before words", "leave them out for a run")
    run = read_finished(path)
    row = row_folder(path, DISCOVERED)
    return of_run(run.job, run.rule or RuleFile({}, {}), row, pool([path]).metric)
