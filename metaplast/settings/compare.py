"""The settings of a comparison of outer loops on one problem."""

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
    """The settings of a comparison of outer loops.

    Every loop is tuned first. `tries` settings of its numbers compete on a separate seed, with the
    budgets of the comparison. The first setting is the loop as the config has it. Each number of
    another setting lies between 1 / `factor` and `factor` times the number of the first. Then the
    setting that validation lives prefer is trained with `seeds` seeds.

    loops: {name: outer loop}. Without any, LOOPS and the outer loop of the experiment take part,
        all at constant rates.
    seeds: trainings of the best setting of every loop.
    lives: a budget. The loop is scored by its theta at the end of it. A life that a loop cuts short
        counts as the share of steps that were lived. 0: no such budget.
    cpu_s: another budget, in CPU seconds of the whole process, without compilation. 0: no such
        budget.
    tries: settings of a loop's numbers (its `hyper`) that compete before.
    factor: the widest ratio between a number of a setting and the number of the first setting.
    fixed: names of numbers that are the same in all settings.
    points: scores along a training, for the curves. The first comes after
        budget / 2^(points - 1).

    Raises: BadInput for a name that cannot name a folder.
    """

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
        """The budgets that are set. Raises: BadInput where there is none."""
        budgets = {}
        if self.lives:
            budgets["lives"] = self.lives
        if self.cpu_s:
            budgets["cpu_s"] = self.cpu_s
        if not budgets:
            raise BadInput("compare.lives=0 and compare.cpu_s=0", "a budget", "set one of the two")
        return budgets

    def contestants(
        self, configured: AbstractOuterLoop, n_tasks: int, only: Sequence[str] = ()
    ) -> dict[str, AbstractOuterLoop]:
        """The outer loops that take part, by name.

        Without `loops`, all rates are constant: a rate that falls to the end of a run has no
        meaning where a budget ends the run. The outer loop of the experiment then takes part with
        its settings, in place of the loop of the same name in LOOPS. The evolution of `hybrid`
        takes a third of the lives.

        Args:
            configured: the outer loop of the experiment.
            n_tasks: lives of an outer step.
            only: names of the loops that take part, of `loops` or as registered. Empty: all.

        Raises: BadInput for an unknown name.
        """
        named_loops = dict(self.loops)
        known = dict.fromkeys([*named_loops, *registry.names("outer")])
        for name in only:
            if name not in known:
                expected = f"some of {', '.join(known)}"
                raise BadInput(f"--loops {name}", expected, "correct the name")
        usual = self._usual(configured, n_tasks)
        loops = {}
        for name in only or named_loops or usual:
            if name in named_loops:
                loops[name] = named_loops[name]
            else:
                loops[name] = _constant(usual.get(name, name))
        return loops

    def _usual(self, configured: AbstractOuterLoop, n_tasks: int) -> dict[str, Any]:
        """LOOPS with the outer loop of the experiment, as plain data."""
        usual = dict(LOOPS)
        if self.lives:
            steps = max(1, round(self.lives / 3 / (MEMBERS * n_tasks)))
            first = {**LOOPS["hybrid"]["first"], "steps": steps}
            usual["hybrid"] = {**LOOPS["hybrid"], "first": first}
        plain = encode(configured)
        usual[plain["name"]] = plain
        return usual


def _constant(loop: Any) -> AbstractOuterLoop:
    """The outer loop of a name or a mapping, at constant rates, also in the loops inside it."""

    def made_constant(plain: Any) -> Any:
        if not isinstance(plain, dict):
            return plain
        fields = {key: made_constant(value) for key, value in plain.items()}
        return {**fields, **CONSTANT} if "schedule" in fields else fields

    return decode("outer", made_constant(encode(decode("outer", loop))))
