"""What an outer loop optimises: lives under one theta, their losses and gradients."""

from metaplast.problem.meta_problem import Batch, MetaProblem

__all__ = ["Batch", "MetaProblem"]
