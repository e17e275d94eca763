"""MAP-Elites: the archive beside a plain loop, resumed runs, and the front."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.figures.front import part
from metaplast.inspection.front import is_on_front
from metaplast.rules.symbolic import Symbolic
from outer_loops import _selection
from outer_loops.map_elites import Archive, Entrants, MapElites, entered, relived
from tests.outer_loops.test_genetic_programming import problem

RULE = Symbolic(expression="post*pre", size=6, inputs=("pre", "post", "weight"), n_constants=1)
PROBLEM = problem(RULE)
OUTER = MapElites(steps=4, lambda_=6, n_sizes=4, n_stabilities=2, n_rates=2)


def random_archive(draw: np.random.Generator, n_cells: int) -> dict[str, np.ndarray]:
    count = draw.integers(0, 3, n_cells).astype(np.float32)
    loss = np.where(count > 0, draw.normal(size=n_cells), _selection.LARGEST)
    key = np.where((count > 0)[:, None], draw.integers(1, 4, (n_cells, 2)), 0)
    return {
        "flat": draw.normal(size=(n_cells, 3)).astype(np.float32),
        "loss": loss.astype(np.float32),
        "count": count,
        "key": key.astype(np.uint32),
        "n_nodes": draw.integers(1, 6, n_cells).astype(np.float32),
        "stability": draw.uniform(size=n_cells).astype(np.float32),
    }


def random_entrants(draw: np.random.Generator, n: int, n_cells: int) -> dict[str, np.ndarray]:
    loss = draw.normal(size=n).astype(np.float32)
    loss[draw.uniform(size=n) < 0.2] = np.inf
    return {
        "flat": draw.normal(size=(n, 3)).astype(np.float32),
        "loss": loss,
        "cell": draw.integers(0, n_cells, n).astype(np.int32),
        "accepted": draw.uniform(size=n) < 0.8,
        "key": draw.integers(1, 4, (n, 2)).astype(np.uint32),
        "n_nodes": draw.integers(1, 6, n).astype(np.float32),
        "stability": draw.uniform(size=n).astype(np.float32),
    }


def plain(before: dict[str, np.ndarray], asks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The archive after its entrants, one by one."""
    after = {name: values.copy() for name, values in before.items()}
    seen: list[tuple[tuple[int, ...], float]] = []
    for cell in range(len(before["loss"])):
        if before["count"][cell] > 0:
            seen.append((tuple(before["key"][cell]), before["n_nodes"][cell]))
    for i in range(len(asks["loss"])):
        function, n_nodes = tuple(asks["key"][i]), asks["n_nodes"][i]
        if not asks["accepted"][i] or not np.isfinite(asks["loss"][i]):
            continue
        if any(function == other and size <= n_nodes for other, size in seen):
            continue
        seen.append((function, n_nodes))
        cell = asks["cell"][i]
        if asks["loss"][i] < after["loss"][cell]:
            for name in ("flat", "loss", "key", "n_nodes", "stability"):
                after[name][cell] = asks[name][i]
            after["count"][cell] = 1.0
    return after


@pytest.mark.parametrize("seed", range(10))
def test_the_archive_is_that_of_a_plain_loop(seed: int) -> None:
    draw = np.random.default_rng(seed)
    before = random_archive(draw, 8)
    asks = random_entrants(draw, 12, 8)
    asked = Entrants(**{name: jnp.asarray(values) for name, values in asks.items()})
    archive = Archive(**{name: jnp.asarray(values) for name, values in before.items()})
    after = entered(archive, asked)
    for name, values in plain(before, asks).items():
        np.testing.assert_array_equal(getattr(after, name), values, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_of_an_elite_is_the_mean_over_its_lives(seed: int) -> None:
    draw = np.random.default_rng(seed)
    before = random_archive(draw, 8)
    cells = draw.integers(0, 8, 5)
    by_cell = draw.normal(size=8).astype(np.float32)
    by_cell[draw.integers(0, 8)] = np.nan
    archive = Archive(**{name: jnp.asarray(values) for name, values in before.items()})
    after = relived(archive, jnp.asarray(cells), jnp.asarray(by_cell[cells]))
    for cell in range(8):
        loss, count = before["loss"][cell], before["count"][cell]
        if cell in cells and count > 0:
            if np.isnan(by_cell[cell]):
                loss, count = np.float32(_selection.LARGEST), 0.0
            else:
                loss, count = (loss * count + by_cell[cell]) / (count + 1), count + 1
        np.testing.assert_allclose(after.loss[cell], loss, rtol=1e-5)
        assert after.count[cell] == count


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
    is_filled = archive.count > 0
    assert is_filled.any()
    np.testing.assert_allclose(metrics["coverage"], is_filled.mean())
    gains = np.maximum(OUTER.offset - archive.loss[is_filled], 0.0)
    np.testing.assert_allclose(metrics["qd_score"], gains.sum(), rtol=1e-5)
    rows = OUTER.front(PROBLEM, state)
    assert len(rows) == is_filled.sum()
    assert [row["loss"] for row in rows] == archive.loss[is_filled].tolist()
    for row in rows:
        rule = Symbolic(expression=row["rule"])
        assert rule.tree() is not None
        assert row["nodes"] <= OUTER.max_nodes
    cells = OUTER.cell(jnp.asarray(archive.n_nodes), jnp.asarray(archive.stability))
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
