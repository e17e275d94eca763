"""Search for a teacher's rule among eight terms, from the activity of its layer alone."""

import jax

import metaplast as mp
from metaplast import train
from metaplast.reuse.formula import formula

TERMS = ("pre", "post", "weight", "pre^2", "post*pre", "post^2", "post*weight", "post^2*weight")

task = mp.find("task", "teacher_student")()  # a layer that changes its weights by Oja's rule
network = mp.find("network", "feedforward")(hidden=(), output=mp.find("neuron", "tanh")())
genome = mp.find("genome", "given")()  # the weights at birth are those of the teacher
rule = mp.find("rule", "polynomial")(terms=TERMS, rate=0.1, scale=0.01)  # coefficients near 0
life = mp.Lifetime(task=task, network=network, genome=genome, slots=(mp.Slot(rule=rule),))
objective = mp.find("objective", "mean_loss")()  # the squared error over all steps of a life
problem = mp.MetaProblem(lifetime=life, objective=objective, n_tasks=16, life_clip=0.0)
outer = mp.find("outer", "bptt")(steps=400, learning_rate=0.02)  # descent through whole lives
held_out = train.sample(task, train.stream(0, "heldout"), 64, "heldout")  # 64 other lives


def loss(theta):
    """The mean loss of the held-out lives under one theta."""
    one_member = jax.tree.map(lambda leaf: leaf[None], theta)  # evaluate takes many thetas
    losses, _ = train.evaluate(problem, one_member, held_out)
    return float(losses[0])


first = train.begin(problem, outer, seed=0)
print(f"loss before {loss(outer.theta(first)):.6f}")
for step, state, metrics in train.steps(problem, outer, 0, first, 0, outer.steps):
    theta = outer.theta(state)
    if step % 100 == 0:
        print(f"outer step {step}: training loss {float(metrics['loss']):.6f}")
print(f"loss after {loss(theta):.6f}")
print(formula(*mp.describe_rule(life, theta)))  # the rule that was found
