"""Proposals: another process writes expressions, and reads their scores."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.language.expression import OPERATORS, nodes
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, register
from metaplast.runs import exchange
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Positive, spec
from outer_loops import _lines, _selection, _trees
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops.genetic_programming import GeneticProgramming, GpState

SCHEMA = "metaplast.proposals/1"


@pytree
class Scored:
    """Members and their scores. A score of LARGEST says that there is none.

    flat [n_members, n]: their thetas
    train [n_members]: the mean loss on the training lives of the step in which they were new
    validation [n_members]: the mean loss on the validation lives of the search
    """

    flat: Array
    train: Array
    validation: Array


@pytree
class ProposalsState:
    """The state of a search by proposals.

    theta: the best member
    rule: the searched rule, without leaves
    start [n]: theta at the start, flat
    key [2]: the key of the validation lives, which also tells searches apart
    best: the best members of distinct functions, the best first
    last: the lines of the last answer after their lives
    answer [lines, WIDTH]: the lines of the next answer, as bytes
    n_lines []: the number of lines in it, also those beyond `lines`
    next [lines, n]: their thetas
    real [lines]: whether the line is an expression
    step []: the number of steps done
    skipped []: the number of steps without a healthy life
    """

    theta: Theta
    rule: _lines.Searched
    start: Array
    key: Array
    best: Scored
    last: Scored
    answer: Array
    n_lines: Array
    next: Array
    real: Array
    step: Array
    skipped: Array


@register("outer", "proposals")
@spec
class Proposals(AbstractOuterLoop):
    """Another process proposes expressions for one `symbolic` rule with size > 0, by files.

    steps: outer steps of a run, one more than generations of proposals
    folder: the folder of the exchange; every seed has its own
    lines: expressions of an answer that live; further ones are refused
    n_rates: rates under which a proposal lives
    rate_factor: the ratio of neighbouring rates
    n_best: the best members that a question shows
    validation: validation lives, the same in the whole search
    timeout: seconds of waiting for an answer

    The first step scores the start. Then every step writes the question `asked.json`, waits for
    `proposals_N.txt` with one expression a line, lets its lines live, and writes `scores_N.json`.
    A line is text in the grammar of `metaplast/language/expression.py`. It is parsed, and no text
    is ever run. A line that is refused has an error in the scores, and changes nothing else.

    A proposal f lives under n_rates rates on the lives of the step, and keeps its best:

        delta_w = rate factor f

    rate: the `rate` of the rule, with the log_rate of the start
    factor: one of n_rates powers of rate_factor, around 1

    It is ranked by its mean loss on the validation lives. theta is the best member so far. The
    state holds the answer that was read, so that a resumed run needs its file only where no
    checkpoint had it yet. A theta without a tree (a baseline of a fixed expression, say) is
    searched by `genetic_programming` with as many lives, without a proposal.

    Metrics: `best_loss`, the validation loss of the best member; `proposed` and `refused`, the
    lines of the answer.

    Raises:
        BadInput: from `check`, what genetic_programming refuses, or no folder. From `regrown`, no
            answer in time, or the folder of another search.

    Source: this library.
    """

    steps: Count = 200
    folder: str = ""
    lines: Members = 16
    n_rates: Count = 5
    rate_factor: Positive = 3.0
    n_best: Members = 8
    validation: Count = 32
    timeout: Positive = 3600.0

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {}

    def check(self, problem: Problem, key: Key) -> None:
        theta = jax.eval_shape(problem.init, key)
        _trees.check(problem, theta)
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), theta)
        if _lines.searched(_trees.places(problem, zeros, ())) and not self.folder:
            raise BadInput(
                "outer proposals without a folder",
                "the folder in which another process answers",
                "give outer.folder=PATH",
            )

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> ProposalsState | GpState:
        demand_floats(self, theta)
        rule = _lines.searched(_trees.places(problem, theta, ()))
        if rule is None:
            numbers = self._without_tree()
            return numbers.init(problem, theta, key, numbers.hyper())
        flat = ravel_pytree(theta)[0]
        nothing = jnp.full((), _selection.LARGEST)

        def members(n: int) -> Scored:
            unscored = jnp.broadcast_to(nothing, (n,))
            return Scored(
                flat=jnp.broadcast_to(flat, (n, *flat.shape)), train=unscored, validation=unscored
            )

        zero = jnp.zeros((), jnp.int32)
        state = ProposalsState(
            theta=theta,
            rule=rule,
            start=flat,
            key=jax.random.key_data(key),
            best=members(self.n_best),
            last=members(self.lines),
            answer=jnp.zeros((self.lines, _lines.WIDTH), jnp.uint8),
            n_lines=zero,
            next=members(self.lines).flat,
            real=jnp.arange(self.lines) == 0,  # the first step scores the start
            step=zero,
            skipped=zero,
        )
        return strong(state)

    def step(self, problem: Problem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        if isinstance(state, GpState):
            return self._without_tree().step(problem, state, batch, key)
        where = _trees.places(problem, state.theta, ())
        tried = self._under_rates(where, state.next)
        members = jnp.concatenate([state.best.flat[:1], tried.reshape(-1, tried.shape[-1])])
        losses, metrics = problem.losses(jax.vmap(where.unravel)(members), batch)
        of_lines = losses[1:].reshape(tried.shape[:2])
        train = jnp.where(jnp.isfinite(of_lines) & state.real[:, None], of_lines, jnp.inf)
        flat = tried[jnp.arange(self.lines), jnp.argmin(train, axis=1)]
        validation, lived = self._validated(problem, where, state, flat)
        last = Scored(
            flat=flat,
            train=_finite(jnp.min(train, axis=1)),
            validation=_finite(jnp.where(state.real, validation, jnp.inf)),
        )
        best = _best(where, state.best, last)
        any_healthy = jnp.any(jnp.isfinite(losses))
        after = replace(
            state,
            theta=where.unravel(best.flat[0]),
            best=best,
            last=last,
            step=state.step + 1,
            skipped=state.skipped + (~any_healthy).astype(jnp.int32),
        )
        counts = {
            "loss": jnp.where(jnp.isfinite(losses[0]), losses[0], jnp.nan),
            "best_loss": best.validation[0],
            "lives": metrics["lives"] + lived["lives"],
            "diverged": metrics["diverged"] + lived["diverged"],
            "proposed": state.n_lines,
            "refused": jnp.maximum(state.n_lines - jnp.sum(state.real).astype(jnp.int32), 0),
            "skipped": after.skipped,
        }
        return after, counts

    def regrown(self, state: Any, key: Key) -> Any:
        """The state with the next answer. It scores the last one, asks, and waits."""
        if isinstance(state, GpState):
            return state
        on_host = jax.device_get(state)
        generation = int(on_host.step)
        exchange.ask(self.folder, self._question(on_host, generation))
        if generation > 1:
            exchange.score(self.folder, generation - 1, self._scores(on_host, generation - 1))
        if generation >= self.steps:
            return state
        lines = _lines.split(exchange.answer(self.folder, generation, self.timeout))
        answer = _lines.kept(lines, self.lines)
        thetas = np.broadcast_to(on_host.start, on_host.next.shape).copy()
        real = np.zeros(self.lines, bool)
        for index, line in enumerate(_lines.read(state.rule, on_host.start, answer)):
            if line.flat is not None:
                thetas[index] = line.flat
                real[index] = True
        return replace(
            state,
            answer=jnp.asarray(answer),
            n_lines=jnp.asarray(len(lines), jnp.int32),
            next=jnp.asarray(thetas),
            real=jnp.asarray(real),
        )

    def theta(self, state: Any) -> Theta:
        return state.theta

    def _without_tree(self) -> GeneticProgramming:
        """The loop of a theta without a tree."""
        return GeneticProgramming(
            steps=self.steps,
            mu=self.n_best,
            lambda_=self.lines,
            n_rates=self.n_rates,
            rate_factor=self.rate_factor,
        )

    def _under_rates(self, where: _trees.Places, flat: Array) -> Array:
        """The lines of an answer under several rates [lines, n_rates, n]."""
        factors = self.rate_factor ** (np.arange(self.n_rates) - (self.n_rates - 1) / 2)
        if not where.own_rate.size:
            return flat[:, None]
        shifts = jnp.asarray(np.log(factors) / _lines.RATE_UNIT, flat.dtype)
        many = jnp.broadcast_to(flat[:, None], (len(flat), len(factors), flat.shape[1]))
        return many.at[:, :, where.own_rate].add(shifts[None, :, None])

    def _validated(
        self, problem: Problem, where: _trees.Places, state: ProposalsState, flat: Array
    ) -> tuple[Array, Metrics]:
        """The losses of members [n_members, n] on the validation lives, and their metrics."""
        key = jax.random.wrap_key_data(state.key)
        batch = problem.sample(key, self.validation, "validation")
        return problem.whole().losses(jax.vmap(where.unravel)(flat), batch)

    def _question(self, state: ProposalsState, generation: int) -> dict[str, Any]:
        """The question of a generation, as plain data."""
        best = []
        for index in range(self.n_best):
            if state.best.validation[index] < _selection.LARGEST:
                best.append(_row(state.rule, state.best, index))
        rule = state.rule.rule
        return {
            "schema": SCHEMA,
            "search": "".join(f"{number:08x}" for number in state.key.tolist()),
            "done": generation >= self.steps,
            "generation": generation,
            "answer": exchange.answer_name(generation),
            "lines": self.lines,
            "signals": list(rule.inputs),
            "operators": list(OPERATORS),
            "max_operators": rule.size,
            "max_numbers": len(rule.numbers()),
            "best": best,
        }

    def _scores(self, state: ProposalsState, generation: int) -> dict[str, Any]:
        """The scores of the last answer, as plain data."""
        scores = []
        lines = _lines.read(state.rule, np.asarray(state.start), np.asarray(state.answer))
        for index, line in enumerate(lines):
            row: dict[str, Any] = {"error": line.error}
            if line.flat is not None:
                row |= _row(state.rule, state.last, index)
                if row["train_loss"] is None or row["validation_loss"] is None:
                    row["error"] = "its lives blow up"
            scores.append({"text": line.text, **row})
        beyond = max(0, int(state.n_lines) - self.lines)
        error = f"{beyond} further lines: at most outer.lines={self.lines}" if beyond else ""
        return {"schema": SCHEMA, "generation": generation, "error": error, "scores": scores}


def _row(rule: _lines.Searched, members: Scored, index: int) -> dict[str, Any]:
    """One member and its scores, as plain data."""
    flat = np.asarray(members.flat[index])
    tree = _lines.tree_of(rule, flat)
    return {
        "expression": _lines.show(tree),
        "rate": _lines.rate_of(rule, flat),
        "train_loss": _plain(members.train[index]),
        "validation_loss": _plain(members.validation[index]),
        "nodes": len(list(nodes(tree))),
    }


def _plain(loss: Any) -> float | None:
    return float(loss) if loss < _selection.LARGEST else None


def _finite(losses: Array) -> Array:
    """The losses, LARGEST in place of those that are not finite."""
    return jnp.where(jnp.isfinite(losses), losses, _selection.LARGEST)


def _best(where: _trees.Places, old: Scored, new: Scored) -> Scored:
    """The best of both, as many as before, by their validation losses; each function once."""
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), old, new)
    order = jnp.argsort(both.validation, stable=True)
    both = jax.tree.map(lambda x: x[order], both)
    keys = jax.vmap(lambda flat: _trees.facts(where, flat).key)(both.flat)
    twin = jnp.any(jnp.tril(_selection.equal(keys, keys), -1), axis=1)
    both = replace(both, validation=jnp.where(twin, _selection.LARGEST, both.validation))
    order = jnp.argsort(both.validation, stable=True)[: len(old.validation)]
    return jax.tree.map(lambda x: x[order], both)
