"""Choices as they stand in a file, and as they are fitted: 0, 1, 2 ... for the options, -1 for none
made.
"""

import json
import re
from collections.abc import Iterator

import numpy as np

from inner_tasks._npz import integers
from inner_tasks._said import MANY, Said, counted, listed, percent, plain, tally
from metaplast.registry import BadInput

Option = bool | int | float | str
FIELD = "task.choice_values"
RESERVED = frozenset(
    ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf")
)  # no text in YAML


def coded(
    where: str,
    values: np.ndarray,
    options: tuple[Option, ...],
    reward: np.ndarray | None,
    said: Said,
) -> np.ndarray:
    """values [n] as whole numbers [n]: the place in `options`; -1 for every other value, where no
    choice was made.

    Without `options`, whole numbers are the options themselves, and negative ones and NaN no
    choice. What is dropped, and options that were never chosen, are counted in `said`; rewards [n]
    on such rows tell a coding that is not meant.
    Raises: BadInput for text without `options`, for options that are not in the file, and for
    negative numbers beside one option, of which nothing could be learned.
    """
    if values.ndim != 1:
        return values  # refused as any array of another shape
    if options:
        codes, names = _named(where, values, options), [plain(option) for option in options]
    else:
        codes = _numbered(where, values)
        names = [str(k) for k in range(min(max(int(codes.max(initial=-1)) + 1, 2), 2 * MANY))]
    paid = _paid(values, reward)
    said.columns.append(f"{where}: {_kind(values)}; {_read(codes, names)}")
    said.warnings.extend(_missed(where, values, codes, paid, bool(options)))
    said.warnings.extend(_unused(where, values, codes, names, bool(options)))
    said.warnings.extend(_unpaid(where, values, codes, paid))
    return codes


def _kind(values: np.ndarray) -> str:
    return {"U": "text", "b": "true or false", "f": "numbers"}.get(
        values.dtype.kind, "whole numbers"
    )


def _named(where: str, values: np.ndarray, options: tuple[Option, ...]) -> np.ndarray:
    codes = np.full(len(values), -1, np.int64)
    for place, option in enumerate(options):
        codes[_is(where, values, option)] = place
    if len(values) and codes.max() < 0:
        expected = f"one of {FIELD}={_yaml(options)}"
        raise BadInput(
            f"{where}: {tally(values)}, none of them an option", expected, f"correct {FIELD}"
        )
    return codes


def _is(where: str, values: np.ndarray, option: Option) -> np.ndarray:
    if values.dtype.kind == "U":
        return values == str(option)
    try:
        return values == float(option)
    except ValueError:
        given = f"{FIELD}: {option!r} where {where} has {tally(values)}"
        raise BadInput(given, "numbers, as in the file", f"correct {FIELD}") from None


