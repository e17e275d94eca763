"""Search for the two constants of a rule that is written in this file."""

import jax.numpy as jnp

import metaplast as mp
from metaplast import search_loop
from metaplast.reuse.formula import formula
from metaplast.rules.base import KernelRule


@mp.register("rule", "own_rule")
@mp.spec
class OwnRule(KernelRule):
    """delta_w = gain post pre - decay post^2 weight, at every synapse."""

    per_synapse = False  # one gain and one decay serve all synapses

    def init(self, key, connection):
        return {"gain": jnp.asarray(0.02), "decay": jnp.asarray(0.02)}  # the search moves both

    def kernel(self, theta, state, synapse, dt):
        pre, post = synapse.pre.activity, synapse.post.activity
        return state, theta["gain"] * post * pre - theta["decay"] * post**2 * synapse.weight


task = mp.find("task", "teacher_student")()  # the teacher's gain and decay are 0.1
network = mp.find("network", "feedforward")(hidden=(), output=mp.find("neuron", "tanh")())
genome = mp.find("genome", "given")()  # the weights at birth are those of the teacher
life = mp.Lifetime(task=task, network=network, genome=genome, slots=(mp.Slot(rule=OwnRule()),))
problem = mp.MetaProblem(life, objective=mp.find("objective", "mean_loss")(), n_tasks=16)
outer = mp.find("outer", "bptt")(steps=200, learning_rate=0.01)  # descent through whole lives

first = search_loop.begin(problem, outer, seed=0)
for step, state, metrics in search_loop.steps(problem, outer, 0, first, 0, outer.steps):
    if step == 1 or step % 50 == 0:
        print(f"outer step {step}: loss {float(metrics['loss']):.6f}")  # mean over 16 new lives
        print(formula(*mp.describe_rule(life, outer.theta(state))))  # the rule at this step
