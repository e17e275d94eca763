"""The settings of every test: strict ranks, strict dtypes, quick compilation."""

import os

# there is a worker per core: more threads only wait for each other
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# the bits of the tests do not depend on a native step that the user has built
os.environ.setdefault("METAPLAST_NATIVE", "0")

import hypothesis
import jax

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
