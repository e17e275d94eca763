"""The files of a finished row: theta, the values on held-out lives, and row.json."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save

from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs.folder import write_bytes, write_json
from metaplast.signals import Theta


def theta_of(folder: Path, problem: MetaProblem) -> Theta:
    """The chosen theta of a finished row."""
    like = jax.eval_shape(lambda: problem.init(jax.random.key(0)))
    arrays = load_file(folder / "theta.safetensors")
    # `jnp.asarray` would compile a program for each shape.
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jax.device_put(arrays[dotted(path)]), like
    )


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
    arrays = {dotted(path): np.asarray(leaf) for path, leaf in leaves}
    save_arrays(folder / "theta.safetensors", arrays)
    save_arrays(folder / "lives.safetensors", scores)
    write_json(folder / "row.json", facts)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write {name: array} as a safetensors file, whole or not at all."""
    write_bytes(path, save({key: np.asarray(x, order="C") for key, x in arrays.items()}))


def dotted(path: Any) -> str:
    """The dotted name of a leaf, from its path as JAX gives it."""
    return jax.tree_util.keystr(path, simple=True, separator=".")
