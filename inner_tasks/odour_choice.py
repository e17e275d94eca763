"""Simulated flies that learn from rewards which of two odours to accept."""

from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import MinLen

from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import Count, Natural, NonNegative, Probability, nested, plugin, spec

N_ODOURS = 2
RATE = 1.0 / N_ODOURS  # the inner rate 1 / n_in
MEMORY = 10  # the expected reward is the mean of so many rewards

Block = tuple[Probability, Probability]


@register("task", "odour_choice")
@spec
class OdourChoice(AbstractRecording):
    """Flies accept or refuse one of two odours, and learn from the rewards.

        delta_w_ji = 1/2 x_i (R - E[R])                         (on accepted steps)
        a = readout / n_hidden sum_j tanh(sum_i w_ji x_i)
        P(accept) = sigmoid(a)

    n_sessions: sessions, one a fly.
    n_trials: trials of a block.
    n_hidden: hidden units of a fly.
    odour: the input of the odour that is shown.
    noise: standard deviation that is added to both inputs.
    readout: weight of the mean of the hidden units.
    weight_sd: standard deviation of the weights at birth.
    data_seed: of the simulated flies.
    x [2]: the input: `odour` for the odour that is shown and 0 for the other, plus N(0, noise^2).
    w [n_hidden, 2]: N(0, weight_sd^2) at birth. The fit knows it, and the readout.
    R: 1 where a bait was there, else 0.
    E[R]: the mean of the last 10 rewards of earlier accepted steps; of all of them while they are
        fewer, and 0 before the first
    blocks: the two reward probabilities in each stretch of `n_trials` trials.
    max_presentations: a trial ends without a reward after so many.

    The change is alike for every hidden unit j. A row is one presentation. A trial shows odours at
    random until the fly accepts one. At the start of a trial, the bait of each odour is set with
    its reward probability. It stays until that odour is accepted, also across blocks.
    The acceptance (0 or 1) is recorded. The modulators are `reward`, R, and `advantage`, R - E[R].
    Both are 0 where the fly refused the odour, and the gate is too.
    Each of the `n_sessions` sessions is a subject of its own. 18 of 25 sessions are for training
    and 7 are held out, as in the paper. The data depend on data_seed and the sizes above, not on
    likelihood, held or clamp.
    Source: Mehta et al. 2024.
    """

    n_sessions: Count = 25
    n_trials: Count = 80
    blocks: Annotated[tuple[Block, ...], MinLen(1)] = ((0.2, 0.8), (0.9, 0.1), (0.2, 0.8))
    n_hidden: Count = 10
    odour: NonNegative = 0.75
    noise: NonNegative = 0.015
    readout: NonNegative = 5.0
    weight_sd: NonNegative = 0.01
    max_presentations: Count = 10
    data_seed: Natural = 0
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Bernoulli()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut(subjects=0.28)
    clamp: bool = False

    def recorded(self) -> Recorded:
        return simulate(self)[0]

    def truth(self) -> Truth:
        rule = Polynomial(
            terms=("modulator.advantage*pre",), initial=(1.0,), rate=RATE, learn="none"
        )
        network = Feedforward(hidden=(self.n_hidden,), neuron=Tanh(), output=Linear())
        return Truth(network, {"input_to_hidden_1": rule})


class _Row(NamedTuple):
    """One presentation in every session. The first axis of every array is [n_sessions].

    stimulus [n_sessions, 2]: x.
    accepted, reward, advantage [n_sessions].
    trial [n_sessions]: -1 where the session is over.
    weights [n_sessions, n_hidden, 2]: after the presentation.
    """

    stimulus: np.ndarray
    accepted: np.ndarray
    reward: np.ndarray
    advantage: np.ndarray
    trial: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=8)
def simulate(task: OdourChoice) -> tuple[Recorded, np.ndarray]:
    """All sessions, and the weights [n_sessions, n_rows, n_hidden, 2] after each row."""
    n = task.n_sessions
    n_hidden = task.n_hidden
    rng = np.random.default_rng(task.data_seed)
    first = (task.weight_sd * rng.normal(size=(n, n_hidden, N_ODOURS))).astype(np.float32)
    columns = []
    for values in zip(*_live(task, first, rng), strict=True):
        columns.append(np.stack(values, axis=1))
    rows = _Row(*columns)
    fields: dict[str, Any] = {
        "stimulus": rows.stimulus,
        "target": rows.accepted[:, :, None].astype(np.float32),
        "observed": (rows.trial[:, :, None] >= 0).astype(np.float32),
        "gate": rows.accepted.astype(np.float32),
        "reset": np.zeros(rows.trial.shape, np.float32),
        "modulators": {
            "reward": rows.reward.astype(np.float32),
            "advantage": rows.advantage.astype(np.float32),
        },
        "weights": {
            "input_to_hidden_1": first,
            "hidden_1_to_output": np.full((n, 1, n_hidden), task.readout / n_hidden, np.float32),
        },
        "final": {},
        "subject": np.arange(n, dtype=np.int32),
        "share": np.ones(n, np.float32),
    }
    names = tuple(f"fly {i}" for i in range(n))
    return Recorded(Session(**fields), rows.trial, np.arange(n), names), rows.weights


def _live(task: OdourChoice, first: np.ndarray, rng: np.random.Generator) -> list[_Row]:
    """The rows of all sessions side by side, until the last one is over."""
    n = task.n_sessions
    everyone = np.arange(n)
    pays = np.repeat(np.asarray(task.blocks), task.n_trials, axis=0)  # [all trials, 2]
    w = first.astype(np.float64)
    baits = np.zeros((n, N_ODOURS), bool)
    trial = np.zeros(n, int)
    shown = np.zeros(n, int)
    past = np.zeros((n, MEMORY))
    n_past = np.zeros(n, int)
    rows = []
    while np.any(trial < len(pays)):
        alive = trial < len(pays)
        chance = pays[np.minimum(trial, len(pays) - 1)]
        baits |= (rng.random((n, N_ODOURS)) < chance) & (alive & (shown == 0))[:, None]
        scent = rng.integers(N_ODOURS, size=n)
        x = task.odour * np.eye(N_ODOURS)[scent] + task.noise * rng.normal(size=(n, N_ODOURS))
        x = (x * alive[:, None]).astype(np.float32)
        logit = task.readout * np.tanh(np.einsum("sji,si->sj", w, x)).mean(axis=1)
        accepted = (rng.logistic(size=n) < logit) & alive  # P = sigmoid(logit)
        reward = (accepted & baits[everyone, scent]).astype(float)
        expected = past.sum(axis=1) / np.clip(n_past, 1, MEMORY)
        advantage = np.where(accepted, reward - expected, 0.0)
        w = w + RATE * advantage[:, None, None] * x[:, None, :]
        rows.append(_Row(x, accepted, reward, advantage, np.where(alive, trial, -1), w))
        baits[everyone[accepted], scent[accepted]] = False
        past[everyone[accepted], n_past[accepted] % MEMORY] = reward[accepted]
        n_past += accepted
        shown += alive
        over = accepted | (shown == task.max_presentations)
        trial = trial + (over & alive)
        shown = np.where(over, 0, shown)
    return rows
