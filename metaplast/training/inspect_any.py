"""The page of finished runs, or of one rule file, by their names."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.registry import BadInput
from metaplast.report.rule import folder_of, inspect_rule
from metaplast.reuse import shelf
from metaplast.runs.same_setting import runs_by_setting
from metaplast.training.effort import Effort, Tick
from metaplast.training.group import in_runs
from metaplast.training.inspected import of_rule_file
from metaplast.training.page import inspect_runs


def inspect(
    named: Sequence[str],
    words: Sequence[str],
    out: Path | None,
    n_lives: int,
    effort: Effort,
    tick: Tick,
) -> list[Path]:
    """Write the page of finished runs that differ in their seed, or of one rule file.

    Args:
        named: the folders of the runs, or the folder of a group of them, or the path of a rule
            file, or `zoo/NAME`.
        words: of a rule file alone: words of a config that give its task; none without a task.
        out: the folder of the page; None: the folder of the run or of the group; for several runs
            one beside the first; for a rule file `<name>_inspect` beside it, for a rule of the zoo
            here.
        n_lives: held-out lives per run behind the learning curves.
        effort: the time that may be taken.
        tick: a function that is called as parts get done.

    Returns: the files of the page, report.html and inspect.json first.
    Raises: BadInput for unfinished runs, runs that differ in more than their seed, a bad rule file,
        and words without one.
    """
    if not named:
        raise BadInput(" ".join(words), "RUN_DIR or RULE", "name a finished run or a rule file")
    paths = []
    for name in named:
        if shelf.is_shelved(name):
            out = out or Path(f"{name.removeprefix(shelf.PREFIX)}_inspect")
            paths.append(shelf.file_of(name))
        else:
            paths.append(Path(name))
    if len(paths) == 1 and paths[0].is_file():
        target = folder_of(paths[0], out)
        parts = of_rule_file(paths[0], words, effort, target, tick)
        name = named[0]
        if Path(name).is_absolute():
            name = paths[0].name  # a page that is sent on tells no folder of this machine
        return inspect_rule(paths[0], target, parts, name)
    if words:
        raise BadInput(
            " ".join(words), "a rule file before words", "judge runs with `metaplast eval`"
        )
    runs = in_runs(paths)
    if len(runs) > 1 and len(paths) == 1:
        _check_seeds(paths[0], runs)
        out = out or paths[0]
    return inspect_runs(runs, out, n_lives, tick, effort)


def _check_seeds(group: Path, runs: Sequence[Path]) -> None:
    """Raises: BadInput for a group whose runs differ in more than their seed."""
    settings = runs_by_setting(runs)
    if len(settings) > 1:
        names = ", ".join(str(run) for run in runs)
        raise BadInput(
            f"{group}, a group of {len(settings)} settings",
            "runs that differ in their seed alone",
            f"name those of one setting: {names}",
        )
