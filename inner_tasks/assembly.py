"""Assemblies: cells that fire together in a pattern, and are recalled from a part of it."""

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, Natural, NonNegative, Positive, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

LEAST = 1e-6  # added to a variance, so that cells of one rate have a correlation of 0


@pytree
class Drawn:
    """One life. The first half of the patterns is shown, the other half never is.

    patterns [2 n_patterns, n_cells]: 1 where a cell belongs to a pattern, else 0.
    cued [2 n_patterns, n_cells]: 1 where the cue drives a cell of the pattern, else 0.
    order [shots n_patterns]: the pattern of each presentation.
    weights: {"input_to_e": [n_cells, n_cells]}, one synapse from each input to its cell.
    """

    patterns: Array
    cued: Array
    order: Array
    weights: dict[str, Array]


@pytree
class Recall:
    """The state of a life.

    t []: steps gone by.
    spikes [n_cells]: spikes in this recall so far.
    shown []: the sum of the correlations of patterns that were shown, in this test so far.
    others []: the sum over shown patterns of the mean correlation with the other shown patterns.
    new []: the sum of the correlations of patterns that were not.
    fired []: spikes in all recalls of this test so far.
    """

    t: Array
    spikes: Array
    shown: Array
    others: Array
    new: Array
    fired: Array


class _Now(NamedTuple):
    """The place of a step in a life. It starts with some rounds, and a test follows, and so on.

    teaching []: whether a round goes on; else a test does.
    turn []: the number of this presentation, from the start of the life on.
    since_shown []: steps since this presentation began.
    asked []: the pattern whose cue comes in this test.
    since_cue []: steps since this cue began.
    begins []: whether this is the first step of a test.
    """

    teaching: Array
    turn: Array
    since_shown: Array
    asked: Array
    since_cue: Array
    begins: Array


