"""The problem that a row of a fit solves."""

from dataclasses import replace

from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.parts import Parts
from metaplast.genomes.per_subject import PerSubject
from metaplast.problem.meta_problem import MetaProblem
from metaplast.recording import AbstractRecording
from metaplast.runs.job import Config


def problem_of(config: Config) -> MetaProblem:
    """The problem of a row. A genome per subject learns as many subjects as training has."""
    family = config.task
    if isinstance(family, AbstractRecording):
        n_subjects = int(family.whole("train").subject.max()) + 1
        config = replace(config, genome=_for_subjects(config.genome, n_subjects))
    return config.meta_problem()


def _for_subjects(genome: AbstractGenome, n_subjects: int) -> AbstractGenome:
    """The genome with this number of subjects, wherever it learns one part per subject."""
    if isinstance(genome, PerSubject):
        return replace(genome, n_subjects=n_subjects)
    if isinstance(genome, Parts):
        parts = []
        for glob, part in genome.parts:
            parts.append((glob, _for_subjects(part, n_subjects)))
        return replace(genome, parts=tuple(parts))
    return genome
