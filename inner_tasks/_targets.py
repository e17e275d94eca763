"""The targets of a fit: the arrays that are fitted, their likelihoods and their columns."""

from typing import Any, Literal, NamedTuple

import numpy as np

from inner_tasks._npz import FileRows
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.joint import Joint
from metaplast.likelihoods.poisson import Poisson
from metaplast.registry import BadInput

Target = Literal["", "activity", "choice", "both"]
Likelihoods = dict[str, AbstractLikelihood]  # array -> its likelihood, in the order of the columns


class Columns(NamedTuple):
    """Columns of a fit, both arrays [N, n].

    target: the recorded values, 0 where there is none.
    observed: the weight of each value, 0 where it is missing.
    """

    target: np.ndarray
    observed: np.ndarray


def arrays_of(rows: FileRows, target: Target) -> tuple[str, ...]:
    """The arrays that are fitted: `activity`, `choice`, or both in this order.

    Raises: BadInput where the file has both and none was picked, or lacks one.
    """
    if target == "" and rows.activity is not None and rows.choice is not None:
        fix = "set task.target=activity, choice or both"
        raise BadInput("arrays 'activity' and 'choice'", "the one to fit, or both", fix)
    fitted = ("activity", "choice")
    if target != "both":
        fitted = (target or _only(rows),)
    for name in fitted:
        if getattr(rows, name) is None:
            expected = f"an array {name!r} in the file"
            fix = "set task.target to an array that is there"
            raise BadInput(f"task.target={target}", expected, fix)
    return fitted


def _only(rows: FileRows) -> str:
    return "choice" if rows.activity is None else "activity"


def likelihoods(rows: FileRows, target: Target, likelihood: AbstractLikelihood) -> Likelihoods:
    """The likelihood of every array that is fitted.

    Raises: BadInput as `arrays_of`, and for a likelihood that does not suit its array.
    """
    fitted = arrays_of(rows, target)
    both = len(fitted) == 2
    _check_joint(rows, fitted, likelihood)
    if isinstance(likelihood, Joint):
        by_array = {"activity": likelihood.units, "choice": likelihood.choices}
    else:
        by_array = {fitted[0]: likelihood}
    fields = dict.fromkeys(fitted, "task.likelihood")
    if both:
        fields = {"activity": "task.likelihood.units", "choice": "task.likelihood.choices"}
    for name, each in by_array.items():
        _check_suits(rows, name, each, fields[name])
    if isinstance(likelihood, Joint):
        _check_n_choices(rows, likelihood)
    return by_array


def _check_joint(rows: FileRows, fitted: tuple[str, ...], likelihood: AbstractLikelihood) -> None:
    """Raises: BadInput unless likelihood joint and two arrays come together."""
    both = len(fitted) == 2
    if both and not isinstance(likelihood, Joint):
        kind = choice_kind(rows)
        joint = f"{{name: joint, units: gaussian, choices: {kind}}}"
        what = "task.target=both with a likelihood of one kind of values"
        fix = f"set task.likelihood={joint}, n_choices as needed"
        raise BadInput(what, "likelihood joint", fix)
    if not both and isinstance(likelihood, Joint):
        what = f"array {fitted[0]!r} alone with likelihood joint"
        raise BadInput(what, "task.target=both", "set it, or a likelihood")


def _check_suits(rows: FileRows, name: str, likelihood: AbstractLikelihood, field: str) -> None:
    """Raises: BadInput for choices judged as numbers, and for activity judged as choices."""
    if name == "choice" and isinstance(likelihood, Gaussian | Poisson):
        what = "array 'choice' with a likelihood of numbers"
        raise BadInput(what, "one of choices", f"set {field}={choice_kind(rows)}")
    if name == "activity" and isinstance(likelihood, Categorical):
        what = "array 'activity' with likelihood categorical"
        raise BadInput(what, "integers in an array 'choice'", f"set {field}=bernoulli")


def _check_n_choices(rows: FileRows, likelihood: Joint) -> None:
    """Raises: BadInput for a number of output units that the choices do not fit."""
    needed = n_choices(rows, likelihood.choices)
    exact = isinstance(likelihood.choices, Bernoulli)
    if likelihood.n_choices < needed or (exact and likelihood.n_choices > needed):
        what = f"task.likelihood.n_choices={likelihood.n_choices}"
        expected = f"{needed}, the output units that array 'choice' needs"
        raise BadInput(what, expected, f"set task.likelihood.n_choices={needed}")


