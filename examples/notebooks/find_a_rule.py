# %% [markdown]
# # Find a rule for your own task
#
# A task of your own, a search among seven terms, two known rules as rivals, and a look at the rule
# that was found. The cells make a notebook of this file in Jupyter and in editors; it runs as a
# script, too.

# %%
import os

import jax
import jax.numpy as jnp

import metaplast as mp
from metaplast.signals import Outcome, Score, TaskShape, feedback
from metaplast.tasks import SPLITS, AbstractTaskFamily

STEPS = int(os.environ.get("STEPS", "300"))  # outer steps


# %% [markdown]
# ## The task
#
# In each life, six inputs carry a hidden value by weights of their own, under noise. The unit sees
# 30 examples with the value, then 20 without plasticity. A life never meets the weights of another.


# %%
@mp.spec
class HiddenValue(AbstractTaskFamily):
    """Report a hidden value that six noisy inputs carry, after 30 examples."""

    noise: float = 0.5

    def shape(self):
        offers = frozenset({"error", "target"})
        return TaskShape({"input": 6}, 1, ((30, True), (20, False)), offers, differentiable=True)

    def sample(self, key, split):
        carry, value, noise = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)), 3)
        values = jax.random.normal(value, (50, 1))
        inputs = values * jax.random.normal(carry, (1, 6))
        return inputs + self.noise * jax.random.normal(noise, (50, 6)), values

    def begin(self, task, key, dt):
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task, state, key, dt):
        return {"input": task[0][state]}

    def step(self, task, state, output, key, dt):
        error = output.activity - task[1][state]
        signals = feedback(1, error=error, target=task[1][state])
        score = Score(loss=0.5 * jnp.sum(error**2), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=signals, score=score)


# %% [markdown]
# ## The search
#
# Two rows are tuned by the same outer loop and the same number of steps: the delta rule, and the
# delta rule whose steps are divided by the power of the input.

# %%
FORM = {"name": "polynomial", "rate": 0.05}
TERMS = ["error*pre", "error*pre*input_gain", "error", "error^2*pre", "error*weight", "weight"]
FOUND = {**FORM, "terms": [*TERMS, "post*pre"], "initial": [-1, 0, 0, 0, 0, 0, 0], "learn": "both"}
DELTA = {**FORM, "terms": ["error*pre"], "initial": [-1], "learn": "rate"}
NORMALISED = {**DELTA, "terms": ["error*pre*input_gain"]}
run = mp.train(
    "oja",
    task=HiddenValue(),
    genome="random",
    objective="final_loss",
    network={"name": "feedforward", "hidden": [], "output": "linear"},
    feedback="symmetric",
    rule=FOUND,
    rows={"delta": {"rule": DELTA}, "normalised_delta": {"rule": NORMALISED}},
    steps=STEPS,
    run_dir="runs/hidden_value",
)

# %%
print(run.scores)
print(run.rule.formula)

# %%
figure = run.plot.curves()
figure.axes[0].set_title("Error within a life, on held-out lives", pad=16)
figure.savefig("hidden_value.svg")
figure

# %% [markdown]
# Is the rule more than a tuned delta rule? The verdict has the paired difference with its interval.

# %%
page = run.inspect("quick")
for sentence in (page.verdict.found, page.verdict.sure, page.verdict.limits):
    print(sentence)
