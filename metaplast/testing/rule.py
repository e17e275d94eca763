"""The promises of every learning rule (metaplast.testing.check_rule)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.locality.reads import blank_view, reach, reads
from metaplast.rules.base import AbstractRule
from metaplast.signals import SynapseView, Theta
from metaplast.testing import account, clocks, influence
from metaplast.testing.base import (
    demand,
    demand_close,
    demand_gradient,
    demand_same_type,
    nudged,
    quick_jit,
)
from metaplast.testing.worlds import (
    DT,
    N_POST,
    N_PRE,
    N_STEPS,
    channels,
    draw_views,
    draw_weights,
    layout,
    life,
    moment,
    run,
    take,
    with_aggregates,
)

DENSE = Dense(N_POST, N_PRE)
SINGLE = Dense(1, 1)
ONES = np.ones(DENSE.shape)
SPARSE = Sparse(N_POST, N_PRE, probability=0.6, seed=1)
MASKED = Masked(N_POST, N_PRE, probability=0.6, seed=1)
Oracle = Callable[[AbstractRule, Any, Any, Any, float], tuple[Any, Any]]


@partial(quick_jit, static_argnums=0)
def _init(rule: AbstractRule) -> Theta:
    return rule.init(jax.random.key(0), DENSE)


class Bench:
    """One rule with a random theta, weights and moments, and its life through them."""

    def __init__(self, rule: AbstractRule) -> None:
        self.rule = rule
        self.channels = channels(rule)
        self.fields = reads(rule, DENSE, self.channels)
        self.theta = nudged(_init(rule), np.random.default_rng(1))
        self.views = draw_views(2, self.channels)
        self.weight = draw_weights(3, DENSE.shape)
        self.kinds = layout(rule)
        self.base = self.live()

    def live(
        self,
        theta: Theta = None,
        views: SynapseView | None = None,
        weight: Any = None,
        dt: float = DT,
    ) -> Any:
        """The life, with some of its circumstances changed, in NumPy (see `worlds.life`).

        Args:
            theta: another theta of the rule.
            views: other moments of the edge.
            weight: other weights at birth.
            dt: seconds per step.

        Returns:
            {"state", "weight"} at the end, and the changes "deltas" of every step.
        """
        theta = self.theta if theta is None else theta
        views = self.views if views is None else views
        weight = self.weight if weight is None else weight
        return jax.tree.map(np.asarray, run(self.rule, DENSE, dt, theta, views, weight, ONES))

    @property
    def stochastic(self) -> bool:
        """Whether the rule draws random numbers."""
        return "key" in self.fields


def check_carry(rule: AbstractRule) -> None:
    """Check the types, at either precision.

    A scan can carry the state. The change is laid out like the weights. theta is all floats.
    """
    for wide in (False, True):
        with jax.enable_x64(wide):
            view = blank_view(DENSE, channels(rule))
            theta = jax.eval_shape(partial(rule.init, connection=DENSE), jax.random.key(0))
            for leaf in jax.tree.leaves(theta):
                demand(
                    jnp.issubdtype(leaf.dtype, jnp.floating),
                    f"theta is all floats, not {leaf.dtype}",
                )
            state = jax.eval_shape(partial(rule.init_state, connection=DENSE), theta)
            after, delta = jax.eval_shape(
                partial(rule.step, connection=DENSE, dt=DT), theta, state, view=view
            )
            demand_same_type(
                state, after, "the state that comes out has the type of the one that went in"
            )
            demand_same_type(view.weight, delta, "delta_w has the layout and dtype of the weights")
            missing = rule.slow - {*state.post, *state.pre}
            demand(not missing, f"slow names neuron-side state that exists, not {sorted(missing)}")
            missing = rule.fast - {*state.synapse}
            demand(not missing, f"fast names synapse-side state that exists, not {sorted(missing)}")


def check_locality(bench: Bench) -> None:
    """Check that the rule depends on the signals that it reads, exactly as far as its reach."""
    influence.check(bench.rule, bench.theta, bench.base["state"], bench.channels, bench.fields)


def check_equivariance(bench: Bench) -> None:
    """Check that renaming the neurons renames the change: no synapse is special.

    A rule that draws random numbers, or goes by the places of neurons, is exempt.
    """
    if bench.stochastic or bench.rule.by_place:
        return
    rows = np.array([2, 0, 1])
    columns = np.array([1, 3, 0, 2])
    moved = _only(bench.views, rows, columns)
    out = bench.live(
        take(bench.theta, bench.kinds, rows, columns), moved, bench.weight[rows][:, columns]
    )
    demand_close(
        out["deltas"],
        bench.base["deltas"][:, rows][:, :, columns],
        "permuting the neurons permutes delta_w",
    )


def check_copies(bench: Bench) -> None:
    """Check that a rule of reach `synapse` equals one copy of itself per synapse.

    Each copy is on a connection of one by one. A rule that goes by the places of neurons is exempt.
    """
    if bench.stochastic or bench.rule.by_place or reach(bench.fields) != "synapse":
        return
    copies = []
    for j, i in np.ndindex(*DENSE.shape):
        row = np.array([j])
        column = np.array([i])
        theta = take(bench.theta, bench.kinds, row, column)
        copies.append((theta, _only(bench.views, row, column), bench.weight[row][:, column]))
    single = quick_jit(
        jax.vmap(lambda t, v, w: life(bench.rule, SINGLE, DT, t, v, w, 1.0)["deltas"])
    )
    each = np.asarray(single(*_stacked(copies))).reshape(N_POST, N_PRE, N_STEPS)
    demand_close(
        np.moveaxis(each, -1, 0),
        bench.base["deltas"],
        "a local rule is the same as one copy of it per synapse",
    )


def _only(views: SynapseView, rows: np.ndarray, columns: np.ndarray) -> SynapseView:
    """The moments of some neurons only, in the order given."""
    return replace(
        views,
        pre=jax.tree.map(lambda x: x[:, columns], views.pre),
        post=jax.tree.map(lambda x: x[:, rows], views.post),
        eligibility=views.eligibility[:, rows][:, :, columns],
        credit=views.credit[:, rows][:, :, columns],
    )


def _stacked(cases: list[tuple[Any, ...]]) -> list[Any]:
    """Several cases as one, along a new first axis."""

    def stack(*leaves: Any) -> Any:
        is_key = jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key)
        if is_key:
            return jnp.stack(leaves)
        return np.stack(leaves)

    return [jax.tree.map(stack, *trees) for trees in zip(*cases, strict=True)]


def check_layouts(bench: Bench) -> None:
    """Check that sparse synapses change like the same synapses of a masked matrix."""
    if bench.stochastic:
        return
    rows, columns = SPARSE.topology()
    support = np.asarray(MASKED.mask())
    weight = bench.weight * support
    masked = run(bench.rule, MASKED, DT, bench.theta, bench.views, weight, support)
    theta = take(bench.theta, bench.kinds, rows, columns, paired=True)
    listed = replace(
        bench.views,
        eligibility=bench.views.eligibility[:, rows, columns],
        credit=bench.views.credit[:, rows, columns],
    )
    sparse = run(bench.rule, SPARSE, DT, theta, listed, weight[rows, columns], 1.0)
    demand_close(
        sparse["deltas"],
        masked["deltas"][:, rows, columns],
        "sparse and masked synapses change alike",
    )


def check_gradient(bench: Bench) -> None:
    """Check the gradient against central differences, and that all of theta matters."""
    if not jax.tree.leaves(bench.theta):
        return
    readout = np.random.default_rng(4).normal(size=bench.base["deltas"].shape)

    def loss(theta: Theta) -> Any:
        out = life(bench.rule, DENSE, DT, theta, bench.views, bench.weight, ONES)
        return jnp.sum(readout * out["deltas"]) + jnp.sum(readout[0] * out["weight"])

    def evaluated(theta: Theta) -> Any:
        out = bench.live(theta)
        return np.sum(readout * out["deltas"]) + np.sum(readout[0] * out["weight"])

    demand_gradient(evaluated, bench.theta, quick_jit(jax.grad(loss))(bench.theta))


def check_vectorised(bench: Bench) -> None:
    """Check that `vmap` over rules and lives is the same as a loop over them."""
    cases = []
    alone = []
    for seed in range(3):
        theta = nudged(bench.theta, np.random.default_rng(seed))
        views = draw_views(seed, bench.channels)
        weight = draw_weights(seed, DENSE.shape)
        cases.append((theta, views, weight))
        alone.append(bench.live(theta, views, weight)["deltas"])
    many = quick_jit(jax.vmap(lambda t, v, w: life(bench.rule, DENSE, DT, t, v, w, ONES)["deltas"]))
    demand_close(many(*_stacked(cases)), np.stack(alone), "vmap is the same as a loop")


def check_clock(bench: Bench) -> None:
    """Check that the change scales with dt as the rule's clock promises (see AbstractRule)."""
    clocks.check(bench)


