"""Which leg is damaged in which life, the refusal without brax, and a step of the body."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import ant
from inner_tasks.ant import Ant
from metaplast.registry import NotInstalled
from metaplast.signals import neuron_view
from metaplast.testing.base import quick_jit
from tests._brax import needs_brax


@pytest.mark.parametrize(("damage", "gain"), [("limp", 0.0), ("reversed", -1.0)])
def test_the_fourth_leg_is_damaged_in_held_out_lives_alone(damage, gain):
    family = Ant(damage=damage)
    keys = jax.random.split(jax.random.key(0), 100)
    for split in ("train", "validation"):
        legs = jax.vmap(lambda key, split=split: family.sample(key, split).gains)(keys)
        legs = np.asarray(legs).reshape(100, 4, 2)
        assert set(np.unique(legs)) == {np.float32(gain), np.float32(1.0)}
        n_damaged = (legs != 1.0).all(axis=2).sum(axis=1)
        assert set(n_damaged) == {0, 1}
        assert (legs[:, :3] != 1.0).any(axis=(0, 2)).all()
        assert (legs[:, 3] == 1.0).all()
    gains = family.sample(keys[0], "heldout").gains
    np.testing.assert_array_equal(gains, [1.0] * 6 + [gain] * 2)


def test_without_the_package_the_fix_is_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ant._body.cache_clear()
    family = Ant()
    task = family.sample(jax.random.key(0), "train")
    with pytest.raises(NotInstalled, match=r'brax.*pip install "metaplast\[body\]"') as refused:
        family.begin(task, jax.random.key(0), 1e-3)
    assert "\n" not in str(refused.value)


@needs_brax
def test_a_limp_leg_takes_no_push_and_the_reward_is_that_of_brax():
    """The environment of brax is asked for the same step, without the end of an episode."""
    family = Ant(share=0.0)
    task = family.sample(jax.random.key(0), "heldout")
    output = 0.5 * jnp.ones(8)
    other = output.at[6:].set(-2.0)  # the pushes of the limp leg

    def live(output):
        born = family.begin(task, jax.random.key(0), 1e-3)
        view = neuron_view(output, output, jnp.ones(8))
        after, outcome = family.step(task, born, view, jax.random.key(0), 1e-3)
        return family.stimulus(task, after, jax.random.key(0), 1e-3)["input"], outcome.score

    with ant._loose():
        from brax.envs.ant import Ant as Environment

        seen, score = quick_jit(jax.vmap(live))(jnp.stack([output, other]))
        environment = Environment(backend="positional", terminate_when_unhealthy=False)
        born = environment.reset(jax.random.key(0))
        body = environment.pipeline_init(environment.sys.init_q + task.positions, task.velocities)
        push = task.gains * jnp.tanh(output)
        expected = quick_jit(environment.step)(born.replace(pipeline_state=body), push)
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_allclose(seen[0], expected.obs, rtol=1e-4, atol=1e-4)
    assert float(score.loss[0]) == pytest.approx(-float(expected.reward), rel=1e-3)
