"""How outer loops are compared on one problem."""

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Gt

from metaplast import registry
from metaplast.interfaces import AbstractOuterLoop
from metaplast.registry import BadInput
from metaplast.spec import Count, NonNegative, decode, encode, named, spec

CONSTANT = "constant_schedule"  # a schedule that ends with the run has no meaning where a budget ends it
LOOPS: dict[str, Any] = {
    "bptt": {"name": "bptt", "schedule": CONSTANT},
    "truncated_bptt": {"name": "truncated_bptt", "schedule": CONSTANT},
    "pes": {"name": "pes", "population": 32, "schedule": CONSTANT},
    "nres": {"name": "nres", "population": 32, "schedule": CONSTANT},
    "es": {"name": "es", "population": 32},
    "hybrid": {
        "name": "hybrid",
        "first": {"name": "es", "population": 32, "steps": 20},
        "then": {"name": "bptt", "schedule": CONSTANT},
    },
    "random_search": {"name": "random_search"},
}


@spec
class Compare:
    """loops: {name: outer loop} (none given: those of LOOPS). lives, cpu_s: the budgets;
    a loop is scored by its theta at the end of either (0: not asked). Lives of a loop that cuts them count by the steps
    lived. CPU seconds are those of the whole process, compilation apart.
    tries: how many settings of a loop's numbers (its `hyper`) compete before, on a seed of their own with the same
    budgets; the first is the loop as given, the others lie within a `factor` of it either way. seeds: trainings of the
    setting that validation lives prefer. points: along the way, for the curves; the first after
    budget / 2^(points - 1)."""

    loops: Annotated[tuple[tuple[str, AbstractOuterLoop], ...], named(lambda value: decode("outer", value))] = ()
    seeds: Count = 5
    lives: NonNegative = 4000.0
    cpu_s: NonNegative = 20.0
    tries: Count = 6
    factor: Annotated[float, Gt(1)] = 10.0
    points: Count = 8

    def budgets(self) -> dict[str, float]:
        """The budgets asked for. Raises: BadInput where there is none."""
        found = {"lives": self.lives, "cpu_s": self.cpu_s}
        if not any(found.values()):
            raise BadInput("compare.lives=0 and compare.cpu_s=0", "a budget", "set one of the two")
        return {name: value for name, value in found.items() if value}

    def entrants(self, own: AbstractOuterLoop, only: Sequence[str] = ()) -> dict[str, AbstractOuterLoop]:
        """Who takes part. own: the experiment's outer loop; without `loops` its kind enters with its settings, at a
        constant rate.

        only: names of `loops`, or of outer loops as registered. Raises: BadInput for an unknown name.
        """
        mine = encode(own)
        mine |= {"schedule": CONSTANT, "schedule_options": {}} if "schedule" in mine else {}
        usual = {name: mine if loop["name"] == mine["name"] else loop for name, loop in LOOPS.items()}
        known = dict(self.loops) or {name: decode("outer", loop) for name, loop in usual.items()}
        others = {name for name in registry.names("outer") if name not in known}
        if unknown := [name for name in only if name not in known and name not in others]:
            expected = f"some of {', '.join([*known, *sorted(others)])}"
            raise BadInput(f"--loops {unknown[0]}", expected, "correct the name")
        return {name: known[name] if name in known else decode("outer", name) for name in only} if only else known
