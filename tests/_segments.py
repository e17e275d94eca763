"""Whether the table of image segments is installed, and a stand-in of the same form for it."""

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pytest

N_EACH = 330
N_FEATURES = 18
KINDS = ("brickface", "cement", "foliage", "grass", "path", "sky", "window")
needs_river = pytest.mark.skipif(
    importlib.util.find_spec("river") is None,
    reason='needs the data set that comes with river: "metaplast[data]"',
)


def stand_in(folder: Path) -> tuple[np.ndarray, list[str]]:
    """Write a package `river` that holds nothing but a table.

    Args:
        folder: the folder of the package.

    Returns: (the features of the table, its kinds).
    """
    random = np.random.default_rng(0)
    kinds = [KINDS[i] for i in random.permutation(np.repeat(np.arange(len(KINDS)), N_EACH))]
    features = np.round(random.normal(3.0, 2.0, (len(kinds), N_FEATURES)), 3)
    header = ",".join([*(f"feature-{i}" for i in range(N_FEATURES)), "category"])
    rows = [",".join([*map(str, row), kind]) for row, kind in zip(features, kinds, strict=True)]
    datasets = folder / "river" / "datasets"
    datasets.mkdir(parents=True)
    (folder / "river" / "__init__.py").write_text("")
    with zipfile.ZipFile(datasets / "segment.csv.zip", "w") as archive:
        archive.writestr("segment.csv.zip", "\n".join([header, *rows]) + "\n")
    return features, kinds
