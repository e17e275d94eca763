"""The refusals before a fit starts."""

import logging

import numpy as np

from metaplast.problem.held import held_of
from metaplast.recording import AbstractRecording
from metaplast.registry import BadInput
from metaplast.runs.job import Config, Job
from metaplast.tasks import SPLITS, Split

log = logging.getLogger(__name__)


def check_fit(job: Job) -> None:
    """Refuse a job that no fit can be of.

    Raises: BadInput, also for a task that is no recording.
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
    _check_settings(job)


def _check_settings(job: Job) -> None:
    """Refuse the settings of training that a fit has no use for."""
    if job.main.problem.unroll or job.main.problem.curriculum:
        raise BadInput(
            "problem.unroll or problem.curriculum in a fit", "whole sessions", "remove it"
        )
    if any(config.space for _, config in job.rows):
        raise BadInput(
            "space in a fit", "none: fits hold numbers at 0, and penalise them", "remove it"
        )
    if any(held_of(config.slots()) for _, config in job.rows):
        raise BadInput("frozen leaves in a fit", "none: a fit moves all", "freeze no leaf")
    if job.origins:
        name, _ = job.origins[0]
        raise BadInput(f"rows.{name}.from in a fit", "none: a fit has several starts", "remove it")


def _check_clamped(family: AbstractRecording, config: Config) -> None:
    """Refuse measured last weights without first ones, or with an objective of activity."""
    sessions = family.recorded().sessions
    missing = sorted(set(sessions.final) - set(sessions.weights))
    if missing:
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
    """Refuse a split in which nothing is left to judge."""
    sessions = family.whole(split)
    if any(np.isfinite(weights).any() for weights in sessions.final.values()):
        return
    for part in family.parts():
        if not sessions.observed[..., part.columns].any():
            value = "recorded value" if part.name == "unit" else f"value of {part.name}"
            raise BadInput(
                f"split {split}: no {value} is left for it",
                "at least one",
                "raise task.held.trials or task.held.subjects, or record more sessions",
            )


def check_values(family: AbstractRecording) -> None:
    """Refuse training choices that are all alike: their likelihood rises without bound."""
    sessions = family.whole("train")
    for part in family.parts():
        n = part.columns.stop - part.columns.start
        is_choice = bool(part.likelihood.channels(n))
        target = np.asarray(sessions.target)[..., part.columns]
        made = np.asarray(sessions.observed)[..., part.columns].any(axis=-1)
        options = target[made][:, 0]
        if n > 1:
            options = target[made].argmax(axis=-1)
        if is_choice and len(options) and np.ptp(options) == 0:
            raise BadInput(
                f"choices are all {options[0]:g} in the {len(options)} rows of the split train",
                "two options that were chosen",
                "check task.choice_values",
            )


def warn_of_minibatches(config: Config) -> None:
    """Warn where every outer step sees only some of the sessions."""
    n = config.problem.n_tasks
    n_sessions = len(config.task.whole("train").subject)
    if n < n_sessions:
        log.warning(
            "problem.n_tasks=%d of %d sessions: every outer step sees others - "
            "raise it for a loss that stays the same, as outer=lbfgs needs it",
            n,
            n_sessions,
        )
