"""What a fit works on: the sessions of every split, and what made them where that is known."""

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
    """What made simulated sessions: a lifetime and its theta."""

    lifetime: Lifetime
    theta: Theta


class Data(NamedTuple):
    """sessions: of every split, `observed` holding only what the split may look at; seen: all that
    was recorded in them [n_sessions, n_steps, n_out]; subject: whose they are [n_sessions]; names:
    of all subjects;
    source: the truth.
    """

    sessions: dict[Split, Session]
    seen: dict[Split, np.ndarray]
    subject: dict[Split, np.ndarray]
    names: tuple[str, ...]
    source: Source | None

    def with_targets(self, targets: dict[Split, dict[str, Any]], source: Source | None) -> "Data":
        """The same design with other values (`target`, `observed`, `final`) recorded."""
        sessions = {split: replace(s, **targets[split]) for split, s in self.sessions.items()}
        return self._replace(sessions=sessions, source=source)


def data_of(family: AbstractRecording, lifetime: Lifetime) -> Data:
    """The data of a recording family; the truth's first weights are those of its sessions."""
    found, chosen = family.recorded(), split_sessions(family.recorded(), family.held)
    seen = np.asarray(found.sessions.observed > 0, np.float32)
    source, truth = None, family.truth()
    if truth is not None:
        slots = tuple(
            Slot(f"slot_{i}", glob, rule) for i, (glob, rule) in enumerate(truth.rules.items())
        )
        true = Lifetime(
            task=family,
            network=truth.network,
            feedback=lifetime.feedback,
            genome=Given(),
            slots=slots,
            dt=lifetime.dt,
        )
        source = Source(true, true.init(jax.random.key(0)))
    return Data(
        sessions={split: family.whole(split) for split in SPLITS},
        seen={split: seen[chosen[split]] for split in SPLITS},
        subject={split: found.subject[chosen[split]] for split in SPLITS},
        names=found.names,
        source=source,
    )


def recording_of(lifetime: Lifetime) -> AbstractRecording:
    """The task of a fit's lifetime, which is a recording (`checks.check`)."""
    return cast(AbstractRecording, lifetime.task)


def n_values(sessions: Session) -> float:
    """Recorded values of activity or choice; measured weights where those are what is judged."""
    count = float(np.asarray(sessions.observed, np.float64).sum())
    return count or float(sum(np.isfinite(np.asarray(w)).sum() for w in sessions.final.values()))


def arrays(sessions: Session) -> Session:
    """On the device, in the default precision."""
    return jax.tree.map(
        lambda x: jnp.asarray(x, float if np.issubdtype(x.dtype, np.floating) else None), sessions
    )
