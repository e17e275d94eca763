"""docs/results.md, written from benchmarks/results alone."""

import json
from pathlib import Path
from typing import Any

from metaplast.registry import Plain

HEAD = """# Results

Every number here comes from a JSON in benchmarks/results, which
`python -m benchmarks.reproduce` writes. Scores are means over held-out lives. Over several seeds
(class splits) intervals are 95 % t intervals over the means of the seeds; over one seed they are
bootstrap intervals over its lives. Differences are paired: row minus discovered, on the same lives.
A row is marked where its training failed, see "verdict". The wall time of a seed is the mean over
the seeds of one whole run, all its rows and their judging, on machines that other work shared.
`coactive` had two to five searches at a time on two cores, so its five rows took longer than 15
minutes a seed.

Run one of them yourself:

```bash
metaplast train experiment=oja --run-dir runs/oja
```
"""


def page(experiments: list[str], results: Path) -> str:
    """The whole page.

    Args:
        experiments: the names, in order.
        results: the folder of their JSONs.
    """
    parts = [HEAD]
    missing = []
    for name in experiments:
        file = results / f"{name}.json"
        if file.is_file():
            result = json.loads(file.read_text())
            parts.append(_trained(result) if result["verb"] == "train" else _fitted(result))
        else:
            missing.append(f"`{name}`")
    if missing:
        parts.append(f"## Not run with this version\n\n{', '.join(missing)}\n")
    return "\n".join(parts)


def _trained(result: Plain) -> str:
    """The section of an experiment that was trained."""
    has_verdicts = any(_state(row) != "trained" for row in result["rows"].values())
    has_seeds = len(result["seeds"]) > 1
    head = ["row", result["metric"], "95 % interval", "minus discovered", "95 % interval"]
    head += ["reach", "numbers", "n"]
    if has_seeds:
        head.append("per seed")
    if has_verdicts:
        head.append("verdict")
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in result["rows"].items():
        difference = row["minus_discovered"]
        cells = [name, _number(row["mean"]), _interval(row["ci95"])]
        if name == "discovered":
            cells += ["", ""]
        else:
            cells += [_number(difference["mean"], "+"), _interval(difference["ci95"], "+")]
        cells += [str(row.get("reach", "-")), str(row.get("learned", "-")), str(row["n"])]
        if has_seeds:
            cells.append(" ".join(_number(value) for value in row["per_seed"]))
        if has_verdicts:
            cells.append((row.get("verdict") or {}).get("state", "-"))
        lines.append(_line(cells))
    return "\n".join([_title(result), *lines, ""])


def _state(row: Plain) -> str:
    """The state of a row's training; a row without a verdict counts as trained."""
    return (row.get("verdict") or {}).get("state", "trained")


def _fitted(result: Plain) -> str:
    """The section of an experiment that was fitted."""
    held_out = (result.get("data") or {}).get("heldout_by", "subjects")
    explained_head = f"deviance explained on held-out {held_out} (95 % interval), against"
    head = ["row", explained_head, "n", "learned numbers"]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in result["rows"].items():
        words = []
        counts = set()
        for null, value in row.get("explained", {}).items():
            words.append(f"{null} {_explained(value)}")
            if isinstance(value, dict) and "n" in value:
                counts.add(str(value["n"]))
        n = ", ".join(sorted(counts)) or "-"
        lines.append(_line([name, "; ".join(words) or "-", n, str(row.get("learned", "-"))]))
    doubts = [f"- {doubt}" for doubt in result.get("doubts", [])]
    return "\n".join([_title(result), *lines, "", *doubts, ""])


def _title(result: Plain) -> str:
    """The heading of a section, and the facts of its runs."""
    seeds = ", ".join(map(str, result["seeds"]))
    versions = result["versions"]
    facts = [f"seed {seeds}" if len(result["seeds"]) == 1 else f"seeds {seeds}"]
    if result.get("wall_s") is not None:
        facts.append(f"{result['wall_s']:.0f} s of wall time a seed")
    facts.append(
        f"metaplast {versions.get('metaplast')}, JAX {versions.get('jax')}, Python "
        f"{versions.get('python')}"
    )
    facts.append(result["processor"])
    facts.append(result["date"])
    return f"## {result['experiment']}\n\n{'; '.join(facts)}.\n"


def _explained(value: Any) -> str:
    if not isinstance(value, dict):
        return _number(value)
    mean = _number(value.get("mean"))
    return f"{mean} ({_interval(value['ci95'])})" if "ci95" in value else mean


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, sign: str = "") -> str:
    if value is None:
        return "not finite"
    digits = ".3f" if 0.05 <= abs(value) < 1e3 or sign else ".3g"
    return format(value, f"{sign}{digits}")


def _interval(pair: list[float | None], sign: str = "") -> str:
    return f"{_number(pair[0], sign)} to {_number(pair[1], sign)}"
