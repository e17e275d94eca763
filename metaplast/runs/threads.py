"""The number of threads with which XLA computes in one process."""

import os


def one_each() -> None:
    """Give XLA's CPU device one thread, unless the environment has NPROC.

    It must be called before JAX starts. The operations of a life are small. XLA spreads them over
    all cores, and then waits longer for its threads than they compute. Wall and CPU ms of an outer
    step were measured on two cores with JAX 0.10.2:

        experiment                          two threads      one thread
        categories, discovered              139 and 192      101 and 101
        digits                              41 and 65        25 and 25
        categories, 1,000 hidden units      1342 and 1973    1122 and 1123

    The bits are the same. Each row runs in its own process, one to a core (`--jobs`).
    """
    os.environ.setdefault("NPROC", "1")
