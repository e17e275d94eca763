"""The files of one fitted row.

row.safetensors holds its arrays, row.json everything else. row.json marks a finished row.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors.numpy import save

from metaplast.fitting.engine import SearchResult
from metaplast.fitting.judgement import Judgement
from metaplast.fitting.rows import Row
from metaplast.fitting.support import SupportOption
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs import folder
from metaplast.runs.row_files import read_arrays
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split

ARRAYS, FACTS = "row.safetensors", "row.json"
WHOLE = ""  # the key of a judgement that is of no part


def is_finished(where: Path) -> bool:
    """Whether the folder holds a finished row."""
    return (where / FACTS).is_file()


def write(where: Path, row: Row) -> None:
    """Write the files of a row, row.json last."""
    named = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(_arrays(row))[0]:
        named[jax.tree_util.keystr(path)] = np.ascontiguousarray(leaf).reshape(np.shape(leaf))
    folder.write_bytes(where / ARRAYS, save(named))
    r2 = {}
    for split, judgement in row.judgements.items():
        r2[split] = {name: _json(part.r2) for name, part in _by_part(judgement).items()}
    facts = {
        "starts": len(row.starts),
        "fits": [[f.steps, f.stable, _json(f.loss), f.diverged] for f in _fits(row)],
        "path": [[o.strength, o.n_terms, _json(o.deviance), _json(o.error)] for o in row.path],
        "at": row.at,
        "r2": r2,
        "spread": _json(row.residual_sd),
    }
    folder.write_json(where / FACTS, facts)


def _fits(row: Row) -> list[SearchResult]:
    """The fits of all starts, then the last one."""
    return [*row.starts, row.last] if row.last is not None else row.starts


def _by_part(judgement: Judgement) -> dict[str, Judgement]:
    """{part: judgement}, the whole one under WHOLE."""
    return {WHOLE: judgement, **judgement.parts}


def _arrays(row: Row) -> dict[str, Any]:
    """The arrays of a row, under the names that the file has had since its first version."""
    deviances = {}
    for split, judgement in row.judgements.items():
        deviances[split] = {name: part.deviance for name, part in _by_part(judgement).items()}
    fits = {}
    for index, fit in enumerate(_fits(row)):
        fits[str(index)] = {"theta": fit.theta, "path": fit.path}
    return {"theta": row.theta, "mask": row.mask, "worths": deviances, "fits": fits}


def _json(value: float) -> float | None:
    """A number as JSON holds it; None if it is not finite."""
    return float(value) if np.isfinite(value) else None


def _float(value: float | None) -> float:
    """The number of a JSON value; NaN for None."""
    return float("nan") if value is None else value


def read(where: Path, problem: MetaProblem) -> Row:
    """Read the files of a finished row, whose theta the problem shapes."""
    facts = folder.read_json(where / FACTS)
    named = read_arrays(where / ARRAYS)
    like = jax.eval_shape(lambda: problem.init(jax.random.key(0)))

    def theta_at(prefix: str) -> Theta:
        def leaf(path: Any, _: Any) -> np.ndarray:
            return named[prefix + jax.tree_util.keystr(path)]

        return jax.tree_util.tree_map_with_path(leaf, like)

    fits = []
    for index, (steps, stable, loss, diverged) in enumerate(facts["fits"]):
        theta = theta_at(f"['fits']['{index}']['theta']")
        path = named[f"['fits']['{index}']['path']"]
        fits.append(SearchResult(theta, path, steps, stable, _float(loss), diverged))
    judgements: dict[Split, Judgement] = {}
    for split in SPLITS:
        parts = {}
        for name, r2 in facts["r2"][split].items():
            parts[name] = Judgement(named[f"['worths']['{split}']['{name}']"], _float(r2))
        whole = parts.pop(WHOLE)
        judgements[split] = whole._replace(parts=parts)
    options = []
    for strength, n_terms, deviance, error in facts["path"]:
        options.append(SupportOption(strength, n_terms, _float(deviance), _float(error)))
    n_starts = facts["starts"]
    return Row(
        theta=theta_at("['theta']"),
        mask=theta_at("['mask']"),
        starts=fits[:n_starts],
        path=options,
        at=facts["at"],
        last=fits[n_starts] if len(fits) > n_starts else None,
        judgements=judgements,
        residual_sd=_float(facts["spread"]),
    )
