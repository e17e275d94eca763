"""Search for a teacher's rule among eight terms, from the activity of its layer alone."""

import jax

import metaplast as mp
from metaplast import search_loop
from metaplast.reuse.formula import formula

TERMS = ("pre", "post", "weight", "pre^2", "post*pre", "post^2", "post*weight", "post^2*weight")

task = mp.find("task", "teacher_student")()  # a layer that changes its weights by Oja's rule
network = mp.find("network", "feedforward")(hidden=(), output=mp.find("neuron", "tanh")())
genome = mp.find("genome", "given")()  # the weights at birth are those of the teacher
rule = mp.find("rule", "polynomial")(terms=TERMS, rate=0.1, scale=0.01)  # coefficients near 0
life = mp.Lifetime(task=task, network=network, genome=genome, slots=(mp.Slot(rule=rule),))
problem = mp.MetaProblem(life, objective=mp.find("objective", "mean_loss")(), n_tasks=16)
outer = mp.find("outer", "bptt")(steps=400, learning_rate=0.02)  # descent through whole lives
others = search_loop.stream(0, "heldout")
held_out = search_loop.sample(task, others, 64, "heldout")  # 64 other lives

first = search_loop.begin(problem, outer, seed=0)
for step, state, _ in search_loop.steps(problem, outer, 0, first, 0, outer.steps):
    theta = outer.theta(state)
    if step == 1 or step % 100 == 0:
        one_member = jax.tree.map(lambda leaf: leaf[None], theta)  # evaluate takes many thetas
        losses, _ = search_loop.evaluate(problem, one_member, held_out)
        print(f"outer step {step}: loss {float(losses[0]):.6f}")  # mean over the held-out lives
print(formula(*mp.describe_rule(life, theta)))  # the rule that was found
