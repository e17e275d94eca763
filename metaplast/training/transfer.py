"""Finished runs judged in another world: the same rules in longer lives, other widths, depths or
tasks.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.registry import BadInput
from metaplast.results import evaluate, table
from metaplast.runs.config import Sources, compose
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Config, parse
from metaplast.runs.row_files import theta_of
from metaplast.settings.names import DISCOVERED
from metaplast.signals import Theta
from metaplast.training.pool import pool
from metaplast.training.reference_row import judged_elsewhere


def transfer(runs: Sequence[Path], words: Sequence[str], n: int, only: Sequence[str] = ()) -> str:
    """The table of `runs` (seeds of one experiment) with `words` laid on their configs: every row
    keeps the theta it was trained to, nothing is tuned again, and all are judged on the same `n`
    held-out lives of
    each seed. only: the rows to judge beside `discovered` (default: all).

    Raises: BadInput for a run that is not finished, words that do not compose, a row that does not
    exist, or a theta that does not fit.
    """
    found = pool(list(runs))
    rows: dict[str, list[dict[str, np.ndarray]]] = {}
    for run in runs:
        old, new = (parse(compose(extra, Sources(), run / "config.yaml")) for extra in ((), words))
        references = dict(new.main.references())
        wanted = _wanted([*dict(new.rows), *references], only)
        for name, config in new.rows:
            if name not in wanted:
                continue
            jax.config.update("jax_enable_x64", config.precision == "float64")
            theta = _fitting(
                theta_of(row_folder(run, name), old.row(name).meta_problem()), config, name
            )
            scores = evaluate.lives(config.meta_problem(), theta, config.seed, "heldout", n)
            rows.setdefault(name, []).append(scores)
        for name in references:
            if name in wanted:
                rows.setdefault(name, []).append(judged_elsewhere(run, new.main, name, n))
    metric = (
        "accuracy"
        if all("accuracy" in scores for groups in rows.values() for scores in groups)
        else "loss"
    )
    values = {
        name: [np.asarray(s[metric], np.float64) for s in groups] for name, groups in rows.items()
    }
    said = " ".join(words) or "the world they were trained in"
    head = f"{len(runs)} run(s), every row as it was trained, in: {said}"
    discovered = replace(found.facts[DISCOVERED], too_long=False)
    here = {**found.facts, DISCOVERED: discovered}
    return f"{head}\n\n{table.render(table.scores(values, metric, DISCOVERED), here, DISCOVERED)}"


def _wanted(known: list[str], only: Sequence[str]) -> list[str]:
    if unknown := sorted(set(only) - set(known)):
        raise BadInput(f"row {unknown[0]!r}", f"one of {', '.join(known)}", "correct the name")
    return [DISCOVERED, *only] if only else known


def _fitting(theta: Theta, config: Config, name: str) -> Theta:
    """The theta as the changed problem wants it: the gain of an edge that is gone is left out, that
    of a new edge is
    neutral. Raises: BadInput where a rule or the neurons would need other numbers than were
    learned.
    """
    wanted: Any = jax.eval_shape(config.meta_problem().init, jax.random.key(0))
    neutral = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), wanted["genome"])
    theta = {
        **theta,
        "genome": {edge: theta["genome"].get(edge, leaf) for edge, leaf in neutral.items()},
    }
    if jax.tree.map(lambda x: x.shape, theta) != jax.tree.map(lambda x: x.shape, wanted):
        raise BadInput(
            f"row {name}: what it learned does not fit the changed network",
            "as many edges and numbers as it was trained with",
            "train it with slots that share one theta (rules: ... shared: true), or change "
            "something else",
        )
    return theta
