"""docs/results.md, written from benchmarks/results alone."""

import json
from pathlib import Path
from typing import Any

Plain = dict[str, Any]
HEAD = """# Results

Every number here comes from a JSON in benchmarks/results, which
`python -m benchmarks.reproduce` writes. Scores are means over held-out lives. Over several seeds
(class splits) intervals are 95 % t intervals over the means of the seeds; over one seed they are
bootstrap intervals over its lives. Differences are paired: row minus discovered, on the same lives.
A row is marked where its training failed, see "verdict".

Run one of them yourself:

```bash
metaplast train experiment=oja --run-dir runs/oja
```
"""


def page(experiments: list[str], results: Path) -> str:
    parts = [HEAD]
    missing = []
    for name in experiments:
        file = results / f"{name}.json"
        if file.is_file():
            told = json.loads(file.read_text())
            parts.append(_trained(told) if told["verb"] == "train" else _fitted(told))
        else:
            missing.append(f"`{name}`")
    if missing:
        parts.append(f"## Not run with this version\n\n{', '.join(missing)}\n")
    return "\n".join(parts)


def _trained(told: Plain) -> str:
    metric = told["metric"]
    marked = any(
        (row.get("verdict") or {}).get("state", "trained") != "trained"
        for row in told["rows"].values()
    )
    seeds = len(told["seeds"]) > 1
    head = [
        "row",
        metric,
        "95 % interval",
        "minus discovered",
        "95 % interval",
        "reach",
        "numbers",
        "n",
    ]
    head += ["per seed"] if seeds else []
    head += ["verdict"] if marked else []
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in told["rows"].items():
        difference = row["minus_discovered"]
        cells = [name, _number(row["mean"]), _interval(row["ci95"])]
        if name == "discovered":
            cells += ["", ""]
        else:
            cells += [_number(difference["mean"], "+"), _interval(difference["ci95"], "+")]
        cells += [str(row.get("reach", "-")), str(row.get("learned", "-")), str(row["n"])]
        if seeds:
            cells.append(" ".join(_number(value) for value in row["per_seed"]))
        if marked:
            cells.append((row.get("verdict") or {}).get("state", "-"))
        lines.append(_line(cells))
    return "\n".join([_title(told), *lines, ""])


def _fitted(told: Plain) -> str:
    by = (told.get("data") or {}).get("heldout_by", "subjects")
    head = [
        "row",
        f"deviance explained on held-out {by} (95 % interval), against",
        "n",
        "learned numbers",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    for name, row in told["rows"].items():
        explained = row.get("explained", {})
        words = [f"{null} {_explained(value)}" for null, value in explained.items()]
        counts = {
            str(value["n"])
            for value in explained.values()
            if isinstance(value, dict) and "n" in value
        }
        n = ", ".join(sorted(counts)) or "-"
        lines.append(_line([name, "; ".join(words) or "-", n, str(row.get("learned", "-"))]))
    doubts = [f"- {doubt}" for doubt in told.get("doubts", [])]
    return "\n".join([_title(told), *lines, "", *doubts, ""])


def _title(told: Plain) -> str:
    seeds = ", ".join(map(str, told["seeds"]))
    versions = told["versions"]
    facts = [f"seed {seeds}" if len(told["seeds"]) == 1 else f"seeds {seeds}"]
    if told.get("wall_s") is not None:
        facts.append(f"{told['wall_s']:.0f} s of wall time a seed")
    facts.append(
        f"metaplast {versions.get('metaplast')}, JAX {versions.get('jax')}, Python "
        f"{versions.get('python')}"
    )
    facts.append(told["processor"])
    facts.append(told["date"])
    return f"## {told['experiment']}\n\n{'; '.join(facts)}.\n"


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
