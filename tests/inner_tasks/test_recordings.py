"""A user's recordings against a plain reading of the schema, one row at a time."""

import os

import jax
import numpy as np
import pytest

from inner_tasks import _npz
from inner_tasks.recordings import Recordings, example, fingerprint
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.poisson import Poisson
from metaplast.recording import HeldOut
from metaplast.registry import BadInput
from metaplast.tasks import SPLITS
from metaplast.testing.task_family import check_shapes

LENGTHS = (7, 3, 12, 1, 9)


def _file(seed: int = 0) -> dict[str, np.ndarray]:
    """Everything that a file may hold."""
    rng = np.random.default_rng(seed)
    n = sum(LENGTHS)
    s = len(LENGTHS)
    session = np.repeat([4, -2, 9, 0, 7], LENGTHS)
    activity = rng.normal(size=(n, 4))
    activity[rng.random(activity.shape) < 0.2] = np.nan
    final = rng.normal(size=(s, 4, 3))
    final[0, 1, 2] = np.nan
    return {
        "stimulus": rng.normal(size=(n, 3)),
        "activity": activity,
        "recorded": rng.random((n, 4)) < 0.8,
        "reward": np.where(rng.random(n) < 0.6, rng.normal(size=n), np.nan),
        "modulator.dopamine_2": rng.normal(size=n),
        "plastic": rng.random(n),
        "session": session,
        "trial": rng.integers(0, 3, n) - 5,
        "subject": np.repeat(np.asarray(["b", "a", "b", "c\n", "b"]), LENGTHS),
        "weights.input_to_output": rng.normal(size=(4, 3)),
        "final_weights.input_to_output": final,
        "dt": np.asarray(0.05),
    }


def _sessions_of(arrays: dict[str, np.ndarray]) -> list[list[int]]:
    rows: list[list[int]] = []
    for row in range(len(arrays["stimulus"])):
        if row == 0 or arrays["session"][row] != arrays["session"][row - 1]:
            rows.append([])
        rows[-1].append(row)
    return rows


def _oracle(arrays: dict[str, np.ndarray], window: int) -> dict[str, np.ndarray]:
    """Padding, masks, trials, resets and advantage as the schema says them."""
    rows = _sessions_of(arrays)
    n_steps = max(LENGTHS)
    out = {
        name: np.zeros((len(rows), n_steps))
        for name in ("gate", "reset", "reward", "advantage", "dopamine_2")
    }
    out |= {name: np.zeros((len(rows), n_steps, 4)) for name in ("target", "observed")}
    out |= {
        "stimulus": np.zeros((len(rows), n_steps, 3)),
        "trial": np.full((len(rows), n_steps), -1),
    }
    for i, mine in enumerate(rows):
        before: list[float] = []
        trial = 0
        for t, row in enumerate(mine):
            if t and arrays["trial"][row] != arrays["trial"][row - 1]:
                trial += 1
                out["reset"][i, t - 1] = 1
            out["trial"][i, t] = trial
            out["stimulus"][i, t] = arrays["stimulus"][row]
            out["gate"][i, t] = arrays["plastic"][row]
            out["dopamine_2"][i, t] = arrays["modulator.dopamine_2"][row]
            for unit in range(4):
                if arrays["recorded"][row, unit] and not np.isnan(arrays["activity"][row, unit]):
                    out["target"][i, t, unit] = arrays["activity"][row, unit]
                    out["observed"][i, t, unit] = 1
            reward = arrays["reward"][row]
            if not np.isnan(reward):
                recent = before[-window:]
                expected = sum(recent) / len(recent) if recent else 0
                out["reward"][i, t] = reward
                out["advantage"][i, t] = reward - expected
                before.append(reward)
    return out


def _save(path, arrays) -> str:
    np.savez_compressed(path, **arrays)
    return str(path)


