"""How outer loops are compared on one problem."""

from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Gt

from metaplast import registry
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import BadInput
from metaplast.settings.names import NAME
from metaplast.spec import NonNegative, Some, decode, encode, named, spec

MEMBERS = 32  # of a generation
CONSTANT = {"schedule": "constant_schedule", "schedule_options": {}}
LOOPS: dict[str, Any] = {
    "bptt": {"name": "bptt"},
    "truncated_bptt": {"name": "truncated_bptt"},
    "pes": {"name": "pes", "population": MEMBERS},
    "nres": {"name": "nres", "population": MEMBERS},
    "es": {"name": "es", "population": MEMBERS},
    "hybrid": {"name": "hybrid", "first": {"name": "es", "population": MEMBERS}},
    "random_search": {"name": "random_search"},
}


@spec
class Compare:
    """loops: {name: outer loop}, each as given (none given: LOOPS and the experiment's own, at
    constant rates).
    lives, cpu_s: the budgets; a loop is scored by its theta at the end of either (0: not asked).
    Lives of a loop that cuts them count by the steps lived. CPU seconds are those of the whole
    process, compilation apart.
    tries: how many settings of a loop's numbers (its `hyper`, but for those in `fixed`) compete
    before, on a seed of their own with the same budgets; the first is the loop as given, the others
    lie within a `factor` of it either way.
    seeds: trainings of the setting that validation lives prefer. points: along the way, for the
    curves; the first after budget / 2^(points - 1). Raises: BadInput for a name that cannot name a
    folder."""

    loops: Annotated[
        tuple[tuple[str, AbstractOuterLoop], ...], named(lambda value: decode("outer", value))
    ] = ()
    seeds: Some = 5
    lives: NonNegative = 4000.0
    cpu_s: NonNegative = 10.0
    tries: Some = 6
    factor: Annotated[float, Gt(1)] = 10.0
    fixed: tuple[str, ...] = ("anneal",)
    points: Some = 8

    def __post_init__(self) -> None:
        for name, _ in self.loops:
            if not NAME.fullmatch(name):
                raise BadInput(
                    f"compare.loops: name {name!r}",
                    "letters, digits, _ and -",
                    "it becomes a folder",
                )

    def budgets(self) -> dict[str, float]:
        """The budgets asked for. Raises: BadInput where there is none."""
        found = {"lives": self.lives, "cpu_s": self.cpu_s}
        if not any(found.values()):
            raise BadInput("compare.lives=0 and compare.cpu_s=0", "a budget", "set one of the two")
        return {name: value for name, value in found.items() if value}

    def contestants(
        self, own: AbstractOuterLoop, n_tasks: int, only: Sequence[str] = ()
    ) -> dict[str, AbstractOuterLoop]:
        """Who takes part. own: the experiment's outer loop; without `loops` its kind enters with
        its settings.

        The evolution of `hybrid` takes a third of the lives. A rate that falls to the end of a run
        has no meaning where
        a budget ends it: without `loops` all are constant.
        only: names of `loops`, or of outer loops as registered. Raises: BadInput for an unknown
        name.
        """
        first = {
            **LOOPS["hybrid"]["first"],
            "steps": max(1, round(self.lives / 3 / (MEMBERS * n_tasks))),
        }
        mine = encode(own)
        usual = {
            **LOOPS,
            "hybrid": {**LOOPS["hybrid"], **({"first": first} if self.lives else {})},
            mine["name"]: mine,
        }
        given, others = dict(self.loops), registry.names("outer")
        if unknown := [name for name in only if name not in {*given, *others}]:
            expected = f"some of {', '.join(dict.fromkeys([*given, *others]))}"
            raise BadInput(f"--loops {unknown[0]}", expected, "correct the name")
        names = only or given or usual
        return {
            name: given[name] if name in given else _constant(usual.get(name, name))
            for name in names
        }


def _constant(loop: Any) -> AbstractOuterLoop:
    """The outer loop of a name or a mapping, its rates and those of the loops inside it
    constant.
    """

    def at(plain: Any) -> Any:
        if not isinstance(plain, dict):
            return plain
        inner = {key: at(value) for key, value in plain.items()}
        return {**inner, **CONSTANT} if "schedule" in inner else inner

    return decode("outer", at(encode(decode("outer", loop))))
