"""Working memory: a network stores one symbol of a stream and recalls it after others."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks._decision import decide
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, pytree
from metaplast.spec import Count, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split


@pytree
class Stream:
    """One life.

    rates [n_symbols, 4]: of the groups symbol 0, symbol 1, store and recall in each slot, in hertz.
    asked []: the slot of the recall.
    stored []: the symbol to recall, 0 or 1.
    """

    rates: Array
    asked: Array
    stored: Array


@pytree
class Recalled:
    """The state of a life.

    t []: steps gone by.
    total [2]: the output summed over the steps of the recall so far.
    """

    t: Array
    total: Array


@register("task", "store_recall")
@spec
class StoreRecall(AbstractTaskFamily):
    """A network sees a stream of symbols, 0 or 1, and names the one to store when asked for it.

        y = mean_t output_t                        over the steps of the recall so far
        loss = -ln softmax(y)_s
        error = d loss / d output
        target_k = 1 for k = s, else 0

    n_symbols: slots of a life.
    symbol_steps: steps of a slot.
    delay: slots from the store to the recall.
    group: inputs of each of the four groups symbol 0, symbol 1, store and recall.
    rate: of the inputs of a group that is on, in hertz. A group that is off is silent.
    s: the symbol to recall.
    stimulus [4 group]: the rate of each input, in hertz; `source: poisson` of a network makes
        spikes of it.

    Each slot shows a symbol, drawn on its own: its group is on. In one slot, drawn from those that
    leave room for the delay, the group store is on too: its symbol is s. `delay` slots later the
    group recall is on, and no symbol is shown. So s has to be held for (delay - 1) symbol_steps, in
    which other symbols come by. Slots after the recall do not matter.
    Only the last step of the recall counts. error and target are 0 outside of the recall.
    Metric `accuracy`: whether y is largest at s.
    Splits: disjoint streams of the key.
    Source: Bellec et al. 2018, with one store and one recall in a life.

    Raises: BadInput where no slot leaves room for the delay.
    """

    n_symbols: Count = 8
    symbol_steps: Count = 150
    delay: Count = 5
    group: Count = 10
    rate: Positive = 100.0

    def __post_init__(self) -> None:
        if self.delay >= self.n_symbols:
            raise BadInput(
                f"delay={self.delay} in a life of n_symbols={self.n_symbols}",
                "a recall within the life",
                "lower delay, or raise n_symbols",
            )

    def shape(self) -> TaskShape:
        phases = ((self.n_symbols * self.symbol_steps, True),)
        offers = frozenset({"error", "target"})
        return TaskShape({"input": 4 * self.group}, 2, phases, offers, differentiable=True)

    def chance(self) -> float:
        return 0.5

    def halved(self) -> "StoreRecall":
        return replace(self, symbol_steps=2 * self.symbol_steps)

    def sample(self, key: Key, split: Split) -> Stream:
        k_symbols, k_store = jax.random.split(jax.random.fold_in(key, SPLITS.index(split)))
        symbols = jax.random.bernoulli(k_symbols, 0.5, (self.n_symbols,)).astype(jnp.int32)
        store = jax.random.randint(k_store, (), 0, self.n_symbols - self.delay, jnp.int32)
        asked = store + self.delay
        slots = jnp.arange(self.n_symbols, dtype=jnp.int32)
        shown = slots != asked
        groups = (shown & (symbols == 0), shown & (symbols == 1), slots == store, slots == asked)
        return Stream(
            rates=self.rate * jnp.stack(groups, axis=1).astype(float),
            asked=asked,
            stored=symbols[store],
        )

    def begin(self, task: Stream, key: Key, dt: float) -> Recalled:
        return Recalled(t=jnp.zeros((), jnp.int32), total=jnp.zeros(2))

    def stimulus(self, task: Stream, state: Recalled, key: Key, dt: float) -> dict[str, Array]:
        rates = task.rates[state.t // self.symbol_steps]
        return {"input": jnp.repeat(rates, self.group)}

    def step(
        self, task: Stream, state: Recalled, output: NeuronView, key: Key, dt: float
    ) -> tuple[Recalled, Outcome]:
        count = state.t - task.asked * self.symbol_steps + 1
        decision = decide(state.total, output.activity, task.stored, count, self.symbol_steps)
        return Recalled(t=state.t + 1, total=decision.total), decision.outcome
