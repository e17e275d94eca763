"""Choices of a file as a fit codes them: 0, 1, 2 ..., and -1 for no choice."""

import json
import re
import shlex
from collections.abc import Iterator

import numpy as np

from inner_tasks._notes import MANY, ReadingNotes, counted, listed, percent, plain, tally
from inner_tasks._npz import integers
from metaplast.registry import BadInput

Option = bool | int | float | str
FIELD = "task.choice_values"
# YAML reads these words as something other than text.
RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))


def coded(
    where: str,
    values: np.ndarray,
    options: tuple[Option, ...],
    reward: np.ndarray | None,
    notes: ReadingNotes,
) -> np.ndarray:
    """The choices [n] as whole numbers [n]: the place in `options`, and -1 for no choice.

    With `options`, every other value is no choice. Without them, whole numbers are the options
    themselves, and negative numbers and NaN are no choice.

    Args:
        where: the column, as an error names it.
        values: the column [n] as it stands in the file.
        options: the values that stand for the choices 0, 1 ...; may be empty.
        reward: the rewards [n]. A reward in a row without a choice hints at a wrong coding.
        notes: takes the count of dropped values and of options that were never chosen.
    Raises: BadInput for text without `options`, for options that are not in the file, and for
        negative numbers beside a single option: nothing could be learned from one option.
    """
    if values.ndim != 1:
        return values  # refused later, as any array of another shape
    if options:
        codes = _named(where, values, options)
        names = list(map(plain, options))
    else:
        codes = _numbered(where, values)
        n_options = max(int(codes.max(initial=-1)) + 1, 2)
        names = list(map(str, range(min(n_options, 2 * MANY))))
    paid = _paid(values, reward)
    notes.add_column(where, f"{_kind(values)}; {_meaning(codes, names)}")
    notes.warnings.extend(_missed(where, values, codes, paid, bool(options)))
    notes.warnings.extend(_unused(where, values, codes, names, bool(options)))
    notes.warnings.extend(_unpaid(where, values, codes, paid))
    return codes


def _kind(values: np.ndarray) -> str:
    kinds = {"U": "text", "b": "true or false", "f": "numbers"}
    return kinds.get(values.dtype.kind, "whole numbers")


def _named(where: str, values: np.ndarray, options: tuple[Option, ...]) -> np.ndarray:
    """The codes [n] of values of which `options` are named."""
    codes = np.full(len(values), -1, np.int64)
    for place, option in enumerate(options):
        codes[_is(where, values, option)] = place
    if len(values) and codes.max() < 0:
        what = f"{where}: {tally(values)}, none of them an option"
        raise BadInput(what, f"one of {_argument(options)}", f"correct {FIELD}")
    return codes


def _is(where: str, values: np.ndarray, option: Option) -> np.ndarray:
    """Whether each value is an option [n]."""
    if values.dtype.kind == "U":
        return values == str(option)
    try:
        return values == float(option)
    except ValueError:
        what = f"{FIELD}: {option!r} where {where} has {tally(values)}"
        raise BadInput(what, "numbers, as in the file", f"correct {FIELD}") from None


def _numbered(where: str, values: np.ndarray) -> np.ndarray:
    """The codes [n] of values that are the options themselves."""
    if values.dtype.kind == "U":
        options = _options(values)
        fix = f"set {_argument(options)}, without those that stand for no choice{_order(options)}"
        raise BadInput(f"{where}: text: {tally(values)}", f"{FIELD}, the options in order", fix)
    missing = np.isnan(values.astype(np.float64))
    codes = integers("choice", np.where(missing, -1, values), len(values))
    made = np.unique(codes[codes >= 0])
    if len(made) == 1 and np.any(codes[~missing] < 0):
        option = made.item()
        options = _options(values)
        every = _argument(options)
        other = 0 if option == 1 else option
        positive = _argument((other, 1))
        what = f"{where}: {tally(values)}: negative numbers beside one option"
        fix = f"set {every}, the options in order, or {positive} where negative ones are no choice"
        raise BadInput(what, "two options", f"{fix}{_order(options)}")
    return codes


def _order(options: tuple[Option, ...]) -> str:
    """The words on the order of two options, of which the second is fitted."""
    if len(options) != 2:
        return ""
    return (
        f"; the last one, {plain(options[1])}, is option 1, whose probability is fitted: "
        "turn them round if the other is meant"
    )


def _options(values: np.ndarray) -> tuple[Option, ...]:
    """The distinct values of a file, without NaN and empty text."""
    if values.dtype.kind == "U":
        known = values[values != ""]
    else:
        known = values[np.isfinite(values.astype(np.float64))]
    return tuple(np.unique(known).tolist())


