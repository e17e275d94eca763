"""The figures of a run, as figures of matplotlib."""

from collections.abc import Callable, Sequence
from pathlib import Path

from metaplast.api.carrying import precision_kept
from metaplast.figures.style import Picture
from metaplast.registry import BadInput
from metaplast.training.page import FIGURES_OF, figures_of


class Plots:
    """The figures of a finished run, drawn by the code of its page.

    Every method gives a figure of matplotlib, which a notebook shows and which may be changed:
    `figure.axes[0].set_title("mine")`. Where a part of the page has several figures, a method gives
    the first, and `figures` gives all. Those from `ablation` on live the rule anew, which takes as
    long as their part of `inspect`.

    Raises: BadInput for an unfinished run, and where the run has no such figure.
    """

    def __init__(self, folder: Path, members: Callable[[], Sequence[Path]]) -> None:
        """Draw nothing yet.

        Args:
            folder: the folder of the run.
            members: gives the folders of the finished runs.
        """
        self._folder = folder
        self._members = members

    @property
    def names(self) -> tuple[str, ...]:
        """The names for `figures`."""
        return FIGURES_OF

    def figures(self, name: str) -> dict[str, Picture]:
        """All figures of a part of the page.

        Args:
            name: one of `names`.

        Returns: {name of the figure: figure}.
        """
        with precision_kept():
            return figures_of(self._members(), name)

    def curves(self, metric: str | None = None) -> Picture:
        """The learning curves within a life: one line with its band for every row.

        Args:
            metric: the metric; None: accuracy where the task reports it, else loss.
        """
        figures = self.figures("curves")
        known = [name.removeprefix("curves_") for name in figures]
        if metric is None:
            metric = "accuracy" if "accuracy" in known else "loss"
        if metric not in known:
            raise BadInput(f"metric {metric!r}", f"one of {', '.join(known)}", "choose one")
        return figures[f"curves_{metric}"]

    def training(self) -> Picture:
        """The loss of every trained row over the outer steps."""
        return self._first("training")

    def scores(self) -> Picture:
        """The mean of every row with its 95 % interval."""
        return self._first("scores")

    def gains(self) -> Picture:
        """The gain of the discovered row over every other one."""
        return self._first("gains")

    def coefficients(self) -> Picture:
        """The coefficients of the rule; over seeds, with intervals."""
        return self._first("coefficients")

    def path(self) -> Picture:
        """The coefficients over meta-training."""
        return self._first("path")

    def numbers(self) -> Picture:
        """The numbers of a rule that is no list of terms."""
        return self._first("numbers")

    def windows(self) -> Picture:
        """The change of weight over the time between two spikes."""
        return self._first("windows")

    def surfaces(self) -> Picture:
        """The change of weight over two signals."""
        return self._first("surfaces")

    def landscape(self) -> Picture:
        """The change of weight over the signals that matter most, where lives go."""
        return self._first("landscape")

    def ablation(self) -> Picture:
        """The worth of every term: the score without it."""
        return self._first("ablation")

    def distillation(self) -> Picture:
        """The rule as a sum of few named terms, and how well it fits."""
        return self._first("distillation")

    def kinship(self) -> Picture:
        """The likeness to every known rule."""
        return self._first("kinship")

    def identifiability(self) -> Picture:
        """The directions of theta that the task pins down."""
        return self._first("identifiability")

    def innate(self) -> Picture:
        """The score at birth and after learning, over the search and over the length of a life."""
        return self._first("innate")

    def horizons(self) -> Picture:
        """The score in lives of other lengths."""
        return self._first("horizons")

    def life(self) -> Picture:
        """Weights and activity through a life."""
        return self._first("life")

    def spikes(self) -> Picture:
        """The spikes of one held-out life, and the rate of each population.

        `figures("spikes")` also has membrane potentials, weights and intervals between spikes.
        """
        return self._first("spikes")

    def protocols(self) -> Picture:
        """The change of weight by pairs of spikes at a frequency, and by triplets."""
        return self._first("protocols")

    def __repr__(self) -> str:
        return f"Plots of {self._folder}: {', '.join(FIGURES_OF)}"

    def _first(self, name: str) -> Picture:
        """The first figure of a part."""
        return next(iter(self.figures(name).values()))
