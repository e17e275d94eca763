"""The benchmark of a device counts work, shares of limits and differences rightly, at toy size."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks import device, polynomial
from benchmarks._counted import Counted, counted
from benchmarks._measure import Side
from benchmarks.device import Limits

LIMITS = Limits(bandwidth=1e9, flops=2e9)


def test_a_loop_counts_as_often_as_it_runs() -> None:
    """5 steps of a product [3, 4] [4] and a sum of 3 numbers; 4 + 12 bytes of input a step."""
    weights = jnp.ones((3, 4))

    def step(carry: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return carry + weights @ jnp.concatenate([carry, x]), carry

    program = jax.make_jaxpr(lambda c, xs: lax.scan(step, c, xs))(jnp.ones(3), jnp.ones((5, 1)))
    read = 12 + 4  # the carry and x
    written = 12 + 12  # the carry and y
    assert counted(program.jaxpr) == Counted(5 * (2 * 3 * 4 + 3), 5 * (read + written))


def test_the_larger_branch_and_the_inside_of_a_call_count() -> None:
    def either(x: jax.Array) -> jax.Array:
        return lax.cond(x[0] > 0, jnp.sin, lambda x: jnp.exp(jnp.sin(x)), x)

    program = jax.make_jaxpr(jax.jit(lambda x: jnp.sum(either(x))))(jnp.ones(7))
    assert counted(program.jaxpr).flops == 14 + 7


def test_the_nearer_limit_is_named() -> None:
    assert LIMITS.share(Counted(flops=1e9, bytes=1e8), 1.0) == (0.5, "FLOP")
    assert LIMITS.share(Counted(flops=1e9, bytes=6e8), 1.0) == (0.6, "bandwidth")


def test_limits_are_measured() -> None:
    found = device.limits(copied=(2**10,), touched=2**12, product=32)
    assert found.bandwidth > 0 and found.flops > 0


def test_a_difference_is_relative_to_the_largest_number() -> None:
    cpu = jax.devices("cpu")[0]
    double = Side("", jax.jit(lambda x: {"a": 2.0 * x, "b": jnp.arange(3)}), (jnp.ones(3),))
    assert device.difference(double, cpu, cpu) == 0.0
    calls: list[float] = []

    def drifting(x: jax.Array) -> jax.Array:
        calls.append(1.0)
        return x + (0.25 if len(calls) == 1 else 0.0)

    drift = Side("", drifting, (jnp.asarray([1.0, 4.0]),))
    assert device.difference(drift, cpu, cpu) == pytest.approx(0.0625)


def test_a_workload_gives_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polynomial, "N", 5)
    monkeypatch.setattr(polynomial, "STEPS", 6)
    begun = device.w1(3)
    assert begun.updates == 3 * 5 * 5 * 6
    assert begun.step.run().shape == (3,)
    line = device.row("W1", device.w1, 3, LIMITS, is_smallest=True)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == device.HEAD.splitlines()[0].count("|") - 1
    assert cells[:2] == ["W1", "3"]
    assert float(cells[2]) > 0 and cells[6].split(" of ")[1] in ("FLOP", "bandwidth")


def test_a_job_is_a_workload() -> None:
    begun = device.job(3, ("experiment=oja", "task.n_steps=4"))
    assert begun.updates == 3 * 4 * 12 * 4
    work = counted(begun.step.function.trace(*begun.step.args).jaxpr.jaxpr)
    # A gradient does at least twice the work of 27 terms at every synapse.
    assert work.flops > begun.updates and work.bytes > 0
