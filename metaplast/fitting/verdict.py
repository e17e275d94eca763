"""What a fit found, in a few sentences made from its numbers: the first thing that terminal and
page show.
"""

from typing import Any

Plain = dict[str, Any]
SPREAD = (
    0.1  # of the largest number, over starts of equal loss: beyond it the numbers are not settled
)


def verdict(told: Plain, main: str) -> list[str]:
    """told: fit.json. Sentences: what the rule explains that no null model does; which family
    explains more; which numbers are settled; what to do next."""
    row = told["rows"][main]
    said = [_worth(told, row)]
    said += _rivals(told, main)
    said += _numbers(told, row)
    said.append(_next(told, row))
    return said


def _worth(told: Plain, row: Plain) -> str:
    """Against the null that leaves the rule least."""
    judged = {null: value for null, value in row["explained"].items() if value["mean"] is not None}
    if len(judged) < len(row["explained"]):
        return "Not found: the fitted network diverges on held-out data."
    hardest = min(judged, key=lambda null: judged[null]["mean"])
    value = judged[hardest]
    low, high = value["ci95"]
    by = "subjects" if told["data"]["heldout_by"] == "subjects" else "trials of the same subjects"
    share = f"{value['mean']:.3f} of the deviance that {hardest} leaves on held-out {by}"
    if low is None:
        return f"Not judged: the rule explains {share}; one subject gives no interval."
    about = f"{share} [{low:.3f}, {high:.3f}]"
    if high < 0:
        return f"Not found: the rule is worse than {hardest}. It explains {about}."
    if value["mean"] <= 0:
        return f"Not found: the rule is no better than {hardest}. It explains {about}."
    if low <= 0:
        n = value["n"]
        return f"Not settled: over {n} held out, the rule is not told apart from {hardest}. It explains {about}."
    return f"Found: the rule explains {about}, and more of every other null."


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
        f"It is not the best of the families: {name} explains {most:.3f} more of the deviance{more}."
    ]


def _numbers(told: Plain, row: Plain) -> list[str]:
    """How far the numbers are settled: at rest, the same from every start, intervals without 0."""
    if not row["numbers"]:
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
    known = told.get("intervals") or {}
    if known.get("separated"):
        loose.append("choices are predicted without fault")
    elif known.get("open"):
        loose.append("the data leave combinations of them open")
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
    shown = ", ".join(settled[:3]) + (" ..." if len(settled) > 3 else "")
    rest = f": {shown}" if settled else ""
    return [
        f"{len(settled)} of its {len(row['numbers'])} numbers have an interval that leaves out 0{rest}."
    ]


def _next(told: Plain, row: Plain) -> str:
    if told.get("advice"):
        return f"Next: {told['advice'][0]['words']}"
    if any(
        (value["ci95"][0] or 0.0) < 0 < (value["ci95"][1] or 0.0)
        for value in row["explained"].values()
    ):
        return "Next: hold out more subjects (task.held.subjects), or record more: the interval is too wide to tell."
    if not row["stable"]:
        return "Next: raise outer.steps, for the numbers were still moving."
    if told.get("recover") is None and "truth" not in told:
        return "Next: simulate this rule on the same design (--recover) and see whether a fit gives it back."
    return "Next: fit your own recordings with the same words, without --recover."
