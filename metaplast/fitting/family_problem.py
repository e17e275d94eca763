"""The problem that every row of a fit is, and what is refused before one starts."""

import dataclasses
import logging

import numpy as np

from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.parts import Parts
from metaplast.genomes.per_subject import PerSubject
from metaplast.problem.meta_problem import MetaProblem
from metaplast.recording import AbstractRecording
from metaplast.registry import BadInput
from metaplast.runs.job import Config, Job
from metaplast.tasks import SPLITS, Split

log = logging.getLogger(__name__)


def check_fit(job: Job) -> None:
    """Refuse a job that no fit can be of. Raises: BadInput, also for a task that is no
    recording.
    """
    family = job.main.task
    if not isinstance(family, AbstractRecording):
        raise BadInput(
            "metaplast fit of a task that is drawn anew in every life",
            "recordings",
            "give DATA.npz",
        )
    if family.clamp:
        _check_clamped(family, job.main)
    for split in SPLITS:
        _check_split(family, split)
    if job.main.problem.unroll or job.main.problem.curriculum:
        raise BadInput(
            "problem.unroll or problem.curriculum in a fit", "whole sessions", "remove it"
        )
    if any(config.space for _, config in job.rows):
        raise BadInput(
            "space in a fit", "none: fits hold numbers at 0, and penalise them", "remove it"
        )
    if job.origins:
        raise BadInput(
            f"rows.{job.origins[0][0]}.from in a fit", "none: a fit has several starts", "remove it"
        )


def _check_clamped(family: AbstractRecording, config: Config) -> None:
    """What is judged by measured weights needs the first ones too, and an objective that looks at
    the last.
    """
    s = family.recorded().sessions
    if missing := sorted(set(s.final) - set(s.weights)):
        raise BadInput(
            f"final_weights.{missing[0]} alone",
            f"weights.{missing[0]} too",
            "add the first weights",
        )
    if not config.objective.needs:
        raise BadInput(
            "task.clamp=true, judged by activity",
            "an objective of weights",
            "set objective=final_weights",
        )


def _check_split(family: AbstractRecording, split: Split) -> None:
    sessions, fix = (
        family.whole(split),
        "raise task.held.trials or task.held.subjects, or record more sessions",
    )
    if any(np.isfinite(w).any() for w in sessions.final.values()):
        return
    for part in family.parts():
        if not sessions.observed[..., part.columns].any():
            what = "recorded value" if part.name == "unit" else f"value of {part.name}"
            raise BadInput(f"split {split}: no {what} is left for it", "at least one", fix)


def warn_of_minibatches(config: Config) -> None:
    n, n_sessions = config.problem.n_tasks, len(config.task.whole("train").subject)
    if n < n_sessions:
        words = "raise it for a loss that stays the same, as outer=lbfgs needs it"
        log.warning(
            "problem.n_tasks=%d of %d sessions: every outer step sees others - %s",
            n,
            n_sessions,
            words,
        )


def problem_of(config: Config) -> MetaProblem:
    """The problem of a row; a genome per subject learns as many subjects as training has."""
    genome, family = config.genome, config.task
    if isinstance(family, AbstractRecording):
        config = dataclasses.replace(
            config, genome=_sized(genome, int(family.whole("train").subject.max()) + 1)
        )
    return config.meta_problem()


def _sized(genome: AbstractGenome, n: int) -> AbstractGenome:
    if isinstance(genome, PerSubject):
        return dataclasses.replace(genome, n_subjects=n)
    if isinstance(genome, Parts):
        return dataclasses.replace(
            genome, parts=tuple((glob, _sized(part, n)) for glob, part in genome.parts)
        )
    return genome
