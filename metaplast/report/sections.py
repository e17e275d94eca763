"""Parts of the page: numbers in; figures drawn, (section, the numbers behind it as plain data) out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures import drawing as figures
from metaplast.figures import fits as fit_figures
from metaplast.report.page import Figure, Section, Table
from metaplast.results.coefficients import Numbers, over_seeds
from metaplast.results.curves import Band
from metaplast.results.statistics import Estimate
from metaplast.results.surfaces import Surface
from metaplast.results.windows import WEIGHT, Window

Plain = dict[str, Any]
Part = tuple[Section, Plain]
_JUMP = (
    " A jump where a phase ends may come from the order of the stimuli: in a stream that shows every class equally "
    "often, what comes next differs from what came last."
)
_ASKED = (
    "The change is what the rule asks for, before masks, bounds of the weights and the task's gate."
)


def learning(
    bands: Mapping[str, Mapping[str, Band]],
    phases: Sequence[tuple[int, bool]],
    facts: Plain,
    folder: Path,
    ours: Sequence[str],
) -> Part:
    """bands: metric -> row -> band over the steps of a life. facts: n_lives, n_runs, width, blown
    {row: lives}.
    """
    width = facts["width"]
    smoothing = f"moving mean over {width} steps within a phase" if width > 1 else "not smoothed"
    over = f"{facts['n_lives']} held-out lives" + (
        f" in each of {facts['n_runs']} runs" if facts["n_runs"] > 1 else ""
    )
    pictures = []
    for metric, rows in bands.items():
        path = folder / f"curves_{metric}.png"
        figures.curves(rows, phases, ("step in the life", f"{metric} ({smoothing})"), path, ours)
        alt = f"{metric} at every step of a life for {', '.join(rows)}; last step: " + ", ".join(
            f"{name} {_short(band.mean[-1])}" for name, band in rows.items()
        )
        caption = (
            f"{metric} at each step, mean over {over}, {smoothing}; pointwise 95 % band. Shaded: plasticity is on. The "
            "legend is in the order of the curves' ends."
        )
        pictures.append(Figure(path, alt, caption))
    paragraphs = [
        "Every step is scored before the change of weight it gives rise to, so within a plastic phase the curve is "
        "the score as a function of the number of steps learned from so far."
        + (_JUMP if len(phases) > 1 else ""),
        *(
            f"{name}: {n} lives with a loss that is not finite; from that step on they are left out of the curve."
            for name, n in facts["blown"].items()
            if n
        ),
    ]
    numbers = {
        metric: {
            row: {field: _list(values) for field, values in band._asdict().items()}
            for row, band in rows.items()
        }
        for metric, rows in bands.items()
    }
    return Section("Learning within a life", paragraphs, figures=pictures), {
        **facts,
        "phases": [{"steps": length, "plastic": plastic} for length, plastic in phases],
        "bands": numbers,
    }


def coefficients(terms: Sequence[Numbers], constants: Sequence[Numbers], folder: Path) -> Part:
    """One mapping per seed. Coefficients c_k are before the rate; learnt constants stand in a table
    of their own.
    """
    n = len(terms)
    mean = {entry: values for entry, values in over_seeds(terms).items() if values}
    learnt = {entry: values for entry, values in over_seeds(constants).items() if values}
    pictures, tables = [], []
    if mean and n == 1:
        path = folder / "coefficients.png"
        figures.coefficients({entry: terms[0][entry] for entry in mean}, path)
        caption = (
            "The coefficient of every term in every slot or edge, to be multiplied by its rate."
        )
        pictures.append(Figure(path, _say(mean), caption))
    elif mean:
        path = folder / "coefficients_over_seeds.png"
        figures.intervals(mean, "coefficient (before the rate)", path)
        caption = f"Mean of every coefficient over {n} seeds; bars: 95 % interval (Student's t over seeds)."
        pictures.append(Figure(path, _say(mean), caption))
    if mean:
        tables.append(_numbers_table("Coefficients, before the rate", mean, n))
    if learnt:
        tables.append(_numbers_table("Learnt constants, as they act", learnt, n))
    words = (
        "One seed: values without intervals over seeds."
        if n == 1
        else f"Mean over {n} seeds with the 95 % interval of Student's t; few seeds give wide intervals."
    )
    plain = {"seeds": n, "terms": _estimates(mean), "constants": _estimates(learnt)}
    return Section(
        "Coefficients", [words] if mean or learnt else [], figures=pictures, tables=tables
    ), plain


def leaves(found: Mapping[str, np.ndarray], folder: Path) -> Part:
    """For rules that are no list of terms: how many numbers, of what shape and size."""
    path = folder / "numbers.png"
    figures.histograms(found, path)
    rows = [
        (
            name,
            "x".join(map(str, v.shape)) or "1",
            str(v.size),
            *map(_short, (_rms(v), float(v.min()), float(v.max()))),
        )
        for name, v in found.items()
    ]
    table = Table(
        "Learned numbers by leaf",
        ("leaf", "shape", "numbers", "root mean square", "least", "largest"),
        rows,
    )
    alt = "Histogram of every leaf: " + ", ".join(
        f"{row[0]} {row[2]} numbers, rms {row[3]}" for row in rows
    )
    caption = "Distribution of the learned numbers of each leaf."
    words = f"A rule that is no list of terms: {sum(v.size for v in found.values())} numbers in {len(found)} leaves."
    section = Section(
        "Learned numbers", [words], figures=[Figure(path, alt, caption)], tables=[table]
    )
    keys = ("shape", "size", "rms", "min", "max")
    plain = {
        n: dict(
            zip(keys, (list(v.shape), v.size, _rms(v), float(v.min()), float(v.max())), strict=True)
        )
        for n, v in found.items()
    }
    return section, {"leaves": plain}


def paths(
    terms: Sequence[Plain], constants: Sequence[Plain], seeds: Sequence[int], folder: Path
) -> Part:
    """Along meta-training: one mapping entry -> name -> values per seed."""
    pictures = []
    for what, runs, label in (
        ("path", terms, "coefficient (before the rate)"),
        ("path_constants", constants, "learnt constant"),
    ):
        panels = {entry: [run[entry] for run in runs] for entry in runs[0] if runs[0][entry]}
        panels = _turned(panels) if what == "path_constants" else panels
        if panels:
            path = folder / f"{what}.png"
            figures.paths(panels, label, path)
            ends = {
                entry: {name: lines[-1] for name, lines in each[0].items()}
                for entry, each in panels.items()
            }
            alt = f"{label} at every outer step in {', '.join(panels)}. Ends of seed {seeds[0]}: {_ends(ends)}"
            caption = f"{label.capitalize()} after each outer step" + (
                f", one line per seed ({len(seeds)})." if len(seeds) > 1 else "."
            )
            pictures.append(Figure(path, alt, caption))
    words = (
        "The rule of the page is the candidate that validation lives preferred; it may come from an earlier outer step "
        "than the last."
    )
    plain = {
        "seeds": list(seeds),
        "terms": _rounded(list(terms)),
        "constants": _rounded(list(constants)),
    }
    return Section(
        "The way there: coefficients over meta-training", [words], figures=pictures
    ), plain


def delta_w(found: Mapping[str, Sequence[Surface]], seed_note: str, folder: Path) -> Part:
    """The surfaces of every slot or edge; `seed_note` says whose rule it is where there are
    several.
    """
    drawn = {entry: list(surfaces) for entry, surfaces in found.items() if surfaces}
    if not drawn:
        return Section(
            "Change of weight over two signals",
            ["The rule reads fewer than two signals: no surface."],
        ), {}
    path = folder / "surfaces.png"
    figures.surfaces(drawn, path)
    every = [surface for surfaces in drawn.values() for surface in surfaces]
    first = every[0]
    words = [
        f"What one step of {first.dt:g} s would change at a single synapse. {_ASKED} {seed_note}".strip(),
        "Signals that are no axis are held: "
        + "; ".join(dict.fromkeys(f"{s.x} and {s.y} vary, {_held(s.held)}" for s in every))
        + ". Sums over other synapses (such as predicted) are held like any other signal.",
    ]
    if any(s.stateful for s in every):
        words.append(
            "The rule has state (traces or moments): this is its first step, from the state at birth."
        )
    if any(s.averaged for s in every):
        words.append("The rule holds a number per synapse: the surface is that of their means.")
    alt = "Heat maps of the change of weight: " + ", ".join(
        f"{entry} over {s.x} and {s.y}, {_short(s.delta_w.min())} to {_short(s.delta_w.max())}"
        for entry, surfaces in drawn.items()
        for s in surfaces
    )
    caption = "Red: the weight grows; blue: it shrinks; black line: no change. Each map has its own colour scale."
    return Section(
        "Change of weight over two signals", words, figures=[Figure(path, alt, caption)]
    ), {entry: [_surface(s) for s in surfaces] for entry, surfaces in drawn.items()}


def spike_windows(found: Mapping[str, Window], folder: Path) -> Part:
    """The change of weight by a pair of spikes, for every slot or edge whose rule learns from their
    times.
    """
    path = folder / "windows.png"
    curves = {entry: (1e3 * w.lags, w.pair) for entry, w in found.items()}
    if len(found) == 1:
        (only,) = found.values()
        curves["both spikes alone"] = 1e3 * only.lags[[0, -1]], np.full(2, only.alone)
    fit_figures.window(curves, None, path)
    words = [
        "What one spike on each side changes over the times shown, against the time between the two, at a synapse "
        f"whose weight stands still at {WEIGHT:g} (bounds 0 and 1); modulators are held at 1.",
        *(
            f"{entry}: a modulator applies what is eligible; shown is what the pair makes eligible, the change by the "
            "rule inside, before its fading and before the rate and the modulator of the rule around it."
            for entry, w in found.items()
            if w.gated
        ),
        *(
            f"{entry}: both spikes alone, without the other, change it by {_short(w.alone)}."
            for entry, w in found.items()
        ),
    ]
    ends = ", ".join(
        f"{entry} {_short(w.pair.min())} to {_short(w.pair.max())}" for entry, w in found.items()
    )
    figure = Figure(
        path, f"Spike-timing windows: {ends}", "Change of weight by one pair of spikes."
    )
    plain = {
        e: {
            "lags_s": _list(w.lags),
            "delta_w": _list(w.pair),
            "alone": w.alone,
            "eligible_only": w.gated,
        }
        for e, w in found.items()
    }
    return Section("Change of weight by a pair of spikes", words, figures=[figure]), plain


def _surface(s: Surface) -> Plain:
    grid = {
        "x_values": _list(s.x_values),
        "y_values": _list(s.y_values),
        "delta_w": [_list(row) for row in s.delta_w],
    }
    facts = {
        "x": s.x,
        "y": s.y,
        "held": s.held,
        "dt": s.dt,
        "first_step_of_state": s.stateful,
        "means_of_synapses": s.averaged,
    }
    return {**facts, **grid}


def _turned(panels: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """name -> per seed entry -> values: constants of one kind share a panel."""
    names = dict.fromkeys(name for seeds in panels.values() for name in seeds[0])
    n_seeds = len(next(iter(panels.values()), ()))
    return {
        name: [
            {entry: seeds[i][name] for entry, seeds in panels.items() if name in seeds[i]}
            for i in range(n_seeds)
        ]
        for name in names
    }


def _numbers_table(caption: str, panels: Mapping[str, Mapping[str, Estimate]], n: int) -> Table:
    names = list(dict.fromkeys(name for values in panels.values() for name in values))
    cell = lambda entry, name: _cell(panels[entry][name], n) if name in panels[entry] else ""
    return Table(
        caption, ("", *panels), [(name, *(cell(entry, name) for entry in panels)) for name in names]
    )


def _cell(estimate: Estimate, n: int) -> str:
    interval = f" [{_short(estimate.low)}, {_short(estimate.high)}]" if n > 1 else ""
    return f"{_short(estimate.mean)}{interval}"


def _estimates(panels: Mapping[str, Mapping[str, Estimate]]) -> Plain:
    return {
        entry: {
            name: {"mean": _finite(e.mean), "ci95": [_finite(e.low), _finite(e.high)], "n": e.n}
            for name, e in values.items()
        }
        for entry, values in panels.items()
    }


def _say(panels: Mapping[str, Mapping[str, Estimate]]) -> str:
    return "Coefficients: " + _ends(
        {entry: {n: e.mean for n, e in values.items()} for entry, values in panels.items()}
    )


def _ends(panels: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(
        f"{entry}: " + ", ".join(f"{n} {_short(v)}" for n, v in values.items())
        for entry, values in panels.items()
    )


def _held(held: Mapping[str, float]) -> str:
    return (
        ", ".join(f"{name} = {value:g}" for name, value in held.items()) or "nothing else is read"
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _short(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "not finite"


def _finite(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _list(values: Any) -> list[float | None]:
    return [_finite(float(value)) for value in values]


def _rounded(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _rounded(value) for name, value in tree.items()}
    return [_rounded(value) for value in tree] if isinstance(tree, list) else _finite(tree)
