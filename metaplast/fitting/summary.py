"""What a fit says, as plain data: every row against every null, on values that training did not
see.
"""

from typing import Any

import numpy as np

from metaplast.fitting import certainty
from metaplast.fitting.certainty import finite, words
from metaplast.fitting.data import Data, n_values
from metaplast.fitting.deviance import difference_ci, explained_ci
from metaplast.fitting.support import Choice
from metaplast.fitting.verdict import without_scale
from metaplast.fitting.worth import Worth
from metaplast.results.statistics import FEW, Estimate
from metaplast.reuse.formula import NEGLIGIBLE
from metaplast.tasks import SPLITS, Split

Plain = dict[str, Any]
NONE = "no_plasticity"
HOW = f"Student's t over fewer than {FEW} of them, else bootstrap over them"
# Beyond this ratio of two standard deviations activity has the wrong weight against choices.
WEIGHED = 0.8


def compared(
    deviances: dict[str, np.ndarray], nulls: dict[str, np.ndarray], subject: np.ndarray, main: str
) -> dict[str, Plain]:
    """{row: explained against every null, and its difference to `main` in deviance explained
    against the first null}, with 95 % intervals over subjects."""
    first = next(iter(nulls))
    return {
        name: {
            "explained": {null: estimate(explained_ci(d, n, subject)) for null, n in nulls.items()},
            f"minus_{main}": estimate(difference_ci(d, deviances[main], nulls[first], subject)),
        }
        for name, d in deviances.items()
    }


def against_nulls(
    rows: dict[str, Worth], nulls: dict[str, Worth], subject: np.ndarray, main: str
) -> dict[str, Plain]:
    """`compared` of rows and nulls (as `null: NAME`) on held-out sessions, the row without
    plasticity among the nulls;
    where activity and choice are judged, `parts` says what of each is explained."""
    nulls = nulls | ({NONE: rows[NONE]} if NONE in rows else {})
    every = rows | {f"null: {name}": null for name, null in nulls.items() if name != NONE}
    deviance = lambda worths: {name: worth.deviance for name, worth in worths.items()}
    found = compared(deviance(every), deviance(nulls), subject, main)
    for part in rows[main].parts:
        mine, theirs = ({n: w.parts[part] for n, w in worths.items()} for worths in (every, nulls))
        for name, told in compared(deviance(mine), deviance(theirs), subject, main).items():
            found[name].setdefault("parts", {})[part] = {**told, "r2": finite(mine[name].r2)}
    return found


def estimate(value: Estimate) -> Plain:
    return {
        "mean": finite(value.mean),
        "ci95": [finite(value.low), finite(value.high)],
        "n": value.n,
    }


def of_data(data: Data) -> Plain:
    """How much there is, and what is held out."""
    heldout = sorted(
        {int(s) for s in data.subject["heldout"]} - {int(s) for s in data.subject["train"]}
    )
    sessions = {split: len(data.subject[split]) for split in SPLITS}
    values = {split: round(n_values(data.sessions[split]), 3) for split in SPLITS}
    return {
        "subjects": len(data.names),
        "sessions": sessions,
        "values": values,
        "heldout_subjects": [data.names[i] for i in heldout],
        "heldout_by": "subjects" if heldout else "trials",
    }


def of_worths(worths: dict[Split, Worth]) -> Plain:
    return {split: _of_worth(found) for split, found in worths.items()}


def _of_worth(found: Worth) -> Plain:
    told: Plain = {"deviance": finite(float(found.deviance.sum())), "r2": finite(found.r2)}
    return told | (
        {"parts": {name: _of_worth(part) for name, part in found.parts.items()}}
        if found.parts
        else {}
    )


def of_choice(choice: Choice, taken: bool) -> Plain:
    return {
        **choice._asdict(),
        "deviance": finite(choice.deviance),
        "error": finite(choice.error),
        "chosen": taken,
    }


def recovered(
    true: dict[str, float], fitted: dict[str, float], interval: dict[str, Any]
) -> list[Plain]:
    """Every number that is not 0 in the truth or in the fit, the largest first.

    verdict: `recovered`, both of one sign and the fit within a quarter of the truth; `off`, kept
    but further away;
    `missed`, not kept; `false`, kept but not in the truth. A fit below a thousandth of the largest
    counts as not kept.
    """
    names = sorted(
        {*true, *fitted}, key=lambda n: -max(abs(true.get(n, 0.0)), abs(fitted.get(n, 0.0)))
    )
    largest = max((abs(v) for v in true.values()), default=0.0)
    fitted = {
        name: value if abs(value) > NEGLIGIBLE * largest else 0.0 for name, value in fitted.items()
    }
    told = []
    for name in names:
        t, f = true.get(name, 0.0), fitted.get(name, 0.0)
        if t == 0.0 and f == 0.0:
            continue
        if t == 0.0:
            verdict = "false"
        elif f == 0.0:
            verdict = "missed"
        else:
            verdict = "recovered" if abs(f - t) <= 0.25 * abs(t) else "off"
        told.append(
            {
                "name": name,
                "true": finite(t),
                "fitted": finite(f),
                "ci95": interval.get(name),
                "verdict": verdict,
            }
        )
    return told


