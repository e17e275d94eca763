"""The number of threads with which XLA computes in one process."""

import os


def one_each() -> None:
    """Give XLA's CPU device one thread, unless the environment has NPROC.

    It must be called before JAX starts. The operations of a life are small. XLA spreads them over
    all cores, and then waits longer for its threads than they compute. Wall and CPU ms of an outer
    step were measured on two cores with JAX 0.10.2:

    - `categories`, discovered: 139 and 192 with two threads, 101 and 101 with one.
    - `digits`: 41 and 65 with two threads, 25 and 25 with one.
    - `categories` with 1,000 hidden units: 1342 and 1973 with two threads, 1122 and 1123 with one.

    The bits are the same. Each row runs in its own process, one to a core (`--jobs`).
    """
    os.environ.setdefault("NPROC", "1")
