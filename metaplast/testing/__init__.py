"""For authors of plug-ins: checks of everything that a kind of plug-in promises.

    from metaplast.testing import check_rule
    def test_my_rule() -> None:
        check_rule(MyRule())

Each check returns nothing, or raises ContractBroken. It compares the plug-in with something
independent of it: finite differences in float64, a plain loop, another layout, a NumPy program of
your own (`oracle`). The checks compile small programs; a call takes a few seconds at most.
"""

from metaplast.neurons.base import AbstractNeuron
from metaplast.outer import AbstractOuterLoop
from metaplast.rules.base import AbstractRule
from metaplast.tasks import AbstractTaskFamily
from metaplast.testing import neuron as _neuron
from metaplast.testing import outer_loop as _outer_loop
from metaplast.testing import rule as _rule
from metaplast.testing import task_family as _task_family
from metaplast.testing.base import ContractBroken

__all__ = ["ContractBroken", "check_neuron", "check_outer_loop", "check_rule", "check_task_family"]


def check_rule(rule: AbstractRule, oracle: _rule.Oracle | None = None, clock: bool = True) -> None:
    """Check a learning rule.

    A scan can carry its state. It depends on the signals that it is measured to read, and on no
    others, as far as its measured reach. It treats all neurons alike. With reach `synapse` it
    equals one copy of itself per synapse. A masked matrix and a sparse graph change alike. The
    change scales with dt as its clock promises. Its gradient with respect to theta equals central
    differences. `vmap` is the same as a loop.

    Args:
        rule: the rule.
        oracle: the same rule in NumPy: (rule, theta, state, view, dt) -> (state, delta_w), with a
            state as in RuleState. It is required for a reach wider than `synapse`.
        clock: False leaves the clock out, for settings that add a change of their own per step.

    Raises:
        ContractBroken: with the promise that is broken.
    """
    _rule.check(rule, oracle, clock)


def check_neuron(neuron: AbstractNeuron, oracle: _neuron.Oracle | None = None) -> None:
    """Check a neuron.

    A scan can carry its state. It treats all units alike. Its gain is d activity / d potential. Its
    potential converges as dt -> 0. A surrogate changes nothing forward. Its gradient with respect
    to theta equals central differences.

    Args:
        neuron: the neuron.
        oracle: the same neuron in NumPy, from rest: (neuron, drive {port: [n_steps, n]}, dt) ->
            (activity, potential), each [n_steps, n].

    Raises:
        ContractBroken: with the promise that is broken.
    """
    _neuron.check(neuron, oracle)


def check_task_family(
    family: AbstractTaskFamily, oracle: _task_family.Oracle | None = None
) -> None:
    """Check a task family.

    Stimuli, feedback and score are as declared. Offered signals are there, and the others are
    neutral. The error is d loss / d activity. The splits differ. Good answers beat none, and none
    beats wrong ones. Gradients pass where the family declares it.

    In a finite family (`whole`) each task is drawn from the whole of its split. The splits share no
    recorded value, neither of the output nor of a last weight, and each has some. Where last
    weights alone are judged, answers are not compared.

    Args:
        family: the task family.
        oracle: (task, state) -> a good answer [n_out]. A family that offers neither target nor
            gradient and has no oracle must only have some answers that are better than others.

    Raises:
        ContractBroken: with the promise that is broken.
    """
    _task_family.check(family, oracle)


def check_outer_loop(outer: AbstractOuterLoop, n_steps: int = 40) -> None:
    """Check an outer loop.

    Its state is strongly typed, and its type is constant. Its steps make a quadratic smaller, in
    one compilation that other hyper-parameters share. Equal inputs give equal bits. Lives that blow
    up are counted and change nothing.

    Args:
        outer: the outer loop.
        n_steps: the number of outer steps that make the quadratic smaller.

    Raises:
        ContractBroken: with the promise that is broken.
    """
    _outer_loop.check(outer, n_steps)
