"""Many lives: members x tasks, vectorised in one place. All that an outer loop sees."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.life.lifetime import Life, Lifetime
from metaplast.life.units import faults, idle
from metaplast.objectives.base import AbstractObjective, Lived, last_phase
from metaplast.objectives.final_loss import FinalLoss
from metaplast.problem.forward import forward_value_and_grad
from metaplast.problem.lives import (
    Batch,
    Births,
    Layout,
    Lives,
    Window,
    assign,
    fitting_chunk,
    leading,
    settled,
    spread,
    take,
    where,
)
from metaplast.problem.lives import each as each
from metaplast.problem.unroll import Curriculum, check_unroll, cut, steps_at
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, Score, TaskShape, Theta, Trace
from metaplast.spec import Count, Natural, NonNegative, plugin, spec
from metaplast.tasks import AbstractTaskFamily, Split, some_task

Mode = Literal["none", "forward", "reverse"]  # of differentiation


@spec
class MetaProblem:
    """A lifetime, an objective and a number of tasks per outer step.

    life_clip: the gradient of one life is scaled to at most this global norm (0: never), so that no
    single life rules
    a step. chunk: lives advanced in lockstep (0: as many as fit the cache). n_devices: lives are
    spread over them.
    unroll: training lives end after so many steps (0: whole lives). The objective then sees the
    phases reached, the
    last of them as far as it is reached: `final_loss` is the loss in that one, 0 where the task
    scores nothing there.
    curriculum: {outer step: unroll from there on}; steps begin at 0, lives grow, the last entry
    stays. `train.steps` applies it, with one compilation for each length; `train.evaluate` always
    lets lives end by themselves.
    """

    lifetime: Lifetime = Lifetime()
    objective: Annotated[AbstractObjective, plugin("objective")] = FinalLoss()
    n_tasks: Count = 8
    life_clip: NonNegative = 1.0
    chunk: Natural = 0
    n_devices: Count = 1
    unroll: Natural = 0
    curriculum: Curriculum = ()

    def check(self) -> None:
        """Refuse, by name, what cannot live together. Raises: BadInput."""
        self.lifetime.check()
        offers = self.lifetime.task.shape().offers
        for need in sorted(self.objective.needs - offers):
            offered = ", ".join(sorted(offers))
            raise BadInput(
                f"objective: needs {need!r} from the task",
                f"one of what it offers: {offered}",
                "change one of the two",
            )
        task = jax.eval_shape(lambda key: some_task(self.lifetime.task, key), jax.random.key(0))
        self.objective.check(task, self.lifetime.wiring())
        check_unroll(self.unroll, self.curriculum, self.lifetime.task.shape().n_steps)
        if (
            min(self.lengths()) < self.lifetime.task.shape().n_steps
            and "final_weights" in self.objective.needs
        ):
            raise BadInput(
                "objective of final weights, of lives cut short",
                "whole lives",
                "set problem.unroll=0",
            )

    def shape(self) -> TaskShape:
        """That of the task, with the phases that `unroll` leaves."""
        shape = self.lifetime.task.shape()
        return shape._replace(phases=cut(shape.phases, self.unroll))

    def lengths(self) -> tuple[int, ...]:
        """How many steps lives have, in every stage of the curriculum."""
        whole = self.lifetime.task.shape().n_steps
        return tuple(n or whole for _, n in self.curriculum) or (self.unroll or whole,)

    def at(self, index: int) -> "MetaProblem":
        """The problem of outer step `index`, as the curriculum has it."""
        return replace(self, unroll=steps_at(self.curriculum, index)) if self.curriculum else self

    def whole(self) -> "MetaProblem":
        """The problem of whole lives."""
        return replace(self, unroll=0, curriculum=())

    def init(self, key: Key) -> Theta:
        """A first theta: that of the lifetime (`Lifetime.init`)."""
        return self.lifetime.init(key)

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        """`n` tasks of a split and the keys of their lives; life i depends on (key, i) alone."""
        return sample_batch(self.lifetime.task, key, n, split)

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = lambda theta: theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of each member [P] (not finite where one of its lives blew up) and metrics.

        thetas: with a leading member axis, in any form that `unravel` turns into a theta, member by
        member: flat vectors need no copy of them all (with 35,000 numbers and 200 steps on 9,000
        synapses an eighth of the time).
        share: how many consecutive members live through the same tasks (default: all do). An
        antithetic pair must.
        Metrics, per member and life [P, n]: `life_loss`, `survived` (share of steps before the
        first non-finite loss), `at_bound` (share of plastic synapses that end at a bound of their
        weight), the task's own and those that the lifetime measures; `diverged` []: lives that blew
        up.
        """
        member, task = assign(leading(thetas), leading(batch.keys), share)

        def one(i: Array) -> dict[str, Array]:
            theta = unravel(jax.tree.map(lambda x: x[member[i]], thetas))
            loss, aside = self._loss(theta, take(batch.tasks, task[i]), batch.keys[task[i]])
            return {"life_loss": loss, **aside}

        out = self._spread(one, len(member))
        grid = jax.tree.map(lambda x: x.reshape(leading(thetas), -1), out)
        metrics = {
            **grid,
            "diverged": jnp.sum(~jnp.isfinite(grid["life_loss"])),
            "lives": jnp.asarray(len(member)),
        }
        return jnp.mean(grid["life_loss"], axis=1), metrics

    def value_and_grad(
        self, theta: Theta, batch: Batch, tangents: int = 0
    ) -> tuple[Array, Theta, Metrics]:
        """(mean loss [], its gradient, metrics) over the lives whose loss and gradient are finite.

        A map of value_and_grad over chunks, summed: memory does not grow with the number of lives.
        tangents: 0 for reverse mode; else forward mode, so many directions of theta at a time.
        """

        def one(theta: Theta, i: Array) -> tuple[Array, tuple[dict[str, Array], tuple[()]]]:
            loss, aside = self._loss(
                theta, take(batch.tasks, i), batch.keys[i], "forward" if tangents else "reverse"
            )
            return loss, (aside, ())

        grad, metrics, _ = self._gradients(one, theta, leading(batch.keys), tangents)
        return metrics["loss"], grad, metrics

    def _gradients(
        self, one: Callable[..., Any], theta: Theta, n: int, tangents: int = 0
    ) -> tuple[Theta, Metrics, tuple[Array, Any]]:
        """Of `n` lives `one(theta, i)`, (loss, (metrics, anything)): (gradient, metrics, (losses,
        anything) [n]).

        A loss is not a number where the life's gradient is not finite.
        """

        def each(i: Array) -> tuple[Any, Theta]:
            of = lambda theta: one(theta, i)
            differentiate = (
                forward_value_and_grad(of, tangents)
                if tangents
                else jax.value_and_grad(of, has_aux=True)
            )
            (loss, (aside, kept)), grad = differentiate(theta)
            norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(grad)))
            healthy = jnp.isfinite(loss) & jnp.isfinite(norm)
            factor = (
                jnp.minimum(1.0, self.life_clip / jnp.maximum(norm, 1e-30))
                if self.life_clip
                else jnp.ones(())
            )
            grad = jax.tree.map(lambda g: jnp.where(healthy, g * factor, 0.0), grad)
            return (
                {"loss": loss, "norm": norm, **aside},
                healthy,
                healthy & (factor < 1),
                kept,
            ), grad

        (told, healthy, clipped, kept), total = self._spread(
            each, n, gradient=True, tangents=tangents
        )
        count = jnp.sum(healthy)
        share = count.astype(told["loss"].dtype)
        scale = jnp.where(count > 0, 1.0 / jnp.maximum(share, 1.0), jnp.nan)
        metrics = {name: _mean(values, healthy, scale) for name, values in told.items()}
        counts = {"diverged": n - count, "clipped": jnp.sum(clipped), "lives": jnp.asarray(n)}
        losses = jnp.where(healthy, told["loss"], jnp.nan)
        return jax.tree.map(lambda g: g * scale, total), {**metrics, **counts}, (losses, kept)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of members x tasks lives; `share` as in `losses`."""
        member, task = assign(leading(thetas), leading(batch.keys), share)

        def one(i: Array) -> Life:
            theta = jax.tree.map(lambda x: x[member[i]], thetas)
            return self.lifetime.begin(theta, take(batch.tasks, task[i]), batch.keys[task[i]])

        return Lives(
            life=self._spread(one, len(member)), member=member, task=task, tasks=batch.tasks
        )

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth: `begin` with zeros for all that is born. batch:
        its shapes do.
        """
        born = jax.eval_shape(lambda batch: self.begin(thetas, batch, share), batch)
        member, task = assign(leading(thetas), leading(batch.keys), share)
        empty = lambda tree: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)
        return Lives(life=empty(born.life), member=member, task=task, tasks=empty(born.tasks))

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further under its member's present theta: (lives, window)."""

        def one(i: Array) -> tuple[Life, Trace]:
            theta = jax.tree.map(lambda x: x[lives.member[i]], thetas)
            return self.lifetime.advance(
                theta, take(lives.tasks, lives.task[i]), take(lives.life, i), n_steps
            )

        life, trace = self._spread(one, lives.member.shape[0])
        return replace(lives, life=life), Window(trace=trace)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, born first where its task is due: (lives, metrics of each
        life [n_lives]).

        `life_loss`: what the window adds to the loss of its life, times the life's steps / n_steps,
        so that the mean over the windows of a life is its loss; not finite where the life is not.
        Such a life stays as it was, and so
        does its task. `survived`, `at_bound`: as in `losses`, of the window.
        """
        tasks = where(births.due, births.batch.tasks, lives.tasks)
        under_way = replace(lives, tasks=tasks)

        def one(i: Array) -> tuple[Array, tuple[dict[str, Array], Life]]:
            theta = jax.tree.map(lambda x: x[lives.member[i]], thetas)
            return self._window(theta, under_way, births, i, n_steps)

        loss, (aside, life) = self._spread(one, lives.member.shape[0])
        return settled(lives, tasks, life, jnp.isfinite(loss)), {"life_loss": loss, **aside}

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, tuple[Theta, Metrics, Array]]:
        """(lives, (gradient, metrics, losses [n_lives])): `window_losses` and `value_and_grad` in
        one.

        The gradient goes back to the start of the window, or to the birth within it, and no
        further.
        """
        tasks = where(births.due, births.batch.tasks, lives.tasks)
        under_way = replace(lives, tasks=tasks)
        one = lambda theta, i: self._window(theta, under_way, births, i, n_steps, gradient=True)
        grad, metrics, (losses, life) = self._gradients(one, theta, lives.member.shape[0])
        return settled(lives, tasks, life, jnp.isfinite(losses)), (grad, metrics, losses)

    def _window(
        self,
        theta: Theta,
        lives: Lives,
        births: Births,
        i: Array,
        n_steps: int,
        gradient: bool = False,
    ) -> tuple[Array, tuple[dict[str, Array], Life]]:
        shape, slot = self.shape(), lives.task[i]
        task, due = take(lives.tasks, slot), births.due[slot]
        life = where(
            due, self.lifetime.begin(theta, task, births.batch.keys[slot]), take(lives.life, i)
        )
        start = life.t
        life, trace = self.lifetime.advance(theta, task, life, n_steps, gradient=gradient)
        loss = self.objective.window(theta, trace.score, shape, start) * (shape.n_steps / n_steps)
        aside = {"survived": _survived(trace.score), "at_bound": _at_bound(self.lifetime, life)}
        return jnp.where(_sound(life), loss, jnp.nan), (aside, life)

    def _loss(
        self, theta: Theta, task: Any, key: Key, gradient: Mode = "none"
    ) -> tuple[Array, dict[str, Array]]:
        shape = self.shape()
        units = "units" in self.lifetime.measure and gradient == "none"
        lifetime = replace(self.lifetime, record=("activity", "gain")) if units else self.lifetime
        life = lifetime.begin(theta, task, key)
        life, trace = lifetime.advance(
            theta, task, life, shape.n_steps, start=0, gradient=gradient == "reverse"
        )
        aside = {
            "survived": _survived(trace.score),
            "at_bound": _at_bound(self.lifetime, life),
            **last_phase(trace.score, shape.phases[-1][0]),
        }
        if units:
            shares = idle(lifetime.wiring(), theta["neurons"], trace.recorded, lifetime.dt)
            activity, bound = trace.recorded["activity"], aside["at_bound"]
            aside |= shares | faults(lifetime.wiring(), shares, activity, bound, lifetime.dt)
        loss = self.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        return jnp.where(_sound(life), loss, jnp.nan), aside

    def chunk_size(self, tangents: int = 0) -> int:
        """How many lives run in lockstep; tangents: copies of a life that forward mode carries
        beside it.
        """
        return self.chunk or fitting_chunk(self.lifetime, tangents)

    def _spread(
        self, one: Callable[[Array], Any], n: int, gradient: bool = False, tangents: int = 0
    ) -> Any:
        """`one(i)` for i < n, stacked; gradient: `one` gives (kept, summed), the second summed over
        all i.
        """
        return spread(
            one, Layout(n, self.chunk_size(tangents), self.n_devices), reduce_second=gradient
        )


def sample_batch(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    """The tasks of a family know nothing of rules: every variant of a problem shares this program.

    A plain map, one task at a time: 256 digit tasks in one vmap take 7.7 s to compile and save no
    run time.
    """

    def one(i: Array) -> Batch:
        k_task, k_life = jax.random.split(jax.random.fold_in(key, i))
        return Batch(tasks=family.sample(k_task, split), keys=k_life)

    return lax.map(one, jnp.arange(n))


def _mean(values: Array, healthy: Array, scale: Array) -> Array:
    return jnp.sum(jnp.where(healthy, values, 0.0)) * scale


def _sound(life: Life) -> Array:
    """Whether every number of network and rules is finite: a broken cell may be silent, and the
    loss be fine.

    Not of the feedback: what is used there shows in the weights, and matrices that no rule reads
    need not be drawn.
    """
    own = jax.tree.leaves((life.synapses, life.network, life.rules))
    return jnp.all(
        jnp.stack([jnp.all(jnp.isfinite(x)) for x in own if jnp.issubdtype(x.dtype, jnp.floating)])
    )


def _survived(score: Score) -> Array:
    """The share [] of steps before the first whose loss is not finite."""
    return jnp.mean(jnp.cumprod(jnp.isfinite(score.loss)).astype(score.loss.dtype))


def _at_bound(lifetime: Lifetime, life: Life) -> Array:
    """The share [] of plastic synapses whose weight ended at one of its bounds; 0 where nothing is
    plastic.
    """
    wiring, hit, total = lifetime.wiring(), jnp.zeros(()), jnp.zeros(())
    for name, (edge, _) in lifetime.plastic().items():
        (low, high), synapses = wiring.bounds(edge), life.synapses[name]
        beyond = (synapses.weight <= low) | (synapses.weight >= high)
        real = jnp.broadcast_to(synapses.mask, beyond.shape)
        hit, total = hit + jnp.sum(jnp.where(beyond, real, 0.0)), total + jnp.sum(real)
    return hit / jnp.maximum(total, 1.0)
