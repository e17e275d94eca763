"""Predictive coding: errors of prediction that settle in an inner relaxation of every step."""

from dataclasses import replace
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.neurons.base import RateNeuron
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import Count, Positive, spec
from metaplast.wiring import Wiring

Values = dict[str, Array]


@register("feedback", "predictive")
@spec
class Predictive(AbstractFeedback):
    """Every layer predicts the next one, and errors of prediction settle before rules see them.

        e_l = x_l - f(u_l)
        e_output = (x_output - f(u_output)) / variance
        x_l <- x_l + eta (-e_l + W_{l+1}^T (e_{l+1} * f'(u_{l+1})))      n_relax times
        L_l = -variance e_l

    L_l [n_l]: learning signal of population l, in loss per activity; its credit is L_l f'(u_l).
    x_l [n_l]: relaxed activity, which begins at the output y_l of the step. Rules read it as
        `pre_relaxed` and `post_relaxed`. x_output = y_output - error is held. Held populations
        without inputs keep y_l; their L is minus variance times what arrives from above.
    u_l [n_l]: potential under the relaxed activities below l, in the unit of the drive.
    f: the activity as a function of the potential.
    error [n_out]: d loss / d activity of the output. For the loss |y - target|^2 / 2, x_output is
        the target.

    In `strict` form the relaxation descends the energy, which is |x_l - f(u_l)|^2 / 2 summed over
    populations, with a share of 1 / variance at the output. There the rule -rate error pre_relaxed
    descends variance times the energy. In `fixed` form u_l, and with it f(u_l) and f'(u_l), stay as
    they were in the step. The rule is -rate error pre.

    Args:
        form: `fixed`: predictions stay. `strict`: they follow the relaxed activities.
        n_relax: the number of relaxations in a step.
        eta: the size of one relaxation. In strict form a large one diverges: stable is eta below
            2 / (the largest eigenvalue of the energy's curvature), about 2 / (1 + |W|^2).
        variance: of the output, in units of the variance of the other populations.
        inputs: `held`: populations without inputs keep their activity. `free`: those that the task
            drives relax too, around their output in the step. They are then latent causes with this
            prior mean, and the network is a generative model of the target.

    Limits: fixed form with eta = 1 and n_relax >= the number of layers above the lowest one that
    learns is feedback `symmetric`, whatever the variance. With 0 < eta < 2 it tends there as
    n_relax grows. Strict form tends to `symmetric` as the variance grows, with the relaxation at
    rest. What `reverse_walk` leaves out, is left out here too.

    Raises:
        BadInput: (from `init_state`) in strict form for a neuron that is not a rate without memory,
            which has no f.

    Source: Whittington & Bogacz 2017; fixed form: Millidge, Tschantz & Buckley 2022; Rosenbaum
    2022.
    """

    relaxes: ClassVar[bool] = True

    form: Literal["fixed", "strict"] = "fixed"
    n_relax: Count = 16
    eta: Positive = 1.0
    variance: Positive = 1.0
    inputs: Literal["held", "free"] = "held"

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        if self.form == "strict":
            _check_rates(wiring)
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        output = seen.wiring.output.name
        driven = {output} | {e.post for e in seen.wiring.edges}
        if self.inputs == "free":
            driven |= set(seen.stimulus)
        moved = {p.name: jnp.zeros(p.n) for p in seen.wiring.populations}
        moved[output] = -seen.feedback.error

        def relax(_: int, moved: Values) -> Values:
            errors, gains = self._errors(seen, moved)
            pulls = _pulls(seen, errors, gains)
            after = dict(moved)
            for name in sorted(driven - {output}):
                after[name] = moved[name] + self.eta * (pulls[name] - errors[name])
            return after

        moved = jax.lax.fori_loop(0, self.n_relax, relax, moved)
        errors, gains = self._errors(seen, moved)
        pulls = _pulls(seen, errors, gains)
        signals = {}
        relaxed = {}
        for name, view in seen.views.items():
            error = errors[name] if name in driven else pulls[name]
            signals[name] = -self.variance * error
            relaxed[name] = view.activity + moved[name]
        views = {name: replace(view, gain=gains[name]) for name, view in seen.views.items()}
        return state, replace(credit(signals, views, seen.feedback), relaxed=relaxed)

    def _errors(self, seen: FeedbackView, moved: Values) -> tuple[Values, Values]:
        """The errors e and the gains f'(u) of every population.

        Args:
            seen: the step.
            moved: population -> x - y, the way of its activity from that of the step [n].
        """
        errors = {}
        gains = {}
        for population in seen.wiring.populations:
            name = population.name
            view = seen.views[name]
            errors[name] = moved[name]
            gains[name] = view.gain
            follows = self.form == "strict" and seen.wiring.into(name)
            if follows and isinstance(population.neuron, RateNeuron):
                predicted, gains[name] = population.neuron.activate(_potential(seen, moved, name))
                errors[name] = moved[name] - (predicted - view.activity)
        output = seen.wiring.output.name
        errors[output] = errors[output] / self.variance
        return errors, gains


def _potential(seen: FeedbackView, moved: Values, name: str) -> Array:
    """The potential of one population where the activities below it have moved [n]."""
    potential = seen.views[name].potential
    for edge in seen.wiring.into(name):
        if seen.wiring.returns(edge):
            weight = seen.synapses[edge.name].weight
            arriving = edge.connection.propagate(weight, moved[edge.pre])
            potential = potential + seen.wiring.effect(edge) * arriving
    return potential


def _pulls(seen: FeedbackView, errors: Values, gains: Values) -> Values:
    """What the errors above a population ask of its activity: sum of s W^T (e * f'(u)) [n]."""
    pulls = {p.name: jnp.zeros(p.n) for p in seen.wiring.populations}
    for edge in seen.wiring.edges:
        if seen.wiring.returns(edge):
            weight = seen.synapses[edge.name].weight
            back = edge.connection.backpropagate(weight, errors[edge.post] * gains[edge.post])
            pulls[edge.pre] = pulls[edge.pre] + seen.wiring.effect(edge) * back
    return pulls


def _check_rates(wiring: Wiring) -> None:
    """Raises: BadInput for a driven neuron that has no activation function."""
    for population in wiring.populations:
        if wiring.into(population.name) and not isinstance(population.neuron, RateNeuron):
            neuron = name_of(type(population.neuron)) or type(population.neuron).__name__
            raise BadInput(
                f"feedback predictive, form=strict: neuron {neuron} of {population.name}",
                "a rate neuron without memory, whose prediction is f(potential)",
                "set form=fixed, or take another neuron",
            )
