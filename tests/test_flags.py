"""Flags of XLA that the docs name, and their effect on the bits of a gradient on a CPU."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.runs.measuring import workload
from tests._compiler import AS_USERS

Bits = Callable[..., bytes]


@pytest.fixture(scope="module")
def bits() -> Bits:
    """bits(flag=value) of a gradient of eight lives, compiled with these flags."""
    problem = workload(8, 4)
    theta = problem.init(jax.random.key(0))
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(jax.random.key(1), 8, "train")
    gradient = jax.jit(lambda theta, batch: problem.value_and_grad(theta, batch)[:2])
    lowered = gradient.lower(theta, batch)

    def of(**flags: Any) -> bytes:
        program = lowered.compile(compiler_options={**AS_USERS, **flags})
        leaves = jax.tree.leaves(program(theta, batch))
        return b"".join(np.asarray(leaf).tobytes() for leaf in leaves)

    return of


def test_a_second_run_and_the_flags_of_a_gpu_keep_the_bits(bits: Bits) -> None:
    once = bits()
    assert bits(xla_cpu_multi_thread_eigen=False) == once
    flags = {"xla_gpu_deterministic_ops": True, "xla_gpu_exclude_nondeterministic_ops": True}
    assert bits(**flags) == once


def test_fast_arithmetic_changes_the_bits(bits: Bits) -> None:
    assert bits(xla_cpu_enable_fast_math=True) != bits()
