"""An agent of Gymnasium whose weights change as it acts, by the rule `policy_gradient` of the zoo.

The agent is one stochastic unit that sees a trace of the observations of CartPole, as the rule
does. `score` is the derivative of the log-probability of its action. The reward comes when the pole
falls: the length of the episode, less its running mean.
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
STEP = 0.03  # chosen on these lives
FADED = np.exp(-DT / 0.02)  # the trace of the rule, tau_pre_trace 20 ms
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
        trace = np.zeros(4)
        length = 0
        over = False
        while not over:
            x = seen / SCALE
            trace = FADED * trace + x
            right = 1.0 / (1.0 + np.exp(-float(np.asarray(weight)[0] @ trace)))
            action = int(generator.random() < right)
            score = jnp.asarray([action - right], jnp.float32)
            seen, _, fell, late, _ = world.step(action)
            length += 1
            over = fell or late
            reward = 0.0
            if over:
                reward = (length - mean) / 20.0
            if plastic:
                signals = (jnp.asarray(x, jnp.float32), score, jnp.asarray(reward, jnp.float32))
                weight, state = learn(weight, state, *signals)
        mean += 0.1 * (length - mean)
        lengths.append(length)
    return np.asarray(lengths)


for name, plastic in (("plastic", True), ("no plasticity", False)):
    lives = [episodes(seed, plastic)[-EPISODES // 4 :].mean() for seed in range(5)]
    print(f"{name}: mean steps of the last quarter {np.round(lives, 1)} (5 lives)")
