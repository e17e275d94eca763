"""Files as people really write them.

Their content is described, or it is refused with the step that mends it.
"""

import gzip

import numpy as np
import pytest

from inner_tasks.recordings import Recordings
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.recording import HeldOut
from metaplast.registry import BadInput

N = 40  # rows: 4 sessions of 10
RNG = np.random.default_rng(0)
GOOD = {
    "stimulus": RNG.normal(size=(N, 2)),
    "choice": np.arange(N) % 2,
    "reward": np.where(np.arange(N) % 2, np.arange(N) % 3 > 0, np.nan),
    "session": np.arange(N) // 10,
}
CELLS = {
    "stimulus": GOOD["stimulus"],
    "activity": RNG.normal(size=(N, 3)),
    "session": GOOD["session"],
}
MOUSE = np.asarray(["a", "b", "c", "d"])[GOOD["session"]]
TWO_HELD_OUT = HeldOut(subjects=0.5)  # of four mice
TABLE = "odour;choice\n1,5;0\n-0,5;1\n" * 30


def _family(path, arrays, likelihood: AbstractLikelihood | None = None, **fields) -> Recordings:
    np.savez(path / "a.npz", **arrays)
    return Recordings(path=str(path / "a.npz"), likelihood=likelihood or Bernoulli(), **fields)


FIXES = {  # case -> (arrays, words of the message)
    "a flat stimulus": (
        {**GOOD, "stimulus": np.zeros(N)},
        r"shape \[40\] - .* - one column is stimulus\[:, None\]$",
    ),
    "a stimulus on its side": (
        {**GOOD, "stimulus": np.zeros((2, N))},
        r"shape \[2, 40\] .* turn it round: stimulus.T",
    ),
    "activity on its side": ({**CELLS, "activity": np.zeros((3, N))}, r"turn it round: activity.T"),
    "a column of choices": (
        {**GOOD, "choice": GOOD["choice"][:, None]},
        r"take its one column: choice\[:, 0\]",
    ),
    "a column of rewards": (
        {**GOOD, "reward": GOOD["reward"][:, None]},
        r"take its one column: reward\[:, 0\]",
    ),
    "rewards as text": (
        {**GOOD, "reward": np.full(N, "yes")},
        r"'reward': text .*\(array == WORD\)",
    ),
    "sessions as text": (
        {**GOOD, "session": np.full(N, "day 1")},
        r"'session': text .*return_inverse=True",
    ),
    "bytes": ({**GOOD, "choice": np.full(N, b"left")}, r"'choice': \|S4 .*\.astype\(str\)$"),
    "a table's column of text": (
        {**GOOD, "choice": np.full(N, "left", object)},
        r"'choice': Python objects.*astype\(str\)",
    ),
    "two dt": (
        {**GOOD, "dt": [0.1, 0.1]},
        r"'dt': shape \[2\] - expected seconds per row, one number",
    ),
    "no dt": ({**GOOD, "dt": np.nan}, r"'dt': nan .* correct it or leave it out"),
    "dt as text": ({**GOOD, "dt": "0.1"}, r"'dt': 0.1 .* expected seconds per row, one number"),
    "subjects without a name": (
        {**GOOD, "subject": np.where(MOUSE == "b", " ", MOUSE)},
        r"'subject': ' ' \(10 rows\)",
    ),
    "subjects that are nan": (
        {**GOOD, "subject": np.where(MOUSE == "b", "nan", MOUSE)},
        r"'subject': nan \(10 rows\)",
    ),
    "go alone, and misses": (
        {**GOOD, "choice": np.where(MOUSE == "b", -1, 1)},
        r"or 'task.choice_values=\[0,1\]' where negative ones are no",
    ),
}


@pytest.mark.parametrize("what", FIXES)
def test_a_refusal_says_the_step_that_mends_it(tmp_path, what):
    arrays, words = FIXES[what]
    with pytest.raises(BadInput, match=words):
        _family(tmp_path, arrays).recorded()


WARNED = {  # case -> (arrays, fields, a line of the warnings)
    "an animal that missed all": (
        {**GOOD, "subject": MOUSE, "choice": np.where(MOUSE == "c", -1, GOOD["choice"])},
        {},
        "nothing recorded in 1 of 4 sessions (25.0 %), which settle nothing: all of c",
    ),
    "a session that was missed": (
        {**GOOD, "subject": np.full(N, "a"), "choice": np.where(MOUSE == "c", -1, GOOD["choice"])},
        {},
        "nothing recorded in 1 of 4 sessions (25.0 %), which settle nothing",
    ),
    "a gate that is never on": (
        {**GOOD, "plastic": np.zeros(N)},
        {},
        "array 'plastic': 0 in all 40 rows: nothing is ever learned, and no rule can be found",
    ),
    "one reward for all": (
        {**GOOD, "reward": np.where(GOOD["choice"], 1.0, np.nan)},
        {},
        "array 'reward': 1 in all 20 rows that have an outcome; if a blank after a choice means no "
        "reward, write 0",
    ),
    "subjects that are spelt twice": (
        {**GOOD, "subject": np.where(MOUSE == "b", "A ", MOUSE)},
        {},
        "array 'subject': 'a', 'A ' count as 2 subjects; is it one?",
    ),
    "options that are spelt twice": (
        {
            **GOOD,
            "choice": np.where(GOOD["choice"] == 1, "go", np.where(MOUSE == "a", "Stay", "stay")),
        },
        {"choice_values": ("stay", "go")},
        "array 'choice': no choice made in 5 of 40 rows (12.5 %): Stay (5 rows); 5 of these rows "
        "have",
    ),
    "rewards without plasticity": (
        {**GOOD, "reward": np.ones(N), "plastic": GOOD["choice"]},
        {},
        "array 'reward': 20 rewards lie in rows where plastic is 0; they count in advantage; write "
        "NaN where no outcome was shown",
    ),
    "go, stay and ignored": (
        {
            **GOOD,
            "choice": np.where(MOUSE == "c", 2, GOOD["choice"]),
            "reward": GOOD["choice"] * (MOUSE != "c"),
        },
        {},
        "if one of these stands for no choice, say 'task.choice_values=[0,1,2]' without it",
    ),
}


