"""The files of one fitted row.

row.safetensors holds its arrays, row.json everything else. row.json marks a finished row.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
from pydantic import Field
from safetensors.numpy import save

from metaplast.fitting.engine import SearchResult
from metaplast.fitting.judgement import Judgement
from metaplast.fitting.rows import FittedRow
from metaplast.fitting.support import SupportOption
from metaplast.problem.meta_problem import MetaProblem
from metaplast.results.typed_json import Number, Plain, from_plain, number_or_null
from metaplast.runs import folder
from metaplast.runs.folder import RECORD
from metaplast.runs.row_files import read_arrays
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split

ARRAYS = "row.safetensors"
WHOLE = ""  # the key of a judgement that is of no part


class FitRecord(NamedTuple):
    """The fields of a `SearchResult` that are no arrays."""

    steps: int
    stable: bool
    loss: Number
    diverged: int


@dataclass(frozen=True)
class FittedRowRecord:
    """The fields of a `FittedRow` that are no arrays, as in row.json.

    n_starts: fits from a random start.
    fits: of all starts, then the last one.
    path: the sets of terms that were tried.
    at: the index of the one that was chosen.
    r2: {split: {part: R2}}, of all values under WHOLE.
    residual_sd: of the training trials.
    """

    n_starts: Annotated[int, Field(alias="starts")]
    fits: list[FitRecord]
    path: list[SupportOption]
    at: int
    r2: dict[Split, dict[str, Number]]
    residual_sd: Annotated[Number, Field(alias="spread")]


def write(where: Path, row: FittedRow) -> None:
    """Write the files of a row, row.json last."""
    named = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(_arrays(row))[0]:
        named[jax.tree_util.keystr(path)] = np.ascontiguousarray(leaf).reshape(np.shape(leaf))
    folder.write_bytes(where / ARRAYS, save(named))
    folder.write_json(where / RECORD, _facts(row))


def _facts(row: FittedRow) -> Plain:
    """The content of row.json."""
    fits = []
    for fit in _fits(row):
        fits.append([fit.steps, fit.stable, _json(fit.loss), fit.diverged])
    path = []
    for option in row.path:
        numbers = [_json(option.deviance), _json(option.error)]
        path.append([option.strength, option.n_terms, *numbers])
    r2 = {}
    for split, judgement in row.judgements.items():
        r2[split] = {name: _json(part.r2) for name, part in _by_part(judgement).items()}
    return {
        "starts": len(row.starts),
        "fits": fits,
        "path": path,
        "at": row.at,
        "r2": r2,
        "spread": _json(row.residual_sd),
    }


def _fits(row: FittedRow) -> list[SearchResult]:
    """The fits of all starts, then the last one."""
    if row.last is not None:
        return [*row.starts, row.last]
    return row.starts


def _by_part(judgement: Judgement) -> dict[str, Judgement]:
    """{part: judgement}, the whole one under WHOLE."""
    return {WHOLE: judgement, **judgement.parts}


def _arrays(row: FittedRow) -> dict[str, Any]:
    """The arrays of a row, under the names that the file has had since its first version."""
    deviances = {}
    for split, judgement in row.judgements.items():
        deviances[split] = {name: part.deviance for name, part in _by_part(judgement).items()}
    fits = {}
    for index, fit in enumerate(_fits(row)):
        fits[str(index)] = {"theta": fit.theta, "path": fit.path}
    return {"theta": row.theta, "mask": row.mask, "worths": deviances, "fits": fits}


def _json(value: float) -> float | None:
    return number_or_null(float(value))


def read(where: Path, problem: MetaProblem) -> FittedRow:
    """Read the files of a finished row, whose theta the problem shapes.

    Raises: BadInput for a row.json of another form.
    """
    file = where / RECORD
    record = from_plain(FittedRowRecord, folder.read_json(file), f"{file}")
    named = read_arrays(where / ARRAYS)
    like = jax.eval_shape(lambda: problem.init(jax.random.key(0)))

    def theta_at(prefix: str) -> Theta:
        def leaf(path: Any, _: Any) -> np.ndarray:
            return named[prefix + jax.tree_util.keystr(path)]

        return jax.tree_util.tree_map_with_path(leaf, like)

    fits = []
    for index, fit in enumerate(record.fits):
        theta = theta_at(f"['fits']['{index}']['theta']")
        path = named[f"['fits']['{index}']['path']"]
        fits.append(SearchResult(theta, path, fit.steps, fit.stable, fit.loss, fit.diverged))
    judgements: dict[Split, Judgement] = {}
    for split in SPLITS:
        parts = {}
        for name, r2 in record.r2[split].items():
            parts[name] = Judgement(named[f"['worths']['{split}']['{name}']"], r2)
        whole = parts.pop(WHOLE)
        judgements[split] = whole._replace(parts=parts)
    last = None
    if len(fits) > record.n_starts:
        last = fits[record.n_starts]
    return FittedRow(
        theta=theta_at("['theta']"),
        mask=theta_at("['mask']"),
        starts=fits[: record.n_starts],
        path=record.path,
        at=record.at,
        last=last,
        judgements=judgements,
        residual_sd=record.residual_sd,
    )
