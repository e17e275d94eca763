"""One core and one thread for a benchmark that is run as a program; an import of it must change
nothing.
"""

import os


def pin() -> None:
    """For a benchmark to call before it imports JAX."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
