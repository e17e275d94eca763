"""Data sets that come with other packages, read without an import of these packages.

An import of scikit-learn would cost every worker a second and 76 MB.
"""

import hashlib
import importlib.util
import zipfile
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from metaplast.registry import NotInstalled

SEGMENTS = "segment.csv.zip"


class Examples(NamedTuple):
    """Examples of some classes.

    features [n, n_features]: one row for each example.
    labels [n]: their classes, whole numbers from 0.
    """

    features: np.ndarray
    labels: np.ndarray


@lru_cache(maxsize=8)
def table(file: str, skip: int = 0) -> Examples:
    """The table in a file of scikit-learn.

    The last column of the file is the class.

    Args:
        file: the name of the file.
        skip: the number of lines before the first row.
    """
    values = np.loadtxt(_path_of_table(file), delimiter=",", dtype=np.float32, skiprows=skip)
    return Examples(values[:, :-1], values[:, -1].astype(np.int32))


@lru_cache(maxsize=1)
def image_segments() -> Examples:
    """The table of 2,310 image segments with 18 features, `ImageSegments` of the package river.

    Each row is a region of 3 x 3 pixels of an outdoor image. Labels are numbered by the alphabet.
    Source: Statlog (Image Segmentation), UCI.

    Raises: NotInstalled where river is not installed or brings no such file.
    """
    try:
        with zipfile.ZipFile(_path_of_segments()) as archive:
            # The table inside has the name of the archive.
            lines = archive.read(SEGMENTS).decode().splitlines()[1:]
    except (OSError, KeyError, zipfile.BadZipFile):
        raise NotInstalled(
            "the data set ImageSegments, which is not there",
            "the package river, which brings it",
            'pip install "metaplast[data]"',
        ) from None
    *features, names = zip(*(line.split(",") for line in lines), strict=True)
    labels = np.unique(names, return_inverse=True)[1]
    return Examples(np.asarray(features, np.float32).T, labels.astype(np.int32))


def files_of_table(file: str) -> dict[str, str]:
    """{name: SHA-256} of a file of scikit-learn."""
    return {file: _sha256(_path_of_table(file))}


def files_of_segments() -> dict[str, str]:
    """{name: SHA-256} of the file of `image_segments`, which must be there."""
    return {SEGMENTS: _sha256(_path_of_segments())}


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _path_of_table(file: str) -> str:
    folder = _folder("sklearn")
    assert folder is not None, "scikit-learn is a dependency of metaplast"
    return f"{folder}/datasets/data/{file}"


def _path_of_segments() -> str:
    return f"{_folder('river')}/datasets/{SEGMENTS}"


def _folder(package: str) -> str | None:
    """The folder of an installed package; None where it is not installed."""
    module = importlib.util.find_spec(package)
    if module is None or not module.submodule_search_locations:
        return None
    return module.submodule_search_locations[0]
