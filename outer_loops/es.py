"""Evolution strategies: theta's distribution moves towards members whose lives went well."""

import logging
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Le
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Natural, NonNegative, Positive, Probability, spec
from outer_loops import _evosax, _restarts
from outer_loops._descent import demand_floats
from outer_loops._evosax import LARGEST
from outer_loops._foreign import strong
from outer_loops._nested import scaled

log = logging.getLogger(
    "metaplast.outer_loops.es"
)  # below metaplast: what it says goes into a run's log.txt


@pytree
class EsState:
    """theta: the mean; strategy: evosax's own state over the flat vector of theta; fitness: the
    last generation's, as many as there are members; worst: the largest finite loss so far; course:
    what restarts go by.
    """

    theta: Theta
    strategy: Any
    fitness: Array
    worst: Array
    course: _restarts.Course
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "es")
@spec
class Es(AbstractOuterLoop):
    """Ask evosax's `strategy` for `population` members, let all live through the same tasks, tell
    it their mean losses.

    strategy: SNES, CMA_ES, Sep_CMA_ES, Open_ES, PGPE, SimpleGA; the others that evosax registers
    (an unknown name is
    answered with all) are untested: on a quadratic LM_MA_ES did not move, GESMR_GA and
    DiffusionEvolution rose.
    std: standard deviation of the members at the start, in units of theta. SNES, (Sep_)CMA_ES and
    PGPE adapt it; the
    others of these keep it: members of SimpleGA are copies of the best fifth plus std times noise.
    mean <- mean + learning_rate * (mean told - mean). learning_rate 0 takes the strategy's own:
    0.02 for Open_ES and PGPE, whose gradient estimate goes through Adam, so that it is a change of
    theta per step; 1 for all others.
    SimpleGA has no mean: theta is that of the best fifth of its members, averaged over 1 /
    learning_rate generations (learning_rate at most 1); its search goes by the members alone.

    population is raised to what the strategy takes (mirrored pairs: an even number) and devices
    share evenly; a warning says so. Losses are minimised. A member of which a life blew up ranks
    behind every healthy one of this and of all earlier generations, by how long its lives lasted: f
    = worst + spread (2 - survived), worst the largest finite loss so far, spread = worst - best of
    this generation (at least 1). Without a healthy member only counters change.

    restarts: how often, at most, the search begins anew with twice the members once it has come to
    rest (IPOP), from theta at the start + std * N(0, 1). At rest: the standard deviation of the
    members is below the share `rest_std` of std, or `patience` generations went by without a loss
    below all before (0: not asked). Every restart compiles once more. theta is then that of the
    search with the lowest mean loss of its population, over some ten generations.

    SNES: Wierstra et al. 2014; CMA_ES: Hansen & Ostermeier 2001; Sep_CMA_ES: Ros & Hansen 2008;
    Open_ES: Salimans et al. 2017; PGPE: Sehnke et al. 2010; SimpleGA: Such et al. 2017; IPOP: Auger
    & Hansen 2005.
    Raises: BadInput for an unknown strategy, and for a theta with nothing to learn or other than
    floats.
    """

    steps: Count = 200
    strategy: str = "SNES"
    population: Annotated[Members, Ge(4)] = 64
    std: Positive = 0.1
    learning_rate: NonNegative = 0.0
    restarts: Annotated[Natural, Le(10)] = 0
    rest_std: Probability = 1e-2
    patience: Natural = 50

    def __post_init__(self) -> None:
        _evosax.check_name(self.strategy)

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        rate = self.learning_rate or _evosax.own_rate(self.strategy)
        return {"std": jnp.asarray(self.std), "learning_rate": jnp.asarray(rate)}

    def check(self, problem: MetaProblem, key: Key) -> None:
        members = _evosax.padded(self.strategy, self.population, problem.n_devices)
        if members != self.population:
            need = f"{self.strategy} on {problem.n_devices} device(s)"
            log.warning(
                "outer.population=%d is raised to %d, as %s needs", self.population, members, need
            )

    def init(
        self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> EsState:
        demand_floats(self, theta)
        members = _evosax.padded(self.strategy, self.population, problem.n_devices)
        zero = jnp.zeros((), jnp.int32)
        flat = ravel_pytree(theta)[0]
        course = _restarts.begin(flat, hyper["std"])
        begun = self._search(theta, members, hyper, key)
        return strong(EsState(**begun, course=course, hyper=hyper, step=zero, skipped=zero))

    def _search(
        self, theta: Theta, members: int, hyper: dict[str, Array], key: Key
    ) -> dict[str, Any]:
        """The parts of a state that begin anew with every search."""
        flat = ravel_pytree(theta)[0]
        return {
            "theta": theta,
            "strategy": _evosax.begun(self.strategy, members, flat, hyper["std"], key),
            "fitness": jnp.zeros(members, flat.dtype),
            "worst": jnp.full((), -LARGEST, flat.dtype),
        }

    def step(
        self, problem: MetaProblem, state: EsState, batch: Batch, key: Key
    ) -> tuple[EsState, Metrics]:
        old, unravel = ravel_pytree(state.theta)
        k_ask, k_tell = jax.random.split(key)
        members, asked = _evosax.ask(
            self.strategy, state.strategy, len(state.fitness), state.hyper["std"], k_ask
        )
        losses, metrics = problem.losses(members, batch, unravel=unravel)
        fitness, healthy, worst = graded(losses, jnp.mean(metrics["survived"], axis=1), state.worst)
        told, centre = _evosax.tell(self.strategy, asked, members, fitness, state.hyper, k_tell)
        if not _evosax.moves_mean(self.strategy):
            centre = old + state.hyper["learning_rate"] * (centre - old)
        summary = _summary(losses, healthy, metrics)
        width = _evosax.width(told, members)
        new = EsState(
            theta=unravel(centre),
            strategy=told,
            fitness=fitness,
            worst=worst,
            course=_restarts.follow(state.course, summary["loss"], summary["best_loss"], width),
            hyper=state.hyper,
            step=state.step,
            skipped=state.skipped,
        )
        finite = jnp.stack(
            [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves((new.theta, told))]
        )
        usable = jnp.any(healthy) & jnp.all(finite)
        new = jax.tree.map(lambda a, b: jnp.where(usable, a, b), strong(new), state)
        new = replace(new, step=state.step + 1, skipped=state.skipped + (~usable).astype(jnp.int32))
        told = {
            "mean_norm": optax.tree.norm(new.theta),
            "std": new.course.width,
            "skipped": new.skipped,
        }
        size = (
            {"population": jnp.asarray(len(fitness)), "restarts": state.course.restarts}
            if self.restarts
            else {}
        )
        return new, {**summary, **told, **size}

    def slower(self, state: EsState, factor: float) -> EsState:
        return scaled(state, "learning_rate", factor)

    def theta(self, state: EsState) -> Theta:
        if not self.restarts:
            return state.theta
        flat, unravel = ravel_pytree(state.theta)
        return unravel(
            jnp.where(state.course.best_loss < state.course.loss, state.course.best, flat)
        )

    def regrown(self, state: EsState, key: Key) -> EsState:
        if (
            not self.restarts
            or int(state.course.restarts) >= self.restarts
            or not self._at_rest(state)
        ):
            return state
        flat, unravel = ravel_pytree(state.theta)
        course, std = _restarts.anew(state.course, flat, state.hyper["std"]), state.hyper["std"]
        k_place, k_search = jax.random.split(
            jax.random.fold_in(key, 2)
        )  # `step` has split the key in two
        theta = unravel(course.start + std * jax.random.normal(k_place, flat.shape, flat.dtype))
        members = 2 * len(state.fitness)
        log.warning(
            "outer step %d: the search is at rest (std %.3g, %d generations without a lower loss): "
            "restart %d, with %d "
            "members, compiles once more",
            *(
                int(state.step),
                float(state.course.width),
                int(state.course.idle),
                int(course.restarts),
                members,
            ),
        )
        begun = self._search(theta, members, state.hyper, k_search)
        return strong(replace(state, **begun, course=course))

    def _at_rest(self, state: EsState) -> bool:
        narrow = float(state.course.width) < self.rest_std * float(state.hyper["std"])
        return narrow or 0 < self.patience <= int(state.course.idle)

    def forms(self, state: EsState) -> tuple[Any, ...]:
        def grown(members: int) -> Any:
            fresh = lambda s, key: replace(s, **self._search(s.theta, members, s.hyper, key))
            return jax.eval_shape(fresh, state, jax.random.key(0))

        return (state, *(grown(len(state.fitness) * 2**i) for i in range(1, self.restarts + 1)))


def graded(
    losses: Array, survived: Array, before: Array | float = -LARGEST
) -> tuple[Array, Array, Array]:
    """(fitness [P], healthy [P], worst []): losses as they are where finite; the others behind the
    worst finite one, of these and of `before`, an earlier end of the lives (`survived`: the share
    of steps lived) further behind.
    """
    healthy = jnp.isfinite(losses)
    bounded = jnp.clip(losses, -LARGEST, LARGEST)
    worst = jnp.maximum(jnp.max(jnp.where(healthy, bounded, -LARGEST)), before)
    best = jnp.min(jnp.where(healthy, bounded, LARGEST))
    spread = jnp.maximum(worst - best, jnp.maximum(1.0, 1e-3 * jnp.abs(worst)))
    return jnp.where(healthy, bounded, worst + spread * (2.0 - survived)), healthy, worst


def _summary(losses: Array, healthy: Array, metrics: Metrics) -> Metrics:
    """Means over the healthy members, not a number where there are none; `survived` over all."""
    own = {
        "loss": _mean(losses, healthy),
        "best_loss": jnp.min(jnp.where(healthy, losses, jnp.inf)),
        "survived": jnp.mean(metrics["survived"]),
        "lives": metrics["lives"],
        "diverged": metrics["diverged"],
        "diverged_members": jnp.sum(~healthy),
    }
    rest = {name: values for name, values in metrics.items() if name not in (*own, "life_loss")}
    return {
        **{name: _mean(jnp.mean(values, axis=1), healthy) for name, values in rest.items()},
        **own,
    }


def _mean(values: Array, healthy: Array) -> Array:
    count = jnp.sum(healthy.astype(values.dtype))
    return jnp.sum(jnp.where(healthy, values, 0.0)) / jnp.where(count > 0, count, jnp.nan)
