"""Evolution strategies: theta's distribution moves towards members whose lives went well."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Le
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Natural, NonNegative, Positive, Probability, spec
from outer_loops import _evosax, _redrawn, _restarts
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import LARGEST, accepted, graded, summary, warn_of_raise
from outer_loops._nested import scaled

# The logger is below metaplast: its messages go into a run's log.txt.
log = logging.getLogger("metaplast.outer_loops.es")


@pytree
class EsState:
    """The state of an evolution strategy.

    theta: the mean
    strategy: evosax's own state over the flat vector of theta
    fitness [n_members]: the fitness of the last generation
    worst []: the largest finite loss so far
    course: the course of the search, by which restarts go
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps that changed nothing
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
    """Ask `strategy` for members, let all live through the same tasks, tell it their mean losses.

        m <- m + learning_rate (m_told - m)

    steps: outer steps of a run: generations
    m: the mean of the members, which is theta
    m_told: the mean that the strategy makes of the members and their losses
    strategy: one of evosax. SNES, CMA_ES, Sep_CMA_ES, Open_ES, PGPE and SimpleGA are tested. The
        others that evosax registers are untested (the error about an unknown name lists all): on a
        quadratic LM_MA_ES did not move, GESMR_GA and DiffusionEvolution rose.
    population: the number of members. It is raised to a number that the strategy takes (mirrored
        pairs: an even number) and that devices share evenly; a warning says so.
    std: the standard deviation of the members at the start, in units of theta. SNES, (Sep_)CMA_ES
        and PGPE adapt it. The other tested ones keep it: members of SimpleGA are copies of the best
        fifth plus std times noise.
    learning_rate: 0 takes the default of the strategy. It is 0.02 for Open_ES and PGPE, whose
        gradient estimate goes through Adam, so that it is a change of theta per step. It is 1 for
        all others. SimpleGA has no mean: theta is the mean of the best fifth of its members,
        averaged over 1 / learning_rate generations (learning_rate at most 1); its search goes by
        the members alone.
    restarts: the largest number of restarts. A search that has come to rest begins anew with twice
        the members (IPOP), from theta at the start + std * N(0, 1). Every restart compiles once
        more. theta is then the one of the search with the lowest mean loss of its population, over
        some ten generations.
    rest_std: a search is at rest where the standard deviation of its members is below this share of
        std
    patience: a search is at rest after so many generations without a loss below all before; 0: not
        asked

    Losses are minimised. A member of which a life blew up ranks behind every healthy one of this
    and of all earlier generations, by how long its lives lasted:

        fitness = worst + spread (2 - survived)

    worst: the largest finite loss so far
    spread: worst - the best of this generation, at least max(1, |worst| / 1000)
    survived: the share of steps that its lives lasted

    Without a healthy member only counters change.

    Where members times theta exceed 2^20 numbers, SNES, Sep_CMA_ES, Open_ES and PGPE hold no
    population: a member is drawn from its own key when it lives, and drawn again for the update.
    Memory then does not grow with members times theta (`_redrawn`). All other strategies, and
    smaller populations, are drawn and held by evosax.

    Raises:
        BadInput: an unknown strategy, or a theta with nothing to learn or with other numbers than
            floats.

    Sources: SNES: Schaul, Glasmachers & Schmidhuber 2011, in the form of Wierstra et al. 2014;
    CMA_ES: Hansen & Ostermeier 2001; Sep_CMA_ES: Ros & Hansen 2008; Open_ES: Salimans et al. 2017;
    PGPE: Sehnke et al. 2010; SimpleGA: Such et al. 2017; IPOP: Auger & Hansen 2005.
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
        rate = self.learning_rate or _evosax.default_rate(self.strategy)
        return {"std": jnp.asarray(self.std), "learning_rate": jnp.asarray(rate)}

    def check(self, problem: Problem, key: Key) -> None:
        n_members = _evosax.padded(self.strategy, self.population, problem.n_devices)
        warn_of_raise(log, self.population, n_members, self.strategy, problem.n_devices)

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> EsState:
        demand_floats(self, theta)
        n_members = _evosax.padded(self.strategy, self.population, problem.n_devices)
        zero = jnp.zeros((), jnp.int32)
        flat = ravel_pytree(theta)[0]
        course = _restarts.begin(flat, hyper["std"])
        search = self._search(theta, n_members, hyper, key)
        return strong(EsState(**search, course=course, hyper=hyper, step=zero, skipped=zero))

    def _search(
        self, theta: Theta, n_members: int, hyper: dict[str, Array], key: Key
    ) -> dict[str, Any]:
        """The parts of a state that begin anew with every search."""
        flat = ravel_pytree(theta)[0]
        return {
            "theta": theta,
            "strategy": _evosax.begin(self.strategy, n_members, flat, hyper["std"], key),
            "fitness": jnp.zeros(n_members, flat.dtype),
            "worst": jnp.full((), -LARGEST, flat.dtype),
        }

    def step(
        self, problem: Problem, state: EsState, batch: Batch, key: Key
    ) -> tuple[EsState, Metrics]:
        mean, unravel = ravel_pytree(state.theta)
        n_members = len(state.fitness)
        k_ask, k_tell = jax.random.split(key)
        generation = self._ask(state, n_members, k_ask)
        losses, metrics = generation.losses(problem, batch, unravel)
        grades = graded(losses, jnp.mean(metrics["survived"], axis=1), state.worst)
        strategy, centre = generation.tell(grades.fitness, state.hyper, k_tell)
        if not _evosax.moves_mean(self.strategy):
            centre = mean + state.hyper["learning_rate"] * (centre - mean)
        totals = summary(losses, grades.healthy, metrics)
        width = generation.width(strategy)
        after = EsState(
            theta=unravel(centre),
            strategy=strategy,
            fitness=grades.fitness,
            worst=grades.worst,
            course=_restarts.follow(state.course, totals["loss"], totals["best_loss"], width),
            hyper=state.hyper,
            step=state.step,
            skipped=state.skipped,
        )
        after = accepted(state, after, grades.healthy, (after.theta, strategy))
        own_metrics = {
            "mean_norm": optax.tree.norm(after.theta),
            "std": after.course.width,
            "skipped": after.skipped,
        }
        if self.restarts:
            own_metrics["population"] = jnp.asarray(n_members)
            own_metrics["restarts"] = state.course.restarts
        return after, {**totals, **own_metrics}

    def _ask(self, state: EsState, n_members: int, key: Key) -> "_Held | _redrawn.Redrawn":
        if _redrawn.serves(self.strategy, n_members, state.course.start.size):
            return _redrawn.ask(self.strategy, state.strategy, n_members, key)
        std = state.hyper["std"]
        members, asked = _evosax.ask(self.strategy, state.strategy, n_members, std, key)
        return _Held(self.strategy, asked, members)

    def slower(self, state: EsState, factor: float) -> EsState:
        return scaled(state, "learning_rate", factor)

    def theta(self, state: EsState) -> Theta:
        if not self.restarts:
            return state.theta
        flat, unravel = ravel_pytree(state.theta)
        earlier_is_better = state.course.best_loss < state.course.loss
        return unravel(jnp.where(earlier_is_better, state.course.best, flat))

    def regrown(self, state: EsState, key: Key) -> EsState:
        if not self.restarts or int(state.course.restarts) >= self.restarts:
            return state
        if not self._at_rest(state):
            return state
        flat, unravel = ravel_pytree(state.theta)
        std = state.hyper["std"]
        course = _restarts.anew(state.course, flat, std)
        # `step` has split the key in two.
        k_place, k_search = jax.random.split(jax.random.fold_in(key, 2))
        noise = jax.random.normal(k_place, flat.shape, flat.dtype)
        theta = unravel(course.start + std * noise)
        n_members = 2 * len(state.fitness)
        log.warning(
            "outer step %d: the search is at rest (std %.3g, %d generations without a lower loss): "
            "restart %d, with %d members, compiles once more",
            int(state.step),
            float(state.course.width),
            int(state.course.idle),
            int(course.restarts),
            n_members,
        )
        search = self._search(theta, n_members, state.hyper, k_search)
        return strong(replace(state, **search, course=course))

    def _at_rest(self, state: EsState) -> bool:
        is_narrow = float(state.course.width) < self.rest_std * float(state.hyper["std"])
        return is_narrow or 0 < self.patience <= int(state.course.idle)

    def forms(self, state: EsState) -> tuple[Any, ...]:
        forms: list[Any] = [state]
        for n_restarts in range(1, self.restarts + 1):
            n_members = len(state.fitness) * 2**n_restarts
            forms.append(self._grown(state, n_members))
        return tuple(forms)

    def _grown(self, state: EsState, n_members: int) -> Any:
        """The shapes of the state with another number of members."""

        def fresh(state: EsState, key: Key) -> EsState:
            return replace(state, **self._search(state.theta, n_members, state.hyper, key))

        return jax.eval_shape(fresh, state, jax.random.key(0))


class _Held(NamedTuple):
    """A generation that is held as a whole between its birth and its update.

    name: the strategy
    asked: its state
    members [n_members, n]: the thetas
    """

    name: str
    asked: Any
    members: Array

    def losses(
        self, problem: Problem, batch: Batch, unravel: Callable[[Any], Theta]
    ) -> tuple[Array, Metrics]:
        """The losses of all members, and metrics. See `Problem.losses`."""
        return problem.losses(self.members, batch, unravel=unravel)

    def tell(self, fitness: Array, hyper: dict[str, Array], key: Key) -> tuple[Any, Array]:
        """The state after the generation, and its centre [n]. See `_evosax.tell`."""
        return _evosax.tell(self.name, self.asked, self.members, fitness, hyper, key)

    def width(self, strategy: Any) -> Array:
        """The standard deviation [] of the members, mean over theta. See `_evosax.width`."""
        return _evosax.width(strategy, self.members)