def choice_kind(rows: FileRows) -> str:
    """The name of the likelihood that suits the choices of a file."""
    if n_options(rows) <= 2:
        return "bernoulli"
    return "categorical"


def n_options(rows: FileRows) -> int:
    """The number of options: those that were named or chosen, and at least two."""
    n_chosen = 0
    if rows.choice is not None:
        n_chosen = int(rows.choice.max()) + 1
    return max(2, n_chosen, len(rows.options))


def n_choices(rows: FileRows, likelihood: AbstractLikelihood) -> int:
    """The output units that stand for a choice: one for 0 or 1, else one per option."""
    if isinstance(likelihood, Bernoulli):
        return 1
    return n_options(rows)


def sizes(rows: FileRows, likelihood: AbstractLikelihood, by_array: Likelihoods) -> dict[str, int]:
    """{array: its number of columns}."""
    if isinstance(likelihood, Joint):
        n_choice_units = likelihood.n_choices
    else:
        n_choice_units = n_choices(rows, likelihood)
    n_units = 0
    if rows.activity is not None:
        n_units = rows.activity.shape[1]
    n_columns = {"activity": n_units, "choice": n_choice_units}
    return {name: n_columns[name] for name in by_array}


def columns(rows: FileRows, by_array: Likelihoods, n_columns: dict[str, int]) -> Columns:
    """The columns of all arrays, side by side.

    Raises: BadInput for an array without a value, or with one that its likelihood rules out.
    """
    targets = []
    weights = []
    for name, likelihood in by_array.items():
        n = n_columns[name]
        part = _activity(rows) if name == "activity" else _choice(rows, likelihood, n)
        _check_values(name, part, likelihood)
        targets.append(part.target)
        weights.append(part.observed * likelihood.share(n_columns[name]))
    observed = np.concatenate(weights, axis=1).astype(np.float32)
    return Columns(np.concatenate(targets, axis=1), observed)


def _check_values(name: str, part: Columns, likelihood: AbstractLikelihood) -> None:
    """Raises: BadInput for columns without a value, or with one that the likelihood rules out."""
    if not part.observed.any():
        fix = "NaN and -1 stand for missing ones"
        raise BadInput(f"array {name!r}: nothing recorded", "at least one value", fix)
    try:
        likelihood.check(part.target[part.observed])
    except BadInput as error:
        raise BadInput(f"array {name!r}: {error.what}", error.expected, error.fix) from None


def _activity(rows: FileRows) -> Columns:
    """The columns of `activity`; observed is true or false."""
    assert rows.activity is not None
    known = np.isfinite(rows.activity) & rows.shown
    return Columns(np.where(known, rows.activity, np.float32(0)), known)


def _choice(rows: FileRows, likelihood: AbstractLikelihood, n: int) -> Columns:
    """The `n` columns of `choice`; observed is true or false."""
    assert rows.choice is not None
    made = rows.choice >= 0
    target = np.zeros((len(made), n), np.float32)
    if isinstance(likelihood, Bernoulli):
        target[made, 0] = rows.choice[made]
    else:
        target[made, rows.choice[made]] = 1.0
    return Columns(target, np.repeat(made[:, None], n, axis=1))


def implied(rows: FileRows, target: Target) -> dict[str, Any]:
    """The plain data of the likelihood that suits the fitted arrays; gaussians have sd 1."""
    fitted = arrays_of(rows, target)
    kind = choice_kind(rows)
    if fitted == ("choice",):
        return {"name": kind}
    if fitted == ("activity",):
        return {"name": "gaussian"}
    return {
        "name": "joint",
        "units": {"name": "gaussian", "sd": 1.0},
        "choices": {"name": kind},
        "n_choices": 1 if kind == "bernoulli" else n_options(rows),
    }


def sd_about_means(target: np.ndarray, observed: np.ndarray) -> float:
    """sqrt(sum w (y - mean_j)^2 / sum w), to four digits; 1 where nothing varies.

    Args:
        target: y, the recorded values [..., n_units].
        observed: w, their weights [..., n_units].
    """
    w = np.asarray(observed, np.float64).reshape(-1, observed.shape[-1])
    y = np.where(w > 0, np.asarray(target, np.float64).reshape(w.shape), 0.0)
    mean = (w * y).sum(axis=0) / np.maximum(w.sum(axis=0), 1.0)
    sd = float(np.sqrt((w * (y - mean) ** 2).sum() / max(w.sum(), 1.0)))
    return float(f"{sd:.4g}") or 1.0
