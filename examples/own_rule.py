"""Search for the two constants of a rule that is written in this file."""

import jax

import metaplast as mp
from metaplast import train
from metaplast.connections.base import Term
from metaplast.language.constants import start, value
from metaplast.reuse.formula import formula
from metaplast.rules.base import TermRule
from metaplast.spec import Positive


@mp.register("rule", "own_rule")
@mp.spec
class OwnRule(TermRule):
    """delta_w_ji = gain y_j x_i - decay y_j^2 w_ji."""

    gain: Positive = 0.02
    decay: Positive = 0.02
    own = ("gain", "decay")  # the search moves both: theta holds log_gain and log_decay

    def init(self, key, connection):
        return start(self)  # both leaves of theta are 0: the search begins at the fields above

    def products(self, theta, state, view, dt):
        gain, decay = value(self, theta, "gain"), value(self, theta, "decay")
        x, y = view.pre.activity, view.post.activity
        return state, [Term(gain * y, x), Term(-decay * y**2, None, power=1)]  # power of w


task = mp.find("task", "teacher_student")()  # the teacher's gain and decay are 0.1
network = mp.find("network", "feedforward")(hidden=(), output=mp.find("neuron", "tanh")())
genome = mp.find("genome", "given")()  # the weights at birth are those of the teacher
life = mp.Lifetime(task=task, network=network, genome=genome, slots=(mp.Slot(rule=OwnRule()),))
objective = mp.find("objective", "mean_loss")()  # the squared error over all steps of a life
problem = mp.MetaProblem(lifetime=life, objective=objective, n_tasks=16, life_clip=0.0)
outer = mp.find("outer", "bptt")(steps=200, learning_rate=0.02)  # descent through whole lives
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
    if step % 50 == 0:
        print(f"outer step {step}: training loss {float(metrics['loss']):.6f}")
print(f"loss after {loss(theta):.6f}")
print(formula(*mp.describe_rule(life, theta)))  # the rule that was found
