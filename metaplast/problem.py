"""Many lives: members x tasks, vectorised in one place. All that an outer loop sees."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import AxisType, PartitionSpec

from metaplast._units import idle
from metaplast.interfaces import AbstractTaskFamily, Metrics, Split, some_task
from metaplast.lifetime import Life, Lifetime
from metaplast.objectives.base import AbstractObjective, Lived, weighted_mean
from metaplast.objectives.final_loss import FinalLoss
from metaplast.registry import BadInput
from metaplast.signals import Key, Score, Theta, Trace, pytree
from metaplast.spec import Count, Natural, NonNegative, plugin, spec

# Weights of the lives advanced together stay within a core's cache. Measured on 100 x 100 synapses (CPU ms):
# forward, 16 lives, chunks of 2, 4, 8, 16: 14, 19, 20, 28; gradient, 8 lives, chunks of 1, 2, 4, 8: 136, 59, 58, 53.
CACHE_BYTES, GRADIENT_CACHE_BYTES = 160 * 1024, 512 * 1024
MAX_CHUNK = 16


@pytree
class Batch:
    """Sampled tasks and the keys of their lives, leading axis [n_lives]."""

    tasks: Any
    keys: Key


@pytree
class Lives:
    """A population of lives under way. member, task: for each life, whose theta and which task of the batch it has."""

    life: Life
    member: Array
    task: Array
    tasks: Any


@pytree
class Window:
    """What happened in a stretch of steps: the trace of each life [n_lives, n_steps, ...]."""

    trace: Trace


@spec
class MetaProblem:
    """A lifetime, an objective and a number of tasks per outer step.

    life_clip: the gradient of one life is scaled to at most this global norm (0: never), so that no single life rules
    a step. chunk: lives advanced in lockstep (0: as many as fit the cache). n_devices: lives are spread over them.
    """

    lifetime: Lifetime = Lifetime()
    objective: Annotated[AbstractObjective, plugin("objective")] = FinalLoss()
    n_tasks: Count = 8
    life_clip: NonNegative = 1.0
    chunk: Natural = 0
    n_devices: Count = 1

    def check(self) -> None:
        """Refuse, by name, what cannot live together. Raises: BadInput."""
        self.lifetime.check()
        offers = self.lifetime.task.shape().offers
        for need in sorted(self.objective.needs - offers):
            offered = ", ".join(sorted(offers))
            raise BadInput(
                f"objective: needs {need!r} from the task", f"one of what it offers: {offered}", "change one of the two"
            )
        task = jax.eval_shape(lambda key: some_task(self.lifetime.task, key), jax.random.key(0))
        self.objective.check(task, self.lifetime.wiring())

    def init(self, key: Key) -> Theta:
        return self.lifetime.init(key)

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        """`n` tasks of a split and the keys of their lives; life i depends on (key, i) alone."""
        return sample_batch(self.lifetime.task, key, n, split)

    def losses(self, thetas: Theta, batch: Batch, share: int | None = None) -> tuple[Array, Metrics]:
        """The mean loss of each member [P] (not finite where one of its lives blew up) and metrics.

        share: how many consecutive members live through the same tasks (default: all do). An antithetic pair must.
        Metrics, per member and life [P, n]: `life_loss`, `survived` (share of steps before the first non-finite loss),
        `at_bound` (share of plastic synapses that end at a bound of their weight), the task's own and those that
        the lifetime measures; `diverged` []: lives that blew up.
        """
        member, task = _assign(_leading(thetas), _leading(batch.keys), share)

        def one(i: Array) -> dict[str, Array]:
            theta = jax.tree.map(lambda x: x[member[i]], thetas)
            loss, aside = self._loss(theta, _take(batch.tasks, task[i]), batch.keys[task[i]], gradient=False)
            return {"life_loss": loss, **aside}

        out = self._spread(one, len(member), self.chunk_size(gradient=False))
        grid = jax.tree.map(lambda x: x.reshape(_leading(thetas), -1), out)
        metrics = {**grid, "diverged": jnp.sum(~jnp.isfinite(grid["life_loss"])), "lives": jnp.asarray(len(member))}
        return jnp.mean(grid["life_loss"], axis=1), metrics

    def value_and_grad(self, theta: Theta, batch: Batch) -> tuple[Array, Theta, Metrics]:
        """(mean loss [], its gradient, metrics) over the lives whose loss and gradient are finite.

        A map of value_and_grad over chunks, summed: memory does not grow with the number of lives.
        """
        n = _leading(batch.keys)

        def one(i: Array) -> tuple[dict[str, Array], Theta]:
            def loss_of(theta: Theta) -> tuple[Array, dict[str, Array]]:
                return self._loss(theta, _take(batch.tasks, i), batch.keys[i], gradient=True)

            (loss, aside), grad = jax.value_and_grad(loss_of, has_aux=True)(theta)
            norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(grad)))
            healthy = jnp.isfinite(loss) & jnp.isfinite(norm)
            factor = jnp.minimum(1.0, self.life_clip / jnp.maximum(norm, 1e-30)) if self.life_clip else jnp.ones(())
            grad = jax.tree.map(lambda g: jnp.where(healthy, g * factor, 0.0), grad)
            return {
                "life_loss": loss,
                "healthy": healthy,
                "clipped": healthy & (factor < 1),
                "norm": norm,
                **aside,
            }, grad

        out, total = self._spread(one, n, self.chunk_size(gradient=True), reduce_second=True)
        healthy = out["healthy"]
        count = jnp.sum(healthy)
        share = count.astype(out["life_loss"].dtype)
        scale = jnp.where(count > 0, 1.0 / jnp.maximum(share, 1.0), jnp.nan)
        grad = jax.tree.map(lambda g: g * scale, total)
        means = {k: _mean(v, healthy, scale) for k, v in out.items() if k not in ("healthy", "clipped", "life_loss")}
        loss = _mean(out["life_loss"], healthy, scale)
        metrics = {
            **means,
            "loss": loss,
            "diverged": n - count,
            "clipped": jnp.sum(out["clipped"]),
            "lives": jnp.asarray(n),
        }
        return loss, grad, metrics

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        """The births of members x tasks lives; `share` as in `losses`."""
        member, task = _assign(_leading(thetas), _leading(batch.keys), share)

        def one(i: Array) -> Life:
            theta = jax.tree.map(lambda x: x[member[i]], thetas)
            return self.lifetime.begin(theta, _take(batch.tasks, task[i]), batch.keys[task[i]])

        return Lives(
            life=self._spread(one, len(member), self.chunk_size(False)), member=member, task=task, tasks=batch.tasks
        )

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        """Every life `n_steps` further under its member's present theta: (lives, window)."""

        def one(i: Array) -> tuple[Life, Trace]:
            theta = jax.tree.map(lambda x: x[lives.member[i]], thetas)
            return self.lifetime.advance(theta, _take(lives.tasks, lives.task[i]), _take(lives.life, i), n_steps)

        life, trace = self._spread(one, lives.member.shape[0], self.chunk_size(gradient=False))
        return lives.replace(life=life), Window(trace=trace)  # pyright: ignore[reportAttributeAccessIssue]

    def _loss(self, theta: Theta, task: Any, key: Key, gradient: bool) -> tuple[Array, dict[str, Array]]:
        shape = self.lifetime.task.shape()
        units = "units" in self.lifetime.measure and not gradient
        lifetime = replace(self.lifetime, record=("activity", "gain")) if units else self.lifetime
        life = lifetime.begin(theta, task, key)
        life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0, gradient=gradient)
        finite = jnp.cumprod(jnp.isfinite(trace.score.loss))
        aside = {
            "survived": jnp.mean(finite.astype(trace.score.loss.dtype)),
            "at_bound": _at_bound(self.lifetime, life),
            **_last_phase(trace.score, shape.phases[-1][0]),
        }
        if units:
            aside |= idle(lifetime.wiring(), theta["neurons"], trace.recorded, lifetime.dt)
        return self.objective.loss(theta, Lived(task, trace, life.synapses, shape)), aside

    def chunk_size(self, gradient: bool) -> int:
        """How many lives run in lockstep."""
        size = sum(4 * math.prod(e.connection.shape) for e in self.lifetime.wiring().edges)
        room = GRADIENT_CACHE_BYTES if gradient else CACHE_BYTES
        return self.chunk or max(1, min(MAX_CHUNK, room // max(1, size)))

    def _spread(self, one: Callable[[Array], Any], n: int, chunk: int, reduce_second: bool = False) -> Any:
        """`one(i)` for i < n: shards over devices, a map over chunks, a vmap inside; the last chunk is padded.

        reduce_second: `one` gives (kept, summed): the second is summed over all i, chunk by chunk.
        """
        per_device = -(-n // self.n_devices)
        wanted = min(chunk, per_device)
        even = [c for c in range(wanted, wanted // 2, -1) if per_device % c == 0]
        chunk = even[0] if even else wanted  # rather a somewhat smaller chunk than padded lives
        n_chunks = -(-per_device // chunk)
        index = jnp.minimum(jnp.arange(self.n_devices * n_chunks * chunk), n - 1).reshape(-1, chunk)
        real = (jnp.arange(index.size) < n).reshape(index.shape)

        def block(args: tuple[Array, Array]) -> Any:
            out = jax.vmap(one)(args[0])
            if not reduce_second:
                return out
            mask = lambda g: jnp.where(args[1].reshape(-1, *(1,) * (g.ndim - 1)), g, 0.0)  # noqa: E731
            return out[0], jax.tree.map(lambda g: jnp.sum(mask(g), axis=0), out[1])

        run = lambda i, r: lax.map(block, (i, r))  # noqa: E731
        if self.n_devices > 1:
            lives = PartitionSpec("lives")
            mesh = jax.make_mesh((self.n_devices,), ("lives",), axis_types=(AxisType.Auto,))
            run = jax.shard_map(run, mesh=mesh, in_specs=(lives, lives), out_specs=lives, check_vma=False)
        out = run(index, real)
        flat = lambda tree: jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:n], tree)  # noqa: E731
        if reduce_second:
            return flat(out[0]), jax.tree.map(lambda g: jnp.sum(g, axis=0), out[1])
        return flat(out)


def sample_batch(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    """The tasks of a family know nothing of rules: every variant of a problem shares this program.

    A plain map, one task at a time: 256 digit tasks in one vmap take 7.7 s to compile and save no run time.
    """

    def one(i: Array) -> Batch:
        k_task, k_life = jax.random.split(jax.random.fold_in(key, i))
        return Batch(tasks=family.sample(k_task, split), keys=k_life)

    return lax.map(one, jnp.arange(n))


def _assign(n_members: int, n_lives: int, share: int | None) -> tuple[Array, Array]:
    """(member, task) of each of the members x lives pairs, flat, members outermost."""
    share = share or n_members
    groups = n_members // share
    if groups * share != n_members or n_lives % groups:
        raise BadInput(f"share={share} of {n_members} members, {n_lives} lives", "equal groups", "choose divisors")
    per_group = n_lives // groups
    flat = jnp.arange(n_members * per_group)
    member = flat // per_group
    return member, (member // share) * per_group + flat % per_group


def _leading(tree: Any) -> int:
    leaves = jax.tree.leaves(tree)
    return leaves[0].shape[0] if leaves else 1


def _take(tree: Any, index: Array) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def _mean(values: Array, healthy: Array, scale: Array) -> Array:
    return jnp.sum(jnp.where(healthy, values, 0.0)) * scale


def _at_bound(lifetime: Lifetime, life: Life) -> Array:
    """The share [] of plastic synapses whose weight ended at one of its bounds; 0 where nothing is plastic."""
    wiring, hit, total = lifetime.wiring(), jnp.zeros(()), jnp.zeros(())
    for name, (edge, _) in lifetime.plastic().items():
        (low, high), synapses = wiring.bounds(edge), life.synapses[name]
        beyond = (synapses.weight <= low) | (synapses.weight >= high)
        real = jnp.broadcast_to(synapses.mask, beyond.shape)
        hit, total = hit + jnp.sum(jnp.where(beyond, real, 0.0)), total + jnp.sum(real)
    return hit / jnp.maximum(total, 1.0)


def _last_phase(score: Score, n_last: int) -> dict[str, Array]:
    """The task's own metrics, averaged like the loss over the last phase."""
    last = jax.tree.map(lambda x: x[-n_last:], score)
    return {name: weighted_mean(last.replace(loss=values)) for name, values in last.metrics.items()}  # pyright: ignore[reportAttributeAccessIssue]
