"""Print the framework's speed as a fraction of plain scripts: python -m benchmarks.run [W1 W4 ...]

Every row is two programs that do the same work and give the same numbers. Times are CPU seconds of
one pinned core. The two sides run in turn. Quote the median of the pairwise ratios.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import sys
from datetime import UTC, datetime

import jax

from benchmarks import _measure, deep, evolution, mlp, polynomial, spiking
from benchmarks.reproduce import processor

WORKLOADS = {
    "W1": polynomial.forward,
    "W2": polynomial.gradient,
    "deep": deep.rows,
    "W3": spiking.rows,
    "W4": evolution.rows,
    "W5": mlp.rows,
}


def main() -> None:
    names = sys.argv[1:] or list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: expected some of {', '.join(WORKLOADS)}")
    print(_measure.HEADER)
    for name in names:
        WORKLOADS[name]()
    if "W2" in names:
        print(f"\n{polynomial.memory()}")
    date = datetime.now(UTC).date()
    print(f"\nMeasured {date}, JAX {jax.__version__}, one core of: {processor()}.")


if __name__ == "__main__":
    main()
