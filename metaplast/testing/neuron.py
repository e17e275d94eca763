"""What every neuron promises (metaplast.testing.check_neuron)."""

import dataclasses
import itertools
import math
import typing
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.neurons.base import AbstractNeuron, SpikingNeuron
from metaplast.numerics.stability import LONGEST, largest_stable
from metaplast.signals import NeuronView, Theta
from metaplast.testing.base import (
    EXACT,
    ContractBroken,
    demand,
    demand_close,
    demand_gradient,
    demand_same_type,
    keys,
    nudged,
    quick_jit,
)

N, N_STEPS, DT, LIFE = 5, 40, 1e-3, 16e-3
Oracle = Callable[[AbstractNeuron, dict[str, np.ndarray], float], tuple[np.ndarray, np.ndarray]]


def life(
    neuron: AbstractNeuron, dt: float, theta: Theta, drive: dict[str, Array], noise: Array
) -> tuple[Theta, NeuronView]:
    """A population under `drive` {port: [n_steps, n]}: (state before each step, view of each
    step).
    """

    def step(
        state: Theta, now: tuple[dict[str, Array], Array]
    ) -> tuple[Theta, tuple[Theta, NeuronView]]:
        new, view = neuron.step(theta, state, now[0], dt, now[1])
        return new, (state, view)

    return lax.scan(step, neuron.init_state(theta, N), (drive, noise))[1]


run = quick_jit(life, static_argnums=(0, 1))


@cache
def hard(neuron: AbstractNeuron) -> float:
    """A drive of the soma under which units are active: the first of 3, 30 ... 30000 (units differ
    between models).
    """
    theta, tried = neuron.init(jax.random.key(0), N), [3.0, 30.0, 300.0, 3e3, 3e4]
    for scale in tried:
        drive = {
            port: np.full((N_STEPS, N), scale if port == "soma" else 0.0) for port in neuron.ports
        }
        if np.any(run(neuron, DT, theta, drive, keys(0, N_STEPS))[1].activity != 0):
            return scale
    raise ContractBroken(f"some drive of the soma makes a unit active (tried: {tried})")


def draw(neuron: AbstractNeuron, seed: int = 0) -> dict[str, np.ndarray]:
    """Random drives: of either sign at signed ports, magnitudes elsewhere; the last unit is driven
    hard.
    """
    rng = np.random.default_rng(seed)
    drive = {port: rng.normal(size=(N_STEPS, N)) for port in neuron.ports}
    drive = {port: x if port in neuron.signed else np.abs(0.3 * x) for port, x in drive.items()}
    drive["soma"][:, -1] = hard(neuron) * (1.0 + 0.03 * drive["soma"][:, -1])
    return drive


def check_carry(neuron: AbstractNeuron) -> None:
    """A scan can carry the state; every field of the view is [n] and of the default float type."""
    for wide in (False, True):
        with jax.enable_x64(wide):
            theta = jax.eval_shape(lambda: neuron.init(jax.random.key(0), N))
            state = jax.eval_shape(lambda t: neuron.init_state(t, N), theta)
            blank = {port: jnp.zeros(N) for port in neuron.ports}
            step = lambda t, s, k, drive=blank: neuron.step(t, s, drive, DT, k)
            after, view = jax.eval_shape(step, theta, state, jax.random.key(0))
            demand_same_type(
                state, after, "the state that comes out has the type of the one that went in"
            )
            whole = jax.eval_shape(
                lambda: NeuronView(
                    **{name: jnp.zeros(N) for name in NeuronView.__dataclass_fields__}
                )
            )
            demand_same_type(whole, view, "every field of the view is [n]")
            unknown = neuron.offers - set(NeuronView.__dataclass_fields__)
            demand(not unknown, f"offers names fields of a view, not {sorted(unknown)}")
            demand("soma" in neuron.ports, "there is a port `soma`, where a stimulus arrives")
            if isinstance(neuron, SpikingNeuron):
                demand(
                    neuron.membrane <= set(state),
                    f"membrane names parts of the state, not {set(neuron.membrane)}",
                )
            demand(
                set(neuron.signed) <= set(neuron.ports), f"signed names ports, not {neuron.signed}"
            )
            demand(
                set(neuron.lowering) <= set(neuron.ports),
                f"lowering names ports, not {neuron.lowering}",
            )


