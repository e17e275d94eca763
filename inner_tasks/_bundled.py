"""Data sets that come with scikit-learn, read without importing it: that would cost every worker a second and 76 MB."""

import importlib.util
from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)
def table(file: str, skip: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(features [n, n_features], class labels [n]) of a bundled file whose last column is the class."""
    package = importlib.util.find_spec("sklearn")
    assert package is not None and package.submodule_search_locations, "scikit-learn is a dependency of metaplast"
    path = f"{package.submodule_search_locations[0]}/datasets/data/{file}"
    values = np.loadtxt(path, delimiter=",", dtype=np.float32, skiprows=skip)
    return values[:, :-1], values[:, -1].astype(np.int32)
