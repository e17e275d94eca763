"""The origin of choices.csv: simulated animals learn from rewards which of two odours to accept.

    cd docs/guides/fit
    python make_choices.py > choices.csv

writes the same file again (NumPy 2, seed 0).

One row is one presentation. An odour at concentration 0.75 reaches the inputs x = (odour_a,
odour_b), each with
N(0, 0.05^2) of noise, and the animal accepts with P = sigmoid(w . x); w [2] begins at 0.
A trial shows odours at random
until one is accepted, or ends unpaid after 10. An accepted odour pays R = 1 with the probability of
its block, and

    w <- w + RATE * x * (R - E[R])        E[R]: mean of the last 10 rewards of this animal,
        0 before the first

A fit to this file should therefore find 2.0*pre*modulator.advantage, and nothing else.
"""

import csv
import sys

import numpy as np

N_ANIMALS, N_TRIALS, RATE, CONCENTRATION, NOISE, MEMORY, MOST = 12, 120, 2.0, 0.75, 0.05, 10, 10
BLOCKS = (
    (0.2, 0.8),
    (0.9, 0.1),
    (0.2, 0.8),
)  # reward probabilities of odours a and b, each for a third of the trials

Row = tuple[int, int, str, str, int, str]


def animal(name: int, rng: np.random.Generator) -> list[Row]:
    """All presentations of one animal: animal, trial, odour_a, odour_b, accepted, reward (empty:
    not accepted).
    """
    rows: list[Row] = []
    w, rewards = np.zeros(2), []
    for trial in range(N_TRIALS):
        pays = BLOCKS[trial * len(BLOCKS) // N_TRIALS]
        for _ in range(MOST):
            odour = rng.integers(2)
            x = np.round(
                CONCENTRATION * np.eye(2)[odour] + NOISE * rng.normal(size=2), 3
            )  # as the file will say it
            accepted = rng.random() < 1.0 / (1.0 + np.exp(-w @ x))
            reward = float(rng.random() < pays[odour])
            said = f"{reward:.0f}" if accepted else ""
            rows.append((name, trial, f"{x[0]:.3f}", f"{x[1]:.3f}", int(accepted), said))
            if accepted:
                expected = np.mean(rewards[-MEMORY:]) if rewards else 0.0
                w = w + RATE * x * (reward - expected)
                rewards.append(reward)
                break
    return rows


def main() -> None:
    rng = np.random.default_rng(0)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("animal", "trial", "odour_a", "odour_b", "accepted", "reward"))
    for name in range(1, N_ANIMALS + 1):
        out.writerows(animal(name, rng))


if __name__ == "__main__":
    main()
