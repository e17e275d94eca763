# %% [markdown]
# # Which outer loop?
#
# A recurrent layer is in chaos: the gradient through its life is exact, and useless. A diagnosis
# says so before any training. Then three outer loops, each tuned, run under the same budget.

# %%
import os

import matplotlib.pyplot as plt

import metaplast as mp

LIVES = int(os.environ.get("LIVES", "0"))  # lives of every outer loop; 0: those of the experiment

# %% [markdown]
# ## Ask before you train
#
# The table measures whether a short step along the gradient changes the loss as the gradient says.
# The last lines advise an outer loop.

# %%
diagnosis = mp.diagnose("chaos")
print(diagnosis)

# %% [markdown]
# ## Let them run
#
# `bptt` goes by the gradient, `es` by losses at many thetas, `random_search` by luck. Each is tuned
# on the problem first. Tuning and training count towards the budget.

# %%
settings = {"cpu_s": 0.0, "seeds": 3}
if LIVES:
    settings |= {"lives": LIVES, "tries": 1, "seeds": 2}
run = mp.compare_loops(
    "chaos", loops=["bptt", "es", "random_search"], compare=settings, run_dir="runs/loops"
)

# %%
print(run.text)

# %%
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, loop in run.result["loops"].items():
    curve = [point for point in loop["curves"]["lives"] if point["lives"] > 0]
    axes.plot([point["lives"] for point in curve], [point["mean"] for point in curve], label=name)
axes.set(xscale="log", xlabel="lives", ylabel="loss on held-out lives")
axes.legend(frameon=False)
figure.savefig("loops.svg")
