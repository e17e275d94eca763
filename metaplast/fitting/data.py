"""The data of a fit: the sessions of every split, and their truth where it is known."""

from dataclasses import replace
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.recording import AbstractRecording, Session, split_sessions
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split


class Source(NamedTuple):
    """The truth of simulated sessions: a lifetime and its theta."""

    lifetime: Lifetime
    theta: Theta


class Data(NamedTuple):
    """The data of a fit.

    sessions: of every split; `observed` holds only the values that the split may look at.
    seen: all recorded values of them [n_sessions, n_steps, n_out], 1 or 0.
    subject: of every session [n_sessions].
    names: of all subjects.
    source: the truth, or None.
    """

    sessions: dict[Split, Session]
    seen: dict[Split, np.ndarray]
    subject: dict[Split, np.ndarray]
    names: tuple[str, ...]
    source: Source | None

    def with_targets(self, targets: dict[Split, dict[str, Any]], source: Source | None) -> "Data":
        """The same design with other recorded values: `target`, `observed` and `final`."""
        sessions = {}
        for split, s in self.sessions.items():
            sessions[split] = replace(s, **targets[split])
        return self._replace(sessions=sessions, source=source)


def data_of(family: AbstractRecording, lifetime: Lifetime) -> Data:
    """The data of a recording. The truth begins with the first weights of its sessions."""
    recorded = family.recorded()
    chosen = split_sessions(recorded, family.held)
    seen = np.asarray(recorded.sessions.observed > 0, np.float32)
    data = Data({}, {}, {}, recorded.names, _source(family, lifetime))
    for split in SPLITS:
        data.sessions[split] = family.whole(split)
        data.seen[split] = seen[chosen[split]]
        data.subject[split] = recorded.subject[chosen[split]]
    return data


def _source(family: AbstractRecording, lifetime: Lifetime) -> Source | None:
    """The truth of a simulated recording, or None."""
    truth = family.truth()
    if truth is None:
        return None
    slots = []
    for index, (edges, rule) in enumerate(truth.rules.items()):
        slots.append(Slot(f"slot_{index}", edges, rule))
    true = Lifetime(
        task=family,
        network=truth.network,
        feedback=lifetime.feedback,
        genome=Given(),
        slots=tuple(slots),
        dt=lifetime.dt,
    )
    return Source(true, true.init(jax.random.key(0)))


def recording_of(lifetime: Lifetime) -> AbstractRecording:
    """The task of a fit's lifetime, which is a recording (`checks.check_fit`)."""
    return cast(AbstractRecording, lifetime.task)


def n_values(sessions: Session) -> float:
    """The number of recorded values of activity and choice.

    Where there are none, the number of measured weights.
    """
    count = float(np.asarray(sessions.observed, np.float64).sum())
    return count or float(sum(np.isfinite(np.asarray(w)).sum() for w in sessions.final.values()))


def arrays(sessions: Session) -> Session:
    """The sessions on the device, in the default precision."""

    def array(x: Any) -> jax.Array:
        return jnp.asarray(x, float if np.issubdtype(x.dtype, np.floating) else None)

    return jax.tree.map(array, sessions)
