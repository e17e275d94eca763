"""Print the speed of a fit to choices beside a script written by hand: python -m benchmarks.fits

The protocol is the one of Mehta et al. 2024: 18 sessions of 240 rows, 351 epochs of Adam, 81 terms
in (pre, post, advantage, weight). No core is pinned. The two sides run in turn. Quote the median of
the pairwise ratios.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import plain_fit
from inner_tasks.odour_choice import OdourChoice
from metaplast import search_loop
from metaplast.fitting.engine import Member, fit, in_one_chunk
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import Penalised, everything
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from metaplast.signals import Theta
from metaplast.spec import Count, build, nested, plugin, spec
from outer_loops.bptt import Bptt

EPOCHS = 351
UPDATES = 40
PAIRS = 9
ADAM = Bptt(learning_rate=1e-3, schedule="constant_schedule")
ENDLESS = Fit(tolerance=1e-30, window=10**6)  # never at rest
RULE = Polynomial(terms=("taylor 2 of pre post modulator.advantage weight",), rate=plain_fit.RATE)


@register("task", "first_rows")
@spec
class FirstRows(AbstractRecording):
    """The first `n_rows` rows of every session of `source`. Training looks at all of them."""

    source: Annotated[OdourChoice, plugin("task")] = OdourChoice()
    n_rows: Count = 240
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Bernoulli()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut(subjects=0.28, trials=0.0)
    clamp: bool = False

    def recorded(self) -> Recorded:
        return _cut(self)

    def truth(self) -> Truth:
        return self.source.truth()


@lru_cache(maxsize=4)
def _cut(task: FirstRows) -> Recorded:
    """The recording of the first rows."""
    recorded = task.source.recorded()
    n = task.n_rows
    sessions = recorded.sessions
    rows: dict[str, Any] = {}
    for name in ("stimulus", "target", "observed", "gate", "reset"):
        rows[name] = getattr(sessions, name)[:, :n]
    rows["modulators"] = {name: values[:, :n] for name, values in sessions.modulators.items()}
    return recorded._replace(sessions=replace(sessions, **rows), trial=recorded.trial[:, :n])


def problem(task: FirstRows, n_tasks: int) -> MetaProblem:
    """The framework's side.

    Args:
        task: the recording.
        n_tasks: the number of sessions in an update.
    """
    network = {"name": "feedforward", "hidden": (task.source.n_hidden,), "neuron": "tanh"}
    slots = (Slot(edges="input_to_hidden_1", rule=RULE),)
    fields = {
        "task": task,
        "network": network,
        "feedback": "none",
        "genome": "given",
        "slots": slots,
    }
    whole = MetaProblem(build(Lifetime, fields), MeanLoss(), n_tasks=n_tasks, life_clip=0.0)
    return in_one_chunk(whole, n_tasks)


def theta_of(coefficients: Array) -> Theta:
    """The theta of the framework with these coefficients [81]."""
    return {
        "rules": {"rule": {"coefficients": coefficients}},
        "genome": {},
        "feedback": {},
        "neurons": {},
    }


def loss_and_grad(whole: MetaProblem, coefficients: Array, batch: Any) -> tuple[Array, Array]:
    """(the loss with the penalty, its gradient [81]) of an update of the fit."""
    theta = theta_of(coefficients)
    penalised = Penalised(whole, everything(theta), jnp.asarray(plain_fit.STRENGTH))
    loss, grad, _ = penalised.value_and_grad(theta, batch)
    return loss, grad["rules"]["rule"]["coefficients"]


def plainly(s: Session) -> plain_fit.Session:
    """The same sessions [n_sessions, ...] for the plain script."""
    rows = (s.stimulus, s.target[..., 0], s.gate, s.modulators["advantage"])
    first = s.weights["input_to_hidden_1"]
    readout = s.weights["hidden_1_to_output"][:, 0]
    return jax.tree.map(jnp.asarray, (rows, first, readout))


def same_work(
    ours: Callable[..., Any], batch: Any, theirs: Callable[..., Any], session: plain_fit.Session
) -> None:
    """Check that loss and gradient are equal, and print the scratch memory of each side.

    Args:
        ours: the framework's (coefficients, batch) -> (loss, gradient).
        batch: the sessions for it.
        theirs: the same of the plain script.
        session: the sessions for it.
    """
    c = 3e-2 * jax.random.normal(jax.random.key(1), (81,))
    sides = [
        jax.jit(side).lower(c, data).compile() for side, data in ((ours, batch), (theirs, session))
    ]
    (loss, grad) = sides[0](c, batch)
    (wanted, slope) = sides[1](c, session)
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    np.testing.assert_allclose(grad, slope, rtol=1e-3, atol=1e-5)
    a, b = (_scratch(side) / 1e3 for side in sides)
    print(f"    scratch memory of the gradient: framework {a:.0f} kB, plain {b:.0f} kB")


def _scratch(compiled: Any) -> float:
    """The bytes of scratch memory of a compiled program."""
    return compiled.memory_analysis().temp_size_in_bytes


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """(CPU seconds of all threads, wall seconds) of a run."""
    cpu = time.process_time()
    wall = time.perf_counter()
    jax.block_until_ready(run())
    return time.process_time() - cpu, time.perf_counter() - wall


def measure(name: str, n_tasks: int) -> None:
    """Compare the two sides with `n_tasks` sessions an update, then do the whole protocol once."""
    task = FirstRows()
    whole = problem(task, n_tasks)
    sessions = task.whole("train")
    plain = plainly(sessions)
    n = len(sessions.subject)
    if n_tasks == n:
        batches = [plain]
        objective = plain_fit.many
    else:
        batches = [jax.tree.map(lambda x, i=i: x[i], plain) for i in range(n)]
        objective = plain_fit.one
    print(f"{name}: {n_tasks} of {n} sessions of {task.n_rows} rows an update")
    batch = search_loop.draw_tasks(
        jax.tree.map(lambda x: x[:n_tasks], sessions), jax.random.key(0), n_tasks
    )
    same_work(partial(loss_and_grad, whole), batch, jax.value_and_grad(objective), batches[0])

    c = 1e-5 * jax.random.normal(jax.random.key(0), (81,))
    member = Member(theta_of(c), everything(theta_of(c)), plain_fit.STRENGTH)

    def ours(steps: int) -> Any:
        return fit(whole, replace(ADAM, steps=steps), sessions, [member], ENDLESS, 0)[0].loss

    order = [batches[i % len(batches)] for i in range(UPDATES)]
    runs = (lambda: ours(UPDATES), lambda: plain_fit.descend(c, order, objective))
    pairs = []
    for _ in range(1 + PAIRS):
        pairs.append([timed(run) for run in runs])
    pairs = np.asarray(pairs)[1:]  # the first compiles
    for (a, b), kind in zip(pairs.transpose(2, 1, 0), ("CPU", "wall"), strict=True):
        times = f"framework {np.median(a):.3f} s, plain {np.median(b):.3f} s"
        print(f"    {UPDATES} updates, {kind}: {times}")
        ratio = b / a
        span = f"{np.median(ratio):.2f} ({min(ratio):.2f} to {max(ratio):.2f})"
        print(f"        speed relative to plain: {span}")
    steps = EPOCHS * n // n_tasks
    cpu, wall = timed(lambda: ours(steps))
    seconds = f"{wall:.1f} s wall, {cpu:.1f} s CPU"
    print(f"    whole protocol, {steps} updates, compilation included: {seconds}")


if __name__ == "__main__":
    measure("F1 full batch", 18)
    measure("F2 one session", 1)
