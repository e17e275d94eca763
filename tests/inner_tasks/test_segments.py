"""The table of image segments is read from river, shared out and standardised."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from inner_tasks import _bundled, segments
from inner_tasks.segments import Segments
from metaplast.registry import NotInstalled
from metaplast.tasks import SPLITS
from metaplast.testing import check_task_family
from tests._segments import KINDS, N_EACH, needs_river, stand_in


@pytest.fixture
def table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[np.ndarray, list[str]]]:
    """A stand-in for the package, in front of one that may be installed."""
    written = stand_in(tmp_path)
    monkeypatch.delitem(sys.modules, "river", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    _forget()
    yield written
    _forget()


def _forget() -> None:
    importlib.invalidate_caches()
    _bundled.image_segments.cache_clear()
    segments._segments.cache_clear()


def test_the_table_is_read_as_it_was_written(table: Any) -> None:
    features, labels = _bundled.image_segments()
    np.testing.assert_allclose(features, table[0], rtol=1e-6)
    assert [KINDS[label] for label in labels] == table[1]


def test_rows_are_in_one_split_each_and_standardised_by_the_training_rows(table: Any) -> None:
    written, kinds = table
    parts = {split: segments._segments(3, split) for split in SPLITS}
    rows = []
    for part in parts.values():
        rows += [part.table[k] for k in range(7)]
    assert all(len(row) == N_EACH // 3 for row in rows)
    assert sorted(np.concatenate(rows)) == list(range(len(written)))
    for part in parts.values():
        for row, kind in zip(part.table, KINDS, strict=True):
            assert {kinds[i] for i in row} == {kind}
    seen = written[parts["train"].table.reshape(-1)]
    expected = (written - seen.mean(axis=0)) / seen.std(axis=0)
    np.testing.assert_allclose(parts["heldout"].features, expected, atol=1e-4)


def test_the_family_keeps_its_promises(table: Any) -> None:
    check_task_family(Segments(shots=2, queries=1))


def test_groups_are_as_equal_as_seven_kinds_can_be(table: Any) -> None:
    task = Segments(shots=4, queries=2, n_groups=3).sample(jax.random.key(0), "heldout")
    assert sorted(np.bincount(np.asarray(task.labels[:28]))) == [8, 8, 12]


def test_without_the_package_the_fix_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "river" else find_spec(name)
    )
    _forget()
    with pytest.raises(NotInstalled, match=r'river.*pip install "metaplast\[data\]"') as refused:
        Segments().sample(jax.random.key(0), "train")
    assert "\n" not in str(refused.value)


@needs_river
def test_the_real_table_has_the_kinds_that_river_says() -> None:
    _forget()
    features, labels = _bundled.image_segments()
    assert features.shape == (2310, 18)
    np.testing.assert_array_equal(np.bincount(labels), [N_EACH] * 7)
    assert np.isfinite(features).all()