@register("task", "assembly")
@spec
class Assembly(AbstractTaskFamily):
    """Patterns of cells are shown while synapses learn; then a part of one has to recall the rest.

        gain = mean_k c(recalled_k, pattern_k) - mean_m c(recalled_m, pattern_m)
        specificity = mean_k c(recalled_k, pattern_k) - mean_(k, j) c(recalled_k, pattern_j)
        loss = 1 - (gain + specificity) / 2

    k: the patterns that were shown.
    j: the patterns that were shown, without k. Cells that fire at any cue because they belonged to
        some pattern have a gain, but no specificity. With one pattern it is the gain.
    m: as many patterns of the same kind that were never shown.
    c: the correlation over the cells that the cue of the pattern leaves out; 0 where all of them
        fire alike.
    recalled [n_cells]: spikes of the cells during the cue.
    pattern [n_cells]: 1 for the cells of the pattern, else 0.
    n_cells: the number of output cells, and of inputs. Input i drives cell i.
    n_patterns: patterns that are shown. Each is shown once in each of `shots` rounds, in an
        order of the round's own.
    shots: rounds.
    earlier: numbers of rounds after which the cues come too. They always come after the last round.
        The loss is the mean over all of these tests, and the metrics are those of the last one. A
        rule that scores well early and late is more likely to have a point where it rests.
    active: the share of cells that belong to a pattern.
    cue: the share of a pattern's cells that its cue drives.
    present: steps of a presentation.
    pause: steps without a pattern after each presentation and each cue.
    recall: steps of a cue.
    rate: of the inputs that a pattern or a cue drives, in hertz.
    background: of all other inputs, in hertz.
    strength: the weight from input i to cell i. It is fixed, and the weights to all other cells
        are 0.

    Plasticity is on while patterns are shown. The cues follow without it, those of shown patterns
    and of new ones alike. Inputs show hertz (`source: poisson`), and outputs have to
    be spikes or rates. Nothing tells the network the pattern.
    The task brings the weights of the edge `input_to_e`. `genome={name: parts, parts: {input_to_e:
    given, '*': random}}` uses them; under another genome the inputs meet the cells as it says.
    Gradients pass to the spikes of the cues.
    Metrics: `recalled` and `new` (the mean correlation of shown and of new patterns), `others` (of
    the recall of shown patterns with the other ones), `gain` and `specificity` (`recalled` minus
    `new`, and minus `others`), `rate` (spikes of a cell in a step of a cue, over dt, in hertz).
    Splits: disjoint streams of the key.
    Raises: BadInput where a pattern has fewer than two cells, where a cue drives none or all of
        them, and where `earlier` does not rise or reaches `shots`.
    Source: after Confavreux et al. 2025, where networks have to know shown patterns; completion
    from a cue as in Hopfield 1982.
    """

    n_cells: Count = 60
    n_patterns: Count = 3
    shots: Count = 5
    earlier: tuple[Count, ...] = ()
    active: Probability = 0.2
    cue: Probability = 0.5
    present: Count = 200
    pause: Natural = 100
    recall: Count = 200
    rate: Positive = 100.0
    background: NonNegative = 5.0
    strength: Positive = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.n_cued < self.n_active < self.n_cells:
            what = f"active={self.active:g} and cue={self.cue:g} of {self.n_cells} cells"
            expected = "a pattern of some cells, of which a cue drives some"
            raise BadInput(what, expected, "change one of the three")
        if any(late <= early for early, late in pairwise(self._tests)):
            raise BadInput(
                f"earlier={list(self.earlier)} of shots={self.shots}",
                "rising numbers of rounds below shots",
                "correct them",
            )

    @property
    def n_active(self) -> int:
        """Cells of a pattern."""
        return round(self.active * self.n_cells)

    @property
    def n_cued(self) -> int:
        """Cells of a pattern that its cue drives."""
        return round(self.cue * self.n_active)

    @property
    def _tests(self) -> tuple[int, ...]:
        """The rounds after which the cues come."""
        return (*self.earlier, self.shots)

    @property
    def _asked(self) -> int:
        """Steps of a test."""
        return 2 * self.n_patterns * (self.recall + self.pause)

    @property
    def _taught(self) -> tuple[int, ...]:
        """Steps with plasticity before each test, since the one before."""
        a_round = self.n_patterns * (self.present + self.pause)
        return tuple((late - early) * a_round for early, late in pairwise((0, *self._tests)))

    def shape(self) -> TaskShape:
        phases = []
        for taught in self._taught:
            phases += [(taught, True), (self._asked, False)]
        offers = frozenset({"weights"})
        return TaskShape(
            {"input": self.n_cells}, self.n_cells, tuple(phases), offers, differentiable=True
        )

    def halved(self) -> "Assembly":
        twice = {name: 2 * getattr(self, name) for name in ("present", "pause", "recall")}
        return replace(self, **twice)

    def sample(self, key: Key, split: Split) -> Drawn:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_cells, k_order = jax.random.split(split_key)
        # The places of the cells in a random order: the first n_active are the pattern.
        noise = jax.random.uniform(k_cells, (2 * self.n_patterns, self.n_cells))
        place = jnp.argsort(jnp.argsort(noise, axis=1), axis=1)
        turns = jax.random.uniform(k_order, (self.shots, self.n_patterns))
        dtype = noise.dtype
        return Drawn(
            patterns=(place < self.n_active).astype(dtype),
            cued=(place < self.n_cued).astype(dtype),
            order=jnp.argsort(turns, axis=1).ravel(),
            weights={"input_to_e": self.strength * jnp.eye(self.n_cells, dtype=dtype)},
        )

    def begin(self, task: Drawn, key: Key, dt: float) -> Recall:
        zero = jnp.zeros(())
        return Recall(
            t=jnp.zeros((), jnp.int32),
            spikes=jnp.zeros(self.n_cells),
            shown=zero,
            others=zero,
            new=zero,
            fired=zero,
        )

    def stimulus(self, task: Drawn, state: Recall, key: Key, dt: float) -> dict[str, Array]:
        now = self._now(state.t)
        shown = task.patterns[task.order[now.turn]]
        driven = jnp.where(now.teaching, shown, task.cued[now.asked])
        on = jnp.where(now.teaching, now.since_shown < self.present, now.since_cue < self.recall)
        return {"input": jnp.where(on & (driven > 0), self.rate, self.background)}

    def _now(self, t: Array) -> _Now:
        lengths = np.asarray(self._taught, np.int32)
        ends = np.cumsum(lengths + self._asked, dtype=np.int32)
        n = jnp.searchsorted(jnp.asarray(ends[:-1]), t, side="right")
        taught = jnp.asarray(lengths)[n]
        t_here = t - jnp.asarray(ends - lengths - self._asked, jnp.int32)[n]
        before = jnp.asarray((0, *self.earlier), jnp.int32)[n] * self.n_patterns
        turn, since_shown = jnp.divmod(t_here, self.present + self.pause)
        since_test = t_here - taught
        asked, since_cue = jnp.divmod(jnp.maximum(since_test, 0), self.recall + self.pause)
        return _Now(
            teaching=since_test < 0,
            turn=jnp.minimum(before + turn, self.shots * self.n_patterns - 1),
            since_shown=since_shown,
            asked=asked,
            since_cue=since_cue,
            begins=since_test == 0,
        )

    def step(
        self, task: Drawn, state: Recall, output: NeuronView, key: Key, dt: float
    ) -> tuple[Recall, Outcome]:
        now = self._now(state.t)
        asked = now.asked
        recalling = ~now.teaching & (now.since_cue < self.recall)
        before = jnp.where(now.since_cue == 0, 0.0, state.spikes)
        spikes = before + jnp.where(recalling, output.activity, 0.0)
        complete = recalling & (now.since_cue == self.recall - 1)
        without_cue = 1.0 - task.cued[asked]
        alike = _correlation(spikes, task.patterns[asked], without_cue)
        is_shown = complete & (asked < self.n_patterns)
        is_new = complete & (asked >= self.n_patterns)
        with_shown = jax.vmap(_correlation, (None, 0, None))(
            spikes, task.patterns[: self.n_patterns], without_cue
        )
        with_others = (jnp.sum(with_shown) - alike) / max(1, self.n_patterns - 1)
        kept = jnp.where(now.begins, 0.0, 1.0)
        after = Recall(
            t=state.t + 1,
            spikes=spikes,
            shown=kept * state.shown + jnp.where(is_shown, alike, 0.0),
            others=kept * state.others + jnp.where(is_shown, with_others, 0.0),
            new=kept * state.new + jnp.where(is_new, alike, 0.0),
            fired=kept * state.fired + jnp.where(complete, jnp.sum(spikes), 0.0),
        )
        done = ~now.teaching & (asked == 2 * self.n_patterns - 1)
        done &= now.since_cue == self.recall + self.pause - 1
        return after, Outcome(feedback=feedback(self.n_cells), score=self._score(after, done, dt))

    def _score(self, state: Recall, done: Array, dt: float) -> Score:
        recalled = state.shown / self.n_patterns
        new = state.new / self.n_patterns
        others = state.others / self.n_patterns if self.n_patterns > 1 else new
        time = 2 * self.n_patterns * self.recall * dt
        metrics = {
            "recalled": recalled,
            "others": others,
            "new": new,
            "gain": recalled - new,
            "specificity": recalled - others,
            "rate": state.fired / (self.n_cells * time),
        }
        loss = 1.0 - 0.5 * (metrics["gain"] + metrics["specificity"])
        return Score(loss=loss, weight=done.astype(recalled.dtype), metrics=metrics)


def _correlation(x: Array, y: Array, among: Array) -> Array:
    """The correlation [] of x and y [n] over the places where `among` [n] is 1."""
    n = jnp.sum(among)
    x = among * (x - jnp.sum(among * x) / n)
    y = among * (y - jnp.sum(among * y) / n)
    variances = jnp.sum(x**2) * jnp.sum(y**2) / n**2
    return jnp.sum(x * y) / n / jnp.sqrt(variances + LEAST)
