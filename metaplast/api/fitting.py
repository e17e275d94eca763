"""Fit rules to a recording from Python."""

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from metaplast.api.carrying import means
from metaplast.api.run import Run
from metaplast.api.words import words_of
from metaplast.fitting.kind import KIND
from metaplast.fitting.request import request_of
from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle, notebook
from metaplast.runs.config import Sources
from metaplast.runs.lifecycle import Request


def fit(
    data: str | PathLike[str] | None = None,
    *,
    experiment: str | None = None,
    recover: Mapping[str, Any] | None = None,
    run_dir: str | PathLike[str] | None = None,
    config_dir: str | PathLike[str] | None = None,
    quiet: bool = False,
    **words: Any,
) -> Run:
    """Fit families of plasticity rules to a recording, as `metaplast fit` does.

        run = mp.fit("trials.npz", network={"hidden": [10]}, fit={"bootstrap": 200})
        print(run.text)

    Args:
        data: an .npz file (docs/guides/fit.md) or an .nwb file; None: a made-up example, or the
            simulated data of an experiment.
        experiment: the name of an experiment; None: the one that fits the data.
        recover: fit values that are simulated from this rule in place of the recorded ones, such as
            {"rule": "oja"}.
        run_dir: folder of the fit, new or empty; None: runs/<date>-fit-...
        config_dir: a folder of config groups of your own.
        quiet: whether no progress is shown.
        words: config words, as in `train`.

    Returns: the finished fit. Its numbers are in `result`, its words in `text`.
    Raises: BadInput for data or words that are wrong; Busy; KeyboardInterrupt after Ctrl-C.
    """
    path = None
    if run_dir is not None:
        path = Path(run_dir)
        folder.check_free(path)
    said = words_of(experiment, words)
    if data is not None:
        file = fspath(data)
        if not Path(file).is_file():
            raise BadInput(f"data {file}", "an .npz or .nwb file", "correct the path")
        said = [file, *said]
    sources = Sources(None if config_dir is None else Path(config_dir))
    plain, truth = request_of(said, words_of(None, recover or {}), sources)
    request = Request(notebook.recorded(plain), {"recover": truth})
    with means(quiet, KIND.counted) as how:
        made = lifecycle.start(KIND, request, path, how)
    return Run(made)
