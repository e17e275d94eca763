"""One core and one thread for a benchmark that is run as a program.

An import of this module changes nothing.
"""

import os


def pin() -> None:
    """Pin this process. A benchmark calls it before it imports JAX."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
