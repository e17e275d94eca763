"""Gradients of a life that stores few weights: the backward pass takes every change back.

    forward:   w_{t+1} = w_t + a_t + b_t w_t
    backward:  w_t = w_{t+1} - (a_t + b_t w_{t+1}) / (1 + b_t)

w_t: the weights before step t.
a_t, b_t: the numbers of the change, from (theta, s_t, v_t).
s_t: everything else that a step changes.
v_t: the signals that the rules read in step t, without the weights.

It holds where every change is affine in the weight of its synapse and depends on no state of
synapses. s_t and v_t are stored for every step: `pays` asks that they are fewer numbers than stored
weights. Weights are stored at the starts of up to `SEGMENTS` segments of the life.

A change that a bound cut cannot be taken back, and the sums round. A rule that shrinks weights also
shrinks their differences, so its way back enlarges what was rounded. So the weights that are
rebuilt at the start of a segment are compared with the stored ones, and the way back goes on from
the stored ones. Where a weight touched a bound, or where rebuilt and stored weights differ by more
than `DRIFT`, the ordinary backward pass runs instead. It stays a part of the program, so the
program needs the memory of the ordinary pass and that of the stored weights. A life that touches a
bound pays one more forward pass, a life that drifts also a backward pass.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero

DRIFT = 8.0
"""The largest difference of a rebuilt weight, in roundings of the largest weight of its edge.

In the network measured it keeps the error of the gradient below 1e-5. In float32 at 250 steps, with
an error added to every change, drifts of 1.4, 4.9, 20, 52 and 198 gave relative errors of 9e-8,
4e-6, 1.5e-5, 6e-5 and 2.5e-4. Without an added error, lives of 250 and 1000 steps drift by 0.2 to
1.5.
"""

SEGMENTS = 5
"""The largest number of segments of a life. Their number is a divisor of the number of steps.

Five cost 3 % of a gradient through the deep network of `benchmarks/deep.py`, ten cost 8 %. With a
change of -0.03 w in each of 250 steps, weights drift by 66 roundings in one segment, by 12 in five
and by 6 in ten.
"""

LARGE = 2**15
"""The smallest number of plastic weights for which changes are taken back.

