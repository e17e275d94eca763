"""The forward pass: a network of spikes, from event to event."""

import jax.numpy as jnp
from jax import Array, lax

from metaplast.events.crossing import first_crossing
from metaplast.events.membrane import EventMembrane
from metaplast.signals import pytree


@pytree
class Record:
    """The table of the spikes of one presentation, in the order of time.

    Attributes:
        times: seconds; `duration` in rows without a spike [max_events].
        sources: the input, or n_inputs + the neuron, that spikes; the number of rows of the
            weights where there is no spike [max_events], integers.
        excess: I_n - threshold of the neuron that spikes, just before it; 1 for inputs
            [max_events].
        full: whether the last row is taken, so that later spikes may be missing [].
    """

    times: Array
    sources: Array
    excess: Array
    full: Array


def indices(n: int) -> Array:
    """0 to n - 1, in 32 bits."""
    return jnp.arange(n, dtype=jnp.int32)


def simulated(
    membrane: EventMembrane, weights: Array, input_times: Array, input_sources: Array
) -> Record:
    """The spikes of one presentation.

    JAX can differentiate it: the search for a crossing passes no gradient, and one Newton step
    behind it has the derivative of the crossing. The adjoint (`events/adjoint.py`) needs less.

    Args:
        membrane: the neurons.
        weights: row s holds the synapses that leave source s [n_inputs + n, n].
        input_times: seconds; a time beyond the duration is no spike [n_input_spikes].
        input_sources: the input that sends each of them, integers [n_input_spikes].
    """
    n_sources, n = weights.shape
    order = jnp.argsort(input_times)
    never = jnp.full(1, jnp.inf, weights.dtype)
    in_order = jnp.asarray(input_times, weights.dtype)[order]
    waiting = jnp.concatenate([in_order, never])
    senders = jnp.append(jnp.asarray(input_sources, jnp.int32)[order], 0)
    fanned = jnp.concatenate([weights, jnp.zeros((1, n), weights.dtype)])
    duration = jnp.asarray(membrane.duration, weights.dtype)

    def event(
        carry: tuple[Array, Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array, Array], tuple[Array, Array, Array]]:
        potential, current, now, n_arrived = carry
        arrives = waiting[n_arrived]
        allowed = jnp.minimum(arrives, duration) - now
        crossing = first_crossing(membrane, *lax.stop_gradient((potential, current, allowed)))
        fires = crossing.crosses
        neuron = crossing.neuron
        flow = membrane.flow(crossing.after)
        v = flow.membrane * potential[neuron] + flow.passed * current[neuron]
        rise = jnp.where(fires, flow.current * current[neuron] - v, 1.0)
        exact = crossing.after + (membrane.threshold - v) * membrane.tau_m / rise
        after = jnp.where(fires, exact, allowed)
        flow = membrane.flow(after)
        potential = flow.membrane * potential + flow.passed * current
        current = flow.current * current
        excess = jnp.where(fires, current[neuron] - membrane.threshold, 1.0)
        enters = ~fires & (arrives <= duration)
        source = jnp.where(enters, senders[n_arrived], n_sources)
        source = jnp.where(fires, n_sources - n + neuron, source)
        resets = fires & (indices(n) == neuron)
        potential = jnp.where(resets, 0.0, potential)
        current = current + fanned[source]
        carry = (potential, current, now + after, n_arrived + enters.astype(jnp.int32))
        return carry, (now + after, source, excess)

    rest = jnp.zeros(n, weights.dtype)
    start = (rest, rest, jnp.zeros((), weights.dtype), jnp.zeros((), jnp.int32))
    _, (times, sources, excess) = lax.scan(event, start, None, membrane.max_events)
    return Record(times=times, sources=sources, excess=excess, full=sources[-1] < n_sources)
