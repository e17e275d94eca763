"""Which arrays of a file are fitted, by what likelihood each, and the columns that they become."""

from typing import Any, Literal

import numpy as np

from inner_tasks._npz import Rows
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.joint import Joint
from metaplast.likelihoods.poisson import Poisson
from metaplast.registry import BadInput

Target = Literal["", "activity", "choice", "both"]
Judges = dict[str, AbstractLikelihood]  # array -> what judges it, in the order of the columns


def arrays_of(rows: Rows, target: Target) -> tuple[str, ...]:
    """The arrays that are fitted: `activity`, `choice`, or both in this order.

    Raises: BadInput where the file has both and none was picked, or lacks one.
    """
    if target == "" and rows.activity is not None and rows.choice is not None:
        fix = "set task.target=activity, choice or both"
        raise BadInput("arrays 'activity' and 'choice'", "what of them to fit", fix)
    fitted = ("activity", "choice") if target == "both" else (target or _only(rows),)
    for name in fitted:
        if getattr(rows, name) is None:
            raise BadInput(
                f"task.target={target}",
                f"an array {name!r} in the file",
                "set task.target to what there is",
            )
    return fitted


def _only(rows: Rows) -> str:
    return "choice" if rows.activity is None else "activity"


def judges(rows: Rows, target: Target, likelihood: AbstractLikelihood) -> Judges:
    """Raises: BadInput, as `arrays_of`, and for a likelihood that does not suit what is fitted."""
    fitted = arrays_of(rows, target)
    both = len(fitted) == 2
    if both and not isinstance(likelihood, Joint):
        fix = f"set task.likelihood={{name: joint, units: gaussian, choices: {choice_kind(rows)}}}, n_choices as needed"
        raise BadInput(
            "task.target=both with a likelihood of one kind of values", "likelihood joint", fix
        )
    if not both and isinstance(likelihood, Joint):
        raise BadInput(
            f"array {fitted[0]!r} alone with likelihood joint",
            "task.target=both",
            "set it, or a likelihood",
        )
    found = (
        {"activity": likelihood.units, "choice": likelihood.choices}
        if isinstance(likelihood, Joint)
        else {}
    )
    found = found or {fitted[0]: likelihood}
    field = {"activity": "task.likelihood.units", "choice": "task.likelihood.choices"}
    for name, judge in found.items():
        where = field[name] if both else "task.likelihood"
        if name == "choice" and isinstance(judge, Gaussian | Poisson):
            fix = f"set {where}={choice_kind(rows)}"
            raise BadInput("array 'choice' with a likelihood of numbers", "one of choices", fix)
        if name == "activity" and isinstance(judge, Categorical):
            expected = "integers in an array 'choice'"
            raise BadInput(
                "array 'activity' with likelihood categorical", expected, f"set {where}=bernoulli"
            )
    if isinstance(likelihood, Joint):
        needed, exact = (
            n_choices(rows, likelihood.choices),
            isinstance(likelihood.choices, Bernoulli),
        )
        if likelihood.n_choices < needed or (exact and likelihood.n_choices > needed):
            given = f"task.likelihood.n_choices={likelihood.n_choices}"
            expected = f"{needed}, the output units that array 'choice' needs"
            raise BadInput(given, expected, f"set task.likelihood.n_choices={needed}")
    return found


def choice_kind(rows: Rows) -> str:
    """The likelihood that suits the choices of a file."""
    most = 1 if rows.choice is None else int(rows.choice.max())
    return "bernoulli" if max(most + 1, len(rows.options)) <= 2 else "categorical"


def n_choices(rows: Rows, judge: AbstractLikelihood) -> int:
    """Output units that stand for a choice: one for 0 or 1, else one per option."""
    most = 0 if rows.choice is None else int(rows.choice.max())
    return 1 if isinstance(judge, Bernoulli) else max(2, most + 1, len(rows.options))


def sizes(rows: Rows, likelihood: AbstractLikelihood, found: Judges) -> dict[str, int]:
    """{array: its columns}."""
    n = likelihood.n_choices if isinstance(likelihood, Joint) else n_choices(rows, likelihood)
    each = {"activity": 0 if rows.activity is None else rows.activity.shape[1], "choice": n}
    return {name: each[name] for name in found}


def columns(rows: Rows, found: Judges, n: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """(target, observed), both [N, n_seen]; observed: what each value counts, 0 where it is
    missing.

    Raises: BadInput for an array without a value, or with one that its likelihood rules out.
    """
    made = {
        name: _activity(rows) if name == "activity" else _choice(rows, judge, n[name])
        for name, judge in found.items()
    }
    for name, (target, known) in made.items():
        if not known.any():
            fix = "NaN and -1 stand for missing ones"
            raise BadInput(f"array {name!r}: nothing recorded", "at least one value", fix)
        try:
            found[name].check(target[known])
        except BadInput as error:
            raise BadInput(f"array {name!r}: {error.what}", error.expected, error.fix) from None
    observed = [known * found[name].share(n[name]) for name, (_, known) in made.items()]
    targets = [target for target, _ in made.values()]
    return np.concatenate(targets, axis=1), np.concatenate(observed, axis=1).astype(np.float32)


def _activity(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    assert rows.activity is not None
    known = np.isfinite(rows.activity) & rows.shown
    return np.where(known, rows.activity, np.float32(0)), known


def _choice(rows: Rows, judge: AbstractLikelihood, n: int) -> tuple[np.ndarray, np.ndarray]:
    assert rows.choice is not None
    made = rows.choice >= 0
    target = np.zeros((len(made), n), np.float32)
    if isinstance(judge, Bernoulli):
        target[made, 0] = rows.choice[made]
    else:
        target[made, rows.choice[made]] = 1.0
    return target, np.repeat(made[:, None], n, axis=1)


def implied(rows: Rows, target: Target) -> dict[str, Any]:
    """The plain data of the likelihood that suits what is fitted; of both, with a gaussian of sd 1."""
    fitted, choices = arrays_of(rows, target), choice_kind(rows)
    if len(fitted) == 1:
        return {"name": choices if fitted == ("choice",) else "gaussian"}
    n = n_choices(rows, Bernoulli() if choices == "bernoulli" else Categorical())
    return {
        "name": "joint",
        "units": {"name": "gaussian", "sd": 1.0},
        "choices": {"name": choices},
        "n_choices": n,
    }


def sd_about_means(target: np.ndarray, observed: np.ndarray) -> float:
    """sqrt(sum w (y - mean_j)^2 / sum w) of recorded values [..., n_units], to four digits; 1 where
    nothing varies.
    """
    w = np.asarray(observed, np.float64).reshape(-1, observed.shape[-1])
    y = np.where(w > 0, np.asarray(target, np.float64).reshape(w.shape), 0.0)
    mean = (w * y).sum(axis=0) / np.maximum(w.sum(axis=0), 1.0)
    sd = float(np.sqrt((w * (y - mean) ** 2).sum() / max(w.sum(), 1.0)))
    return float(f"{sd:.4g}") or 1.0
