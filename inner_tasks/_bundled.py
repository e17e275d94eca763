"""Data sets that come with other packages, read without importing these: importing scikit-learn
would cost every worker a second and 76 MB."""

import importlib.util
import zipfile
from functools import lru_cache

import numpy as np

from metaplast.registry import BadInput


@lru_cache(maxsize=8)
def table(file: str, skip: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(features [n, n_features], class labels [n]) of a file of scikit-learn's whose last column is
    the class.
    """
    folder = _folder("sklearn")
    assert folder is not None, "scikit-learn is a dependency of metaplast"
    values = np.loadtxt(
        f"{folder}/datasets/data/{file}", delimiter=",", dtype=np.float32, skiprows=skip
    )
    return values[:, :-1], values[:, -1].astype(np.int32)


@lru_cache(maxsize=1)
def image_segments() -> tuple[np.ndarray, np.ndarray]:
    """(features [2310, 18], class labels [2310], by the alphabet) of `ImageSegments` of the package
    river.

    Statlog (Image Segmentation), UCI: each row is a region of 3 x 3 pixels of an outdoor image.
    Raises: BadInput where river is not installed or brings no such file.
    """
    path = f"{_folder('river')}/datasets/segment.csv.zip"
    try:
        with zipfile.ZipFile(path) as archive:
            lines = (
                archive.read("segment.csv.zip").decode().splitlines()[1:]
            )  # so the table inside is called
    except (OSError, KeyError, zipfile.BadZipFile):
        what = "the data set ImageSegments, which is not there"
        raise BadInput(
            what, "the package river, which brings it", 'pip install "metaplast[data]"'
        ) from None
    *features, names = zip(*(line.split(",") for line in lines), strict=True)
    return np.asarray(features, np.float32).T, np.unique(names, return_inverse=True)[1].astype(
        np.int32
    )


def _folder(package: str) -> str | None:
    """Where an installed package lies; None where it is not installed."""
    found = importlib.util.find_spec(package)
    return (
        found.submodule_search_locations[0] if found and found.submodule_search_locations else None
    )
