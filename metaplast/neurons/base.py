"""Dynamics of one unit, rate or spiking."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.language.grammar import RATE_UNIT
from metaplast.neurons._surrogates import Name, Surrogate, spike
from metaplast.numerics.stability import largest_stable
from metaplast.registry import BadInput, name_of
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import NonNegative, Positive, spec


class AbstractNeuron(ABC):
    """A population of `n` units.

    Attributes:
        ports: the named inputs at which a drive may arrive. At the port `soma` the sign of the
            presynaptic population applies; other ports give magnitudes their meaning themselves.
        offers: the fields of NeuronView that the neuron really computes.
        competitive: whether a unit's activity depends on the drive of the others too; gain is then
            the slope along its own drive.
        spiking: whether activity is 0 but for single steps, its spikes.
        timeless: whether every step is a draw of its own, with the same chances at any dt. Its
            activity is then an answer, yes or no, and has no rate in hertz.
        signed: the ports at which a weight may have either sign. At any other port the arriving sum
            is never below 0: a graded, negative signal there is cut.
        lowering: the ports whose drive lowers the potential near the point at which the unit
            becomes active; no other port does.
        drives: the range of constant drives of the soma, in the neuron's own unit, over which
            `stable_dt` holds.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma",)
    offers: ClassVar[frozenset[str]] = frozenset({"activity", "potential", "gain"})
    competitive: ClassVar[bool] = False
    spiking: ClassVar[bool] = False
    timeless: ClassVar[bool] = False
    signed: ClassVar[tuple[str, ...]] = ("soma",)
    lowering: ClassVar[tuple[str, ...]] = ()
    drives: ClassVar[tuple[float, float]] = (-10.0, 10.0)

    @abstractmethod
    def init(self, key: Key, n: int) -> Theta:
        """Learned parameters of the population; {} where there are none.

        Args:
            key: the key of the draw.
            n: the number of units.
        """

    @abstractmethod
    def init_state(self, theta: Theta, n: int) -> Theta:
        """State at rest.

        Args:
            theta: learned parameters.
            n: the number of units.

        Returns:
            {part: its values at rest [n]}.
        """

    def alike(self, n: int) -> tuple[int, ...]:
        """The sizes of the stretches of like units, in order: one stretch but in neuron `mixed`.

        Args:
            n: the number of units, the sum of the sizes.
        """
        return (n,)

    def begin(self, theta: Theta, n: int, key: Key) -> Theta:
        """State at the birth of a life, or of a trial.

        It is the state at rest, unless neuron `starting` sets another potential.

        Args:
            theta: learned parameters.
            n: the number of units.
            key: the key of a drawn potential.
        """
        return self.init_state(theta, n)

    def placed(self, state: Theta, potential: Array) -> Theta:
        """A state with this membrane potential [n].

        Args:
            state: the state whose other parts are kept.
            potential: the membrane potential [n], in the neuron's own unit.

        Raises:
            BadInput: for a neuron that has no membrane.
        """
        name = name_of(type(self)) or type(self).__name__
        raise BadInput(
            f"neuron {name!r}: a first potential", "a neuron with a membrane", "leave starting out"
        )

    @abstractmethod
    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        """One step of the population.

        Args:
            theta: learned parameters.
            state: the state before the step.
            drive: port -> arriving sum [n].
            dt: seconds.
            key: the key of the step.

        Returns:
            (The state after the step, the view of the step.)
        """

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        """The potential in a step where a port is [n]: that of the soma unless a class says more.

        A neuron with dendrites tells the potential of the one on which the port lies.

        Args:
            theta: learned parameters.
            state: the state after the step.
            view: the view of the step.
            port: one of `ports`.
        """
        return view.potential

    def unspiked(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> Theta:
        """The state after a step, without spikes and resets where they can be left out.

        `stable_dt` linearises this step.

        Args:
            theta: learned parameters.
            state: the state before the step.
            drive: port -> arriving sum [n].
            dt: seconds.
            key: the key of the step.
        """
        return self.step(theta, state, drive, dt, key)[0]

    def stable_dt(self) -> float:
        """The largest dt in seconds at which a step is stable under any drive within `drives`.

        It is inf where steps are exact or nothing is remembered. Beyond it a perturbation that in
        truth decays grows from step to step. `numerics.stability.largest_stable` measures it here.
        A concrete class may state its closed form, and the contract test compares the two.
        """
        return largest_stable(self)


class NeuronWrapper(AbstractNeuron):
    """A neuron around another one, which is the field `neuron` of a concrete class.

    Ports, signals and theta are those of the inner neuron.
    """

    neuron: AbstractNeuron

    @property
    def ports(self) -> tuple[str, ...]:
        return self.neuron.ports

    @property
    def signed(self) -> tuple[str, ...]:
        return self.neuron.signed

    @property
    def lowering(self) -> tuple[str, ...]:
        return self.neuron.lowering

    @property
    def offers(self) -> frozenset[str]:
        return self.neuron.offers

    @property
    def competitive(self) -> bool:
        return self.neuron.competitive

    @property
    def spiking(self) -> bool:
        return self.neuron.spiking

    @property
    def drives(self) -> tuple[float, float]:
        return self.neuron.drives

    def alike(self, n: int) -> tuple[int, ...]:
        return self.neuron.alike(n)

    def stable_dt(self) -> float:
        return self.neuron.stable_dt()

    def init(self, key: Key, n: int) -> Theta:
        return self.neuron.init(key, n)


class RateNeuron(AbstractNeuron):
    """A unit without memory: activity = f(drive at the soma).

    A concrete class writes f and its derivative.
    """

    @abstractmethod
    def activate(self, potential: Array) -> tuple[Array, Array]:
        """(f(u), f'(u)), elementwise; u = potential [n]."""

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {}

    def stable_dt(self) -> float:
        return math.inf

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        activity, gain = self.activate(drive["soma"])
        return state, neuron_view(activity, drive["soma"], gain)


class SpikingNeuron(AbstractNeuron):
    """A unit with a membrane: it integrates its drive, may fire, and is reset where it fired.

    A concrete class writes the three parts. `step` is their composition, and a wrapper may compose
    them otherwise.

    Attributes:
        membrane: names of the state that stands still where the potential is held; currents and
            adaptation go on.
    """

    spiking: ClassVar[bool] = True
    membrane: ClassVar[frozenset[str]] = frozenset({"v"})

    def placed(self, state: Theta, potential: Array) -> Theta:
        held = dict.fromkeys(sorted(self.membrane), potential)
        return {**state, **held} if held else super().placed(state, potential)

    @abstractmethod
    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        """The state after `dt` seconds, before any spike of this step.

        Args:
            theta: learned parameters.
            state: the state before the step.
            drive: port -> arriving sum [n].
            dt: seconds.
        """

    @abstractmethod
    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        """The view of an integrated state.

        It holds spikes 0/1 as `activity`, the potential that decided them, and their gain.

        Args:
            theta: learned parameters.
            state: the integrated state.
            dt: seconds.
            key: the key of the step.
        """

    @abstractmethod
    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        """The integrated state after the spikes [n] of this step.

        Args:
            theta: learned parameters.
            state: the integrated state.
            spikes: 1 where a unit spikes, else 0 [n].
        """

    def unspiked(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> Theta:
        return self.integrate(theta, state, drive, dt)

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        moved = self.integrate(theta, state, drive, dt)
        view = self.fire(theta, moved, dt, key)
        return self.reset(theta, moved, view.activity), view


@spec
class ThresholdNeuron(SpikingNeuron):
    """A unit that fires where its potential passes a threshold: z = H(x).

    Backward, the surrogate dampening * shape(x, slope) stands for the derivative of the step H.

    Args:
        surrogate: the name of the shape.
        slope: its slope; 0 takes the surrogate's own.
        dampening: the factor of the shape.
        learn_slope: whether theta holds `log_slope` []; the slope is then spec exp(5 log_slope).
            Spikes do not depend on it; rules that read the gain do.
    """

    surrogate: Name = "superspike"
    slope: NonNegative = 0.0
    dampening: Positive = 1.0
    learn_slope: bool = False

    def init(self, key: Key, n: int) -> Theta:
        return {"log_slope": jnp.zeros(())} if self.learn_slope else {}

    def crossing(
        self, theta: Theta, potential: Array, level: float | Array, unit: float | Array = 1.0
    ) -> NeuronView:
        """The view of spikes z = H(x) with their surrogate gain.

            x = (potential - level) / unit
            gain = dampening shape(x, slope) / unit

        Args:
            theta: learned parameters.
            potential: [n].
            level: the threshold [n] or [].
            unit: the unit of x [n] or [], in the unit of the potential.
        """
        steeper = jnp.exp(RATE_UNIT * theta["log_slope"]) if "log_slope" in theta else 1.0
        x = (potential - level) / unit
        derivative = Surrogate(self.surrogate, self.slope, self.dampening)(x, steeper)
        return neuron_view(spike(x, derivative), potential, derivative / unit)
