"""The files of a finished row: theta, the values on held-out lives, and row.json."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.runs.folder import RECORD, write_bytes, write_json
from metaplast.signals import Theta

THETA = "theta.safetensors"
"""The chosen theta."""
LIVES = "lives.safetensors"
"""Values on held-out lives."""
VALIDATION = "validation.safetensors"
"""Values on validation lives."""
CANDIDATES = "candidates.safetensors"
"""Theta at the start and at equally spaced outer steps, stacked; absent where nothing is learned.

The array OUTER_STEPS says at which steps.
"""
OUTER_STEPS = "outer_steps"
FRONT = "front.json"
"""The rules that the search ends with (`AbstractOuterLoop.front`); absent where there are none."""
STEPS = "steps.safetensors"
"""The score of every step of the first held-out lives."""
N_CURVES = 128
"""The most lives in STEPS."""


def theta_of(folder: Path, problem: MetaProblem) -> Theta:
    """The chosen theta of a finished row.

    Raises: BadInput where the file is not there, is damaged or holds another theta.
    """
    file = folder / THETA
    return _in_form(read_arrays(file), problem, (), file)


def candidates_of(folder: Path, problem: MetaProblem) -> tuple[list[int], Theta] | None:
    """(Outer steps, the thetas after them, stacked) of the candidates of a finished row.

    None for a row that learned nothing, and for one of a version that kept no candidates.

    Raises: BadInput where the file is damaged or holds other thetas.
    """
    file = folder / CANDIDATES
    if not file.is_file():
        return None
    arrays = read_arrays(file)
    steps = arrays[OUTER_STEPS].tolist()
    return steps, _in_form(arrays, problem, (len(steps),), file)


def _in_form(
    arrays: dict[str, np.ndarray], problem: MetaProblem, leading: tuple[int, ...], file: Path
) -> Theta:
    """The theta of a problem from the arrays of a file. leading: axes before those of a leaf."""
    like = jax.eval_shape(lambda: problem.init(jax.random.key(0)))

    def stored(path: Any, form: jax.ShapeDtypeStruct) -> jax.Array:
        name = dotted(path)
        shape = (*leading, *form.shape)
        if name not in arrays or arrays[name].shape != shape:
            raise BadInput(
                f"{file}: another theta than that of its config.yaml",
                f"{name} of shape {shape}",
                "restore the file, or run again",
            )
        # `jnp.asarray` would compile a program for each shape.
        return jax.device_put(arrays[name])

    return jax.tree_util.tree_map_with_path(stored, like)


def is_finished(folder: Path) -> bool:
    """Whether the row of a folder is finished."""
    return (folder / RECORD).is_file()


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """{name: array} of a file that `save_arrays` wrote.

    Raises:
        BadInput: the file is not there, or it is damaged.
        OSError: the disk refuses.
    """
    try:
        return load(file.read_bytes())
    except FileNotFoundError:
        what = "not there"
    except (SafetensorError, ValueError):
        what = "damaged"
    raise BadInput(f"{file}, {what}", "arrays of a finished row", "restore the file, or run again")


def publish(
    folder: Path, theta: Theta, scores: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    """Write the files from which a table is made.

    row.json is written last. It marks a finished row.

    Args:
        folder: the folder of the row.
        theta: the chosen theta.
        scores: {metric: values on held-out lives}.
        facts: the content of row.json.
    """
    save_arrays(folder / THETA, _named(theta))
    save_arrays(folder / LIVES, scores)
    write_json(folder / RECORD, facts)


def save_candidates(folder: Path, steps: list[int], thetas: Theta) -> None:
    """Write the candidates of a row.

    Args:
        folder: the folder of the row.
        steps: the outer steps after which they were taken; 0 is the start.
        thetas: the candidates, stacked.
    """
    save_arrays(folder / CANDIDATES, {**_named(thetas), OUTER_STEPS: np.asarray(steps, np.int32)})


def _named(theta: Theta) -> dict[str, np.ndarray]:
    """{dotted name: array} of the leaves of a theta."""
    arrays = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(theta)[0]:
        arrays[dotted(path)] = np.asarray(leaf)
    return arrays


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write {name: array} as a safetensors file, whole or not at all."""
    ordered = {}
    for name, values in arrays.items():
        ordered[name] = np.asarray(values, order="C")
    write_bytes(path, save(ordered))


def dotted(path: Any) -> str:
    """The dotted name of a leaf, from its path as JAX gives it."""
    return jax.tree_util.keystr(path, simple=True, separator=".")
