"""Streams of small real data sets: wine, breast cancer, iris."""

from functools import lru_cache
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inner_tasks import _bundled, _few_shot
from metaplast.registry import BadInput, register
from metaplast.signals import Key, TaskShape
from metaplast.spec import Count, Natural, NonNegative, Probability, spec
from metaplast.tasks import SPLITS, Split


class _File(NamedTuple):
    """A table of scikit-learn."""

    name: str
    n_features: int
    n_classes: int


FILES = {
    "wine": _File("wine_data.csv", 13, 3),
    "breast_cancer": _File("breast_cancer.csv", 30, 2),
    "iris": _File("iris.csv", 4, 3),
}
SHARES = {"train": 0.5, "validation": 0.2, "heldout": 0.3}  # of the rows of every class


@register("task", "tabular")
@spec
class Tabular(_few_shot.FewShot):
    """`shown` rows of a small table one at a time, then `queries` other rows with plasticity off.

    shown: rows that are shown.
    queries: other rows, asked with plasticity off.
    data: a table of scikit-learn: `wine` (178 rows, 13 features, 3 classes), `breast_cancer` (569,
        30, 2) or `iris` (150, 4, 3).
    split_seed: cuts every class: 50 % of its rows for `train` lives, 20 % for `validation`, 30 %
        for `heldout`.
    flip: the probability with which a life turns the sign of a feature.
    gain: a life has a factor for every feature, log-uniform up to this.

    Features are standardised by the training rows. Rows are drawn without replacement and
    regardless of class. A life has its own order of rows and its own names of the classes (a
    permutation). The loss is the cross-entropy. Metric: `accuracy`.

    Raises: BadInput where a split has fewer rows than a life needs.
    Source: this library; the tables are UCI's Wine, Breast Cancer Wisconsin (Diagnostic) and Iris
    (Fisher 1936).
    """

    data: Literal["wine", "breast_cancer", "iris"] = "wine"
    shown: Count = 24
    queries: Count = 10
    split_seed: Natural = 0
    flip: Probability = 0.5
    gain: NonNegative = 0.5

    def __post_init__(self) -> None:
        fewest = min(len(_part(self.data, self.split_seed, split).labels) for split in SPLITS)
        if self.shown + self.queries > fewest:
            raise BadInput(
                f"shown={self.shown} and queries={self.queries} of {self.data}",
                f"at most {fewest} rows in all: the smallest split has no more",
                "lower one of them",
            )

    def shape(self) -> TaskShape:
        file = FILES[self.data]
        return _few_shot.shape(
            file.n_features, file.n_classes, self.shown, self.queries, per_class=False
        )

    def files(self) -> dict[str, str]:
        return _bundled.files_of_table(FILES[self.data].name)

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        features, labels = _part(self.data, self.split_seed, split)
        file = FILES[self.data]
        sizes = (len(labels), file.n_classes, file.n_features, file.n_features)
        uniform = jax.random.uniform(key, (sum(sizes),))
        u_row, u_label, u_sign, u_gain = _few_shot.pieces(uniform, *sizes)
        rows = jnp.argsort(u_row)[: self.shown + self.queries]
        sign = jnp.where(u_sign < self.flip, -1.0, 1.0)
        scale = sign * jnp.exp(self.gain * (2.0 * u_gain - 1.0))
        renamed = jnp.argsort(u_label)[jnp.asarray(labels)[rows]]
        inputs = scale[None, :] * jnp.asarray(features, float)[rows]
        return _few_shot.Stream(inputs=inputs, labels=renamed)


@lru_cache(maxsize=64)
def _part(data: str, split_seed: int, split: Split) -> _bundled.Examples:
    """The rows that belong to a split, with standardised features."""
    features, labels = _bundled.table(FILES[data].name, skip=1)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for label in np.unique(labels):
        order = np.random.default_rng([split_seed, int(label)])
        of_class = order.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum([0.0, *SHARES.values()]) * len(of_class)).astype(int)
        for name, start, end in zip(SHARES, ends[:-1], ends[1:], strict=True):
            rows[name].append(of_class[start:end])
    train = np.concatenate(rows["train"])
    of_split = np.concatenate(rows[split])
    mean = features[train].mean(axis=0)
    spread = features[train].std(axis=0)
    return _bundled.Examples((features[of_split] - mean) / spread, labels[of_split])
