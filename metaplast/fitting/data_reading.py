"""The way in which a fit read its data: said before it begins, after it, and on its page."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from metaplast.likelihoods.gaussian import Gaussian
from metaplast.neurons.linear import Linear
from metaplast.recording import AbstractRecording, measured_of
from metaplast.registry import name_of
from metaplast.report.page import Section, Table
from metaplast.runs import preflight
from metaplast.runs.job import Config, Job
from metaplast.tasks import SPLITS

if TYPE_CHECKING:
    from metaplast.fitting.result import DataReading

log = logging.getLogger(__name__)
SAME_STEP = 1e-3  # of the data's dt: so near another dt is the same
WARNING = "warning: "
OF_WEIGHTS = "final_weights"  # what an objective of last weights needs


def reading_of(job: Job) -> "DataReading":
    """The description of the data line by line, and the warnings.

    The description ends with the warnings, and also names time constants that dt does not resolve.
    """
    from metaplast.fitting.result import DataReading  # a training reads data too, and needs no fit

    family = cast(AbstractRecording, job.main.task)
    warnings = [
        *no_bias(job, family),
        *_unused_weights(job, family),
        *_step_warnings(job, family),
        *_slow_rules(job, family),
        *preflight.too_fast(job),
    ]
    description = family.describe().splitlines()
    if OF_WEIGHTS in job.main.objective.needs:
        description = _split_by_sessions(description, family)
    description += [f"{WARNING}{line}" for line in warnings]
    return DataReading(description, list(_warnings(job, family)))


def _split_by_sessions(description: list[str], family: AbstractRecording) -> list[str]:
    """The description with the split of a fit to last weights, which judges whole sessions."""
    facts = []
    warnings = []
    for line in description:
        if line.startswith(WARNING):
            warnings.append(line)
        elif not line.startswith("split "):
            facts.append(line)
    recorded = family.recorded()
    for split in SPLITS:
        n = int(measured_of(recorded, family.held, split).sum())
        facts.append(f"split {split}: {n} sessions, by their last weights")
    return [*facts, *warnings]


def _warnings(job: Job, family: AbstractRecording) -> Iterator[str]:
    """The warnings that are said before a fit begins."""
    yield from family.warnings()
    yield from no_bias(job, family)
    yield from _unused_weights(job, family)
    yield from _step_warnings(job, family)
    yield from _slow_rules(job, family)


def no_bias(job: Job, family: AbstractRecording) -> Iterator[str]:
    """A line for activity about a mean that nothing in the network can make."""
    network: Any = job.main.network
    is_linear = isinstance(getattr(network, "output", None), Linear)
    if family.clamp or family.truth() is not None or family.watched():
        return
    if not is_linear or getattr(network, "bias", True):
        return
    recorded = family.recorded()
    stimulus = np.asarray(recorded.sessions.stimulus)[recorded.trial >= 0]
    if (np.ptp(stimulus, axis=0) == 0).any():
        return
    for part in family.parts():
        target = np.asarray(recorded.sessions.target, np.float64)[..., part.columns]
        known = np.asarray(recorded.sessions.observed)[..., part.columns] > 0
        if not isinstance(part.likelihood, Gaussian) or not known.any():
            continue
        mean = target[known].mean()
        sd = target[known].std()
        if abs(mean) > sd > 0:
            yield (
                f"recorded activity has a mean of {mean:.3g} (sd {sd:.3g}), and the network has no "
                "bias: say network.bias=true"
            )


def _unused_weights(job: Job, family: AbstractRecording) -> Iterator[str]:
    """A line for first weights that were recorded, where the fit begins at others."""
    genome = job.main.genome
    edges = sorted(family.recorded().sessions.weights)
    if edges and family.truth() is None and "weights" not in genome.needs:
        names = ", ".join(f"weights.{edge}" for edge in edges)
        yield (
            f"{names}: not used, as genome={name_of(type(genome))} finds the first weights; "
            "say genome=given to begin at those recorded"
        )


def _step_warnings(job: Job, family: AbstractRecording) -> Iterator[str]:
    """A line for every dt of a row that is not the one of the data.

    Also a line where time constants matter and neither the data nor the config say a dt.
    """
    seconds = family.seconds()
    if _is_step_unknown(job, family) and preflight.timed(job.main):
        yield (
            f"the data do not say how long a row is, and the fit takes dt={job.main.dt:g} s: "
            "say dt=SECONDS"
        )
    for dt in dict.fromkeys(config.dt for _, config in job.rows):
        if seconds is not None and abs(dt - seconds) > SAME_STEP * seconds:
            yield (
                f"the data say {seconds:g} s per row, the fit runs with dt={dt:g} s: every time "
                f"constant that it finds is off by the factor {dt / seconds:.3g}; leave dt out, "
                "or correct the one in the file"
            )


def _is_step_unknown(job: Job, family: AbstractRecording) -> bool:
    """Whether neither the data nor the config say how long a row is."""
    is_default = job.main.dt == Config.dt
    return family.seconds() is None and family.truth() is None and is_default


def _slow_rules(job: Job, family: AbstractRecording) -> list[str]:
    """A line for every time constant of a rule that is longer than the longest session."""
    if _is_step_unknown(job, family):
        return []
    n_steps = int((family.recorded().trial >= 0).sum(axis=1).max())
    return preflight.too_slow(job, n_steps)


def warn(job: Job) -> None:
    """Log the warnings of a job whose task is a recording."""
    if isinstance(job.main.task, AbstractRecording):
        for line in _warnings(job, job.main.task):
            log.warning("data: %s", line)


def paragraphs(reading: "DataReading") -> list[str]:
    """The warnings as one paragraph, or none."""
    if not reading.warnings:
        return []
    return ["\n".join(["Of the data:", *(f"- {line}" for line in reading.warnings)])]


def section(reading: "DataReading") -> Section:
    """The section of the page."""
    rows = []
    whole = []
    for line in reading.description:
        name, _, words = line.strip().partition(": ")
        if line.startswith(WARNING):
            continue
        if words:
            rows.append((name, words))
        else:
            whole.append(f"{name}.")
    tables = []
    if rows:
        tables.append(Table("How every array was understood", ("what", "read as"), rows))
    nothing = ["Nothing was dropped, filled, sorted or read otherwise than it stands."]
    paragraphs = [*whole, *(reading.warnings or nothing)]
    return Section("How the data were read", paragraphs, tables=tables)
