"""The rules of the synapses of a run merged into few, from Python."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.api.carrying import undisturbed
from metaplast.api.checks import FEWEST, whole
from metaplast.figures.merging import draw
from metaplast.figures.style import Picture, kept
from metaplast.registry import BadInput
from metaplast.results.merging import MergedScore
from metaplast.reuse import html
from metaplast.reuse.load import Rule, load_rule
from metaplast.training.merge import MergedRun, merge, text_of


class Merge:
    """k rules in place of one rule a synapse, and their scores on held-out lives.

    files: the paths of merge.json, of the figure and of the rule files.
    """

    def __init__(self, merged: MergedRun) -> None:
        """Hold a merge.

        Args:
            merged: the result.
        """
        self._merged = merged
        self.files = tuple(merged.files)

    @property
    def searched(self) -> MergedScore:
        """The scores of the rule as it was searched."""
        return self._merged.merging.searched

    @property
    def clusters(self) -> dict[int, MergedScore]:
        """{k: scores of k rules}."""
        return {one.k: one for one in self._merged.merging.clusters}

    @property
    def random(self) -> dict[int, MergedScore]:
        """{k: scores of random groups of the same sizes}."""
        return {one.k: one for one in self._merged.merging.random}

    @property
    def text(self) -> str:
        """The text that `metaplast merge` prints."""
        return text_of(self._merged.merging)

    def rule(self, k: int, edge: str | None = None) -> Rule:
        """The merged rule of a k that was asked for.

        Args:
            k: the number of rules.
            edge: the edge whose rule is meant, where there are several.
        """
        return load_rule(self._merged.rules[k], edge=edge)

    def plot(self) -> Picture:
        """The score over the number of rules."""
        with kept() as figures:
            draw(self._merged.merging, Path("merging"))
        return figures["merging"]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return html.formula(self.text)


def merged(run: Path, k: int | Sequence[int], lives: int) -> Merge:
    """Merge the rules of a finished run; see `Run.merge`.

    Args:
        run: the folder of the run.
        k: the number of rules, or several.
        lives: held-out lives.

    Raises: BadInput as `metaplast.training.merge.merge`, and for no k.
    """
    asked = list(k) if isinstance(k, Sequence) else [k]
    ks = [whole("k", one, 1) for one in asked]
    if not ks:
        raise BadInput("k=[]", "a number of rules, or several", "give one, such as 32")
    with undisturbed():
        return Merge(merge(run, ks, whole("lives", lives, FEWEST)))
