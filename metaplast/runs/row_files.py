"""The files of a finished row: its theta, its values on held-out lives, row.json."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save

from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs.folder import write_bytes, write_json
from metaplast.signals import Theta


def theta_of(folder: Path, problem: MetaProblem) -> Theta:
    """The chosen theta of a finished row."""
    like = jax.eval_shape(problem.init, jax.random.key(0))
    arrays = load_file(folder / "theta.safetensors")
    return jax.tree_util.tree_map_with_path(lambda path, _: jnp.asarray(arrays[dotted(path)]), like)


def publish(
    folder: Path, theta: Theta, scores: dict[str, np.ndarray], facts: dict[str, Any]
) -> None:
    """What the table is made of; row.json comes last, so it marks a finished row."""
    leaves = jax.tree_util.tree_flatten_with_path(theta)[0]
    numbers = {dotted(path): np.asarray(leaf) for path, leaf in leaves}
    save_arrays(folder / "theta.safetensors", numbers)
    save_arrays(folder / "lives.safetensors", scores)
    write_json(folder / "row.json", facts)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    write_bytes(path, save({key: np.asarray(x, order="C") for key, x in arrays.items()}))


def dotted(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
