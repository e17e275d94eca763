"""For authors of plug-ins: every promise of a kind, checked. Each function returns nothing or
raises ContractBroken.

    from metaplast.testing import check_rule
    def test_my_rule() -> None:
        check_rule(MyRule())

The checks compare with something independent of the plug-in: finite differences in float64, a plain
loop, another layout, a NumPy program of your own (`oracle`). They compile small programs; a call
takes a few seconds at most.
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
    """A learning rule: its state can be carried by a scan; it depends on just what it is measured
    to read, as far as its measured reach; it treats all neurons alike; with reach `synapse` it
    equals one copy of itself per synapse; a masked matrix and a sparse graph change alike; the
    change scales with dt as its clock says; its gradient with respect to theta is that of central
    differences; vmap is a loop.

    oracle: (rule, theta, state, view, dt) -> (state, delta_w), all NumPy, state as in RuleState;
    required for a reach
    wider than `synapse`. clock: False leaves the clock out, for settings that add a change of their
    own per step.
    Raises: ContractBroken naming the promise.
    """
    _rule.check(rule, oracle, clock)


def check_neuron(neuron: AbstractNeuron, oracle: _neuron.Oracle | None = None) -> None:
    """A neuron: its state can be carried by a scan; it treats all units alike; gain is d activity /
    d potential; the potential converges as dt -> 0; a surrogate changes nothing forward; the
    gradient with respect to theta is that of central differences.

    oracle: (neuron, drive {port: [n_steps, n]}, dt) -> (activity, potential) [n_steps, n], all
    NumPy, from rest.
    Raises: ContractBroken naming the promise.
    """
    _neuron.check(neuron, oracle)


def check_task_family(
    family: AbstractTaskFamily, oracle: _task_family.Oracle | None = None
) -> None:
    """A task family: stimuli, feedback and score as declared; what is offered is there and the rest
    neutral; the error is d loss / d activity; the splits differ; good answers beat none, and none
    beats wrong ones; gradients pass, where
    it says so. A finite one (`whole`): each task is drawn from the whole of its split; the splits
    share no recorded value, whether it is one of the output or a last weight; each has some. Where
    only last weights are judged, answers are not compared.

    oracle: (task, state) -> a good answer [n_out]. A family that offers neither target nor gradient
    and has no oracle is only asked that some answers are better than others.
    Raises: ContractBroken naming the promise.
    """
    _task_family.check(family, oracle)


def check_outer_loop(outer: AbstractOuterLoop, n_steps: int = 40) -> None:
    """An outer loop: a strongly typed state of constant type; `n_steps` make a quadratic smaller,
    in one compilation that other hyper-parameters share; equal inputs give equal bits; lives that
    blow up are counted and change nothing.

    Raises: ContractBroken naming the promise.
    """
    _outer_loop.check(outer, n_steps)
