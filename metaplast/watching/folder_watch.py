"""A look at the folder of a run, of a group or of a sweep, from another process.

Files are opened for reading only, no lock is taken and JAX is not imported. Any file may be
missing, half written or damaged. The times of files may come from a server with another clock, so
lines that appear between two looks tell more than they do.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from metaplast.registry import BadInput, Plain
from metaplast.results.names import GROUP, SUMMARY
from metaplast.reuse.text import printable
from metaplast.runs import environment, folder, planned
from metaplast.runs.folder import LOG, row_folder
from metaplast.runs.planned import Planned
from metaplast.runs.yaml_text import read_file
from metaplast.settings.names import CONFIG, MARK_OF_INTERRUPTED, REPORT, SWEEP
from metaplast.watching import contents, faults
from metaplast.watching.contents import Failure
from metaplast.watching.faults import LONG_S
from metaplast.watching.row_watch import RowWatch, merged
from metaplast.watching.seen import (
    DAMAGED,
    DIVERGED,
    DONE,
    ENDED,
    FAILED,
    INTERRUPTED,
    RUNNING,
    UNKNOWN,
    WAITING,
    Facts,
    RowSeen,
    RunSeen,
)

WARNINGS = 3
"""The last warnings of a log that are shown."""


class FolderWatch:
    """A folder that is looked at again and again."""

    def __init__(
        self, path: Path, in_group: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        """Look at nothing yet.

        Args:
            path: the folder; it may not be there yet.
            in_group: whether it is a run of a group. Such runs fall silent together.
            clock: the seconds of now, as the times of files count them.
        """
        self.path = path
        self._in_group = in_group
        self._clock = clock
        self._config: Plain = {}
        self._rows: dict[str, RowWatch] = {}
        self._parts: dict[str, FolderWatch] = {}
        self._steps: int | None = None
        self._grew_at: float | None = None
        self._failure: Failure | None = None
        self._done: RunSeen | None = None

    def look(self, failure: Failure | None = None) -> RunSeen:
        """The folder as it is now. What is done is not read again.

        Args:
            failure: the end that a sweep has on record for this member, if it failed.
        """
        if self._done is not None:
            return self._done
        self._failure = failure
        seen = self._look()
        if seen.state == FAILED and failure is not None:
            words = f"failed with exit code {failure.code}: {failure.error}"
            seen = replace(seen, code=failure.code, faults=[*seen.faults, words])
        if seen.state == DONE:
            self._done = seen
        return seen

    def _look(self) -> RunSeen:
        if os.path.isfile(self.path / SWEEP):
            return self._look_at_sweep()
        damage = self._read_config()
        if damage:
            return RunSeen(self.path, "run", UNKNOWN, faults=damage)
        if not self._config:
            return RunSeen(self.path, "run", self._state_by_signs(None))
        plan = planned.read(self.path)
        names = contents.runs_of(self.path, plan, self._config)
        return self._look_at_group(names) if names else self._look_at_run(plan)

    def _look_at_run(self, plan: Planned | None) -> RunSeen:
        rows = []
        signs = [self.path / name for name in (environment.FILE, planned.FILE, LOG, SUMMARY)]
        for name, total in contents.rows_of(plan, self._config).items():
            if name not in self._rows:
                self._rows[name] = RowWatch(row_folder(self.path, name), name)
            rows.append(self._rows[name].look(total))
            signs += self._rows[name].signs()
        quiet_s = self._quiet(signs, sum(row.done for row in rows))
        process = folder.holder(self.path)
        if self._holds(SUMMARY) and self._holds(REPORT):
            state = DONE
        elif process is not None:
            state = RUNNING
        elif any(row.state == DIVERGED for row in rows):
            state = DIVERGED
        elif any(row.has_no_checkpoint() for row in self._rows.values()):
            state = DAMAGED
        else:
            state = self._state_by_signs(quiet_s)
        found = []
        for row in rows:
            found += faults.of_row(row)
        if state == DAMAGED:
            found.append("no usable checkpoint is left")
        if not self._in_group:
            found += faults.of_silence(state, quiet_s, rows)
        return RunSeen(
            self.path,
            "run",
            state,
            process,
            quiet_s,
            contents.facts_of(self.path, self._config),
            rows,
            faults=found,
            warnings=contents.warnings_of(self.path, WARNINGS),
        )

    def _look_at_group(self, names: Sequence[str]) -> RunSeen:
        runs = self._look_at_parts(names, in_group=True)
        by_name: dict[str, list[RowSeen]] = {}
        for run in runs:
            for row in run.rows:
                by_name.setdefault(row.name, []).append(row)
        rows = [merged(same) for same in by_name.values()]
        quiet_s = self._quiet([self.path / planned.FILE], sum(row.done for row in rows), runs)
        process = folder.holder(self.path)
        if process is not None:
            state = RUNNING
        elif not self._holds(GROUP):
            state = self._state_by_signs(quiet_s)
        elif all(run.state == DONE for run in runs):
            state = DONE
        else:
            state = DIVERGED
        return RunSeen(
            self.path,
            "group",
            state,
            process,
            quiet_s,
            contents.facts_of(self.path, self._config),
            rows,
            runs,
            faults.of_silence(state, quiet_s, rows),
            contents.warnings_of(self.path, WARNINGS),
        )

    def _look_at_sweep(self) -> RunSeen:
        names, damage = contents.members_of(self.path)
        failures: dict[str, Failure] = {}
        process = folder.holder(self.path)
        if process is None:
            # A sweep that is resumed tries them again.
            failures = contents.failures_of(self.path)
        members = self._look_at_parts(names, failures=failures)
        quiet_s = self._quiet([], sum(member.done for member in members), members)
        states = {member.state for member in members}
        if process is not None or RUNNING in states:
            state = RUNNING
        elif not states:
            state = UNKNOWN
        elif states <= {*ENDED}:
            worst = [word for word in (FAILED, DAMAGED, DIVERGED, DONE) if word in states]
            state = worst[0]
        else:
            state = self._state_by_signs(quiet_s)
        return RunSeen(
            self.path,
            "sweep",
            state,
            process,
            quiet_s,
            Facts(begun=contents.begun_of(self.path)),
            parts=members,
            faults=damage,
            warnings=contents.warnings_of(self.path, WARNINGS),
        )

    def _look_at_parts(
        self,
        names: Sequence[str],
        in_group: bool = False,
        failures: Mapping[str, Failure] | None = None,
    ) -> list[RunSeen]:
        seen = []
        for name in names:
            if name not in self._parts:
                self._parts[name] = FolderWatch(self.path / name, in_group, self._clock)
            failure = failures.get(name) if failures else None
            seen.append(self._parts[name].look(failure))
        return seen

    def _is_interrupted(self) -> bool:
        """Whether a signal stopped the run, or the group that it belongs to."""
        if self._in_group and os.path.isfile(self.path.parent / MARK_OF_INTERRUPTED):
            return True
        return self._holds(MARK_OF_INTERRUPTED)

    def _holds(self, name: str) -> bool:
        # `Path.is_file` raises an error where a file server is away.
        return os.path.isfile(self.path / name)

    def _read_config(self) -> list[str]:
        """Read the config once it is there. Returns: the faults of the file."""
        if self._config or not self._holds(CONFIG):
            return []
        try:
            self._config = read_file(self.path / CONFIG)
        except (BadInput, OSError) as error:
            return [printable(str(error))]
        return []

    def _quiet(
        self, signs: Sequence[Path], steps: int, parts: Sequence[RunSeen] = ()
    ) -> float | None:
        """Seconds since a file changed, by its time or as this process saw it; None: there is none.

        Args:
            signs: the files that change while the run goes on.
            steps: outer steps so far.
            parts: the parts, which have files of their own.
        """
        now = self._clock()
        if self._steps is not None and self._steps != steps:
            self._grew_at = now
        self._steps = steps
        ages = [part.quiet_s for part in parts if part.quiet_s is not None]
        if self._grew_at is not None:
            ages.append(now - self._grew_at)
        for sign in signs:
            try:
                ages.append(max(0.0, now - sign.stat().st_mtime))
            except OSError:  # it is not there yet
                continue
        return min(ages, default=None)

    def _state_by_signs(self, quiet_s: float | None) -> str:
        """The state of a folder in which no process of this host works."""
        if self._is_interrupted() and self._failure is None:
            return INTERRUPTED
        if self._grew_at is not None and self._clock() - self._grew_at < LONG_S:
            return RUNNING
        if self._failure is not None:
            return FAILED
        return WAITING if quiet_s is None else UNKNOWN
