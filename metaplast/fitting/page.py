"""The page of a fit, report.html, with its figures."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from metaplast.figures import explained, fit_numbers, fit_session, spike_windows, surface_spread
from metaplast.figures.section import reason_of, unmade
from metaplast.fitting import data_reading
from metaplast.fitting.certainty import Certainty
from metaplast.fitting.data import Data
from metaplast.fitting.next_command import next_command
from metaplast.fitting.predict import activity
from metaplast.fitting.result import NO_PLASTICITY, FitResult
from metaplast.fitting.row_problem import problem_of
from metaplast.fitting.rows import FittedRow
from metaplast.fitting.spread import signals_met, spike_window, surface_of
from metaplast.fitting.tables import (
    NUMBERS,
    comparison_of,
    data_sentence,
    four_digits,
    models,
    number_head,
    number_lines,
    parts_of,
    rule_formula,
    score_table,
    share_text,
)
from metaplast.language.grammar import is_term
from metaplast.life.lifetime import Lifetime
from metaplast.likelihoods.base import Part
from metaplast.recording import AbstractRecording
from metaplast.report.page import Figure, Page, Section, Table, html
from metaplast.results.statistics import FEW
from metaplast.runs import folder, provenance
from metaplast.runs.job import Job
from metaplast.settings.names import DISCOVERED, REPORT

log = logging.getLogger(__name__)
UNITS_SHOWN = 3  # of every part, in the picture of one session
SHARE_INTERVAL = f"Student's t over fewer than {FEW} of them, else bootstrap over them"
LIMITS = [
    "Deviance explained says how well values are predicted, not that the rule is the animal's: "
    "many rules predict alike. metaplast fit --recover simulates a rule on the same design and "
    "shows which terms can be told apart.",
    "Intervals of the numbers hold for the chosen terms and for this network; they do not cover "
    "the choice of either.",
    "Rewards and gates are those that were recorded, also where a simulated choice would have led "
    "to others.",
]


class FinishedFit(NamedTuple):
    """All that a page shows.

    run: the folder.
    job: the configs of the rows.
    data: the sessions.
    rows: {name: fitted row}.
    certainty: intervals and refits of the discovered row.
    result: as in fit.json.
    """

    run: Path
    job: Job
    data: Data
    rows: dict[str, FittedRow]
    certainty: Certainty
    result: FitResult

    @property
    def figures(self) -> Path:
        """The folder of the figures."""
        return self.run / "figures"

    @property
    def lifetime(self) -> Lifetime:
        """The lifetime of the discovered row."""
        return problem_of(self.job.main).lifetime


def write(fit: FinishedFit) -> None:
    """Write the figures, and report.html last.

    A figure or a section that fails costs no other: the page says why it is not there.
    """
    fit.figures.mkdir(exist_ok=True)
    result = fit.result
    facts = [("experiment", result.experiment), ("seed", str(result.seed))]
    title = "Fit"
    if result.recover is not None:
        title = "Simulated and recovered"
    explained_section = _explained_section(fit)
    key_figure = next(iter(explained_section.figures), None)
    others = explained_section.figures[1:]
    page = Page(
        f"{title}: {_data_name(fit)}",
        facts,
        _sections(fit, explained_section._replace(figures=others)),
        verdict=result.verdict,
        key_figure=key_figure,
        next_command=next_command(fit.run, result),
        kind="A fit to recordings",
        provenance=provenance.facts(fit.run, result.wall_s),
    )
    folder.write_text(fit.run / REPORT, html(page))


def _data_name(fit: FinishedFit) -> str:
    """The name of the data's file; where there is none, that of the experiment."""
    origin = provenance.read(fit.run)
    if origin is None or not origin.data:
        return fit.result.experiment
    return ", ".join(origin.data)


def _sections(fit: FinishedFit, explained_section: Section) -> list[Section]:
    """The sections of the page, in their order."""
    result = fit.result
    doubts = result.doubts or ["None was found by the checks of this page."]
    sections = [
        Section("Reasons to doubt it", doubts),
        explained_section,
        _attempted("The rule", lambda: _rule_section(fit)),
        _attempted("The effect of the rule", lambda: _window_section(fit) or _surface_section(fit)),
        _attempted("One session", lambda: _session_section(fit)),
        data_reading.section(result.reading),
        _path_section(result),
    ]
    if result.advice:
        advice = [change.words for change in result.advice]
        sections.append(Section("What would help, by the residuals", advice))
    sections.append(Section("What this page does not show", LIMITS))
    return [section for section in sections if section is not None]


def _attempted(title: str, make: Callable[[], Section | None]) -> Section | None:
    """A section; where it fails, one that says why. With --debug, stderr has the traceback."""
    try:
        return make()
    except Exception as error:
        log.debug("%s: this part could not be made", title, exc_info=True)
        return unmade(title, error)