def check_oracle(bench: Bench, oracle: Oracle | None) -> None:
    """Check that the rule is the same, step for step, as a plain NumPy program."""
    if oracle is None:
        return
    theta = jax.tree.map(np.asarray, bench.theta)
    weight = bench.weight
    state = _plain(bench.rule.init_state(bench.theta, DENSE))
    for t in range(N_STEPS):
        view = replace(moment(bench.views, t), weight=weight, weight_initial=bench.weight)
        view = with_aggregates(DENSE, view, weight)
        state, delta = oracle(bench.rule, theta, state, _plain(view), DT)
        demand_close(
            np.asarray(bench.base["deltas"][t]), delta, f"step {t} equals the NumPy oracle's"
        )
        weight = np.clip(weight + delta, 0.0, 1.0)
    demand_close(_plain(bench.base["state"]), state, "the state equals the NumPy oracle's")


def _plain(tree: Any) -> Any:
    """The tree in NumPy; a random key stays as it is."""

    def plain(leaf: Any) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        if is_key:
            return leaf
        return np.asarray(leaf)

    return jax.tree.map(plain, tree)


def check(rule: AbstractRule, oracle: Oracle | None = None, clock: bool = True) -> None:
    """All checks of a rule (metaplast.testing.check_rule)."""
    measured_reach = reach(reads(rule, DENSE, channels(rule)))
    demand(
        oracle is not None or measured_reach == "synapse",
        f"a rule of reach `{measured_reach}` is checked against a NumPy oracle, and none was given",
    )
    check_carry(rule)
    with jax.enable_x64(True):
        bench = Bench(rule)
        demand(np.isfinite(bench.base["deltas"]).all(), "the change of weight is finite")
        demand((bench.base["deltas"] != 0).any(), "some weight changes in a random life")
        check_locality(bench)
        check_equivariance(bench)
        check_copies(bench)
        check_layouts(bench)
        check_gradient(bench)
        account.check(
            rule, bench.theta, account.Surroundings(bench.views, bench.weight, DENSE), bench.fields
        )
        check_vectorised(bench)
        check_oracle(bench, oracle)
        if clock:
            check_clock(bench)
