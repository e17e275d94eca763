"""Showings of images: the spikes of a volley, and the judgement of each family against NumPy."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import _digit_images
from inner_tasks.receptive_fields import ReceptiveFields
from inner_tasks.spike_features import PENALTIES, SpikeFeatures
from inner_tasks.winner_take_all import WinnerTakeAll
from metaplast.registry import BadInput
from metaplast.signals import neuron_view
from metaplast.tasks import SPLITS
from metaplast.testing.base import quick_jit

DT = 1e-3
KEY = jax.random.key(0)
WTA = WinnerTakeAll(n_classes=2, n_out=4, shots=2, passes=2, named=2, queries=3)
BARS = ReceptiveFields(side=4, n_out=3, shown=2, angles=4, repeats=6)
FEATURES = SpikeFeatures(n_out=12, shots=1, fitted=3, chosen=2, queries=4)


@partial(quick_jit, static_argnums=(0, 1))
def _sampled(family, split="train"):
    return family.sample(KEY, split)


@partial(quick_jit, static_argnums=0)
def _judged(family, task, counts):
    return family.judge(task, counts)


def test_a_bright_pixel_sends_on_early_and_off_late_and_a_grey_one_sends_nothing():
    bars = ReceptiveFields(span=10, jitter=0, floor=0.2)
    times = np.asarray(quick_jit(bars.times)(KEY, np.array([[1.0, -1.0, 0.4, 0.1, 3.0]])))
    np.testing.assert_array_equal(times, [[0, 10, 3, -1, 0, 10, 0, 7, -1, 10]])


def test_jitter_delays_a_spike_by_its_range_at_most():
    bars = ReceptiveFields(span=10, jitter=6)
    times = np.asarray(quick_jit(bars.times)(KEY, np.ones((50, 40))))[:, :40]
    assert set(np.unique(times)) == set(range(7))


@quick_jit
def _spikes(task):
    steps = jnp.arange(WTA.shape().n_steps)
    state = WTA.begin(task, KEY, DT)
    return jax.vmap(lambda t: WTA.stimulus(task, replace(state, t=t), KEY, DT)["input"])(steps)


def test_every_input_sends_its_one_spike_of_a_showing_at_its_time():
    task = _sampled(WTA)
    spikes = np.asarray(_spikes(task)).reshape(len(task.times), WTA.showing_steps, -1)
    times = np.asarray(task.times)
    np.testing.assert_array_equal(spikes.sum(axis=1), times >= 0)
    np.testing.assert_array_equal(spikes.argmax(axis=1), np.maximum(times, 0))
    assert (times >= 0).mean() > 0.3


def test_spikes_count_in_judged_showings_alone_and_the_last_step_is_scored():
    task = _sampled(WTA)
    n_steps = WTA.shape().n_steps
    n_learned = WTA.sizes().n_learned * WTA.showing_steps

    def step(state, t):
        view = neuron_view(*(jnp.array([1.0, 0.0, 0.0, 2.0]),) * 3)
        state, outcome = WTA.step(task, state, view, KEY, DT)
        return state, outcome.score.weight

    state, weight = quick_jit(
        lambda: jax.lax.scan(step, WTA.begin(task, KEY, DT), jnp.arange(n_steps))
    )()
    np.testing.assert_array_equal(weight, np.arange(n_steps) == n_steps - 1)
    each = WTA.showing_steps
    np.testing.assert_array_equal(state.counts, np.tile([each, 0, 0, 2 * each], (10, 1)))
    assert n_steps - n_learned == 10 * each


def _wta_counts(task):
    """Cell 0 answers class 0 alone, 1 class 1 with one slip, 2 never, 3 only where it is named."""
    is_one = np.asarray(task.labels)[:, 1] > 0.5
    counts = np.zeros((10, 4))
    counts[:, 0] = 2.0 * ~is_one
    counts[:, 1] = 3.0 * is_one
    counts[4 + np.flatnonzero(~is_one[4:])[0], 1] = 1.0
    counts[:4, 3] = 1.0
    return counts


def test_purity_is_the_share_of_spikes_for_the_own_class_and_silent_cells_do_not_count():
    task = _sampled(WTA)
    loss, metrics = _judged(WTA, task, jnp.asarray(_wta_counts(task)))
    assert float(loss) == pytest.approx(1.0 - (1.0 + 9.0 / 10.0) / 2.0)
    assert float(metrics["purity"]) == pytest.approx((1.0 + 9.0 / 10.0) / 2.0)
    assert float(metrics["classes"]) == 2.0
    assert float(metrics["silent"]) == 2.0
    assert float(metrics["pure"]) == 1.0
    assert float(metrics["spikes"]) == pytest.approx((6 + 10) / 6)


def test_a_class_without_a_cell_costs_its_whole_share():
    task = _sampled(WTA)
    counts = _wta_counts(task) * np.array([1.0, 0.0, 1.0, 1.0])
    assert float(_judged(WTA, task, jnp.asarray(counts))[0]) == pytest.approx(0.5)
    everywhere = jnp.ones((10, 4))  # all cells answer all: half of the spikes, one class
    assert float(_judged(WTA, task, everywhere)[0]) == pytest.approx(1.0 - 0.5 / 2.0)


def test_the_class_of_a_cell_comes_from_other_images_than_its_purity():
    task = _sampled(WTA)
    counts = _wta_counts(task)
    counts[:4] = counts[:4, [1, 0, 2, 3]]  # named for the other class
    purity = float(_judged(WTA, task, jnp.asarray(counts))[1]["purity"])
    assert purity == pytest.approx((0.0 + 1.0 / 10.0) / 2.0)


def _rows(split):
    """The rows of the images of a split."""
    pool = _digit_images.pool(split)
    real = [row[:n] for row, n in zip(pool.table, pool.counts, strict=True)]
    return np.concatenate(real)


def test_the_splits_share_no_image_and_a_life_shows_an_image_in_one_part_alone():
    every = np.concatenate([_rows(split) for split in SPLITS])
    np.testing.assert_array_equal(np.sort(every), np.arange(1797))
    pixels = np.asarray(quick_jit(lambda: _digit_images.drawn(KEY, "heldout", 3, 40))())
    assert len(np.unique(pixels.reshape(120, -1), axis=0)) == 120


def test_more_images_than_a_split_has_are_refused():
    with pytest.raises(BadInput, match="70 images of each digit in validation lives"):
        WinnerTakeAll(shots=60, named=5, queries=5).sample(KEY, "validation")


def test_contrast_is_around_the_mean_of_training_images():
    pixels = _digit_images.pool("train").features
    contrast = np.asarray(_digit_images.contrast(jnp.asarray(pixels)))
    mean = pixels[_rows("train")].mean(axis=0, keepdims=True)
    np.testing.assert_allclose(contrast, 2.0 * (pixels - mean), atol=1e-5)


def _bars_judged(fired):
    task = _sampled(BARS)
    return task, _judged(BARS, task, jnp.asarray(fired(np.asarray(task.angles))))


def test_a_cell_of_one_orientation_has_selectivity_one_and_one_of_all_has_none():
    step = np.pi / 4
    _, (loss, metrics) = _bars_judged(
        lambda angles: np.stack(
            [np.isclose(angles, 0.0), np.isclose(angles, 2 * step), np.ones_like(angles)], axis=1
        ).astype(float)
    )
    n = 24  # a cell that always fires: mean vector 0, so (0 - n) / (n^2 - n)
    assert float(loss) == pytest.approx(1.0 - (1.0 + 1.0 - 1.0 / (n - 1)) / 3.0, abs=1e-5)
    assert float(metrics["silent"]) == 0.0
    assert float(metrics["fired"]) == pytest.approx((6 + 6 + 24) / 3)
    assert float(metrics["orientations"]) >= 2.0


def test_a_cell_that_fires_by_chance_has_no_selectivity_on_average():
    bars = ReceptiveFields(side=4, n_out=4000, shown=2)
    task = _sampled(bars)
    fired = np.random.default_rng(0).uniform(size=(96, 4000)) < 0.1
    loss = float(_judged(bars, task, jnp.asarray(fired, float))[0])
    assert loss == pytest.approx(1.0 + 1.0 / 95.0, abs=0.008)


def test_a_cell_that_fires_for_too_few_bars_has_no_selectivity():
    _, (loss, metrics) = _bars_judged(lambda angles: np.eye(24, 3))
    assert float(loss) == 1.0
    assert float(metrics["silent"]) == 3.0


def test_bars_lie_at_their_angle():
    bars = ReceptiveFields(n_out=1, shown=1, angles=2, repeats=8, jitter=0, noise=0.0, width=0.5)
    task = _sampled(bars)
    times = np.asarray(task.times)[1:]
    early = np.where((times[:, :64] >= 0), 1.0, 0.0).reshape(-1, 8, 8)
    for angle, image in zip(np.asarray(task.angles), early, strict=True):
        spread = image.sum(axis=0).std(), image.sum(axis=1).std()
        assert (spread[0] > spread[1]) == (angle < 0.1)  # angle 0: a vertical bar, x = offset


def _ridge(features, labels):
    """The accuracy of the readout, image by image in NumPy."""
    fitted, chosen = slice(0, 30), slice(30, 50)
    mean = features[fitted].mean(axis=0)
    x = features - mean
    y = labels - labels[fitted].mean(axis=0)
    best = (-1.0, 0.0)
    for penalty in PENALTIES:
        rows = np.vstack([x[fitted], np.sqrt(penalty) * np.eye(x.shape[1])])
        wanted = np.vstack([y[fitted], np.zeros((x.shape[1], 10))])
        weights = np.linalg.lstsq(rows, wanted, rcond=None)[0]
        right = (x @ weights).argmax(axis=1) == labels.argmax(axis=1)
        if right[chosen].mean() > best[0]:
            best = (right[chosen].mean(), right[50:].mean())
    return best[1]


def test_the_readout_is_a_ridge_whose_penalty_other_images_choose():
    with jax.enable_x64(True):
        task = _sampled(FEATURES, "heldout")
        labels = np.asarray(task.labels)
        rng = np.random.default_rng(0)
        counts = rng.poisson(1.0 + 3.0 * np.tile(labels[:, :12].repeat(2, axis=1)[:, :12], (2, 1)))
        loss, metrics = _judged(FEATURES, task, jnp.asarray(counts, float))
        plain = _ridge(counts[:90].astype(float), labels)
        assert 0.2 < plain < 1.0
        assert float(metrics["accuracy"]) == pytest.approx(plain)
        assert float(loss) == pytest.approx(1.0 - plain)
        assert float(metrics["shuffled"]) == pytest.approx(
            _ridge(counts[90:].astype(float), labels)
        )
        assert float(metrics["pixels"]) == pytest.approx(_ridge(np.asarray(task.pixels), labels))


def test_shuffled_showings_are_the_same_images_with_the_inputs_in_another_order():
    task = _sampled(FEATURES)
    times = np.asarray(task.times)[10:]
    plain, shuffled = times[:90], times[90:]
    assert not np.array_equal(plain >= 0, shuffled >= 0)
    np.testing.assert_array_equal(np.sort(plain >= 0, axis=1), np.sort(shuffled >= 0, axis=1))
    assert len(np.unique((plain >= 0).sum(axis=0))) > 5
    np.testing.assert_array_equal(
        np.sort((plain >= 0).sum(axis=0)), np.sort((shuffled >= 0).sum(axis=0))
    )