def _explained_section(fit: FinishedFit) -> Section:
    """Deviance explained: all values first, then each part."""
    result = fit.result
    parts = [None, *parts_of(result)]
    notes = []
    for name, row in result.rows.items():
        if row.note:
            notes.append(f"{name}: {row.note}.")
    for name, null in result.nulls.items():
        notes.append(f"null {name}: {null.note}")
    figures = []
    tables = []
    for part in parts:
        tables.append(_explained_table(result, part))
        try:
            figures.append(_explained_figure(fit, part))
        except Exception as error:  # the tables hold the same numbers
            log.debug("the figure of what is explained could not be drawn", exc_info=True)
            notes.append(f"The figure could not be drawn: {reason_of(error)}")
    paragraphs = [data_sentence(result), *notes]
    return Section("What is explained", paragraphs, figures=figures, tables=tables)


def _explained_figure(fit: FinishedFit, part: str | None) -> Figure:
    """The figure of the shares of deviance: of all values, or of one part."""
    bars = {}
    texts = []
    for name, model in models(fit.result).items():
        bars[name] = comparison_of(model, part).explained
        shares = []
        for null, share in bars[name].items():
            shares.append(f"{share_text(share)} against {null}")
        texts.append(f"{name}: {', '.join(shares)}")
    path = fit.figures / "explained.svg"
    of_part = ""
    if part is not None:
        path = fit.figures / f"explained_{part}.svg"
        of_part = f" of {part}"
    explained.draw(bars, path, DISCOVERED, part or "values")
    alt = f"Deviance explained{of_part}: " + "; ".join(texts)
    caption = (
        f"Mean over held-out subjects and 95 % interval ({SHARE_INTERVAL}). The axis is cut at "
        f"{explained.LEAST:g} and {explained.MOST:g}; an arrow stands for what lies further out."
    )
    return Figure(path, alt, caption)


def _explained_table(result: FitResult, part: str | None) -> Table:
    """The table of the shares of deviance: of all values, or of one part."""
    head, *lines = score_table(result, part)
    caption = f"Held-out values; {NUMBERS}"
    if any(name.startswith("R2 dw") for name in head):
        caption += "; R2 dw: of the change of weight"
    if part is not None:
        caption = f"Held-out values of {part}"
    return Table(caption, head, lines)


def _rule_section(fit: FinishedFit) -> Section:
    """The formula of the rule, its numbers, and the agreement of the starts."""
    result = fit.result
    row = result.discovered
    values = {}
    for name, value in row.numbers.items():
        if value is not None:
            values[name] = value
    if not values:
        return Section("The rule", ["Nothing is learned, or nothing that is finite."])
    path = fit.figures / "numbers.svg"
    true = {}
    for number in result.truth or []:
        if number.true is not None:
            true[number.name] = number.true
    largest_first = dict(sorted(values.items(), key=lambda pair: -abs(pair[1])))
    caption = "Rate times coefficient of every term that is kept"
    label = "change of weight per step and unit of the term"
    if not all(map(is_term, values)):
        caption = "Every learned number; time constants are in seconds"
        label = "number, each in its own unit"
    fit_numbers.draw(largest_first, result.number_bounds, true, path, label)
    texts = [f"{name} {value:.3g}" for name, value in values.items()]
    caption += f"; bars: {interval_source(result)}." if result.number_bounds else "."
    starts = "One start"
    if row.starts.n > 1:
        starts = (
            f"{row.starts.n} different starts, {row.starts.same} of them within 1 % of the best "
            f"loss, with numbers within {100 * row.starts.spread:.1f} % of the largest"
        )
    rest = "at rest"
    if not row.stable:
        rest = "still moving"
    words = f"{starts}; {rest} after {row.steps} outer steps."
    return Section(
        "The rule",
        [words],
        [rule_formula(fit.run)],
        [Figure(path, "Numbers of the rule: " + ", ".join(texts), caption)],
        [Table("The numbers", number_head(result), number_lines(result))],
    )


def interval_source(result: FitResult) -> str:
    """The source of the intervals of the numbers, in words."""
    refits = 0
    if result.bootstrap is not None:
        refits = result.bootstrap.refits
    of_refits = f"95 % of {refits} refits to data drawn from the fitted rule"
    intervals = result.intervals
    if intervals is None or intervals.why:
        return of_refits
    of_subjects = f"95 %, Student's t over {intervals.n} {intervals.over}"
    if not refits:
        return of_subjects
    return f"{of_subjects}, or {of_refits}, whichever reaches further"


def _window_section(fit: FinishedFit) -> Section | None:
    """The change of weight over the lag of two spikes, for a rule of spike timing."""
    theta = fit.rows[DISCOVERED].theta
    window = spike_window(fit.lifetime, theta, fit.data.source, fit.certainty)
    if window is None:
        return None
    path = fit.figures / "window.svg"
    curves = {name: (curve.lag, curve.change) for name, curve in window.curves.items()}
    spike_windows.draw(curves, window.band, path)
    ranges = []
    for name, curve in window.curves.items():
        ranges.append(f"{name} {curve.change.min():.4g} to {curve.change.max():.4g}")
    caption = "Change of weight by one pair of spikes."
    for name in window.gated:
        caption += f" {name}: what becomes eligible, for the modulator to apply."
    figure = Figure(path, f"Spike-timing window: {', '.join(ranges)}", caption)
    return Section("The window", figures=[figure])


