"""Simulated recordings, in which every session has its own subject and every step is a trial."""

from typing import Any, NamedTuple

import numpy as np

from metaplast.recording import Recorded, Session

Arrays = dict[str, np.ndarray]


class Simulated(NamedTuple):
    """The simulated values of all sessions.

    stimulus: the inputs [n_sessions, n_steps, n_in].
    target: the recorded values [n_sessions, n_steps, n_out].
    observed: the share of each value in the loss, 0 where it was not recorded, of the shape of
        `target`.
    weights: {edge: first weights [n_sessions, post, pre]}.
    final: {edge: last weights [n_sessions, post, pre]}.
    """

    stimulus: np.ndarray
    target: np.ndarray
    observed: np.ndarray
    weights: Arrays
    final: Arrays


def recorded(simulated: Simulated, noun: str) -> Recorded:
    """The recording of simulated sessions. The gate is open throughout.

    Args:
        simulated: the values of all sessions.
        noun: the word before the number of a subject, as in `dish 3`.
    """
    n, n_steps = simulated.stimulus.shape[:2]
    fields: dict[str, Any] = {
        **simulated._asdict(),
        "gate": np.ones((n, n_steps), np.float32),
        "reset": np.zeros((n, n_steps), np.float32),
        "modulators": {},
        "subject": np.arange(n, dtype=np.int32),
        "share": np.ones(n, np.float32),
    }
    trial = np.broadcast_to(np.arange(n_steps), (n, n_steps))
    names = tuple(f"{noun} {i}" for i in range(n))
    return Recorded(Session(**fields), trial, np.arange(n), names)
