"""Sweeps from Python, with the folders of the command line."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from metaplast.api.carrying import means, modules
from metaplast.api.run import Run
from metaplast.api.training import check_jobs
from metaplast.api.words import words_of
from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle
from metaplast.runs.config import Sources, value_of
from metaplast.sweeping.axes import Word, axis, check
from metaplast.sweeping.kind import KIND
from metaplast.sweeping.members import Origin
from metaplast.sweeping.request import request_of


def sweep(
    experiment: str | None = None,
    *,
    over: Mapping[str, Iterable[Any]],
    run_dir: str | PathLike[str] | None = None,
    config: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    jobs: int | None = None,
    quiet: bool = False,
    **words: Any,
) -> Run:
    """Train every combination of the values of some words, as `metaplast sweep` does.

        done = mp.sweep("oja", over={"outer": ["bptt", "es"], "seed": range(3)}, steps=20)
        print(done.text)

    Args:
        experiment: the name of an experiment; None: the main job.
        over: {name of a field or of a group: its values}, such as `{"outer.learning_rate": [0.01,
            0.03]}`. Groups are chosen before the words, and fields are set after them.
        run_dir: folder of the sweep, new or empty; None: runs/<date>-sweep-...
        config: a file with a whole config, in place of an experiment.
        config_dir: a folder of config groups of your own.
        jobs: runs or groups of runs at a time; None: two where there are two cores and the memory.
        quiet: whether no progress is shown.
        words: config words that all runs share, as in `train`.

    Returns: the finished sweep. Its table is in `text`, its numbers are in results.csv of its
        folder.
    Raises: BadInput for words that do not go together; Busy for a folder in use; MembersFailed
        where a run failed, when the others are finished; KeyboardInterrupt after Ctrl-C.
    """
    path = None
    if run_dir is not None:
        path = Path(run_dir)
        folder.check_free(path)
    check_jobs(jobs)
    groups: list[Word] = []
    fields: list[Word] = []
    for key, values in over.items():
        found = axis(key, _texts(key, values))
        if "." in key:
            fields.append(found)
        else:
            groups.append(found)
    common = words_of(None, words)
    named = words_of(experiment, {})
    all_words: list[Word] = [*named, *groups, *common, *fields]
    check(all_words)
    sources = Sources(None if config_dir is None else Path(config_dir))
    origin = Origin(sources, None if config is None else Path(config))
    with means(quiet, KIND.counted, jobs) as how:
        request = request_of(all_words, origin, modules())
        made = lifecycle.start(KIND, request, path, how)
    KIND.demand_whole(made)
    return Run(made)


def _texts(key: str, values: Iterable[Any]) -> list[str]:
    """The values of an axis, as the command line has them."""
    if isinstance(values, str | Mapping):
        raise BadInput(f"over[{key!r}]={values!r}", "a list of values", f"write [{values!r}]")
    texts = []
    for value in values:
        if isinstance(value, str) and value and value_of(f"{key}={value}") == value:
            texts.append(value)  # without the quotes of JSON
            continue
        words = words_of(None, {key: value})
        if len(words) != 1:
            raise BadInput(f"over[{key!r}]: {value!r}", "names, numbers or lists", "name a field")
        texts.append(words[0].partition("=")[2])
    return texts
