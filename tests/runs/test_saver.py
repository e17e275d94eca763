"""The saver of a process: the moments at which a finished step becomes a checkpoint."""

from pathlib import Path

import jax
import numpy as np
import pytest
from jax.errors import JaxRuntimeError

from metaplast.runs import checkpoint
from metaplast.runs.metrics import MetricsFile
from metaplast.runs.saver import FinishedStep, RowFiles, Saver

STATE = {"theta": np.arange(3, dtype=np.float32)}


def _row(folder: Path) -> RowFiles:
    return RowFiles(folder, "digest", MetricsFile(folder / "metrics.jsonl", 0))


def _finish(saver: Saver, folder: Path, step: int) -> None:
    state = jax.tree.map(lambda x: jax.numpy.asarray(x + step), STATE)
    saver.finish(folder, FinishedStep(step, state, {"loss": np.asarray(1.0)}, 0.1, {}))


def _restored(folder: Path) -> tuple[int, list[float]] | None:
    restored = checkpoint.restore(folder, [STATE], "digest", last_step=9)
    if restored is None:
        return None
    step, state = restored
    return step, state["theta"].tolist()


def test_a_step_whose_next_one_takes_long_is_saved(tmp_path: Path):
    saver = Saver()
    checkpoint.write(tmp_path, 0, STATE, "digest")
    with saver.training([_row(tmp_path)]):
        saver.save_long_finished(0.0)  # no step is finished yet
        assert _restored(tmp_path) == (0, [0.0, 1.0, 2.0])
        _finish(saver, tmp_path, 4)
        saver.save_long_finished(600.0)
        assert _restored(tmp_path) == (0, [0.0, 1.0, 2.0])
        saver.save_long_finished(0.0)
        assert _restored(tmp_path) == (4, [4.0, 5.0, 6.0])


def test_a_step_that_jax_breaks_off_leaves_the_finished_ones_saved(tmp_path: Path):
    saver = Saver()
    checkpoint.write(tmp_path, 0, STATE, "digest")
    with pytest.raises(JaxRuntimeError), saver.training([_row(tmp_path)]):
        _finish(saver, tmp_path, 1)
        _finish(saver, tmp_path, 2)
        raise JaxRuntimeError("Gloo all-reduce failed: Connection closed by peer")
    assert _restored(tmp_path) == (2, [2.0, 3.0, 4.0])
