"""The request of a sweep: what sweep.json holds."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from metaplast.registry import BadInput, Plain
from metaplast.results.typed_json import from_plain
from metaplast.runs.folder import read_json
from metaplast.runs.lifecycle import Request
from metaplast.settings.names import SWEEP
from metaplast.sweeping.axes import Axis, Word, axes_of
from metaplast.sweeping.members import Member, Origin, members_of
from metaplast.sweeping.processes import share_device


@dataclass(frozen=True)
class Sweep:
    """A sweep, as in sweep.json.

    axes: the keys of the words with several values, in their order.
    members: all members, in a fixed order.
    options: the options of a command that name the files on which the words are laid.
    """

    axes: list[str]
    members: list[Member]
    options: list[str] = field(default_factory=list)

    @property
    def n_runs(self) -> int:
        """The runs of all members."""
        return sum(len(member.runs) for member in self.members)

    def command(self, member: Member, path: Path) -> str:
        """The command that trains one member alone.

        Args:
            member: of the sweep.
            path: its folder.
        """
        words = [*self.options, *member.words, "--run-dir", str(path)]
        return shlex.join(["metaplast", "train", *words])


def request_of(words: Sequence[Word], origin: Origin, modules: Sequence[str] = ()) -> Request:
    """The request of a new sweep, all of whose members are checked.

    Its config.yaml holds the words; sweep.json has the composed config of every member.

    Args:
        words: of the sweep.
        origin: the files on which they are laid.
        modules: plug-ins that are imported.

    Raises: BadInput that names the member and the word where they do not go together.
    """
    share_device()
    members = members_of(words, origin, modules)
    sweep = Sweep([axis.key for axis in axes_of(words)], members, origin.options())
    return Request({"sweep": list(map(_text, words))}, asdict(sweep))


def sweep_of(plain: Plain, where: str = SWEEP) -> Sweep:
    """The sweep in the content of sweep.json. Raises: BadInput for another form.

    Args:
        plain: the content.
        where: the file, for the error.
    """
    sweep = from_plain(Sweep, plain, where)
    for member in sweep.members:
        for folder in (member.name, *(run.folder for run in member.runs)):
            if Path(folder).is_absolute() or ".." in Path(folder).parts:
                raise BadInput(f"{where}: {folder}", "a folder in the sweep", "restore the file")
    return sweep


def read_sweep(path: Path) -> Sweep:
    """The sweep of a folder. Raises: BadInput for a folder without one."""
    file = path / SWEEP
    if not file.is_file():
        fix = "plan one: metaplast sweep WORDS --run-dir DIR --plan"
        raise BadInput(f"{path}", f"the folder of a sweep, with a {SWEEP}", fix)
    return sweep_of(read_json(file), str(file))


def _text(word: Word) -> str:
    if isinstance(word, Axis):
        return f"{word.key}={','.join(word.values)}"
    return word
