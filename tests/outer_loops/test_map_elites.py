"""MAP-Elites: the archive beside a plain loop, resumed runs, and the front."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.figures.front import part
from metaplast.inspection.front import is_on_front
from metaplast.rules.symbolic import Symbolic
from metaplast.testing.base import quick_jit
from outer_loops import _selection
from outer_loops.map_elites import Archive, Entrants, MapElites, entered, relived
from tests.outer_loops.test_genetic_programming import problem

RULE = Symbolic(expression="post*pre", size=6, inputs=("pre", "post", "weight"), n_constants=1)
PROBLEM = problem(RULE)
OUTER = MapElites(steps=4, lambda_=6, n_sizes=4, n_stabilities=2, n_rates=2, max_nodes=13)


def random_members(draw: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {
        "flat": draw.normal(size=(n, 3)).astype(np.float32),
        "loss": draw.normal(size=n).astype(np.float32),
        "count": draw.integers(0, 3, n).astype(np.float32),
        "key": draw.integers(1, 4, (n, 2)).astype(np.uint32),
        "form": draw.integers(1, 4, (n, 2)).astype(np.uint32),
        "size": draw.uniform(size=n).astype(np.float32),
        "n_nodes": draw.integers(1, 6, n).astype(np.float32),
        "stability": draw.uniform(size=n).astype(np.float32),
    }


def random_elites(draw: np.random.Generator, n_cells: int) -> dict[str, np.ndarray]:
    elites = random_members(draw, n_cells)
    is_empty = draw.uniform(size=n_cells) < 0.3
    elites["loss"][is_empty] = _selection.LARGEST
    elites["count"][is_empty] = 0.0
    return elites


def members_of(values: dict[str, np.ndarray]) -> _selection.Parents:
    names = ("flat", "loss", "count", "key", "form", "size", "n_nodes")
    return _selection.Parents(**{name: jnp.asarray(values[name]) for name in names})


def archive_of(values: dict[str, np.ndarray]) -> Archive:
    return Archive(elites=members_of(values), stability=jnp.asarray(values["stability"]))


def plain(
    before: dict[str, np.ndarray],
    now: np.ndarray,
    asks: dict[str, np.ndarray],
    cells: np.ndarray,
    accepted: np.ndarray,
) -> dict[str, np.ndarray]:
    """The archive after its entrants, one by one."""
    after = {name: values.copy() for name, values in before.items()}
    is_filled = before["loss"] < _selection.LARGEST
    seen: list[tuple[tuple[int, ...], float]] = []
    for cell in np.flatnonzero(is_filled):
        seen.append((tuple(before["key"][cell]), before["n_nodes"][cell]))
    for i in range(len(asks["loss"])):
        function, n_nodes = tuple(asks["key"][i]), asks["n_nodes"][i]
        if not accepted[i] or not np.isfinite(asks["loss"][i]):
            continue
        if any(function == other and size <= n_nodes for other, size in seen):
            continue
        seen.append((function, n_nodes))
        cell = cells[i]
        is_above = asks["loss"][i] >= now[cell]
        if is_filled[cell] and is_above:
            continue
        if asks["loss"][i] < after["loss"][cell]:
            for name, values in asks.items():
                after[name][cell] = values[i]
    return after


@pytest.mark.parametrize("seed", range(10))
def test_the_archive_is_that_of_a_plain_loop(seed: int) -> None:
    draw = np.random.default_rng(seed)
    before = random_elites(draw, 8)
    now = draw.normal(size=8).astype(np.float32)
    asks = random_members(draw, 12)
    asks["count"][:] = 0.0
    asks["loss"][draw.uniform(size=12) < 0.2] = np.inf
    cells = draw.integers(0, 8, 12).astype(np.int32)
    accepted = draw.uniform(size=12) < 0.8
    entrants = Entrants(
        members=members_of(asks),
        cell=jnp.asarray(cells),
        accepted=jnp.asarray(accepted),
        stability=jnp.asarray(asks["stability"]),
    )
    after = entered(archive_of(before), jnp.asarray(now), entrants)
    for name, values in plain(before, now, asks, cells, accepted).items():
        of_archive = after.stability if name == "stability" else getattr(after.elites, name)
        np.testing.assert_array_equal(of_archive, values, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_an_elite_is_the_mean_over_its_lives(seed: int) -> None:
    """An elite that lives no further leaves its cell; the loss of a newcomer is forgotten."""
    draw = np.random.default_rng(seed)
    before = random_elites(draw, 8)
    losses = draw.normal(size=8).astype(np.float32)
    losses[draw.integers(0, 8)] = np.nan
    after = relived(archive_of(before), jnp.asarray(losses))
    for cell in range(8):
        loss, count = before["loss"][cell], before["count"][cell]
        if loss >= _selection.LARGEST or np.isnan(losses[cell]):
            loss, count = np.float32(_selection.LARGEST), 0.0
        else:
            loss, count = (loss * count + losses[cell]) / (count + 1), count + 1
        np.testing.assert_allclose(after.elites.loss[cell], loss, rtol=1e-5)
        assert after.elites.count[cell] == count


def test_all_elites_live_again_less_the_median_by_which_these_lives_are_harder(
    whole: list[Any],
) -> None:
    """A lucky elite whose cell no proposal enters; and a newcomer, which is not the best yet."""
    state = whole[-1][1]
    elites = state.archive.elites
    filled = np.flatnonzero(np.asarray(state.archive.is_filled))
    lucky, newcomer = filled[:2]
    loss = np.array(elites.loss)
    loss[[lucky, newcomer]] = -9.0, -10.0
    count = np.where(np.asarray(state.archive.is_filled), 3.0, 0.0)
    count[newcomer] = 0.0
    before = replace(elites, loss=jnp.asarray(loss), count=jnp.asarray(count, jnp.float32))
    state = replace(state, archive=replace(state.archive, elites=before))
    batch = PROBLEM.sample(jax.random.key(0), 4, "train")
    step = quick_jit(lambda state: OUTER.step(PROBLEM, state, batch, jax.random.key(1)))
    after, _ = step(state)
    unravel = ravel_pytree(state.theta)[1]
    now = np.asarray(PROBLEM.losses(jax.vmap(unravel)(elites.flat), batch)[0])
    lived_before = [cell for cell in filled if cell != newcomer]
    harder = np.median(now[lived_before] - loss[lived_before])
    expected = (3.0 * -9.0 + now[lucky] - harder) / 4.0
    assert after.archive.elites.loss[lucky] == pytest.approx(expected, rel=1e-5)
    assert after.archive.elites.loss[newcomer] == pytest.approx(now[newcomer] - harder, rel=1e-4)
    best = _selection.best(before, jnp.zeros(()))
    np.testing.assert_array_equal(best.flat, before.flat[lucky])


def test_cells_divide_sizes_and_stabilities_evenly() -> None:
    outer = MapElites(n_sizes=4, n_stabilities=5, max_nodes=31)
    sizes = jnp.asarray([1.0, 8.0, 9.0, 31.0, 31.0])
    stabilities = jnp.asarray([0.0, 0.19, 0.2, 0.99, 1.0])
    np.testing.assert_array_equal(outer.cell(sizes, stabilities), [0, 0, 6, 19, 19])


@pytest.fixture(scope="module")
def whole() -> list[Any]:
    begun = search_loop.begin(PROBLEM, OUTER, 0)
    return list(search_loop.steps(PROBLEM, OUTER, 0, begun, 0, OUTER.steps))


def test_a_resumed_search_is_the_whole_one(whole: list[Any]) -> None:
    half = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), whole[1][1])
    *_, (_, resumed, _) = search_loop.steps(PROBLEM, OUTER, 0, half, 2, OUTER.steps)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole[-1][1])


def test_metrics_and_front_are_those_of_the_archive(whole: list[Any]) -> None:
    _, state, metrics = whole[-1]
    archive = jax.device_get(state.archive)
    elites = archive.elites
    is_filled = archive.is_filled
    assert is_filled.any()
    np.testing.assert_allclose(metrics["coverage"], is_filled.mean())
    gains = np.maximum(OUTER.offset - elites.loss[is_filled], 0.0)
    np.testing.assert_allclose(metrics["qd_score"], gains.sum(), rtol=1e-5)
    rows = OUTER.front(PROBLEM, state)
    assert len(rows) == is_filled.sum()
    assert [row["loss"] for row in rows] == elites.loss[is_filled].tolist()
    for row in rows:
        rule = Symbolic(expression=row["rule"])
        assert rule.tree() is not None
        assert row["nodes"] <= OUTER.max_nodes
    cells = OUTER.cell(jnp.asarray(elites.n_nodes), jnp.asarray(archive.stability))
    np.testing.assert_array_equal(np.asarray(cells)[is_filled], np.flatnonzero(is_filled))
    coverage = [float(step[2]["coverage"]) for step in whole]
    assert coverage == sorted(coverage)


def test_the_front_holds_what_no_other_rule_beats() -> None:
    costs = [(1, 0.5, 0.9), (3, 1.0, 0.4), (5, 1.0, 0.4), (5, 0.9, 0.3), (7, 0.5, 0.95)]
    rows = [
        {"rule": f"r{i}", "nodes": nodes, "stability": stability, "loss": loss}
        for i, (nodes, stability, loss) in enumerate(costs)
    ]
    np.testing.assert_array_equal(is_on_front(rows), [True, True, False, True, False])
    shown = part({3: rows})
    assert [row[0] for row in shown.section.tables[0].rows] == ["r0", "r1", "r3", "r2", "r4"]
    assert "5 rules of seed 3; 3 are on the front" in shown.section.tables[0].caption
