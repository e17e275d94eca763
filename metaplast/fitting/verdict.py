"""What a fit found, in a few sentences made from its numbers: the first thing that terminal and
page show.
"""

from typing import Any

Plain = dict[str, Any]
SPREAD = (
    0.1  # of the largest number, over starts of equal loss: beyond it the numbers are not settled
)


def verdict(told: Plain, main: str) -> list[str]:
    """told: fit.json. Sentences: what the rule explains that no null model does;
    which family explains more; which numbers are settled; whether the data may be meant otherwise;
    what to do next."""
    row = told["rows"][main]
    said = [_worth(told, row)]
    said += _rivals(told, main)
    said += _numbers(told, row)
    if doubtful := len(told.get("reading", {}).get("warnings", [])):
        several = f"{doubtful} warnings, listed below" if doubtful > 1 else "1 warning, told below"
        said.append(f"It holds if the data were read as you mean them: {several}.")
    said.append(_next(told, row))
    return said


def _worth(told: Plain, row: Plain) -> str:
    """Against the null that leaves the rule least."""
    if row["splits"]["heldout"]["deviance"] is None:
        return "Not found: the fitted network diverges on held-out data."
    judged = {null: value for null, value in row["explained"].items() if value["mean"] is not None}
    unjudged = [null for null in row["explained"] if null not in judged]
    if unjudged:
        return f"Not judged: {without_scale(told, unjudged[0])}."
    hardest = min(judged, key=lambda null: judged[null]["mean"])
    value = judged[hardest]
    low, high = value["ci95"]
    by = "subjects" if told["data"]["heldout_by"] == "subjects" else "trials of the same subjects"
    share = f"{value['mean']:.3f} of the deviance that {hardest} leaves on held-out {by}"
    if low is None:
        return (
            f"Not judged: the rule explains {share}; values of one subject alone give no interval."
        )
    about = f"{share} [{low:.3f}, {high:.3f}]"
    if high < 0:
        return f"Not found: the rule is worse than {hardest}. It explains {about}."
    if value["mean"] <= 0:
        return f"Not found: the rule is no better than {hardest}. It explains {about}."
    level = (
        [hardest]
        if low <= 0
        else [null for null, other in judged.items() if (other["ci95"][0] or 0.0) <= 0]
    )
    if level:
        apart = f"over {value['n']} held out, the rule is not told apart from {' and '.join(level)}"
        return f"Not settled: {apart}. It explains {about}."
    return f"Found: the rule explains {about}, and more of every other null."


def without_scale(told: Plain, null: str) -> str:
    """Why nothing can be said as a share of what a null model leaves."""
    splits = told["nulls"].get(null) or told["rows"].get(null, {}).get("splits", {})
    if splits.get("heldout", {}).get("deviance") is None:
        return f"the null model {null} diverges on held-out data"
    return (
        f"{null} predicts all that was held out without fault, so that no rule has anything "
        f"left to explain"
    )


def _rivals(told: Plain, main: str) -> list[str]:
    better = []
    for name, other in told["rows"].items():
        lead = other[f"minus_{main}"]
        if name != main and lead["ci95"][0] is not None and lead["ci95"][0] > 0:
            better.append((lead["mean"], name))
    if not better:
        return []
    most, name = max(better)
    more = f", as {len(better) - 1} others do" if len(better) > 1 else ""
    return [
        f"It is not the best of the families: {name} explains {most:.3f} more of the "
        f"deviance{more}."
    ]


def _numbers(told: Plain, row: Plain) -> list[str]:
    """How far the numbers are settled: at rest, the same from every start, intervals without 0."""
    known = told.get("intervals") or {}
    unknown = _names(known.get("open") or [])
    if not row["numbers"] and not unknown and not known.get("separated"):
        return []
    starts = row["starts"]
    loose = []
    if not row["stable"]:
        loose.append("they were still moving when the search ended")
    if starts["n"] > 1 and starts["same"] == 1:
        loose.append("no other start came as low")
    if starts["n"] > 1 and starts["spread"] > SPREAD:
        loose.append(
            f"starts of equal loss differ by {100 * starts['spread']:.0f} % of the largest"
        )
    if known.get("separated"):
        loose.append("choices are predicted without fault")
    elif unknown:
        loose.append(f"the data do not settle {_some(unknown)}")
    if alone := known.get("alone"):
        loose.append(f"one {known['over'].removesuffix('s')} alone settles {_some(alone)}")
    if loose:
        return [f"Its numbers are not settled: {', and '.join(loose)}."]
    intervals = (told["bootstrap"] or {}).get("ci95", {})
    settled = []
    for name in sorted(row["numbers"], key=lambda name: -abs(row["numbers"][name] or 0.0)):
        low, high = intervals.get(name, (None, None))
        if low is not None and (low > 0 or high < 0):
            settled.append(name)
    if not intervals:
        return []
    if len(row["numbers"]) == 1:
        claim = "leaves out 0" if settled else "holds 0"
        return [f"Its one number, of {next(iter(row['numbers']))}, has an interval that {claim}."]
    rest = f": {_some(settled)}" if settled else ""
    return [
        f"{len(settled)} of its {len(row['numbers'])} numbers have an interval that leaves out "
        f"0{rest}."
    ]


def _names(combinations: list[Plain]) -> list[str]:
    """Every number that stands in one of these combinations, once."""
    return list(dict.fromkeys(name for weights in combinations for name in weights))


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _next(told: Plain, row: Plain) -> str:
    known = told.get("intervals") or {}
    if known.get("separated"):
        return (
            "Next: record choices that differ where the rule now predicts each, or give the "
            "rule fewer terms."
        )
    if known.get("open"):
        return "Next: hold or drop what is not settled, or record rows that depend on it."
    if told.get("advice"):
        return f"Next: {told['advice'][0]['words']}"
    if any(
        (value["ci95"][0] or 0.0) < 0 < (value["ci95"][1] or 0.0)
        for value in row["explained"].values()
    ):
        return (
            "Next: hold out more subjects (task.held.subjects), or record more: the interval "
            "is too wide to tell."
        )
    if not row["stable"]:
        return "Next: raise outer.steps, for the numbers were still moving."
    if told.get("recover") is None and "truth" not in told:
        return (
            "Next: simulate this rule on the same design (--recover) and see whether a fit "
            "gives it back."
        )
    return "Next: fit your own recordings with the same words, without --recover."
