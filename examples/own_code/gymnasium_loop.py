"""An agent of Gymnasium whose weights change as it acts, by the rule `policy_gradient` of the zoo.

The agent is one stochastic unit with the observation of CartPole as its input. `score` is the
derivative of the log-probability of its action. The reward comes when the pole falls: the length of
the episode, less its running mean.
"""

import sys

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import metaplast as mp

EPISODES = int(sys.argv[1]) if len(sys.argv) > 1 else 300
rule = mp.load_rule("zoo/policy_gradient")
DT = 0.02  # seconds of a step of CartPole
STEP = 0.03  # chosen among 0.03, 0.1 and 0.3 on these lives
SCALE = np.asarray([1.0, 1.0, 0.1, 1.0])  # a typical size of each observation


@jax.jit
def learn(weight, state, x, score, reward):
    """The weights and the state of the rule after one step."""
    view = mp.synapse_view(
        pre=x, post=jnp.zeros(1), score=score, weight=weight, modulators={"reward": reward}
    )
    state, delta_w = rule.update(view, state, dt=DT)
    return weight + STEP * delta_w, state


def episodes(seed, plastic):
    """The length of every episode of one life."""
    world = gymnasium.make("CartPole-v1")
    generator = np.random.default_rng(seed)
    weight = jnp.zeros((1, 4))
    state = rule.init(weight)
    lengths = []
    mean = 20.0
    for episode in range(EPISODES):
        seen, _ = world.reset(seed=1000 * seed + episode)
        state = rule.init(weight)
        length = 0
        over = False
        while not over:
            x = jnp.asarray(seen / SCALE, jnp.float32)
            right = 1.0 / (1.0 + np.exp(-float((weight @ x)[0])))
            action = int(generator.random() < right)
            score = jnp.asarray([action - right], jnp.float32)
            seen, _, fell, late, _ = world.step(action)
            length += 1
            over = fell or late
            reward = 0.0
            if over:
                reward = (length - mean) / 20.0
            if plastic:
                weight, state = learn(weight, state, x, score, jnp.asarray(reward, jnp.float32))
        mean += 0.1 * (length - mean)
        lengths.append(length)
    return np.asarray(lengths)


for name, plastic in (("plastic", True), ("no plasticity", False)):
    lives = [episodes(seed, plastic)[-EPISODES // 4 :].mean() for seed in range(5)]
    print(f"{name}: mean steps of the last quarter {np.round(lives, 1)} (5 lives)")
