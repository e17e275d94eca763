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
STEPS = "steps.safetensors"
"""The score of every step of the first held-out lives."""
N_CURVES = 128
"""The most lives in STEPS."""


def theta_of(folder: Path, problem: MetaProblem) -> Theta:
    """The chosen theta of a finished row.

    Raises: BadInput where the file is not there, is damaged or holds another theta.
    """
    like = jax.eval_shape(lambda: problem.init(jax.random.key(0)))
    file = folder / THETA
    arrays = read_arrays(file)

    def stored(path: Any, form: jax.ShapeDtypeStruct) -> jax.Array:
        name = dotted(path)
        if name not in arrays or arrays[name].shape != form.shape:
            raise BadInput(
                f"{file}: another theta than that of its config.yaml",
                f"{name} of shape {form.shape}",
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
    leaves = jax.tree_util.tree_flatten_with_path(theta)[0]
    arrays = {}
    for path, leaf in leaves:
        arrays[dotted(path)] = np.asarray(leaf)
    save_arrays(folder / THETA, arrays)
    save_arrays(folder / LIVES, scores)
    write_json(folder / RECORD, facts)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write {name: array} as a safetensors file, whole or not at all."""
    ordered = {}
    for name, values in arrays.items():
        ordered[name] = np.asarray(values, order="C")
    write_bytes(path, save(ordered))


def dotted(path: Any) -> str:
    """The dotted name of a leaf, from its path as JAX gives it."""
    return jax.tree_util.keystr(path, simple=True, separator=".")
