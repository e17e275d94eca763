"""The files of one fitted row: arrays in row.safetensors, everything else in row.json, which marks
a finished row.
"""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load_file, save

from metaplast.fitting.engine import Fitted
from metaplast.fitting.rows import Row
from metaplast.fitting.support import Choice
from metaplast.fitting.worth import Worth
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs import folder
from metaplast.tasks import SPLITS, Split

ALL = ""  # the key of what is no part


def _each(worth: Worth) -> dict[str, Worth]:
    return {ALL: worth, **worth.parts}


def _tree(row: Row) -> dict[str, Any]:
    """What of a row is arrays."""
    fits = [*row.starts, *([row.last] if row.last else [])]
    return {
        "theta": row.theta,
        "mask": row.mask,
        "worths": {
            split: {name: w.deviance for name, w in _each(worth).items()}
            for split, worth in row.worths.items()
        },
        "fits": {str(i): {"theta": f.theta, "path": f.path} for i, f in enumerate(fits)},
    }


def write(where: Path, row: Row) -> None:
    leaves = jax.tree_util.tree_flatten_with_path(_tree(row))[0]
    named = {
        jax.tree_util.keystr(path): np.ascontiguousarray(leaf).reshape(np.shape(leaf))
        for path, leaf in leaves
    }
    folder.write_bytes(where / "row.safetensors", save(named))
    fits = [*row.starts, *([row.last] if row.last else [])]
    facts = {
        "starts": len(row.starts),
        "fits": [[f.steps, f.stable, _json(f.loss), f.diverged] for f in fits],
        "path": [[c.strength, c.n_terms, _json(c.deviance), _json(c.error)] for c in row.path],
        "at": row.at,
        "r2": {
            split: {name: _json(w.r2) for name, w in _each(worth).items()}
            for split, worth in row.worths.items()
        },
        "spread": _json(row.spread),
    }
    folder.write_json(where / "row.json", facts)  # last: it marks a finished row


def _json(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def read(where: Path, problem: MetaProblem) -> Row:
    facts, named = (
        json.loads((where / "row.json").read_text()),
        load_file(where / "row.safetensors"),
    )
    like = jax.eval_shape(problem.init, jax.random.key(0))

    def tree(prefix: str) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda p, _: named[prefix + jax.tree_util.keystr(p)], like
        )

    fits = [
        Fitted(
            tree(f"['fits']['{i}']['theta']"),
            named[f"['fits']['{i}']['path']"],
            steps,
            stable,
            _float(loss),
            blown,
        )
        for i, (steps, stable, loss, blown) in enumerate(facts["fits"])
    ]
    n = facts["starts"]
    worths: dict[Split, Worth] = {}
    for split in SPLITS:
        each = {
            n: Worth(named[f"['worths']['{split}']['{n}']"], _float(r2))
            for n, r2 in facts["r2"][split].items()
        }
        whole = each.pop(ALL)
        worths[split] = whole._replace(parts=each)
    path = [Choice(s, k, _float(d), _float(e)) for s, k, d, e in facts["path"]]
    last = fits[n] if len(fits) > n else None
    return Row(
        tree("['theta']"),
        tree("['mask']"),
        fits[:n],
        path,
        facts["at"],
        last,
        worths,
        _float(facts["spread"]),
    )
