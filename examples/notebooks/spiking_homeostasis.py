# %% [markdown]
# # Inhibition that holds a rate
#
# 40 excitatory cells are driven by a current that nobody tells the network. 10 inhibitory cells
# fire onto them. Can a rule of the inhibitory synapses hold the excitatory cells at 10 Hz? First a
# published rule does, then evolution searches for one.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import metaplast as mp

STEPS = int(os.environ.get("STEPS", "60"))  # generations of the search
LIVES = int(os.environ.get("LIVES", "256"))  # held-out lives
TARGET = 10.0  # Hz

# %% [markdown]
# ## One life without and with plasticity
#
# `vogels` makes an inhibitory synapse stronger where the two cells fire together, and weaker at
# each presynaptic spike (Vogels et al. 2011). The parts are those of `experiment=inhibition`.

# %%
NETWORK = {
    "name": "ei",
    "readout": False,
    "n_i": 10,
    "source": {"name": "poisson"},
    "gain": 0.5,
    "excitation_gain": 0.1,
    "inhibition_gain": 0.3,
}
VOGELS = {"name": "vogels", "target_rate": TARGET, "rate": 0.03}


def life(rule):
    """A life of two seconds under a rule of the synapses from I to E; None: no plasticity."""
    edges = None if rule is None else "i_to_e"
    return mp.live(NETWORK, rule, "homeostasis", edges=edges, feedback="none")


still = life(None)
plastic = life(VOGELS)


# %%
def rate(lived, window):
    """The mean rate of the excitatory cells in hertz, in windows of some seconds."""
    n = round(window / lived.dt)
    spikes = lived.spikes["e"].mean(axis=1)
    return spikes[: len(spikes) // n * n].reshape(-1, n).mean(axis=1) / lived.dt


def plot_rates(axes, lives, window=0.2):
    """Plot the rates of {label: life}, and the target."""
    for label, lived in lives.items():
        values = rate(lived, window)
        axes.plot(window * (np.arange(len(values)) + 0.5), values, label=label)
    axes.axhline(TARGET, ls=":", color="black", label="target")
    axes.set(xlabel="time (s)", ylabel="mean rate (Hz)")
    axes.legend(frameon=False)


figure, (raster, rates) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
step, cell = np.nonzero(plastic.spikes["e"])
raster.plot(plastic.time[step], cell, ".", ms=2, color="black")
raster.set_ylabel("excitatory cell")
plot_rates(rates, {"no plasticity": still, "rule of Vogels et al.": plastic})
figure.savefig("homeostasis.svg")

# %% [markdown]
# The mean stays above the target. 78 of the 400 possible synapses from I to E exist, so a cell has
# none with probability 0.11, and such a cell fires on whatever the rule does.

# %% [markdown]
# ## Let evolution search
#
# The family has four terms with two time constants (Confavreux et al. 2020). The row `vogels` is
# the published rule. Its own numbers are tuned by the same search with the same budget.

# %%
run = mp.train(
    "inhibition",
    steps=STEPS,
    evaluation={"heldout": LIVES},
    rows={"published": None, "stdp": None},
    run_dir="runs/inhibition",
)

# %%
print(run.scores)
print(run.rule.formula)

# %%
found = life(run.rule)
figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
plot_rates(axes, {"no plasticity": still, "the rule that was found": found})
figure.savefig("found.svg")
