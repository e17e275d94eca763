"""The settings of every test: strict ranks, strict dtypes, quick compilation."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# there is a worker per core: more threads only wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# the bits of the tests do not depend on a native step that the user has built
os.environ.setdefault("METAPLAST_NATIVE", "0")

import hypothesis
import jax
import pytest

from tests._compiler import quickly

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# The same examples in every run, and no limit on their time: a busy machine must not fail a test.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")

# Compiling is nearly all the time of a test, and this halves it. The commands that tests start
# compile as users do; so does a lane with one of these variables set, as tests/system/test_exact.py
# sets it.
if not {"XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS"} & set(os.environ):
    quickly()

MAPS = Path("/proc/self/maps")
MOST_MAPS = 30_000
"""Memory maps of a process. Linux allows 65,530, and XLA crashes beyond. A program has three."""


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Forget the compiled programs of earlier files before there are too many of them."""
    yield
    if MAPS.is_file() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
