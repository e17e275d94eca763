"""One core and one thread for a benchmark that is run as a program.

An import of this module changes nothing.
"""

import os


def pin() -> None:
    """Pin this process. A benchmark calls it before it imports JAX."""
    # XLA reads no flag behind a word that does not begin with a dash.
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