@pytest.mark.parametrize(("seed", "window"), [(0, 10), (1, 1), (2, 3)])
def test_a_file_is_understood_as_the_schema_says(tmp_path, seed, window):
    arrays = _file(seed)
    family = Recordings(path=_save(tmp_path / "a.npz", arrays), reward_window=window)
    recorded = family.recorded()
    expected = _oracle(arrays, window)
    s = recorded.sessions
    for name in ("stimulus", "target", "observed", "gate", "reset"):
        np.testing.assert_allclose(getattr(s, name), expected[name], rtol=1e-6, err_msg=name)
        assert getattr(s, name).dtype == np.float32
    assert set(s.modulators) == {"reward", "advantage", "dopamine_2"}
    for name, values in s.modulators.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(recorded.trial, expected["trial"])
    assert recorded.names == ("b", "a", "c\n")
    np.testing.assert_array_equal(recorded.subject, [0, 1, 0, 2, 0])
    edge = "input_to_output"
    np.testing.assert_allclose(
        s.weights[edge], np.tile(arrays[f"weights.{edge}"], (5, 1, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(s.final[edge], arrays[f"final_weights.{edge}"], rtol=1e-6)
    assert family.truth() is None
    signals = {"gate", "reset", "reward", "advantage", "dopamine_2"}
    assert family.shape().offers == signals | {"subject", "weights", "final_weights"}
    check_shapes(family, family.sample(jax.random.key(0), "train"))


def test_what_is_left_out_gets_its_default(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"stimulus": rng.normal(size=(6, 2)), "activity": rng.normal(size=(6, 3))}
    recorded = Recordings(path=_save(tmp_path / "a.npz", arrays)).recorded()
    np.testing.assert_array_equal(recorded.sessions.gate, np.ones((1, 6)))
    np.testing.assert_array_equal(recorded.sessions.reset, np.zeros((1, 6)))
    np.testing.assert_array_equal(recorded.sessions.observed, np.ones((1, 6, 3)))
    np.testing.assert_array_equal(recorded.trial, [np.arange(6)])
    assert (
        recorded.sessions.modulators == recorded.sessions.weights == recorded.sessions.final == {}
    )
    assert recorded.names == ("session 0",)
    masked = {**arrays, "recorded": np.asarray([1, 0, 1])}
    recorded = Recordings(path=_save(tmp_path / "b.npz", masked)).recorded()
    np.testing.assert_array_equal(recorded.sessions.observed, np.tile([1.0, 0, 1], (1, 6, 1)))
    assert not recorded.sessions.target[:, :, 1].any()


def test_choices_become_one_unit_or_one_hot_units(tmp_path):
    stimulus = np.ones((5, 2)) * np.arange(5)[:, None]
    three = np.asarray([2.0, -1, 0, 1, 2])
    recorded = Recordings(
        path=_save(tmp_path / "a.npz", {"stimulus": stimulus, "choice": three}),
        likelihood=Categorical(),
    ).recorded()
    expected = [[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(recorded.sessions.target[0], expected)
    share = np.asarray([1, 0, 1, 1, 1]) / 3
    np.testing.assert_allclose(
        recorded.sessions.observed[0], np.tile(share[:, None], (1, 3)), rtol=1e-6
    )
    two = {"stimulus": stimulus, "choice": np.asarray([1, -7, 0, 0, 1]), "activity": stimulus}
    path = _save(tmp_path / "b.npz", two)
    recorded = Recordings(path=path, likelihood=Bernoulli(), target="choice").recorded()
    np.testing.assert_array_equal(recorded.sessions.target[0, :, 0], [1, 0, 0, 0, 1])
    np.testing.assert_array_equal(recorded.sessions.observed[0, :, 0], [1, 0, 1, 1, 1])
    recorded = Recordings(path=path, likelihood=Poisson(), target="activity").recorded()
    np.testing.assert_array_equal(recorded.sessions.target[0], stimulus)
    same = {"stimulus": stimulus, "choice": np.zeros(5, bool)}
    family = Recordings(path=_save(tmp_path / "c.npz", same), likelihood=Categorical())
    assert family.shape().n_out == 2
    assert "0: 5 (100.0 %), 1: 0 (0.0 %)" in family.describe()
    assert "warning: choices are all alike" in family.describe()
    assert "warning: constant inputs" not in family.describe()


def test_a_file_that_changes_is_read_again_and_one_that_is_pinned_is_refused(tmp_path):
    arrays = _file()
    path = _save(tmp_path / "a.npz", arrays)
    pinned = Recordings(path=path, sha256=fingerprint(path))
    first = pinned.recorded()
    loose = Recordings(path=path).whole("train")
    assert pinned.recorded() is first
    arrays["stimulus"] = arrays["stimulus"] + 1.0
    _save(path, arrays)
    os.utime(path, ns=(1, 1))
    again = Recordings(path=path).recorded()
    np.testing.assert_allclose(
        again.sessions.stimulus[2], first.sessions.stimulus[2] + 1.0, rtol=1e-5
    )
    added = Recordings(path=path).whole("train").stimulus - loose.stimulus
    # the splits are of the new file too
    np.testing.assert_allclose(added.max(axis=(1, 2)), 1.0, rtol=1e-5)
    with pytest.raises(
        BadInput, match=f"sha256 {fingerprint(path)} - expected sha256 '{pinned.sha256}'"
    ):
        pinned.recorded()
    with pytest.raises(BadInput, match=r"task\.sha256 without task\.path"):
        Recordings(sha256="00").recorded()


def test_the_example_is_described_by_its_facts():
    arrays = example()
    text = Recordings().describe()
    lengths = np.bincount(arrays["session"])
    trials = sum(len(np.unique(arrays["trial"][arrays["session"] == i])) for i in range(8))
    paid = arrays["reward"][~np.isnan(arrays["reward"])]
    assert len(lengths) == 8
    assert len(set(lengths)) > 3
    assert trials == len(paid)
    held = (
        next(line for line in text.splitlines() if line.startswith("split heldout"))
        .split(" of ")[1]
        .split(", ")
    )
    away = {name: arrays["trial"][arrays["subject"] == name] for name in held}
    assert len(held) == 2  # a quarter of the subjects
    for line in (
        "recordings: the built-in example",
        f"sessions: 8 of 8 subjects: {', '.join(f'subject {i}' for i in range(1, 9))}",
        f"rows: {len(arrays['stimulus'])}; per session {min(lengths)} / "
        f"{np.median(lengths):g} / {max(lengths)} "
        "(least / median / most); dt not told",
        f"trials: {trials}, neurons at rest at each",
        f"inputs: 3, from {arrays['stimulus'].min():g} to {arrays['stimulus'].max():g}",
        "units: 2; 100.0 % of the values recorded, 0.0 % missing; mean "
        f"{arrays['activity'].mean():.4g}",
        f"  unit 1: 100.0 % recorded, mean {arrays['activity'][:, 1].mean():.4g}",
        f"rewards: {len(paid)}, mean {paid.mean():.4g}",
        "modulators: advantage, reward",
        "plasticity: on in 100.0 % of the rows, mean gate 1",
    ):
        assert line in text
    n_trials = sum(len(np.unique(mine)) for mine in away.values())
    assert f"split heldout: {n_trials} trials, {sum(map(len, away.values()))} rows of " in text
    assert "warning" not in text
    n_trials = 0
    n_rows = 0
    for line in text.splitlines():
        if line.startswith("split "):
            of_trials, of_rows = line.split(": ")[1].split(" trials, ")
            n_trials += int(of_trials)
            n_rows += int(of_rows.split(" rows")[0])
    assert n_trials == trials
    assert n_rows == len(arrays["stimulus"])


def test_a_description_warns_and_cannot_drive_a_terminal(tmp_path):
    arrays = _file()
    arrays["stimulus"][:, 1] = 2.0
    arrays["activity"][:, 3] = np.nan
    arrays["reward"][:] = np.nan
    arrays["plastic"][:6] = 0.0
    arrays["subject"] = np.repeat(np.asarray(["b", "\x1b[2Ja", "b", "c\n", "b"]), LENGTHS)
    text = Recordings(path=_save(tmp_path / "a.npz", arrays)).describe()
    values = arrays["activity"][arrays["recorded"] & ~np.isnan(arrays["activity"])]
    on = 100 * np.mean(arrays["plastic"] > 0)
    for line in (
        "sessions: 5 of 3 subjects: b, \\x1b[2Ja, c\\n",
        "; 1 constant",
        f"units: 4; {100 * len(values) / (32 * 4):.1f} % of the values recorded",
        f"mean {values.mean():.4g}",
        "  unit 3: 0.0 % recorded, no value",
        "dt 0.05 s",
        f"plasticity: on in {on:.1f} % of the rows, mean gate {arrays['plastic'].mean():.4g}",
        "first weights: input_to_output 4 x 3",
        "final weights: input_to_output 4 x 3, 98.3 % measured",
        "warning: constant inputs: 1",
        "warning: units without a value: 3",
        "warning: fewer than four subjects, so trials are held out, not subjects",
        "warning: modulator advantage is always 0",
    ):
        assert line in text
    assert all(line.isprintable() for line in text.splitlines())
    assert "rewards:" not in text


def test_a_hidden_split_is_described_as_the_task_sets_it():
    none = Recordings(held=HeldOut(subjects=0.0, trials=0.2)).describe()
    assert "split heldout" in none
    assert "rows of subject" not in none
    assert Recordings(held=HeldOut(subjects=0.5)).describe() != none
    family = Recordings()
    assert [len(family.whole(split).subject) for split in SPLITS] == [6, 6, 2]


def test_padding_that_would_fill_the_memory_is_refused_before_it_is_made(tmp_path):
    n = 60_000
    arrays = {"stimulus": np.zeros((n, 1)), "activity": np.zeros((n, 1))}
    # one long session, and many of one row
    arrays["session"] = np.maximum(np.arange(n) - n // 2, 0)
    with pytest.raises(BadInput, match=r"sessions padded to 30001 rows and 1 outputs: \d+ bytes"):
        Recordings(path=_save(tmp_path / "a.npz", arrays)).recorded()
    arrays = {"stimulus": np.zeros((9, 1)), "choice": np.full(9, 2**50)}
    with pytest.raises(BadInput, match="number choices 0, 1"):
        Recordings(path=_save(tmp_path / "b.npz", arrays), likelihood=Categorical()).recorded()


def test_every_name_of_the_schema_is_documented():
    for name in (*_npz.PLAIN, *(f"{prefix}.<" for prefix in _npz.NAMED)):
        assert f"    {name}" in (_npz.__doc__ or "")
