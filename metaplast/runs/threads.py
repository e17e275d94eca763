"""How many threads XLA computes with in one process."""

import os


def one_each() -> None:
    """One thread for XLA's CPU device, unless the environment already has NPROC. Call it before JAX
    starts.

    The operations of a life are small. XLA spreads them over all cores, and waits longer for its
    threads than they compute. Wall and CPU ms of an outer step on two cores, with two threads and
    with one (JAX
    0.10.2): `categories`,
    discovered: 139 and 192, 101 and 101; `digits`: 41 and 65, 25 and 25; `categories` with 1,000
    hidden units: 1342 and 1973, 1122 and 1123. The bits are the same. Rows run in processes of
    their own, one to a core (`--jobs`).
    """
    os.environ.setdefault("NPROC", "1")