def _surface_section(fit: FinishedFit) -> Section | None:
    """The change of weight over two signals, for a rule that reads two."""
    theta = fit.rows[DISCOVERED].theta
    met = signals_met(fit.lifetime, theta, fit.data.sessions["train"], fit.job.main.seed)
    surface = surface_of(fit.lifetime, theta, fit.certainty, met)
    if surface is None:
        return None
    path = fit.figures / "surface.svg"
    grid = (surface.x, surface.y)
    names = (surface.x_name, surface.y_name)
    surface_spread.draw(grid, surface.change, surface.half, names, path)
    alt = (
        f"Change of weight over {surface.x_name} and {surface.y_name}; "
        f"half intervals up to {float(surface.half.max()):.3g}"
    )
    caption = (
        f"The axes reach as far as the fitted rows do. Signals that are no axis are held: "
        f"{surface.held}. "
        "Right: how well the data fix each point. A signal that makes no difference is left out."
    )
    return Section("Change of weight over two signals", figures=[Figure(path, alt, caption)])


def _session_section(fit: FinishedFit) -> Section | None:
    """One held-out session as it was recorded, and as the rule expects it."""
    family = cast(AbstractRecording, fit.job.main.task)
    if family.clamp:
        return None
    session = jax.tree.map(lambda x: x[:1], fit.data.sessions["heldout"])
    predicted = {}
    for name in (DISCOVERED, NO_PLASTICITY):
        if name in fit.rows:
            lifetime = problem_of(fit.job.row(name)).lifetime
            lived: Any = activity(lifetime, fit.rows[name].theta, session, fit.job.main.seed)
            predicted[name] = np.asarray(family.likelihood.mean(lived))[0]
    recorded = np.asarray(session.target)[0]
    observed = np.asarray(session.observed)[0]
    names = {}
    for part in family.parts():
        counts = observed[:, part.columns].sum(axis=0)
        for unit in np.argsort(-counts, kind="stable")[:UNITS_SHOWN]:
            names[int(part.columns.start + unit)] = _axis_of_session(family, part, int(unit))
    path = fit.figures / "session.svg"
    subject = fit.data.names[int(fit.data.subject["heldout"][0])]
    if not subject.startswith("session "):  # without names every session is a subject
        subject = f"subject {subject}"
    whose = f"{subject}, to which nothing was fitted"
    if not fit.result.data.heldout_subjects:
        whose = f"{subject}, the trials that were held out"
    fit_session.draw(recorded, observed, predicted, names, whose, path)
    n_rows = int(observed.any(1).sum())
    words = ", ".join(" ".join(name.split()) for name in names.values())
    alt = f"Recorded and expected values over {n_rows} rows of {whose}: {words}"
    caption = "Points: recorded. Lines: expected, having seen none of it."
    shown = [recorded[observed[:, at] > 0, at] for at in names]
    if any(map(fit_session.is_smoothed, shown)):
        marks = "Points: recorded values."
        if any(map(fit_session.are_choices, shown)):
            marks = "Ticks: recorded choices, above 1 and below 0."
        caption = (
            f"{marks} Lines: running means over a twentieth of the session, recorded (grey) and "
            "expected, having seen none of it."
        )
    return Section("One session", figures=[Figure(path, alt, caption)])


def _axis_of_session(family: AbstractRecording, part: Part, unit: int) -> str:
    """The words of the axis of one column in the picture of a session."""
    n = part.columns.stop - part.columns.start
    if not part.likelihood.channels(n):
        name = "recorded activity"
        return name if n == 1 else f"{name}\nof unit {unit}"
    option = unit
    if n == 1:
        option = 1
    named = getattr(family, "choice_values", ())
    if named:
        return f"P({named[option]})"
    return f"P(choice {option})"


def _path_section(result: FitResult) -> Section:
    """The sets of terms that were tried."""
    path = result.discovered.path
    if not path:
        words = "The rule has few terms: all of them were fitted, without a penalty."
        return Section("Which terms", [words])
    lines = []
    for point in path:
        deviance = f"{four_digits(point.deviance)} (se {four_digits(point.error)})"
        chosen = ""
        if point.chosen:
            chosen = "chosen"
        lines.append((f"{point.strength:g}", str(point.n_terms), deviance, chosen))
    words = (
        "An L1 penalty of every strength, then a refit of what is left without it. Validation "
        "trials choose the sparsest within one standard error of the best."
    )
    table = Table("Path", ("strength", "numbers kept", "deviance", ""), lines)
    return Section("Which terms", [words], tables=[table])
