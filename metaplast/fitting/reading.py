"""How a fit read its data: before it begins, after it and on its page."""

import logging
from collections.abc import Iterator

from metaplast.recording import AbstractRecording
from metaplast.registry import name_of
from metaplast.report.page import Section, Table
from metaplast.runs import preflight
from metaplast.runs.config import Plain
from metaplast.runs.job import Config, Job

log = logging.getLogger(__name__)
SAME_STEP = 1e-3  # of the data's dt


def reading_of(job: Job) -> Plain:
    """How the data were read: the description, line by line, and the warnings, with those of the
    run's dt.
    """
    family: AbstractRecording = job.main.task  # pyright: ignore[reportAssignmentType]
    away = [*_unused(job, family), *_steps(job, family), *preflight.too_fast(job)]
    lines = [*family.describe().splitlines(), *(f"warning: {line}" for line in away)]
    return {"description": lines, "warnings": list(_warnings(job, family))}


def _warnings(job: Job, family: AbstractRecording) -> Iterator[str]:
    yield from family.warnings()
    yield from _unused(job, family)
    yield from _steps(job, family)


def _unused(job: Job, family: AbstractRecording) -> Iterator[str]:
    """First weights that were recorded, where the fit begins at others."""
    edges = sorted(family.recorded().sessions.weights)
    if edges and family.truth() is None and "weights" not in job.main.genome.needs:
        names = ", ".join(f"weights.{edge}" for edge in edges)
        how = name_of(type(job.main.genome))
        yield (
            f"{names}: not used, as genome={how} finds the first weights; say genome=given to "
            f"begin at those recorded"
        )


def _steps(job: Job, family: AbstractRecording) -> Iterator[str]:
    """A line for every dt of a row that is not that of the data, or that nobody told where time
    constants matter.
    """
    told, main = family.seconds(), job.main
    if told is None and family.truth() is None and main.dt == Config.dt and preflight.timed(main):
        yield (
            f"the data do not say how long a row is, and the fit takes dt={main.dt:g} s: say "
            f"dt=SECONDS"
        )
    for dt in dict.fromkeys(config.dt for _, config in job.rows):
        if told is not None and abs(dt - told) > SAME_STEP * told:
            yield (
                f"the data say {told:g} s per row, the fit runs with dt={dt:g} s: every time "
                f"constant that it finds is "
                f"off by the factor {dt / told:.3g}; leave dt out, or correct the one in the file"
            )


def warn(job: Job) -> None:
    """Say the warnings of a job whose task is a recording."""
    if isinstance(job.main.task, AbstractRecording):
        for line in _warnings(job, job.main.task):
            log.warning("data: %s", line)


def warnings_of(told: Plain) -> list[str]:
    """The warnings of fit.json as a paragraph; none of fits of before, which kept none."""
    said = told.get("reading", {}).get("warnings", [])
    return ["\n".join(["Of the data:", *(f"- {line}" for line in said)])] if said else []


def section(reading: Plain) -> Section:
    plain = [line.strip() for line in reading["description"] if not line.startswith("warning: ")]
    parts = [line.partition(": ") for line in plain]
    table = Table(
        "How every array was understood",
        ("what", "read as"),
        [(name, words) for name, _, words in parts],
    )
    nothing = ["Nothing was dropped, filled, sorted or read otherwise than it stands."]
    return Section("How the data were read", reading["warnings"] or nothing, tables=[table])
