"""Open the folder of a run."""

from os import PathLike

from metaplast.api.run import Run


def open(run_dir: str | PathLike[str]) -> Run:
    """The run in a folder: a training, a group of trainings, or a fit, finished or not.

        run = mp.open("runs/oja")
        run.scores, run.rule, run.plot.curves()

    Args:
        run_dir: the folder, as train printed it.

    Raises: BadInput for a folder without a run.
    """
    return Run(run_dir)
