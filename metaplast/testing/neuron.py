"""The promises of every neuron (metaplast.testing.check_neuron)."""

import dataclasses
import itertools
import math
import typing
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

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

N = 5
N_STEPS = 40
DT = 1e-3
SHORT = 5e-5
LIFE = 16e-3
Oracle = Callable[[AbstractNeuron, dict[str, np.ndarray], float], tuple[np.ndarray, np.ndarray]]


def life(
    neuron: AbstractNeuron, dt: float, theta: Theta, drive: dict[str, Array], noise: Array
) -> tuple[Theta, NeuronView]:
    """The life of a population under a drive.

    Args:
        neuron: the neuron.
        dt: seconds per step.
        theta: the theta of the population.
        drive: {port: [n_steps, n]}.
        noise: a random key for each step.

    Returns:
        (state before each step, view of each step).
    """

    def step(
        state: Theta, now: tuple[dict[str, Array], Array]
    ) -> tuple[Theta, tuple[Theta, NeuronView]]:
        drive_now, key = now
        after, view = neuron.step(theta, state, drive_now, dt, key)
        return after, (state, view)

    return lax.scan(step, neuron.init_state(theta, N), (drive, noise))[1]


run = quick_jit(life, static_argnums=(0, 1))


@cache
def hard(neuron: AbstractNeuron) -> float:
    """A drive of the soma under which units are active: the first of 3, 30 ... 30000.

    The units of a drive differ between models.

    Raises:
        ContractBroken: no unit is active under any of them.
    """
    theta = neuron.init(jax.random.key(0), N)
    scales = [3.0, 30.0, 300.0, 3e3, 3e4]
    for scale in scales:
        drive = _soma_drive(neuron, scale)
        if np.any(run(neuron, DT, theta, drive, keys(0, N_STEPS))[1].activity != 0):
            return scale
    raise ContractBroken(f"some drive of the soma makes a unit active (tried: {scales})")


def _soma_drive(neuron: AbstractNeuron, scale: float) -> dict[str, np.ndarray]:
    """A constant drive of the soma alone."""
    drive = {port: np.zeros((N_STEPS, N)) for port in neuron.ports}
    drive["soma"] = np.full((N_STEPS, N), scale)
    return drive


def draw(neuron: AbstractNeuron, seed: int = 0) -> dict[str, np.ndarray]:
    """Random drives: of either sign at signed ports, magnitudes elsewhere.

    The last unit is driven hard.
    """
    rng = np.random.default_rng(seed)
    drive = {}
    for port in neuron.ports:
        noise = rng.normal(size=(N_STEPS, N))
        if port not in neuron.signed:
            noise = np.abs(0.3 * noise)
        drive[port] = noise
    drive["soma"][:, -1] = hard(neuron) * (1.0 + 0.03 * drive["soma"][:, -1])
    return drive


def check_carry(neuron: AbstractNeuron) -> None:
    """Check that a scan can carry the state, and that every field of the view is a float [n].

    Both are checked at either precision.
    """
    for wide in (False, True):
        with jax.enable_x64(wide):
            theta = jax.eval_shape(lambda: neuron.init(jax.random.key(0), N))
            state = jax.eval_shape(lambda t: neuron.init_state(t, N), theta)
            _check_types(neuron, theta, state)
            _check_names(neuron, set(state))


def _check_types(neuron: AbstractNeuron, theta: Theta, state: Theta) -> None:
    """Check the types that come out of a step. theta, state: shapes and dtypes."""
    names = NeuronView.__dataclass_fields__

    def step(theta: Theta, state: Theta, key: Array) -> tuple[Theta, NeuronView]:
        drive = {port: jnp.zeros(N) for port in neuron.ports}
        return neuron.step(theta, state, drive, DT, key)

    def blank_view() -> NeuronView:
        return NeuronView(**dict.fromkeys(names, jnp.zeros(N)))

    after, view = jax.eval_shape(step, theta, state, jax.random.key(0))
    demand_same_type(state, after, "the state that comes out has the type of the one that went in")
    demand_same_type(jax.eval_shape(blank_view), view, "every field of the view is [n]")


def _check_names(neuron: AbstractNeuron, parts: set[str]) -> None:
    """Check that a neuron names fields, ports and parts that exist. parts: of its state."""
    unknown = neuron.offers - set(NeuronView.__dataclass_fields__)
    demand(not unknown, f"offers names fields of a view, not {sorted(unknown)}")
    ports = set(neuron.ports)
    demand("soma" in ports, "there is a port `soma`, where a stimulus arrives")
    demand(set(neuron.signed) <= ports, f"signed names ports, not {neuron.signed}")
    demand(set(neuron.lowering) <= ports, f"lowering names ports, not {neuron.lowering}")
    if isinstance(neuron, SpikingNeuron):
        demand(
            neuron.membrane <= parts,
            f"membrane names parts of the state, not {set(neuron.membrane)}",
        )


