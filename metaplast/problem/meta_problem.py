"""`MetaProblem`: many lives, members x tasks, vectorised in one place."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.life.lifetime import Life, Lifetime
from metaplast.life.units import faults, idle
from metaplast.objectives.base import AbstractObjective, Lived, last_phase
from metaplast.objectives.final_loss import FinalLoss
from metaplast.problem.gradients import mean_gradient
from metaplast.problem.health import at_bound, is_finite, of_steps, survived
from metaplast.problem.layout import Layout, fitting_chunk, gathered, spread
from metaplast.problem.lives import (
    Batch,
    Births,
    Lives,
    Window,
    assign,
    leading,
    settle,
    take,
    where,
)
from metaplast.problem.protocol import LossGradient, WindowGradient, same_theta
from metaplast.problem.sampling import sample_batch
from metaplast.problem.unroll import Curriculum, check_unroll, shortened, steps_at
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, TaskShape, Theta, Trace
from metaplast.spec import Count, Natural, NonNegative, plugin, spec
from metaplast.tasks import Split, some_task

Differentiation = Literal["none", "forward", "reverse"]


@spec
class MetaProblem:
    """A lifetime, an objective and a number of tasks per outer step: a `Problem`.

    lifetime: the network, its rules and its task
    objective: the loss of a life, from its scores
    n_tasks: tasks per outer step
    life_clip: the gradient of one life is scaled to at most this global norm, so that no single
        life rules a step; 0: gradients stay as they are
    chunk: lives that advance in lockstep; 0: as many as suit the device
    n_devices: lives are spread over these devices
    unroll: training lives end after so many steps; 0: whole lives. The objective then sees the
        phases reached, the last of them as far as it is reached. `final_loss` is the loss in that
        phase; it is 0 where the task scores nothing there.
    curriculum: {outer step: unroll from that step on}. Steps begin at 0, lives grow, and the last
        entry stays. `search_loop.steps` applies it, with one compilation for each length.
        `search_loop.evaluate` always lets lives end by themselves.
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
        """Refuse parts that do not fit together. Raises: BadInput, which names them."""
        self.lifetime.check()
        shape = self.lifetime.task.shape()
        for need in sorted(self.objective.needs - shape.offers):
            offered = ", ".join(sorted(shape.offers))
            raise BadInput(
                f"objective: needs {need!r} from the task",
                f"one that it offers: {offered}",
                "change one of the two",
            )
        task = jax.eval_shape(lambda: some_task(self.lifetime.task, jax.random.key(0)))
        self.objective.check(task, self.lifetime.wiring())
        check_unroll(self.unroll, self.curriculum, shape.n_steps)
        is_cut = min(self.lengths()) < shape.n_steps
        if is_cut and "final_weights" in self.objective.needs:
            raise BadInput(
                "objective of final weights, of lives cut short",
                "whole lives",
                "set problem.unroll=0",
            )

    def shape(self) -> TaskShape:
        """The shape of the task, with the phases that `unroll` leaves."""
        shape = self.lifetime.task.shape()
        return shape._replace(phases=shortened(shape.phases, self.unroll))

    def lengths(self) -> tuple[int, ...]:
        """The steps of a life in every stage of the curriculum."""
        whole = self.lifetime.task.shape().n_steps
        if self.curriculum:
            return tuple(n or whole for _, n in self.curriculum)
        return (self.unroll or whole,)

    def at(self, index: int) -> "MetaProblem":
        """The problem of outer step `index`, with the `unroll` of the curriculum."""
        return replace(self, unroll=steps_at(self.curriculum, index)) if self.curriculum else self

    def whole(self) -> "MetaProblem":
        """The problem whose lives are not cut short."""
        return replace(self, unroll=0, curriculum=())

    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search."""
        return self.lifetime.init(key)

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        """`n` tasks of a split and the keys of their lives; life i depends on (key, i) alone."""
        return sample_batch(self.lifetime.task, key, n, split)

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = same_theta,
    ) -> tuple[Array, Metrics]:
        """The mean loss of every member of a population, and metrics of every life.

        Args:
            thetas: members along a leading axis [n_members], in any form that `unravel` accepts.
                Flat vectors need no copy of all thetas: with 35,000 numbers and 200 steps on 9,000
                synapses that takes an eighth of the time.
            batch: the tasks and the keys of their lives.
            share: the number of consecutive members that live through the same tasks. By default
                all members do. An antithetic pair must share its tasks.
            unravel: the theta of one member.

        Returns:
            The losses [n_members], not finite where a life of the member blew up, and metrics.
            For each member and life [n_members, n_lives]:
            `life_loss`: the loss of the life.
            `survived`: the share of steps before the first loss that is not finite.
            `at_bound`: the share of plastic synapses that end at a bound of their weight.
            The task's own metrics, and the ones that the lifetime measures. Where it measures
            `steps`, `step.loss`, `step.weight` and `step.<metric>` have an axis of steps more.
            For all lives []:
            `diverged`: the number of lives that blew up.
            `lives`: the number of lives.

        Raises:
            BadInput: `share` does not divide the members and the tasks into equal groups.
        """
        member, task = assign(leading(thetas), leading(batch.keys), share)

        def one(i: Array, shared: Any) -> Metrics:
            thetas, batch, member, task = shared
            theta = unravel(take(thetas, member[i]))
            loss, metrics = self._life(theta, take(batch.tasks, task[i]), batch.keys[task[i]])
            return {"life_loss": loss, **metrics}

        layout = self._layout(len(member))
        out = gathered(spread(one, layout, (thetas, batch, member, task)), layout)
        metrics = jax.tree.map(lambda x: x.reshape(leading(thetas), -1, *x.shape[1:]), out)
        life_loss = metrics["life_loss"]
        counts = {
            "diverged": jnp.sum(~jnp.isfinite(life_loss)),
            "lives": jnp.asarray(len(member)),
        }
        return jnp.mean(life_loss, axis=1), {**metrics, **counts}

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss of the batch and its gradient, over the healthy lives.

        The gradient is summed chunk by chunk: memory does not grow with the number of lives.

        Args:
            theta: the theta of all lives.
            batch: the tasks and the keys of their lives.
            tangents: 0 for reverse mode. Otherwise forward mode, with this number of directions
                of theta at a time.
        """
        differentiation = "forward" if tangents else "reverse"

        def one(theta: Theta, i: Array, batch: Batch) -> tuple[Array, tuple[Metrics, tuple[()]]]:
            loss, metrics = self._life(
                theta, take(batch.tasks, i), batch.keys[i], differentiation=differentiation
            )
            return loss, (metrics, ())

        layout = self._layout(leading(batch.keys), tangents)
        mean = mean_gradient(one, theta, layout, self.life_clip, batch, tangents=tangents)
        return LossGradient(mean.metrics["loss"], mean.gradient, mean.metrics)

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of members x tasks lives. share: see `losses`."""
        member, task = assign(leading(thetas), leading(batch.keys), share)

        def one(i: Array, shared: Any) -> Life:
            thetas, batch, member, task = shared
            theta = take(thetas, member[i])
            return self.lifetime.begin(theta, take(batch.tasks, task[i]), batch.keys[task[i]])

        life = spread(one, self._layout(len(member)), (thetas, batch, member, task))
        return Lives(life=life, member=member, task=task, tasks=batch.tasks)

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The places of lives before their birth: `begin` with zeros for everything born.

        Only the shapes of `batch` matter. share: see `losses`.
        """
        born = jax.eval_shape(lambda batch: self.begin(thetas, batch, share), batch)
        member, task = assign(leading(thetas), leading(batch.keys), share)

        def empty(tree: Any) -> Any:
            return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), tree)

        return Lives(life=empty(born.life), member=member, task=task, tasks=empty(born.tasks))

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further under the present theta of its member."""

        def one(i: Array, shared: Any, life: Life) -> tuple[Life, Trace]:
            thetas, member, task, tasks = shared
            theta = take(thetas, member[i])
            return self.lifetime.advance(theta, take(tasks, task[i]), life, n_steps)

        shared = (thetas, lives.member, lives.task, lives.tasks)
        life, trace = spread(one, self._layout(len(lives.member)), shared, lives.life)
        return replace(lives, life=life), Window(trace=trace)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        """Every life `n_steps` further, and metrics of each life in this window.

        See `Problem.window_losses`.
        """
        layout = self._layout(len(lives.member))
        tasks = gathered(where(births.due, births.batch.tasks, lives.tasks), layout)

        def one(i: Array, shared: Any, life: Life) -> tuple[Array, tuple[Metrics, Life]]:
            thetas, member, window = shared
            return self._window(take(thetas, member[i]), i, window, life, n_steps)

        shared = (thetas, lives.member, (lives.task, tasks, births))
        loss, (metrics, life) = spread(one, layout, shared, lives.life)
        loss, metrics = gathered((loss, metrics), layout)
        after = settle(lives, tasks, life, jnp.isfinite(loss))
        return _with_tasks_everywhere(after, layout), {"life_loss": loss, **metrics}

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient of the mean loss of this window.

        The gradient goes back to the start of the window, or to a birth within it, and no further.
        """
        layout = self._layout(len(lives.member))
        tasks = gathered(where(births.due, births.batch.tasks, lives.tasks), layout)

        def one(theta: Theta, i: Array, window: Any, life: Life) -> Any:
            return self._window(theta, i, window, life, n_steps, gradient=True)

        window = (lives.task, tasks, births)
        mean = mean_gradient(one, theta, layout, self.life_clip, window, lives.life)
        after = settle(lives, tasks, mean.kept, jnp.isfinite(mean.losses))
        after = _with_tasks_everywhere(after, layout)
        return WindowGradient(after, mean.gradient, mean.metrics, mean.losses)

    def chunk_size(self, tangents: int = 0) -> int:
        """The number of lives that run in lockstep.

        tangents: the copies of a life that forward mode carries beside it.
        """
        return self.chunk or fitting_chunk(self.lifetime, tangents)

    def _layout(self, n: int, tangents: int = 0) -> Layout:
        return Layout(n, self.chunk_size(tangents), self.n_devices)

    def _window(
        self,
        theta: Theta,
        i: Array,
        window: tuple[Array, Any, Births],
        life: Life,
        n_steps: int,
        gradient: bool = False,
    ) -> tuple[Array, tuple[Metrics, Life]]:
        """The window's part of the loss of a life, its metrics, and the life after the window.

        Args:
            theta: the theta of the life.
            i: the index of the life.
            window: (the task of every life, all tasks, births).
            life: the life before the window.
            n_steps: the steps of the window.
            gradient: whether the loss is differentiated.
        """
        task_of_life, tasks, births = window
        shape = self.shape()
        slot = task_of_life[i]
        task = take(tasks, slot)
        newborn = self.lifetime.begin(theta, task, births.batch.keys[slot])
        life = where(births.due[slot], newborn, life)
        before = life
        life, trace = self.lifetime.advance(theta, task, life, n_steps, gradient=gradient)
        part = self.objective.window(theta, trace.score, shape, before.t)
        loss = part * (shape.n_steps / n_steps)
        metrics = {
            "survived": survived(trace.score),
            "at_bound": at_bound(self.lifetime, life),
        }
        return jnp.where(is_finite(life, before), loss, jnp.nan), (metrics, life)

    def _life(
        self, theta: Theta, task: Any, key: Key, differentiation: Differentiation = "none"
    ) -> tuple[Array, Metrics]:
        """The loss of one life, from its birth to its end, and its metrics."""
        shape = self.shape()
        lifetime = self.lifetime
        measures_units = "units" in lifetime.measure and differentiation == "none"
        if measures_units:
            lifetime = replace(lifetime, record=("activity", "gain"))
        born = lifetime.begin(theta, task, key)
        life, trace = lifetime.advance(
            theta, task, born, shape.n_steps, start=0, gradient=differentiation == "reverse"
        )
        metrics = {
            "survived": survived(trace.score),
            "at_bound": at_bound(self.lifetime, life),
            **last_phase(trace.score, shape.phases[-1][0]),
        }
        if measures_units:
            wiring = lifetime.wiring()
            neurons = lifetime.develop(theta)["neurons"]
            shares = idle(wiring, neurons, trace.recorded, lifetime.dt)
            activity = trace.recorded["activity"]
            metrics |= shares
            metrics |= faults(wiring, shares, activity, metrics["at_bound"], lifetime.dt)
        if "steps" in lifetime.measure and differentiation == "none":
            metrics |= of_steps(trace.score)
        loss = self.objective.loss(theta, Lived(task, trace, life.synapses, shape))
        return jnp.where(is_finite(life, born), loss, jnp.nan), metrics


def _with_tasks_everywhere(lives: Lives, layout: Layout) -> Lives:
    """The lives, with all on all devices that outer loops read of them.

    See `placement.placed`.
    """
    read = (lives.member, lives.task, lives.tasks, lives.life.t)
    member, task, tasks, t = gathered(read, layout)
    return replace(lives, life=replace(lives.life, t=t), member=member, task=task, tasks=tasks)
