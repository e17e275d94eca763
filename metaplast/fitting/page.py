"""What a finished fit says: the text at the end, the pictures and the page."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metaplast.figures import (
    explained,
    fit_numbers,
    fit_session,
    spike_windows,
    surface_spread,
)
from metaplast.fitting import reading as fit_reading
from metaplast.fitting import summary
from metaplast.fitting.data import Data
from metaplast.fitting.family_problem import problem_of
from metaplast.fitting.predict import activity
from metaplast.fitting.rows import Row
from metaplast.fitting.spread import Sure, spike_window, surface_of
from metaplast.report.page import Figure, Page, Section, Table, html
from metaplast.results.table import aligned
from metaplast.reuse.ask import whole
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import folder
from metaplast.runs.job import Job
from metaplast.settings.names import DISCOVERED

Plain = dict[str, Any]
SHOWN = 40  # numbers of a rule in a table


def render(run: Path) -> str:
    """What `metaplast fit` prints at the end."""
    told = json.loads((run / "fit.json").read_text())
    parts = [
        "\n".join(_verdict(told)),
        _about(told),
        *(f"{words}{aligned(_scores(told, part))}" for part, words in _parts(told).items()),
        *(f"{n}: {v['note']}" for n, v in told["nulls"].items()),
    ]
    parts += [_formula(run)] if (run / "rule.safetensors").is_file() else []
    if found := _number_rows(told):
        parts.append(aligned([_head(told), *found]))
    parts += fit_reading.warnings_of(told)
    parts += (
        ["\n".join(["Reasons to doubt it:", *(f"- {d}" for d in told["doubts"])])]
        if told["doubts"]
        else [
            "No reason to doubt it was found by the checks above; they cannot show that the "
            "network itself is right."
        ]
    )
    if advised := _advice(told):
        parts.append(
            "\n".join(["What would help, by the residuals:", *(f"- {words}" for words in advised)])
        )
    files = {
        "fit": [run / "fit.json"],
        "rule": [run / "rule.safetensors"],
        "report": [run / "report.html"],
    }
    files["figure"] = sorted((run / "figures").glob("*.png"))
    parts.append(
        "\n".join(f"{kind:8} {p}" for kind, paths in files.items() for p in paths if p.is_file())
    )
    return "\n\n".join(parts)


def _verdict(told: Plain) -> list[str]:
    """fit.json of 0.1.0 has none."""
    return told.get("verdict", [])


def _advice(told: Plain) -> list[str]:
    return [one["words"] for one in told.get("advice", [])]


def _about(told: Plain) -> str:
    data = told["data"]
    by = (
        f"subjects held out: {', '.join(data['heldout_subjects'])}"
        if data["heldout_subjects"]
        else "trials held out"
    )
    return (
        f"{data['subjects']} subject{'s' * (data['subjects'] != 1)}; sessions: "
        f"{_each(data['sessions'])}; recorded values: {_each(data['values'])}; "
        f"{by}."
    )


def _each(values: Plain) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _parts(told: Plain) -> dict[str, str]:
    """What is judged, and the words before its table: all of it, then activity and choice where a
    fit is to both.
    """
    return {
        "": "",
        **{part: f"Of {part} alone:\n" for part in told["rows"][DISCOVERED].get("parts", {})},
    }


def _rows(told: Plain) -> dict[str, Plain]:
    return {**told["rows"], **{f"null: {n}": v for n, v in told["nulls"].items()}}


def _scores(told: Plain, part: str = "") -> list[tuple[str, ...]]:
    """Row by row: deviance explained against every null, R2 of what was recorded (where activity
    and choice are judged together, of the activity), R2 of weights where known."""
    nulls = list(told["rows"][DISCOVERED]["explained"])
    edges = [] if part else list(told["rows"][DISCOVERED]["weights"])
    of = part or next(iter(told["rows"][DISCOVERED].get("parts", {})), "values")
    numbers = () if part else ("numbers",)
    lines = [
        (
            "row",
            *(f"explained vs {n}" for n in nulls),
            f"R2 {of}",
            *(f"R2 dw {e}" for e in edges),
            *numbers,
        )
    ]
    for name, row in _rows(told).items():
        own = row.get("parts", {}).get(part, row) if part else row
        explained = [_interval(own.get("explained", {}).get(n)) for n in nulls]
        r2 = own["r2"] if part else row.get("splits", row)["heldout"]["r2"]
        weights = [_short(row.get("weights", {}).get(e, {}).get("r2_change")) for e in edges]
        lines.append(
            (
                name,
                *explained,
                _short(r2),
                *weights,
                *(str(row.get("learned", "-")) for _ in numbers),
            )
        )
    return lines


def _interval(value: Plain | None) -> str:
    if value is None or value["mean"] is None:
        return "-"
    low, high = value["ci95"]
    return f"{value['mean']:.4f}" + ("" if low is None else f" [{low:.4f}, {high:.4f}]")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _head(told: Plain) -> tuple[str, ...]:
    return ("number", "fitted", "95 % interval", *(("true", "verdict") if "truth" in told else ()))


def _number_rows(told: Plain) -> list[tuple[str, ...]]:
    interval = (told["bootstrap"] or {}).get("ci95", {})
    bounds = lambda name: _bounds(*interval[name]) if name in interval else "-"
    if "truth" in told:
        return [
            (r["name"], _digits(r["fitted"]), bounds(r["name"]), _digits(r["true"]), r["verdict"])
            for r in told["truth"][:SHOWN]
        ]
    unknown = {
        name: 0.0 for name, ends in interval.items() if ends[0] is None
    }  # of a number at 0 it is told too
    found = sorted(
        {**unknown, **told["rows"][DISCOVERED]["numbers"]}.items(),
        key=lambda pair: -abs(pair[1] or 0.0),
    )
    return [(name, _digits(value), bounds(name)) for name, value in found[:SHOWN]]


def _bounds(low: float | None, high: float | None) -> str:
    return "not determined" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"


def _digits(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"


def _formula(run: Path) -> str:
    file = whole(read_rule(run / "rule.safetensors"))
    return formula(file.document, file.tensors)


def write(run: Path, job: Job, data: Data, rows: dict[str, Row], sure: Sure, told: Plain) -> None:
    """Figures and report.html, which comes last."""
    pictures = run / "figures"
    pictures.mkdir(exist_ok=True)
    sections = [
        Section("Verdict", _verdict(told)),
        Section(
            "What is explained",
            [_about(told), *_notes(told)],
            figures=[_explained(told, pictures, part) for part in _parts(told)],
            tables=[_table(told, part) for part in _parts(told)],
        ),
        _rule_section(run, told, pictures),
        *_spread(job, rows[DISCOVERED], data, sure, pictures),
        *_session(job, data, rows, pictures),
        fit_reading.section(told["reading"]),
        _path_section(told),
        Section(
            "Reasons to doubt it", told["doubts"] or ["None was found by the checks of this page."]
        ),
        Section("What would help, by the residuals", _advice(told)) if told["advice"] else None,
        Section("What this page does not show", _LIMITS),
    ]
    facts = [
        ("experiment", told["experiment"]),
        ("seed", str(told["seed"])),
        ("time", f"{told['wall_s']:.0f} s"),
    ]
    title = "Simulated and recovered" if told["recover"] is not None else "Fit"
    folder.write_text(
        run / "report.html",
        html(Page(f"{title}: {told['experiment']}", facts, [s for s in sections if s])),
    )


_LIMITS = [
    "Deviance explained says how well values are predicted, not that the rule is the animal's: "
    "many rules predict "
    "alike. metaplast fit --recover simulates a rule on the same design and shows which terms can "
    "be told apart.",
    "Intervals of the numbers hold for the chosen terms and for this network; they do not cover "
    "the choice of either.",
    "Rewards and gates are those that were recorded, also where a simulated choice would have led "
    "to others.",
]


def _notes(told: Plain) -> list[str]:
    rows = [f"{name}: {row['note']}." for name, row in told["rows"].items() if row["note"]]
    return [*rows, *(f"null {name}: {value['note']}" for name, value in told["nulls"].items())]


def _explained(told: Plain, pictures: Path, part: str) -> Figure:
    own = {
        name: row["parts"][part] if part else row
        for name, row in _rows(told).items()
        if "explained" in row
    }
    rows = {name: row["explained"] for name, row in own.items()}
    path = pictures / f"{'_'.join(['explained', *filter(None, [part])])}.png"
    explained.draw(rows, path, DISCOVERED, part or "values")
    alt = f"Deviance explained{f' of {part}' if part else ''}: " + "; ".join(
        f"{name}: {', '.join(f'{_interval(v)} against {n}' for n, v in found.items())}"
        for name, found in rows.items()
    )
    return Figure(path, alt, f"Mean over held-out subjects and 95 % interval ({summary.HOW}).")


def _table(told: Plain, part: str) -> Table:
    head, *lines = _scores(told, part)
    about = (
        f"Held-out values of {part}"
        if part
        else "Held-out values; R2 dw: of the change of weight, where it is known"
    )
    return Table(about, head, lines)


def _rule_section(run: Path, told: Plain, pictures: Path) -> Section:
    found = {
        name: value
        for name, value in told["rows"][DISCOVERED]["numbers"].items()
        if value is not None
    }
    if not found:
        return Section("The rule", ["Nothing is learned, or nothing that is finite."])
    path = pictures / "numbers.png"
    true = {r["name"]: r["true"] for r in told.get("truth", [])}
    interval = (told["bootstrap"] or {}).get("ci95", {})
    fit_numbers.draw(dict(sorted(found.items(), key=lambda p: -abs(p[1]))), interval, true, path)
    alt = "Numbers of the rule: " + ", ".join(
        f"{name} {value:.3g}" for name, value in found.items()
    )
    caption = "Rate times coefficient of every term that is kept" + (
        f"; bars: {_source(told)}." if interval else "."
    )
    row, starts = told["rows"][DISCOVERED], told["rows"][DISCOVERED]["starts"]
    words = [
        f"{starts['n']} different starts, {starts['same']} of them within 1 % of the best loss, "
        f"numbers within "
        f"{100 * starts['spread']:.1f} % of the largest; at rest after {row['steps']} outer steps: "
        f"{row['stable']}."
    ]
    tables = [Table("The numbers", _head(told), _number_rows(told))]
    return Section("The rule", words, [_formula(run)], [Figure(path, alt, caption)], tables)


def _source(told: Plain) -> str:
    """Where the intervals of the numbers come from."""
    known, refits = told.get("intervals"), told["bootstrap"]["refits"]
    drawn = f"95 % of {refits} refits to data drawn from the fitted rule"
    if not known or known["why"]:
        return drawn
    over = f"95 %, Student's t over {known['n']} {known['over']}"
    return f"{over}, or {drawn}, whichever reaches further" if refits else over


def _spread(job: Job, row: Row, data: Data, sure: Sure, pictures: Path) -> list[Section]:
    """The change of weight over two signals, or over the lag of two spikes, with its interval."""
    problem = problem_of(job.main)
    if window := spike_window(problem.lifetime, row.theta, data.source, sure):
        path = pictures / "window.png"
        spike_windows.draw(window.curves, window.band, path)
        ends = ", ".join(
            f"{n} {c.min():.4g} to {c.max():.4g}" for n, (_, c) in window.curves.items()
        )
        caption = "Change of weight by one pair of spikes." + "".join(
            f" {name}: what becomes eligible, for the modulator to apply." for name in window.gated
        )
        figure = Figure(path, f"Spike-timing window: {ends}", caption)
        return [Section("The window", figures=[figure])]
    if not (found := surface_of(problem.lifetime, row.theta, sure)):
        return []
    path = pictures / "surface.png"
    surface_spread.draw(found.grid, found.change, found.half, found.names, path)
    widest = float(found.half.max())
    alt = (
        f"Change of weight over {found.names[0]} and {found.names[1]}; half intervals up to "
        f"{widest:.3g}"
    )
    caption = (
        f"Signals that are no axis are held: {found.held}. Right: how well the data fix each point."
    )
    return [Section("Change of weight over two signals", figures=[Figure(path, alt, caption)])]


def _session(job: Job, data: Data, rows: dict[str, Row], pictures: Path) -> list[Section]:
    family: Any = job.main.task
    if family.clamp:
        return []
    heldout = jax.tree.map(lambda x: x[:1], data.sessions["heldout"])
    predicted = {}
    for name in [n for n in (DISCOVERED, summary.NONE) if n in rows]:
        lifetime = problem_of(job.row(name)).lifetime
        found = activity(lifetime, rows[name].theta, heldout, job.main.seed)
        predicted[name] = np.asarray(family.likelihood.mean(found))[0]
    path = pictures / "session.png"
    recorded, observed = np.asarray(heldout.target)[0], np.asarray(heldout.observed)[0]
    named = {}
    for part in family.parts():
        most = np.argsort(-observed[:, part.columns].sum(axis=0), kind="stable")[:3]
        named |= {int(part.columns.start + i): f"{part.name} {i}" for i in most}
    fit_session.draw(recorded, observed, predicted, named, path)
    alt = (
        f"Recorded and expected values of {', '.join(named.values())} over "
        f"{int(observed.any(1).sum())} steps"
    )
    return [
        Section(
            "One session",
            figures=[
                Figure(path, alt, "Points: recorded. Lines: expected, having seen none of it.")
            ],
        )
    ]


def _path_section(told: Plain) -> Section:
    path = told["rows"][DISCOVERED]["path"]
    if not path:
        return Section(
            "Which terms", ["The rule has few terms: all of them were fitted, without a penalty."]
        )
    lines = [
        (
            f"{c['strength']:g}",
            str(c["n_terms"]),
            f"{_short(c['deviance'])} (se {_short(c['error'])})",
            "chosen" if c["chosen"] else "",
        )
        for c in path
    ]
    words = (
        "An L1 penalty of every strength, then a refit of what is left without it. Validation "
        "trials choose the "
        "sparsest within one standard error of the best."
    )
    return Section(
        "Which terms",
        [words],
        tables=[Table("Path", ("strength", "numbers kept", "deviance", ""), lines)],
    )
