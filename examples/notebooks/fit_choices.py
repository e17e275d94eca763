# %% [markdown]
# # Fit choices of your own
#
# From a table of trials to a fitted rule, with intervals, and with models that do not learn beside
# it. The table is docs/guides/fit/choices.csv of the repository. docs/guides/fit.md explains every
# number.

# %%
import csv
import os
from pathlib import Path

import numpy as np

import metaplast as mp

TABLE = Path(os.environ.get("CHOICES", "docs/guides/fit/choices.csv"))
STEPS = int(os.environ.get("STEPS", "0"))  # outer steps; 0: as many as the experiment has

# %%
with TABLE.open(newline="") as file:
    rows = list(csv.DictReader(file))


def column(name, kind=float):
    """A column of the table as an array."""
    return np.array([kind(row[name]) for row in rows])


np.savez(
    "choices.npz",
    stimulus=np.stack([column("odour_a"), column("odour_b")], axis=1),
    choice=column("accepted", int),
    reward=column("reward", lambda text: float(text or "nan")),  # NaN: no outcome was shown
    plastic=column("accepted"),  # nothing is learned from a refused odour
    session=column("animal", int),
    trial=column("trial", int),
    subject=column("animal", str),
)

# %%
words = {}
if STEPS:
    words = {
        "steps": STEPS,
        "fit": {"starts": 1, "strengths": [0.1], "bootstrap": 2},
        "rows": {},
    }
run = mp.fit("choices.npz", run_dir="runs/choices", **words)

# %%
print(run.text)

# %% [markdown]
# ## The pictures
#
# The share of the deviance that each family explains on held-out animals; then the choices of one
# animal beside the fit.

# %%
run.pictures["explained"]

# %%
run.pictures["session"]