def _numbered(where: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "U":
        fix = f"set {FIELD}={_yaml(_options(values))}, without those that stand for no choice"
        raise BadInput(f"{where}: text: {tally(values)}", f"{FIELD}, the options in order", fix)
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
    codes = integers("choice", np.where(missing, -1, values), len(values))
    made = np.unique(codes[codes >= 0])
    if len(made) == 1 and np.any(codes[~missing] < 0):
        both, none = (
            _yaml(_options(values)),
            _yaml((made.item(), 1) if made.item() != 1 else (0, 1)),
        )
        fix = (
            f"set {FIELD}={both}, the options in order, or {none} where negative ones are no choice"
        )
        raise BadInput(
            f"{where}: {tally(values)}: negative numbers beside one option", "two options", fix
        )
    return codes


def _options(values: np.ndarray) -> tuple[Option, ...]:
    """The distinct values of a file, but for NaN and empty text."""
    known = (
        values[values != ""]
        if values.dtype.kind == "U"
        else values[np.isfinite(values.astype(np.float64))]
    )
    return tuple(np.unique(known).tolist())


def _yaml(options: tuple[Option, ...]) -> str:
    return f"[{','.join(_item(option) for option in options[:MANY])}]"


def _item(option: Option) -> str:
    """As YAML reads it back: text that would be a number, yes, no or null there stands in quotes."""
    if not isinstance(option, str) or (
        re.fullmatch(r"[A-Za-z_]\w*", option) and option.lower() not in RESERVED
    ):
        return plain(option)
    return json.dumps(option)


def _paid(values: np.ndarray, reward: np.ndarray | None) -> np.ndarray | None:
    """reward [n] where one stands, NaN elsewhere; None where there is none of this length."""
    if reward is None or reward.shape != values.shape or reward.dtype.kind not in "fiub":
        return None
    return reward.astype(np.float64)


def _read(codes: np.ndarray, names: list[str]) -> str:
    """What became of the values."""
    rows = [int(np.sum(codes == k)) for k in range(len(names))]
    shown = [k for k in range(len(names)) if rows[k] or len(names) <= MANY]
    each = [f"{names[k]} = option {k} ({rows[k]} rows)" for k in shown]
    none = int(np.sum(codes < 0))
    return listed(
        [*each[:MANY], *([f"no choice ({none} rows, {percent(none, len(codes))})"] if none else [])]
    )


def _missed(
    where: str, values: np.ndarray, codes: np.ndarray, paid: np.ndarray | None, chosen: bool
) -> Iterator[str]:
    none = codes < 0
    if not none.any():
        return
    words = f"{where}: no choice made in {counted(none.sum(), len(codes))}: {tally(values[none])}"
    if paid is not None and (given := int(np.isfinite(paid[none]).sum())):
        others = int(np.sum(np.nan_to_num(paid[none]) != 0))
        words += f"; {given} of these rows have a reward, {others} another than 0, and it counts as an outcome"
    if values.dtype.kind == "U":
        meant = {name.strip().lower() for name in np.unique(values[~none]).tolist()}
        near = int(np.isin(np.char.lower(np.char.strip(values[none])), list(meant)).sum())
        words += (
            f"; {near} of these rows differ from an option in capitals or blanks only"
            if near
            else ""
        )
    hint = (
        f"; if they are options, say {FIELD}={_yaml(_options(values))}, without what is no choice"
    )
    negative = values.dtype.kind in "fi" and np.any(values[none] < 0)
    yield words + (hint if negative and not chosen else "")


def _unused(
    where: str, values: np.ndarray, codes: np.ndarray, names: list[str], chosen: bool
) -> Iterator[str]:
    made = set(np.unique(codes[codes >= 0]).tolist())
    n_options = max(len(names), max(made, default=0) + 1)
    never = [name for k, name in enumerate(names) if k not in made]
    if never and (chosen or len(made) > 1):
        alone = f"say {FIELD}={_yaml(_options(values))} where there are no others"
        fix = f"correct {FIELD} if it is misspelt" if chosen else alone
        which = ", ".join(never[:MANY]) + (" ..." if n_options - len(made) > MANY else "")
        yield f"{where}: {n_options - len(made)} of {n_options} options never chosen: {which}; {fix}"


def _unpaid(
    where: str, values: np.ndarray, codes: np.ndarray, paid: np.ndarray | None
) -> Iterator[str]:
    """Options that are never rewarded, where others are: a third number often stands for no choice."""
    made = np.unique(codes[codes >= 0])
    if paid is None or len(made) < 3:
        return
    rewarded = np.nan_to_num(paid) > 0
    without = [k for k in made if not np.any(rewarded & (codes == k))]
    if not without or len(without) == len(made):
        return
    rows = np.isin(codes, without)
    rest = _options(values[(codes >= 0) & ~rows])
    fix = f"if this stands for no choice, say {FIELD}={_yaml(rest)}"
    if len(rest) < 2:  # an option that is refused is never rewarded either
        every = _yaml(_options(values[codes >= 0]))
        fix = f"if one of these stands for no choice, say {FIELD}={every} without it"
    which = f"{tally(values[rows])}, {counted(rows.sum(), len(codes))}"
    yield f"{where}: never rewarded, where other options are: {which}; {fix}"