@pytest.mark.parametrize("what", WARNED)
def test_what_is_doubtful_is_warned_of(tmp_path, what):
    arrays, fields, words = WARNED[what]
    if what.startswith("options"):
        arrays = {**arrays, "reward": np.full(N, np.nan)}
        words = "5 of these rows differ from an option in capitals"
    kind = Categorical() if what.startswith("go") else Bernoulli()
    lines = _family(tmp_path, arrays, kind, **fields).warnings()
    assert any(words in line for line in lines), lines


def test_sound_data_are_not_warned_of(tmp_path):
    choices = {**GOOD, "subject": MOUSE, "plastic": GOOD["choice"]}
    assert _family(tmp_path, choices, held=TWO_HELD_OUT).warnings() == ()
    cells = {**CELLS, "subject": MOUSE}
    assert _family(tmp_path, cells, Gaussian(), held=TWO_HELD_OUT).warnings() == ()


def test_one_held_out_subject_is_warned_of(tmp_path):
    """One of four is held out by default, and one gives no interval."""
    four = _family(tmp_path, {**CELLS, "subject": MOUSE}, Gaussian())
    assert four.warnings() == ("1 subject held out: no intervals; say task.held.subjects=0.5",)
    one = {**CELLS, "session": np.zeros(N, int)}
    (line,) = _family(tmp_path, one, Gaussian()).warnings()
    assert line.endswith("what is explained has no interval with one subject")


@pytest.mark.parametrize(
    ("name", "marker"), [("activity", -999.0), ("reward", 999.0), ("stimulus", -1e9)]
)
def test_a_number_that_may_stand_for_a_missing_value_is_counted(tmp_path, name, marker):
    values = np.random.default_rng(1).normal(size=(N, 2))
    arrays = {
        **CELLS,
        "activity": values,
        "subject": MOUSE,
        "reward": values[:, 0],
        "stimulus": values,
    }
    assert _family(tmp_path, arrays, Gaussian(), held=TWO_HELD_OUT).warnings() == ()
    some = np.arange(N) % 10 == 3
    arrays[name] = np.where(some if name == "reward" else some[:, None], marker, arrays[name])
    (warning,) = _family(tmp_path, arrays, Gaussian(), held=TWO_HELD_OUT).warnings()
    of = "4 of 40 values" if name == "reward" else "8 of 80 values"
    assert warning.startswith(
        f"array {name!r}: {marker:g} in {of} (10.0 %), where the others are from "
    )


def test_units_that_never_vary_are_named(tmp_path):
    activity = np.where(np.arange(3) == 1, 2.0, CELLS["activity"])
    assert (
        "units that never vary: 1"
        in _family(tmp_path, {**CELLS, "activity": activity}, Gaussian()).warnings()
    )


def test_true_and_false_are_told_as_they_stand(tmp_path):
    arrays = {**GOOD, "choice": GOOD["choice"] == 1}
    summary = _family(tmp_path, arrays, choice_values=(True, False)).describe()
    assert "true = option 0 (20 rows), false = option 1 (20 rows)" in summary


def test_rows_without_an_outcome_are_read_as_0_and_that_is_told(tmp_path):
    assert "in the others none was shown, where rules read 0" in _family(tmp_path, GOOD).describe()


BYTES = {  # case -> (its bytes, words of the message)
    "a table": (TABLE.encode(), "text, such as a CSV file"),
    "a table with a byte order mark": (
        b"\xef\xbb\xbf" + TABLE.encode(),
        "text, such as a CSV file",
    ),
    "a table with umlauts": (
        TABLE.replace("odour", "Gerüche").encode("latin1"),
        "text, such as a CSV file",
    ),
    "a table of UTF-16": (TABLE.encode("utf-16"), "text, such as a CSV file"),
    "a compressed file": (gzip.compress(TABLE.encode()), "a gzip file .* gunzip"),
    "half an archive": (
        b"PK\x03\x04" + bytes(range(200)),
        "a zip archive, but no whole one .* copy it again",
    ),
    "neither": (
        bytes(range(200)),
        r"BadZipFile - expected an .npz file that can be read - write the file again",
    ),
}


@pytest.mark.parametrize("what", BYTES)
def test_a_file_of_another_kind_is_told_by_its_kind(tmp_path, what):
    content, words = BYTES[what]
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        Recordings(path=str(path)).recorded()
