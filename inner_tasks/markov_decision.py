"""A Markov decision problem: the network has to find out where each action leads, and what pays."""

import jax
import jax.numpy as jnp
from jax import Array, lax

from inner_tasks._action import most_active
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class World:
    """One life.

    moves [n_states, n_actions, n_states]: the probability of the next state.
    pays [n_states, n_actions]: the probability of a reward.
    gap [trial_steps, n_states, n_actions]: V_h(s) - Q_h(s, a) after h steps of a trial.
    """

    moves: Array
    pays: Array
    gap: Array


@pytree
class Walk:
    """The state of a life: the number t [] of steps gone by, and the state s [] of the world."""

    t: Array
    s: Array


@register("task", "markov_decision")
@spec
class MarkovDecision(AbstractTaskFamily):
    """`n_trials` walks of `trial_steps` actions through a world that is another one in every life.

        P(s' | s, a) = moves_sas'
        P(reward = 1 | s, a) = pays_sa
        Q_h(s, a) = pays_sa + sum_s' moves_sas' V_{h+1}(s')
        V_h(s) = max_a Q_h(s, a)
        loss = V_h(s) - Q_h(s, a)

    n_states: the states of the world, and so inputs.
    n_actions: the actions in each, and so outputs.
    n_trials: walks of a life.
    trial_steps: actions of a walk.
    moves: each row is drawn from the flat Dirichlet distribution.
    pays: each is uniform in [0, 1].
    h: actions gone by in this walk. V is 0 after its last one.

    Every walk begins in the first state. The world is the same in all walks of a life, so that what
    was learned in one is of use in the next. The input shows the present state, one of `n_states`
    units. The action is the one with the largest output activity; one is drawn where several are
    largest. The neuron `choice` as output explores, any other neuron is greedy.

    The sum of the losses of a walk is on average its regret: the expected reward of the best
    policy less that of the network. The best policy has a loss of 0 in every step.

    Metrics: `accuracy`, 1 where the best action was taken; `reward`. The task offers the modulator
    `reward` alone. It is not differentiable: search with evolution.
    Splits: disjoint streams of the key.
    Limits: with n_states=1 it is the task `bandit` of independent arms.
    Source: Duan et al. 2016, with rewards of 0 and 1; by default two states and four actions.
    """

    n_states: Count = 2
    n_actions: Count = 4
    n_trials: Count = 10
    trial_steps: Count = 10

    def shape(self) -> TaskShape:
        phases = ((self.n_trials * self.trial_steps, True),)
        offers = frozenset({"reward"})
        inputs = {"input": self.n_states}
        return TaskShape(inputs, self.n_actions, phases, offers, differentiable=False)

    def chance(self) -> float:
        return 1.0 / self.n_actions

    def sample(self, key: Key, split: Split) -> World:
        k_moves, k_pays = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        pairs = self.n_states, self.n_actions
        parts = jax.random.exponential(k_moves, (*pairs, self.n_states))
        moves = parts / jnp.sum(parts, axis=2, keepdims=True)
        pays = jax.random.uniform(k_pays, pairs)
        return World(moves=moves, pays=pays, gap=self._gap(moves, pays))

    def _gap(self, moves: Array, pays: Array) -> Array:
        """V - Q after each number of steps of a walk, from the last step to the first."""

        def back(after: Array, _: None) -> tuple[Array, Array]:
            q = pays + moves @ after
            v = jnp.max(q, axis=1)
            return v, v[:, None] - q

        nothing = jnp.zeros(self.n_states)
        return lax.scan(back, nothing, None, length=self.trial_steps, reverse=True)[1]

    def begin(self, task: World, key: Key, dt: float) -> Walk:
        return Walk(t=jnp.zeros((), jnp.int32), s=jnp.zeros((), jnp.int32))

    def stimulus(self, task: World, state: Walk, key: Key, dt: float) -> dict[str, Array]:
        here = jnp.arange(self.n_states, dtype=jnp.int32) == state.s
        return {"input": here.astype(task.pays.dtype)}

    def step(
        self, task: World, state: Walk, output: NeuronView, key: Key, dt: float
    ) -> tuple[Walk, Outcome]:
        k_tie, k_reward, k_move = jax.random.split(key, 3)
        action = most_active(output.activity, k_tie)
        reward = jax.random.bernoulli(k_reward, task.pays[state.s, action])
        loss = task.gap[state.t % self.trial_steps, state.s, action]
        score = Score(
            loss=loss,
            weight=jnp.ones(()),
            metrics={
                "accuracy": (loss == 0.0).astype(loss.dtype),
                "reward": reward.astype(loss.dtype),
            },
        )
        signals = feedback(self.n_actions, modulators={"reward": reward.astype(loss.dtype)})
        t = state.t + 1
        moved = jax.random.categorical(k_move, jnp.log(task.moves[state.s, action]))
        s = jnp.where(t % self.trial_steps == 0, 0, moved.astype(jnp.int32))
        return Walk(t=t, s=s), Outcome(feedback=signals, score=score)
