# %% [markdown]
# # From a published rule to Brian2, and back
#
# A rule of the zoo is exported to Brian2 and runs there on Poisson spikes. The same spikes go
# through the rule in metaplast. The weights are the same.

# %%
import os
import runpy

import brian2
import jax
import jax.numpy as jnp
import numpy as np

import metaplast as mp

SECONDS = float(os.environ.get("SECONDS_OF_SPIKES", "2"))
N_PRE, N_POST, RATE, DT = 8, 4, 20.0, 1e-3

# %%
rule = mp.load_rule("zoo/triplet_visual")
print(rule.formula)
print(mp.export("zoo/triplet_visual", "brian2", "triplet_brian2.py", force=True).reasons)

# %% [markdown]
# ## In Brian2

# %%
brian2.prefs.codegen.target = "numpy"
brian2.defaultclock.dt = DT * brian2.second
generator = np.random.default_rng(0)
n_steps = round(SECONDS / DT)
pre = generator.random((n_steps, N_PRE)) < RATE * DT
post = generator.random((n_steps, N_POST)) < RATE * DT
weight = generator.uniform(0.3, 0.7, (N_POST, N_PRE))


def source(spikes):
    """A group that fires these spikes."""
    steps, cells = np.nonzero(spikes)
    return brian2.SpikeGeneratorGroup(spikes.shape[1], cells, steps * DT * brian2.second)


exported = runpy.run_path("triplet_brian2.py")
before, behind = source(pre), source(post)
synapses = exported["synapses"](before, behind, weight, low=0.0, high=1.0)
brian2.Network(before, behind, synapses).run(SECONDS * brian2.second)
there = np.zeros((N_POST, N_PRE))
there[synapses.j[:], synapses.i[:]] = synapses.w[:]

# %% [markdown]
# ## And back


# %%
def step(carry, spikes):
    """The weights and the state after one step."""
    weight, state = carry
    fired_before, fired_behind = spikes
    view = mp.synapse_view(pre=fired_before, post=fired_behind, weight=weight)
    state, delta_w = rule.update(view, state, dt=DT)
    return (weight + delta_w, state), None


start = jnp.asarray(weight, jnp.float32)
spikes = (jnp.asarray(pre, jnp.float32), jnp.asarray(post, jnp.float32))
(here, _), _ = jax.lax.scan(step, (start, rule.init(start)), spikes)
largest = float(np.abs(np.asarray(here) - there).max())
print(f"largest difference {largest:.1e}, largest change {np.abs(there - weight).max():.2f}")
