"""The problems that outer loops optimise: lives under one theta, their losses and gradients."""

from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.protocol import Problem

__all__ = ["Batch", "MetaProblem", "Problem"]
