"""What a job asks of SLURM, as lines of a batch script."""

import re
from dataclasses import dataclass

from metaplast.registry import BadInput

WARNING_S = 120
"""Seconds before the time limit at which SLURM sends SIGUSR1."""
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<fields>\d+(?::\d{1,2}){0,2})")
_MEMORY = re.compile(r"\d+[KMGT]?")
_NAMES = re.compile(r"[\w.,-]+")
_OPTION = re.compile(r"(?P<name>[a-z][a-z-]*)(?:=(?P<value>[^\s\"'#\\]+))?")
OF_LAUNCH = {
    "account": "--account",
    "cpus-per-task": "--cpus",
    "gpus-per-node": "--gpus",
    "mem": "--mem",
    "nodes": "--nodes",
    "ntasks-per-node": "--tasks-per-node",
    "partition": "--partition",
    "time": "--time",
    "array": "--array",
    "job-name": "--run-dir",
}
"""{option of sbatch: the option of `metaplast launch slurm` that gives it}."""
OF_SCRIPT = ("chdir", "dependency", "ntasks", "open-mode", "output", "requeue", "signal", "wrap")
"""Options of sbatch on which the scripts depend."""
SHARED = ("clusters", "partition", "account", "qos", "reservation", "mem")
"""Options of a job that the job after it has too."""


@dataclass(frozen=True)
class Resources:
    """What a job asks for. None: what the cluster gives by default.

    time: the time limit, such as 90 (minutes), 12:00:00 or 2-00:00:00.
    partition: one or several partitions.
    account: the account that pays.
    cpus: cores of a process.
    gpus: GPUs of a node.
    mem: memory of a node, such as 8G.
    nodes: nodes of a run.
    tasks_per_node: processes of a run on every node.
    more: other options of sbatch, each `OPTION=VALUE` or `OPTION`.

    Raises: BadInput for a value that SLURM would not take.
    """

    time: str | None = None
    partition: str | None = None
    account: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    mem: str | None = None
    nodes: int = 1
    tasks_per_node: int = 1
    more: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.time is not None:
            _check_time(self.time)
        _check("--partition", self.partition, _NAMES, "the name of a partition", "see sinfo")
        _check("--account", self.account, _NAMES, "the name of an account", "correct it")
        _check("--mem", self.mem, _MEMORY, "memory such as 8G", "give a number and K, M, G or T")
        for option in self.more:
            _check_option(option)

    @property
    def n_tasks(self) -> int:
        """The processes of a run."""
        return self.nodes * self.tasks_per_node

    def options(self) -> list[str]:
        """The options of sbatch for the job of a run."""
        values: dict[str, object] = {
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
            "cpus-per-task": self.cpus,
            "gpus-per-node": self.gpus,
            "mem": self.mem,
        }
        if self.n_tasks > 1:
            values["nodes"] = self.nodes
            values["ntasks-per-node"] = self.tasks_per_node
        given = []
        for name, value in values.items():
            if value is not None:
                given.append(f"{name}={value}")
        return [*given, *self.more]

    def shared_options(self) -> list[str]:
        """Those of the options that a short job after it needs as well."""
        return [option for option in self.options() if option.partition("=")[0] in SHARED]


def _check(name: str, value: str | None, form: re.Pattern[str], expected: str, fix: str) -> None:
    if value is not None and not form.fullmatch(value):
        raise BadInput(f"{name} {value}", expected, fix)


def _check_time(text: str) -> None:
    """Check a time limit. Raises: BadInput for another form, and for one that is too short."""
    parts = _TIME.fullmatch(text)
    if parts is None:
        forms = "MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS or DAYS-HOURS:MINUTES"
        raise BadInput(f"--time {text}", forms, "such as --time 12:00:00")
    fields = list(map(int, parts["fields"].split(":")))
    if parts["days"] is not None:
        hours, minutes, seconds = [*fields, 0, 0][:3]
        hours += 24 * int(parts["days"])
    elif len(fields) == 3:
        hours, minutes, seconds = fields
    else:
        hours, (minutes, seconds) = 0, [*fields, 0][:2]
    if (hours * 60 + minutes) * 60 + seconds <= WARNING_S:
        raise BadInput(
            f"--time {text}",
            f"more than {WARNING_S} s, as a run saves itself {WARNING_S} s before the end",
            "give more time",
        )


def _check_option(option: str) -> None:
    """Check one of `more`. Raises: BadInput for another form, and for an option of `launch`."""
    parts = _OPTION.fullmatch(option)
    if parts is None:
        fix = "such as --sbatch qos=long"
        if option.startswith("-"):
            fix = f"leave the dashes out: --sbatch {option.lstrip('-')}"
        raise BadInput(f"--sbatch {option}", "OPTION=VALUE, an option of sbatch", fix)
    name = parts["name"]
    if name in OF_LAUNCH:
        own = OF_LAUNCH[name]
        raise BadInput(
            f"--sbatch {option}", "an option that launch does not have itself", f"use {own}"
        )
    if name in OF_SCRIPT or name == "no-requeue":
        raise BadInput(
            f"--sbatch {option}", "an option that the script does not need itself", "leave it out"
        )