def check_equivariance(neuron: AbstractNeuron, theta: Theta) -> None:
    """Renaming the units renames what they do. (A neuron that draws is exempt.)"""
    drive, order = draw(neuron), np.array([3, 0, 4, 1, 2])
    one, other = (run(neuron, DT, theta, drive, keys(seed, N_STEPS))[1].activity for seed in (0, 1))
    if np.any(one != other):
        return
    renamed = jax.tree.map(lambda x: x[order] if x.shape[:1] == (N,) else x, theta)
    moved = run(
        neuron, DT, renamed, {port: x[:, order] for port, x in drive.items()}, keys(0, N_STEPS)
    )[1]
    demand_close(moved.activity, one[:, order], "permuting the units permutes their activity")


def check_gain(neuron: AbstractNeuron, theta: Theta) -> None:
    """d activity = gain * d potential along any change of the drive, by autodiff (through the
    surrogate of spikes).

    Where units compete it holds for each unit under a change of its own drive, and fails for a
    change of all.
    """
    if "gain" not in neuron.offers:
        return
    drive = draw(neuron)
    together = np.random.default_rng(3).normal(size=(1, N))
    changes = np.concatenate([together, np.eye(N)]) if neuron.competitive else together

    @quick_jit
    def slopes(states: Theta, drive: dict[str, Array]) -> dict[str, Any]:
        def shown(
            port: str, state: Theta, now: dict[str, Array], x: Array
        ) -> tuple[tuple[Array, Array], Array]:
            view = neuron.step(theta, state, {**now, port: x}, DT, keys(0, 1)[0])[1]
            return (view.activity, view.potential), view.gain

        def at(state: Theta, now: dict[str, Array]) -> dict[str, Any]:
            along = lambda port, v: jax.jvp(
                partial(shown, port, state, now), (now[port],), (v,), has_aux=True
            )[1:]
            return {port: jax.vmap(partial(along, port))(changes) for port in now}

        return jax.vmap(at)(states, drive)

    states = run(neuron, DT, theta, drive, keys(0, N_STEPS))[0]
    for port, found in slopes(states, drive).items():
        (activity, potential), gain = jax.tree.map(np.asarray, found)  # [n_steps, changes, n]
        promise = f"gain is d activity / d potential (port {port})"
        if neuron.competitive:
            own = lambda x: np.diagonal(x[:, 1:], axis1=1, axis2=2)
            demand_close(own(activity), own(gain * potential), promise)
            apart = np.abs(activity[:, 0] - (gain * potential)[:, 0]).max()
            demand(
                apart > EXACT,
                f"units compete: the drive of one matters to the others (port {port})",
            )
        else:
            demand_close(activity, gain * potential, promise)


def check_lowering(neuron: AbstractNeuron, theta: Theta) -> None:
    """More drive in the step in which a unit first becomes active lowers its potential at ports
    `lowering` alone.
    """
    drive = {
        port: np.full((N_STEPS, N), hard(neuron) if port == "soma" else 0.0)
        for port in neuron.ports
    }
    before = run(neuron, DT, theta, drive, keys(0, N_STEPS))[1]
    first = (np.argmax(np.asarray(before.activity) != 0, axis=0), np.arange(N))
    for port in neuron.ports:
        more = {**drive, port: drive[port].copy()}
        more[port][first] += hard(neuron) if port in neuron.signed else 0.3
        after = run(neuron, DT, theta, more, keys(0, N_STEPS))[1]
        moved = np.asarray(after.potential)[first] - np.asarray(before.potential)[first]
        declared, sign = ("lowers", -1.0) if port in neuron.lowering else ("does not lower", 1.0)
        demand(bool(np.all(sign * moved >= 0)), f"a drive at port {port} {declared} the potential")


def check_order(neuron: AbstractNeuron, theta: Theta) -> None:
    """Under a small constant drive the potential after a fixed time converges as dt -> 0, first
    order or better.
    """
    ends: list[np.ndarray] = []
    steps: list[float] = []
    for n_steps in (8, 16, 32, 64):
        drive = {port: np.full((n_steps, N), 0.2) + 0.02 * np.arange(N) for port in neuron.ports}
        ends.append(
            np.asarray(run(neuron, LIFE / n_steps, theta, drive, keys(0, n_steps))[1].potential[-1])
        )
        steps = [float(np.abs(a - b).max()) for a, b in itertools.pairwise(ends)]
        if steps and steps[-1] <= EXACT:
            return
    demand(
        all(b <= 0.65 * a for a, b in itertools.pairwise(steps)),
        f"the potential converges as dt -> 0, its steps were {steps}",
    )