def _yaml(options: tuple[Option, ...]) -> str:
    return f"[{','.join(map(_item, options[:MANY]))}]"


def _argument(options: tuple[Option, ...]) -> str:
    """The word of a command line that names the options, as a shell takes it."""
    return shlex.quote(f"{FIELD}={_yaml(options)}")


def _item(option: Option) -> str:
    """An option as YAML reads it back: quotes keep text from being a number, yes, no or null."""
    if not isinstance(option, str):
        return plain(option)
    is_word = re.fullmatch(r"[A-Za-z_]\w*", option) and option.lower() not in RESERVED
    if not is_word:
        return json.dumps(option)
    return plain(option)


def _paid(values: np.ndarray, reward: np.ndarray | None) -> np.ndarray | None:
    """The rewards [n], NaN where there was none; None where no rewards of this length are there."""
    if reward is None or reward.shape != values.shape or reward.dtype.kind not in "fiub":
        return None
    return reward.astype(np.float64)


def _meaning(codes: np.ndarray, names: list[str]) -> str:
    """The option that each value became, with its number of rows."""
    entries = []
    for k, name in enumerate(names):
        n_rows = int(np.sum(codes == k))
        if n_rows or len(names) <= MANY:
            entries.append(f"{name} = option {k} ({n_rows} rows)")
    entries = entries[:MANY]
    none = int(np.sum(codes < 0))
    if none:
        entries.append(f"no choice ({none} rows, {percent(none, len(codes))})")
    return listed(entries)


def _missed(
    where: str, values: np.ndarray, codes: np.ndarray, paid: np.ndarray | None, chosen: bool
) -> Iterator[str]:
    """A warning that counts the rows without a choice."""
    none = codes < 0
    if not none.any():
        return
    warning = f"{where}: no choice made in {counted(none.sum(), len(codes))}: {tally(values[none])}"
    if paid is not None and np.isfinite(paid[none]).any():
        n_paid = int(np.isfinite(paid[none]).sum())
        others = int(np.sum(np.nan_to_num(paid[none]) != 0))
        warning += (
            f"; {n_paid} of these rows have a reward, {others} another than 0, "
            "and it counts as an outcome"
        )
    if values.dtype.kind == "U":
        near = int(np.isin(_bare(values[none]), _bare(values[~none])).sum())
        if near:
            warning += f"; {near} of these rows differ from an option in capitals or blanks only"
    negative = values.dtype.kind in "fi" and np.any(values[none] < 0)
    if negative and not chosen:
        field = _argument(_options(values))
        warning += f"; if they are options, say {field}, without the values that are no choice"
    yield warning


def _bare(words: np.ndarray) -> np.ndarray:
    """The words in small letters, without blanks at their ends."""
    return np.char.lower(np.char.strip(words))


def _unused(
    where: str, values: np.ndarray, codes: np.ndarray, names: list[str], chosen: bool
) -> Iterator[str]:
    """A warning that names the options that were never chosen."""
    made = set(np.unique(codes[codes >= 0]).tolist())
    n_options = max(len(names), max(made, default=0) + 1)
    never = [name for k, name in enumerate(names) if k not in made]
    if never and (chosen or len(made) > 1):
        fix = f"say {_argument(_options(values))} where there are no others"
        if chosen:
            fix = f"correct {FIELD} if it is misspelt"
        n_never = n_options - len(made)
        unused = ", ".join(never[:MANY])
        if n_never > MANY:
            unused += " ..."
        yield f"{where}: {n_never} of {n_options} options never chosen: {unused}; {fix}"


def _unpaid(
    where: str, values: np.ndarray, codes: np.ndarray, paid: np.ndarray | None
) -> Iterator[str]:
    """A warning for options that are never rewarded: a third number often means no choice."""
    made = np.unique(codes[codes >= 0])
    if paid is None or len(made) < 3:
        return
    rewarded = np.nan_to_num(paid) > 0
    without = [k for k in made if not np.any(rewarded & (codes == k))]
    if not without or len(without) == len(made):
        return
    rows = np.isin(codes, without)
    rest = _options(values[(codes >= 0) & ~rows])
    fix = f"if this stands for no choice, say {_argument(rest)}"
    if len(rest) < 2:  # an option that is refused is never rewarded either
        every = _argument(_options(values[codes >= 0]))
        fix = f"if one of these stands for no choice, say {every} without it"
    yield (
        f"{where}: never rewarded, where other options are: "
        f"{tally(values[rows])}, {counted(rows.sum(), len(codes))}; {fix}"
    )