def _others(path: list[Plain]) -> list[int]:
    """Sizes of the supports that validation trials find as good as the chosen one: those of another
    size, or of the same size with another deviance."""
    finite_ones = [c for c in path if None not in (c["deviance"], c["error"])]
    taken = [c for c in finite_ones if c["chosen"]]
    if not taken:
        return []
    best = min(finite_ones, key=lambda c: c["deviance"])
    same = lambda c: (
        c["n_terms"] == taken[0]["n_terms"]
        and abs(c["deviance"] - taken[0]["deviance"]) <= 1e-3 * abs(c["deviance"])
    )
    good = [c for c in finite_ones if c["deviance"] <= best["deviance"] + best["error"]]
    return sorted({c["n_terms"] for c in good if not same(c)})


def _no_better(null: str, found: Plain) -> str:
    """Of a null whose interval reaches 0: is the rule worse, no better here, or perhaps no
    better?
    """
    low, high = found["ci95"]
    told = (
        f"Against {null} the rule explains {found['mean']:.3f} of the deviance [{low:.3f}, "
        f"{high:.3f}]"
    )
    if high < 0:
        return f"{told}: it is worse on subjects it has not seen."
    claim = (
        "it is no better here"
        if found["mean"] <= 0
        else "it may be no better on subjects it has not seen"
    )
    few = (
        f" (over {found['n']} held out: raise task.held.subjects, or record more)"
        if found["n"] < FEW
        else ""
    )
    return f"{told}: {claim}{few}."


def doubts(fit: Plain, main: str) -> list[str]:
    """Reasons not to believe the fit, each with its number; none found is said by an empty list."""
    row, said = fit["rows"][main], []
    if not row["stable"]:
        said.append(
            f"The numbers of the rule were still moving after {row['steps']} outer steps: raise "
            f"outer.steps."
        )
    if row["starts"]["n"] > 1 and row["starts"]["spread"] > 0.1:
        said.append(
            f"{row['starts']['same']} of {row['starts']['n']} starts reach the same loss with "
            f"numbers that differ by "
            f"{100 * row['starts']['spread']:.0f} % of the largest: the data do not settle the "
            f"rule."
        )
    elif row["starts"]["n"] > 1 and row["starts"]["same"] == 1:
        said.append(
            f"Only 1 of {row['starts']['n']} starts came within 1 % of the best loss: raise "
            f"fit.starts."
        )
    for null, found in row["explained"].items():
        low = found["ci95"][0]
        if found["mean"] is None and row["splits"]["heldout"]["deviance"] is not None:
            said.append(f"Nothing is said against {null}: {without_scale(fit, null)}.")
        elif low is None and found["n"] >= 2:
            said.append(
                f"Held-out deviance against {null} is not finite: the fitted network diverges "
                f"there."
            )
        elif low is None:
            said.append(
                f"No interval against {null}: fewer than two held-out subjects have recorded "
                f"values."
            )
        elif low <= 0:
            said.append(_no_better(null, found))
    if (
        row.get("sd")
        and row["residual_sd"]
        and not WEIGHED < row["residual_sd"] / row["sd"] < 1 / WEIGHED
    ):
        ratio, sd = (row["residual_sd"] / row["sd"]) ** 2, row["residual_sd"]
        said.append(
            f"Activity is weighed against choices by an sd of {row['sd']:.4g}, and it leaves "
            f"{sd:.4g}: every value "
            f"counts {ratio:.2g} times what it should. Fit again with "
            f"task.likelihood.units.sd={sd:.4g}."
        )
    for name, other in fit["rows"].items():
        if name != main and not other["stable"]:
            said.append(f"The family {name} was not at rest: it may explain more than is shown.")
        nested = (other["searched"] or name == NONE) and set(other["searched"]) < set(
            row["searched"]
        )
        if (
            nested
            and None not in (other["loss"], row["loss"])
            and other["loss"] < row["loss"] - 1e-3 * abs(row["loss"])
        ):
            losses = f"({other['loss']:.5g} against {row['loss']:.5g})"
            said.append(
                f"The family {name} is contained in this one and has a lower training loss "
                f"{losses}: search longer."
            )
        lead = other[f"minus_{main}"]["ci95"][0]
        if name != main and lead is not None and lead > 0:
            said.append(
                f"The family {name} explains more: by {other[f'minus_{main}']['mean']:.4f} of the "
                f"deviance."
            )
    if others := _others(row["path"]):
        counts = ", ".join(map(str, others))
        said.append(
            f"Validation trials cannot tell the chosen set of terms from others, of {counts} "
            f"numbers."
        )
    said += _of_numbers(fit, row)
    if row["diverged"]:
        said.append(
            f"{row['diverged']} lives of the search were not finite and were left out of its steps."
        )
    return said


def _of_numbers(fit: Plain, row: Plain) -> list[str]:
    """How well the numbers are known."""
    said = []
    if fit["bootstrap"] is None and row["numbers"]:
        said.append(
            "How well the numbers are determined was not asked: set fit.bootstrap=200 or more."
        )
    said += certainty.doubts(fit.get("intervals"))
    if unsettled := (fit["bootstrap"] or {}).get("unsettled", 0):
        said.append(
            f"{unsettled} refits of the bootstrap were not at rest: intervals may be too narrow."
        )
    loose = [d for d in (fit["bootstrap"] or {}).get("directions", []) if d["loose"]]
    for direction in loose[:3]:
        what = direction["weights"]
        which = f"the combination {words(what)}" if len(what) > 1 else next(iter(what))
        said.append(f"Hardly determined (sd {direction['sd']:.3g}): {which}.")
    return said