def check_stability(neuron: AbstractNeuron) -> None:
    """`stable_dt` is where the numerically linearised step, over the states it visits, first grows
    what decays.
    """
    stated, measured = neuron.stable_dt(), largest_stable(neuron)
    demand(stated > 0, f"stable_dt is a time in seconds, not {stated}")
    alike = math.isclose(stated, measured, rel_tol=0.02) or min(stated, measured) > LONGEST
    demand(alike, f"stable_dt is where the linearised step grows: {measured:g} s, not {stated:g} s")


def check_surrogates(neuron: AbstractNeuron, theta: Theta) -> None:
    """What goes backward does not change what goes forward, be it another surrogate or a slope that
    theta moves.

    Compared is every step of a life, from the same states (one program: compiling is all that this
    costs).
    """
    others = list(_surrogates(neuron))
    if not others:
        return
    drive = draw(neuron)
    states = run(neuron, DT, theta, drive, keys(0, N_STEPS))[0]
    thetas = [
        nudged(other.init(jax.random.key(0), N), np.random.default_rng(1)) for other in others
    ]

    @quick_jit
    def lives(
        thetas: list[Theta], states: Theta, drive: dict[str, Array]
    ) -> list[tuple[Theta, NeuronView]]:
        def live(one: AbstractNeuron, theta: Theta) -> tuple[Theta, NeuronView]:
            return jax.vmap(lambda s, d, k: one.step(theta, s, d, DT, k))(
                states, drive, keys(0, N_STEPS)
            )

        return [live(one, new) for one, new in zip([neuron, *others], thetas, strict=True)]

    (after, reference), *found = lives([theta, *thetas], states, drive)
    same = (after, reference.activity, reference.potential)
    for other, (state, view) in zip(others, found, strict=True):
        forward = (state, view.activity, view.potential)
        demand_close(forward, same, "the forward pass is the same under any surrogate", 0.0)
        moved = np.any(np.asarray(view.gain) != np.asarray(reference.gain))
        demand(moved or other == neuron, "another surrogate or slope is another gain")


def _surrogates(neuron: AbstractNeuron) -> Iterator[AbstractNeuron]:
    """The same neuron under each value of its field `surrogate`, and with a learned slope, where
    the spec has these.
    """
    for field in dataclasses.fields(neuron):  # pyright: ignore[reportArgumentType]
        values = {"surrogate": typing.get_args(field.type), "learn_slope": (True,)}.get(
            field.name, ()
        )
        for value in values:
            yield dataclasses.replace(neuron, **{field.name: value})  # pyright: ignore[reportArgumentType, reportCallIssue]


def check_gradient(neuron: AbstractNeuron, theta: Theta) -> None:
    """Below any threshold, the gradient of potential and gain with respect to theta is that of
    central differences.
    """
    if not jax.tree.leaves(theta):
        return
    drive = {port: np.full((N_STEPS, N), 0.2) + 0.02 * np.arange(N) for port in neuron.ports}

    def loss(theta: Theta) -> Array:
        view = life(neuron, DT, theta, drive, keys(0, N_STEPS))[1]
        return jnp.sum(view.potential**2) + jnp.sum(view.gain**2)

    demand_gradient(quick_jit(loss), theta, quick_jit(jax.grad(loss))(theta))


def check_oracle(neuron: AbstractNeuron, theta: Theta, oracle: Oracle) -> None:
    """Step for step what a plain NumPy program gives."""
    drive = draw(neuron)
    view = run(neuron, DT, theta, drive, keys(0, N_STEPS))[1]
    activity, potential = oracle(neuron, drive, DT)
    demand_close(np.asarray(view.potential), potential, "the potential is that of the NumPy oracle")
    demand_close(np.asarray(view.activity), activity, "the activity is that of the NumPy oracle")


def check(neuron: AbstractNeuron, oracle: Oracle | None = None) -> None:
    """Everything above (metaplast.testing.check_neuron)."""
    check_carry(neuron)
    with jax.enable_x64(True):
        theta = nudged(neuron.init(jax.random.key(0), N), np.random.default_rng(1))
        view = run(neuron, DT, theta, draw(neuron), keys(0, N_STEPS))[1]
        for name in neuron.offers:
            demand(np.isfinite(getattr(view, name)).all(), f"{name} is finite")
        check_equivariance(neuron, theta)
        check_gain(neuron, theta)
        check_lowering(neuron, theta)
        check_order(neuron, theta)
        check_stability(neuron)
        check_surrogates(neuron, theta)
        check_gradient(neuron, theta)
        if oracle is not None:
            check_oracle(neuron, theta, oracle)
