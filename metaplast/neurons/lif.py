"""Leaky integrate-and-fire."""

from jax import Array

from metaplast.neurons._integrate_and_fire import IntegrateAndFire
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import spec


@register("neuron", "lif")
@spec
class Lif(IntegrateAndFire):
    """A leaky membrane that spikes at a threshold and is reset.

        tau_m dV/dt = (v_rest - V) + I
        V <- v_rest + alpha (V - v_rest) + (1 - alpha) I
        alpha = exp(-dt / tau_m)
        z = H(V - threshold)
        V <- v_reset                                                where z = 1

    V [n]: membrane potential, dimensionless by default (0 rest, 1 threshold).
    I [n]: the drive of the soma, in the unit of V.
    z [n]: spikes, 0/1.

    The step of the defaults, above, is exact while the drive is constant. Other discretisations
    (Euler, a synaptic current, subtractive and late resets, spikes on the previous V, units of the
    surrogate) are options, see `IntegrateAndFire`. NORSE, LSNN and EPROP beside it are the
    conventions of those three as fields. `adapted` means the threshold itself here.

    View: activity z; the potential that decided it (before the reset); gain dz/dV of the surrogate
    (`ThresholdNeuron`). The reset passes no gradient of z, unless `reset_gradient`. State [n]: v,
    and where used current, previous, spikes.

    Raises:
        BadInput: see `IntegrateAndFire`.

    Related neurons: `refractory` (refractoriness), `conductance_lif` (conductances), `alif`
    (adaptation).
    Limits: constant I fires with the period tau_m ln((v_rest + I - v_reset) / (v_rest + I -
    threshold)).
    Source: Lapicque 1907; Gerstner et al. 2014.
    """

    def adapt(self, state: Theta, dt: float) -> Theta:
        return state

    def level(self, state: Theta) -> float | Array:
        return self.threshold