def check_equivariance(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check that renaming like units (`alike`) renames their activity.

    A neuron that draws random numbers is exempt.
    """
    drive = draw(neuron)
    kind = np.repeat(np.arange(len(neuron.alike(N))), neuron.alike(N))
    order = np.array([4, 2, 0, 3, 1])
    order = order[np.argsort(kind[order], kind="stable")]
    one = run(neuron, DT, theta, drive, keys(0, N_STEPS))[1].activity
    other = run(neuron, DT, theta, drive, keys(1, N_STEPS))[1].activity
    if np.any(one != other):
        return

    def in_order(leaf: Any) -> Any:
        if leaf.shape[:1] == (N,):
            return leaf[order]
        return leaf

    renamed = jax.tree.map(in_order, theta)
    renamed_drive = {port: x[:, order] for port, x in drive.items()}
    moved = run(neuron, DT, renamed, renamed_drive, keys(0, N_STEPS))[1]
    demand_close(moved.activity, one[:, order], "permuting like units permutes their activity")


class _Slopes(NamedTuple):
    """The response of units to changes of a drive, each [n_steps, n_changes, n].

    activity: d activity along the change
    potential: d potential along the change
    gain: the gain that the view states
    """

    activity: Array
    potential: Array
    gain: Array


def check_gain(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check d activity = gain * d potential along any change of the drive.

    Both changes come from autodiff (through the surrogate of spikes). Where units compete, the
    equation holds for each unit under a change of its own drive, and fails for a change of all.
    """
    if "gain" not in neuron.offers:
        return
    drive = draw(neuron)
    changes = np.random.default_rng(3).normal(size=(1, N))
    if neuron.competitive:
        changes = np.concatenate([changes, np.eye(N)])

    @quick_jit
    def slopes(states: Theta, drive: dict[str, Array]) -> dict[str, _Slopes]:
        def of_step(state: Theta, now: dict[str, Array]) -> dict[str, _Slopes]:
            def along(port: str, change: Array) -> _Slopes:
                def respond(x: Array) -> tuple[tuple[Array, Array], Array]:
                    view = neuron.step(theta, state, {**now, port: x}, DT, keys(0, 1)[0])[1]
                    return (view.activity, view.potential), view.gain

                _, tangents, gain = jax.jvp(respond, (now[port],), (change,), has_aux=True)
                return _Slopes(activity=tangents[0], potential=tangents[1], gain=gain)

            return {port: jax.vmap(partial(along, port))(changes) for port in now}

        return jax.vmap(of_step)(states, drive)

    states = run(neuron, DT, theta, drive, keys(0, N_STEPS))[0]
    for port, slopes_of_port in slopes(states, drive).items():
        activity, potential, gain = jax.tree.map(np.asarray, slopes_of_port)
        promise = f"gain is d activity / d potential (port {port})"
        if neuron.competitive:
            alone = lambda x: np.diagonal(x[:, 1:], axis1=1, axis2=2)
            demand_close(alone(activity), alone(gain * potential), promise)
            apart = np.abs(activity[:, 0] - (gain * potential)[:, 0]).max()
            demand(
                apart > EXACT,
                f"units compete: the drive of one matters to the others (port {port})",
            )
        else:
            demand_close(activity, gain * potential, promise)


def check_lowering(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check that more drive lowers the potential at the ports `lowering`, and there alone.

    It is checked in a short step from the state before the step in which a unit first is active.
    """
    drive = _soma_drive(neuron, hard(neuron))
    noise = keys(0, N_STEPS)
    states, view = run(neuron, DT, theta, drive, noise)
    first = (np.argmax(np.asarray(view.activity) != 0, axis=0), np.arange(N))

    @quick_jit
    def potentials(drive: dict[str, Array]) -> Array:
        def of_step(state: Theta, now: dict[str, Array], key: Array) -> Array:
            return neuron.step(theta, state, now, SHORT, key)[1].potential

        return jax.vmap(of_step)(states, drive, noise)

    before = np.asarray(potentials(drive))[first]
    for port in neuron.ports:
        added = hard(neuron) if port in neuron.signed else 0.3
        after = np.asarray(potentials({**drive, port: drive[port] + added}))[first]
        if port in neuron.lowering:
            holds = np.all(after <= before)
            verb = "lowers"
        else:
            holds = np.all(after >= before)
            verb = "does not lower"
        demand(holds, f"a drive at port {port} {verb} the potential")


def check_order(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check that the potential after a fixed time converges as dt -> 0, at first order or better.

    The drive is small and constant.
    """
    ends: list[np.ndarray] = []
    steps: list[float] = []
    for n_steps in (8, 16, 32, 64):
        drive = _small_drive(neuron, n_steps)
        view = run(neuron, LIFE / n_steps, theta, drive, keys(0, n_steps))[1]
        ends.append(np.asarray(view.potential[-1]))
        if len(ends) == 1:
            continue
        steps.append(float(np.abs(ends[-2] - ends[-1]).max()))
        if steps[-1] <= EXACT:
            return
    demand(
        all(b <= 0.65 * a for a, b in itertools.pairwise(steps)),
        f"the potential converges as dt -> 0, its steps were {steps}",
    )


def _small_drive(neuron: AbstractNeuron, n_steps: int) -> dict[str, np.ndarray]:
    """A constant drive of all ports, below any threshold: {port: [n_steps, n]}."""
    drive = np.full((n_steps, N), 0.2) + 0.02 * np.arange(N)
    return dict.fromkeys(neuron.ports, drive)


def check_stability(neuron: AbstractNeuron) -> None:
    """Check that `stable_dt` is the dt from which the step grows a deviation that decays.

    It is compared with the numerically linearised step, over the states that it visits.
    """
    stated = neuron.stable_dt()
    measured = largest_stable(neuron)
    demand(stated > 0, f"stable_dt is a time in seconds, not {stated}")
    alike = math.isclose(stated, measured, rel_tol=0.02) or min(stated, measured) > LONGEST
    demand(alike, f"stable_dt is where the linearised step grows: {measured:g} s, not {stated:g} s")


def check_surrogates(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check that another surrogate, or a slope that theta moves, does not change the forward pass.

    Every step of a life is compared, from the same states. It is one program, because compiling is
    all the cost.
    """
    others = list(_surrogates(neuron))
    if not others:
        return
    drive = draw(neuron)
    states = run(neuron, DT, theta, drive, keys(0, N_STEPS))[0]
    thetas = []
    for other in others:
        thetas.append(nudged(other.init(jax.random.key(0), N), np.random.default_rng(1)))

    @quick_jit
    def lives(
        thetas: list[Theta], states: Theta, drive: dict[str, Array]
    ) -> list[tuple[Theta, NeuronView]]:
        def live(one: AbstractNeuron, theta: Theta) -> tuple[Theta, NeuronView]:
            return jax.vmap(lambda s, d, k: one.step(theta, s, d, DT, k))(
                states, drive, keys(0, N_STEPS)
            )

        return list(map(live, [neuron, *others], thetas))

    (after, reference), *lives_of_others = lives([theta, *thetas], states, drive)
    expected = (after, reference.activity, reference.potential)
    for other, (state, view) in zip(others, lives_of_others, strict=True):
        forward = (state, view.activity, view.potential)
        demand_close(forward, expected, "the forward pass is the same under any surrogate", 0.0)
        moved = np.any(np.asarray(view.gain) != np.asarray(reference.gain))
        demand(moved or other == neuron, "another surrogate or slope is another gain")


def _surrogates(neuron: AbstractNeuron) -> Iterator[AbstractNeuron]:
    """The same neuron under each value of its field `surrogate`, and with a learned slope.

    A neuron without these fields has no such variants. A value that it refuses beside its other
    fields is left out.
    """
    spec: Any = neuron
    for field in dataclasses.fields(spec):
        values: tuple[Any, ...] = ()
        if field.name == "surrogate":
            values = typing.get_args(field.type)
        if field.name == "learn_slope":
            values = (True,)
        for value in values:
            try:
                other = dataclasses.replace(spec, **{field.name: value})
            except ValueError:
                continue
            yield other


def check_gradient(neuron: AbstractNeuron, theta: Theta) -> None:
    """Check the gradient with respect to theta against central differences, below any threshold.

    It is the gradient of a sum over potentials and gains.
    """
    if not jax.tree.leaves(theta):
        return
    drive = _small_drive(neuron, N_STEPS)

    def loss(theta: Theta) -> Array:
        view = life(neuron, DT, theta, drive, keys(0, N_STEPS))[1]
        return jnp.sum(view.potential**2) + jnp.sum(view.gain**2)

    demand_gradient(quick_jit(loss), theta, quick_jit(jax.grad(loss))(theta))


def check_oracle(neuron: AbstractNeuron, theta: Theta, oracle: Oracle) -> None:
    """Check that the neuron is the same, step for step, as a plain NumPy program."""
    drive = draw(neuron)
    view = run(neuron, DT, theta, drive, keys(0, N_STEPS))[1]
    activity, potential = oracle(neuron, drive, DT)
    demand_close(np.asarray(view.potential), potential, "the potential equals the NumPy oracle's")
    demand_close(np.asarray(view.activity), activity, "the activity equals the NumPy oracle's")


def check(neuron: AbstractNeuron, oracle: Oracle | None = None) -> None:
    """All checks of a neuron (metaplast.testing.check_neuron)."""
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