On one core of a CPU (no accelerator was measured) the second program takes 0.4 to 0.6 s more to
compile. Per gradient of 250 steps it saves 0.9 ms at 64 x 64 weights, 2.2 ms at 128 x 128, 16 ms at
256 x 256 and 35 ms at 784 x 128. So it pays back after 430, 230, 34 and 11 gradients of one life.
Rules that read the weight save less: with Oja's term the deep network of `benchmarks/deep.py` takes
3 s more to compile and saves 28 ms, which pays back after 110 gradients.
"""

Weights = list[Array]


class After(NamedTuple):
    """The outcome of one step.

    weights: the weights after it.
    rest: everything else that changes.
    trace: the entry of the trace.
    seen: the signals of which the changes are made, without the weights.
    """

    weights: Weights
    rest: Any
    trace: Any
    seen: Any


class Steps(NamedTuple):
    """One step of a life, in parts.

    bounded: (constants, weights, rest) -> the step, with weights kept in their bounds.
    free: the same without bounds.
    before: (constants, rest, seen, weights after the step) -> the weights before it.
    touched: weights -> whether one of them is at a bound [].
    ordinary: (constants, weights, rest) -> (weights, rest, traces) after all steps, with a backward
        pass that stores weights.
    """

    bounded: Callable[[Any, Weights, Any], After]
    free: Callable[[Any, Weights, Any], After]
    before: Callable[[Any, Any, Any, Weights], Weights]
    touched: Callable[[Weights], Array]
    ordinary: Callable[[Any, Weights, Any], tuple[Weights, Any, Any]]


@jax.tree_util.register_static
@dataclass(frozen=True)
class _Places:
    """Leaves of a list. are: whether each of them is meant."""

    are: tuple[bool, ...]


class _Kept(NamedTuple):
    """What the forward pass keeps for the backward pass.

    constants, rest: arguments.
    differentiated: the leaves of the constants of which a derivative is asked for.
    starts: the weights before the first step of every segment, stacked.
    last: the weights after all steps.
    rests, seen: of every step [segment, step, ...].
    touched: whether a weight touched a bound [].
    """

    constants: list[Array]
    rest: list[Array]
    differentiated: _Places
    starts: Weights
    last: Weights
    rests: list[Array]
    seen: Any
    touched: Array


def rolled_back(
    steps: Steps, constants: Any, weights: Weights, rest: Any, n_steps: int
) -> tuple[Weights, Any, Any]:
    """(weights, rest, traces) after `n_steps` steps.

    Args:
        steps: one step, in parts.
        constants: what no step changes: theta, the task, ...
        weights: the first weights.
        rest: everything else that a step changes, at the start.
        n_steps: the number of steps.
    """
    n_segments = max(n for n in range(1, SEGMENTS + 1) if n_steps % n == 0)
    constant_leaves, constants_tree = jax.tree.flatten(constants)
    rest_leaves, rest_tree = jax.tree.flatten(rest)

    def bounded(constants: list[Array], weights: Weights, rest: list[Array]) -> After:
        tree = jax.tree.unflatten(rest_tree, rest)
        after = steps.bounded(jax.tree.unflatten(constants_tree, constants), weights, tree)
        return after._replace(rest=jax.tree.leaves(after.rest))

    def free(constants: list[Array], weights: Weights, rest: list[Array]) -> After:
        tree = jax.tree.unflatten(rest_tree, rest)
        after = steps.free(jax.tree.unflatten(constants_tree, constants), weights, tree)
        return after._replace(rest=jax.tree.leaves(after.rest))

    def ordinary(constants: list[Array], weights: Weights, rest: list[Array]) -> Any:
        tree = jax.tree.unflatten(rest_tree, rest)
        whole = jax.tree.unflatten(constants_tree, constants)
        last, rest_after, traces = steps.ordinary(whole, weights, tree)
        return last, jax.tree.leaves(rest_after), traces

    @jax.custom_vjp
    def run(constants: list[Array], weights: Weights, rest: list[Array]) -> Any:
        return ordinary(constants, weights, rest)

    def forward(constants: list[Any], weights: list[Any], rest: list[Any]) -> Any:
        values = [leaf.value for leaf in constants]
        first = [leaf.value for leaf in weights]
        start = [leaf.value for leaf in rest]
        wanted = tuple(leaf.perturbed and _continuous(leaf.value) for leaf in constants)

        def body(carry: Any, _: None) -> Any:
            weights, rest, touched = carry
            after = bounded(values, weights, rest)
            touched = touched | steps.touched(after.weights)
            return (after.weights, after.rest, touched), (after.trace, rest, after.seen)

        def segment(carry: Any, _: None) -> Any:
            after, of_steps = lax.scan(body, carry, None, n_steps // n_segments)
            return after, (carry[0], of_steps)

        begin = (first, start, steps.touched(first))
        (last, end, touched), (starts, of_steps) = lax.scan(segment, begin, None, n_segments)
        traces, rests, seen = of_steps
        traces = jax.tree.map(lambda x: x.reshape(n_steps, *x.shape[2:]), traces)
        kept = _Kept(values, start, _Places(wanted), starts, last, rests, seen, touched)
        return (last, end, traces), kept

    def backward(kept: _Kept, slopes: Any) -> Any:
        slopes = _instantiated(slopes)
        asked = _at(kept.constants, kept.differentiated.are)
        moving = [leaf for leaf in kept.rest if _continuous(leaf)]
        first = [leaf[0] for leaf in kept.starts]

        def with_asked(values: list[Array]) -> list[Array]:
            return _merged(kept.constants, kept.differentiated.are, values)

        def roll() -> Any:
            of_weights, of_rest, of_traces = slopes

            def body(carry: Any, step: Any) -> Any:
                weights, of_weights, of_rest, of_constants = carry
                rest, seen, of_trace = step
                whole = jax.tree.unflatten(constants_tree, kept.constants)
                tree = jax.tree.unflatten(rest_tree, rest)
                before = steps.before(whole, tree, seen, weights)
                is_moving = tuple(map(_continuous, rest))

                def outputs(constants: list[Array], weights: Weights, moving: list[Array]) -> Any:
                    after = free(with_asked(constants), weights, _merged(rest, is_moving, moving))
                    ends = [leaf for leaf in after.rest if _continuous(leaf)]
                    traces = [leaf for leaf in jax.tree.leaves(after.trace) if _continuous(leaf)]
                    return after.weights, ends, traces

                now = [leaf for leaf in rest if _continuous(leaf)]
                _, pull_back = jax.vjp(outputs, asked, before, now)
                more, of_weights, of_rest = pull_back((of_weights, of_rest, of_trace))
                of_constants = [a + b for a, b in zip(of_constants, more, strict=True)]
                return (before, of_weights, of_rest, of_constants), None

            def segment(carry: Any, kept_of_segment: Any) -> Any:
                true, of_steps = kept_of_segment
                (rebuilt, *slopes_before), _ = lax.scan(body, carry, of_steps, reverse=True)
                return (true, *slopes_before), _drift(rebuilt, true, carry[0])

            per_segment = lambda x: x.reshape(n_segments, -1, *x.shape[1:])
            of_traces = jax.tree.map(per_segment, of_traces)
            begin = (kept.last, of_weights, of_rest, [jnp.zeros_like(leaf) for leaf in asked])
            stacked = (kept.starts, (kept.rests, kept.seen, of_traces))
            (_, *slopes_at_birth), drifts = lax.scan(segment, begin, stacked, reverse=True)
            return tuple(slopes_at_birth), jnp.max(drifts)

        def skip() -> Any:
            zeros = jax.tree.map(jnp.zeros_like, (first, moving, asked))
            return zeros, jnp.zeros(())

        def store() -> Any:
            is_moving = tuple(map(_continuous, kept.rest))

            def outputs(constants: list[Array], weights: Weights, moving: list[Array]) -> Any:
                rest = _merged(kept.rest, is_moving, moving)
                last, ends, traces = ordinary(with_asked(constants), weights, rest)
                ends = [leaf for leaf in ends if _continuous(leaf)]
                return last, ends, [x for x in jax.tree.leaves(traces) if _continuous(x)]

            _, pull_back = jax.vjp(outputs, asked, first, moving)
            of_constants, of_weights, of_rest = pull_back(slopes)
            return of_weights, of_rest, of_constants

        touched = _any_in_lockstep(kept.touched)
        rolled, drift = lax.cond(touched, skip, roll)
        # A drift that is no number is too far.
        is_near = jnp.logical_not(_any_in_lockstep(jnp.logical_not(drift <= DRIFT)))
        is_right = is_near & jnp.logical_not(touched)
        of_weights, of_rest, of_constants = lax.cond(is_right, lambda: rolled, store)
        nothing: list[Any] = [None] * len(kept.constants)
        all_rest: list[Any] = [None] * len(kept.rest)
        return (
            _merged(nothing, kept.differentiated.are, of_constants),
            of_weights,
            _merged(all_rest, tuple(map(_continuous, kept.rest)), of_rest),
        )

    run.defvjp(forward, backward, symbolic_zeros=True)
    last, end, traces = run(constant_leaves, weights, rest_leaves)
    return last, jax.tree.unflatten(rest_tree, end), traces


def pays(n_weights: int, n_of_step: int, n_steps: int) -> bool:
    """Whether a network is large, and the stored signals are fewer numbers than stored weights.

    The ordinary backward pass stores about 2 sqrt(n_steps) states.

    Args:
        n_weights: the number of plastic weights.
        n_of_step: the number of numbers that are stored of every step.
        n_steps: the number of steps.
    """
    return n_weights >= LARGE and n_steps * n_of_step < 2 * n_steps**0.5 * n_weights


@custom_vmap
def _any_in_lockstep(flag: Array) -> Array:
    """The flag [] of a life; of lives that run in lockstep, whether it holds for any of them.

    A condition that differs from life to life would run both of its branches.
    """
    return flag


@_any_in_lockstep.def_vmap
def _(axis_size: int, in_batched: list[bool], flag: Array) -> tuple[Array, bool]:
    del axis_size, in_batched
    return jnp.any(flag), False


def _drift(rebuilt: Weights, true: Weights, last: Weights) -> Array:
    """The largest difference of the first weights, in roundings of the largest weight []."""
    worst = jnp.zeros(())
    for a, b, c in zip(rebuilt, true, last, strict=True):
        largest = jnp.maximum(jnp.max(jnp.abs(b)), jnp.max(jnp.abs(c)))
        # An edge of zeros has not drifted.
        rounding = jnp.finfo(b.dtype).eps * jnp.maximum(largest, jnp.finfo(b.dtype).tiny)
        worst = jnp.maximum(worst, jnp.max(jnp.abs(a - b)) / rounding)
    return worst


def _continuous(leaf: Any) -> bool:
    """Whether a derivative with respect to the leaf exists."""
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _at(leaves: list[Any], places: tuple[bool, ...]) -> list[Any]:
    """The leaves at the places that are True."""
    return [leaf for leaf, place in zip(leaves, places, strict=True) if place]


def _merged(base: list[Any], places: tuple[bool, ...], values: list[Any]) -> list[Any]:
    """`base`, with `values` at the places that are True."""
    rest: Iterator[Any] = iter(values)
    return [next(rest) if place else leaf for leaf, place in zip(base, places, strict=True)]


def _instantiated(slopes: Any) -> tuple[Weights, list[Array], list[Array]]:
    """(Slopes of weights, of the rest, of the traces): zeros where nothing depends on a leaf."""
    of_weights, of_rest, of_traces = slopes
    return _filled(of_weights), _filled(of_rest), _filled(of_traces)


def _filled(slopes: Any) -> list[Array]:
    """The slopes of all continuous leaves."""
    continuous = []
    for leaf in jax.tree.leaves(slopes, is_leaf=_is_zero):
        if _continuous(leaf):
            continuous.append(jnp.zeros(leaf.shape, leaf.dtype) if _is_zero(leaf) else leaf)
    return continuous


def _is_zero(slope: Any) -> bool:
    """Whether nothing depends on the leaf of a slope."""
    return isinstance(slope, SymbolicZero)
