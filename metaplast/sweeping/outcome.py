"""The outcome of a sweep: sweep_result.json, and the error of a sweep with members that failed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from metaplast.results.typed_json import check_schema, from_plain
from metaplast.runs import exit_codes
from metaplast.runs.folder import read_json, write_json
from metaplast.settings.names import SWEEP_RESULT

SCHEMA = "metaplast.sweep/1"


@dataclass(frozen=True)
class MemberOutcome:
    """The end of one member.

    name: of the member.
    code: the exit code of its process; 0: it is done.
    error: the line of its error; "" where it is done.
    """

    name: str
    code: int
    error: str = ""


@dataclass(frozen=True)
class SweepResult:
    """The outcome of a sweep, as in sweep_result.json.

    members: all of them, in their order.
    wall_s: seconds of the last command that worked on the sweep.
    """

    members: list[MemberOutcome]
    wall_s: float

    @property
    def failed(self) -> list[MemberOutcome]:
        """The members that are not done."""
        return [member for member in self.members if member.code]


class MembersFailed(RuntimeError):
    """Members of a sweep failed, and the others are done. The message is one line.

    code: see `exit_codes.shared`.
    """

    def __init__(self, path: Path, failed: Sequence[MemberOutcome]) -> None:
        """Write the message.

        Args:
            path: the folder of the sweep.
            failed: the members that failed.
        """
        self.code = exit_codes.shared(member.code for member in failed)
        names = ", ".join(f"{member.name} (exit code {member.code})" for member in failed)
        super().__init__(
            f"{path}: failed: {names} - expected every member to end with 0 - see the lines above; "
            f"metaplast resume {path} tries them again"
        )


def write_result(path: Path, result: SweepResult) -> None:
    """Write sweep_result.json into the folder of a sweep."""
    write_json(path / SWEEP_RESULT, {"schema": SCHEMA, **asdict(result)})


def read_result(path: Path) -> SweepResult | None:
    """The outcome in the folder of a sweep; None where there is none yet.

    Raises: BadInput for a file of another form.
    """
    if not (path / SWEEP_RESULT).is_file():
        return None
    plain = read_json(path / SWEEP_RESULT)
    check_schema(plain, SCHEMA, f"{path / SWEEP_RESULT}")
    return from_plain(SweepResult, plain, f"{path / SWEEP_RESULT}")
