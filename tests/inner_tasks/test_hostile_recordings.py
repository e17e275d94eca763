"""Files that are broken, wrong or hostile.

Each is refused in one line that names the array and the fix, and never in another way.
"""

import io
import struct
import time
import zipfile

import jax
import numpy as np
import pytest

from inner_tasks import _npz
from inner_tasks.recordings import Recordings, example, fingerprint
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.poisson import Poisson
from metaplast.registry import BadInput

N = 6
GOOD = {"stimulus": np.arange(2.0 * N).reshape(N, 2), "activity": np.ones((N, 3))}
CHOICE = {"stimulus": GOOD["stimulus"], "choice": np.asarray([0, 1, 1, 0, -1, 1])}


def _with(**more):
    return {**GOOD, **{name.replace("__", "."): np.asarray(value) for name, value in more.items()}}


def _but(name, index, value):
    changed = GOOD[name].copy()
    changed[index] = value
    return {**GOOD, name: changed}


WRONG = {  # case -> (arrays, fields of the task, words of the message)
    "empty file": ({}, {}, "no array 'stimulus'"),
    "no stimulus": ({"activity": GOOD["activity"]}, {}, "no array 'stimulus'"),
    "no target": ({"stimulus": GOOD["stimulus"]}, {}, "no array 'activity' or 'choice'"),
    "no rows": ({**GOOD, "stimulus": np.zeros((0, 2))}, {}, r"'stimulus': shape \[0, 2\]"),
    "no inputs": ({**GOOD, "stimulus": np.zeros((N, 0))}, {}, r"'stimulus': shape \[6, 0\]"),
    "no units": (
        _with(activity=np.zeros((N, 0))),
        {},
        r"'activity': shape \[6, 0\] - expected \[6, any\]",
    ),
    "flat stimulus": (_with(stimulus=np.zeros(N)), {}, r"'stimulus': shape \[6\]"),
    "deep stimulus": (_with(stimulus=np.zeros((N, 2, 1))), {}, "'stimulus': shape"),
    "scalar stimulus": (_with(stimulus=1.0), {}, r"'stimulus': shape \[\]"),
    "NaN stimulus": (
        _but("stimulus", (2, 1), np.nan),
        {},
        r"'stimulus': nan at \[2, 1\], in 1 of 6 rows \(16.7 %\) - .*changes the animal's history",
    ),
    "infinite stimulus": (_but("stimulus", (0, 0), -np.inf), {}, r"'stimulus': -inf at \[0, 0\]"),
    "too large a stimulus": (_but("stimulus", (5, 0), 1e39), {}, r"'stimulus': 1e\+39 at \[5, 0\]"),
    "infinite activity": (
        _but("activity", (1, 2), np.inf),
        {},
        r"'activity': inf at \[1, 2\].*write NaN",
    ),
    "short activity": (_with(activity=np.ones((N - 1, 3))), {}, r"'activity': shape \[5, 3\]"),
    "nothing recorded": (
        _with(activity=np.full((N, 3), np.nan)),
        {},
        "'activity': nothing recorded",
    ),
    "all masked": (_with(recorded=np.zeros(3, bool)), {}, "'activity': nothing recorded"),
    "mask of other units": (
        _with(recorded=np.ones(4, bool)),
        {},
        r"'recorded': shape \[4\] - expected \[3\]",
    ),
    "mask of other rows": (_with(recorded=np.ones((3, N), bool)), {}, "'recorded': shape"),
    "mask of halves": (
        _with(recorded=[0.5, 1, 1]),
        {},
        "'recorded': other numbers - expected true or false",
    ),
    "mask without activity": (
        {**CHOICE, "recorded": np.ones(3)},
        {"likelihood": Bernoulli()},
        "'recorded'.*beside",
    ),
    "text stimulus": (
        _with(stimulus=np.full((N, 2), "1")),
        {},
        "'stimulus': text - expected numbers",
    ),
    "text reward": (_with(reward=np.full(N, "1")), {}, "'reward': text"),
    "text trial": (_with(trial=np.full(N, "1")), {}, "'trial': text"),
    "bytes subject": (_with(subject=np.full(N, b"a")), {}, "'subject': .S1.*text"),
    "complex activity": (_with(activity=np.ones((N, 3), complex)), {}, "'activity': complex128"),
    "dates": (_with(reward=np.full(N, "2020-01-01", "datetime64[D]")), {}, "'reward': datetime64"),
    "records": (_with(reward=np.zeros(N, [("a", "f8")])), {}, "'reward'.*expected real numbers"),
    "infinite reward": (_with(reward=[0, np.inf, 0, 0, 0, 0]), {}, r"'reward': inf at \[1\]"),
    "long reward": (_with(reward=np.ones(N + 1)), {}, r"'reward': shape \[7\] - expected \[6\]"),
    "gate above 1": (_with(plastic=np.full(N, 1.5)), {}, "'plastic': 1.5 - expected 0 to 1"),
    "NaN gate": (_with(plastic=np.full(N, np.nan)), {}, "'plastic': nan"),
    "sessions mixed": (_with(session=[0, 0, 1, 0, 1, 1]), {}, "'session': 0 comes back in row 3"),
    "half a session": (
        _with(session=[0, 0, 0.5, 1, 1, 1]),
        {},
        "'session': 0.5 in row 2 - expected whole numbers",
    ),
    "sessions of two ranks": (_with(session=np.zeros((N, 1))), {}, r"'session': shape \[6, 1\]"),
    "NaN trial": (_with(trial=[0, 0, np.nan, 1, 1, 1]), {}, "'trial': nan in row 2"),
    "huge trial": (
        _with(trial=np.full(N, 2**64 - 1, np.uint64)),
        {},
        "'trial': 18446744073709551615 in row 0",
    ),
    "two subjects": (
        _with(subject=["a", "a", "b", "b", "b", "b"]),
        {},
        "'subject': changes inside a session, in row 2",
    ),
    "half a subject": (_with(subject=np.full(N, 0.5)), {}, "'subject': 0.5"),
    "one subject": (_with(subject="a"), {}, r"'subject': shape \[\]"),
    "a half choice": (
        {**CHOICE, "choice": np.full(N, 0.5)},
        {"likelihood": Bernoulli()},
        "'choice': 0.5.*write -1",
    ),
    "no choice made": (
        {**CHOICE, "choice": np.full(N, -1)},
        {"likelihood": Bernoulli()},
        "'choice': nothing recorded",
    ),
    "a third choice": (
        {**CHOICE, "choice": np.arange(N)},
        {"likelihood": Bernoulli()},
        "'choice'.*likelihood=categorical",
    ),
    "choices as numbers": (CHOICE, {}, "'choice'.*set task.likelihood=bernoulli"),
    "choices as counts": (
        {**CHOICE, "choice": np.arange(N)},
        {"likelihood": Poisson()},
        "task.likelihood=categorical",
    ),
    "activity as choices": (
        GOOD,
        {"likelihood": Categorical()},
        "'activity' with likelihood categorical",
    ),
    "activity that is no count": (
        _with(activity=np.full((N, 3), 0.5)),
        {"likelihood": Poisson()},
        "'activity'.*counts",
    ),
    "both targets": ({**GOOD, **CHOICE}, {}, "set task.target=activity, choice or both"),
    "the other target": (
        GOOD,
        {"target": "choice", "likelihood": Bernoulli()},
        "task.target=choice.*an array 'choice'",
    ),
    "NaN modulator": (_with(modulator__a=np.full(N, np.nan)), {}, "'modulator.a': nan"),
    "loud modulator": (
        _with(modulator__Dopamine=np.ones(N)),
        {},
        "'modulator.Dopamine'.*a-z, 0-9 and _",
    ),
    "modulator twice": (
        _with(reward=np.ones(N), modulator__reward=np.ones(N)),
        {},
        "'modulator.reward'.*rename it",
    ),
    "modulator named gate": (
        _with(modulator__gate=np.ones(N)),
        {},
        "'modulator.gate' - expected none of the names",
    ),
    "weights of nothing": (_with(weights__=np.ones((2, 2))), {}, "'weights.'.*weights.NAME"),
    "weights of a path": ({**GOOD, "weights.../../a": np.ones((2, 2))}, {}, "'weights.../../a'"),
    "flat weights": (
        _with(weights__a=np.ones(3)),
        {},
        r"'weights.a': shape \[3\] - expected \[1, any, any\]",
    ),
    "weights of two sessions": (
        _with(weights__a=np.ones((2, 3, 2))),
        {},
        r"'weights.a'.*\[1, any, any\]",
    ),
    "NaN weights": (_with(weights__a=np.full((3, 2), np.nan)), {}, "'weights.a': nan"),
    "final weights infinite": (
        _with(final_weights__a=np.full((3, 2), np.inf)),
        {},
        "'final_weights.a': inf",
    ),
    "weights that grow": (
        _with(weights__a=np.ones((3, 2)), final_weights__a=np.ones((2, 3))),
        {},
        r"'final_weights.a': \[2, 3\] where 'weights.a' has \[3, 2\]",
    ),
    "no dt": (_with(dt=0.0), {}, "'dt': 0 - expected seconds per row"),
    "two dt": (_with(dt=[0.1, 0.2]), {}, r"'dt': shape \[2\]"),
    "a typing error": (
        {**GOOD, "stimuls": np.ones(N)},
        {},
        "unknown array 'stimuls'.*did you mean 'stimulus'",
    ),
    "a missing s": (
        _with(weight__a=np.ones((3, 2))),
        {},
        "unknown array 'weight.a'.*did you mean 'weights.NAME'",
    ),
    "no dot": (
        _with(modulator=np.ones(N)),
        {},
        "unknown array 'modulator'.*did you mean 'modulator.NAME'",
    ),
    "control characters": (
        {**GOOD, "\x1b[2Jx\n": np.ones(N)},
        {},
        r"unknown array '\\x1b\[2Jx\\n'",
    ),
    "nwb fields": (GOOD, {"nwb_stimulus": ("cue",)}, r"task\.nwb_.*leave task\.nwb_\.\.\. out"),
}


def _refused(path, words, **fields):
    with pytest.raises(BadInput, match=words) as caught:
        Recordings(path=str(path), **fields).recorded()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_refused_by_the_name_of_its_array(tmp_path, what):
    arrays, fields, words = WRONG[what]
    np.savez(tmp_path / "a.npz", **arrays)
    _refused(tmp_path / "a.npz", words, **fields)


def _npz_bytes(arrays=GOOD, **options) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if options else np.savez)(file, **arrays)
    return file.getvalue()


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return file.getvalue()


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def _array(header: str, data: bytes = b"") -> bytes:
    return _zip({"stimulus.npy": _npy(header, data)})


def _bomb() -> bytes:
    """A small file whose directory declares 4 GB."""
    data = bytearray(_npz_bytes())
    start = data.rfind(b"PK\x01\x02") + 24
    data[start : start + 4] = struct.pack("<I", 4 * 10**9)
    return bytes(data)


def _encrypted() -> bytes:
    data = bytearray(_npz_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _object() -> bytes:
    file = io.BytesIO()
    np.savez(file, stimulus=np.asarray([{}, None], dtype=object))
    return file.getvalue()


def _single() -> bytes:
    file = io.BytesIO()
    np.save(file, GOOD["stimulus"])
    return file.getvalue()


HEAD = "{{'descr': {}, 'fortran_order': False, 'shape': {}, }}\n"
BROKEN = {  # case -> (the bytes of the file, words of the message)
    "nothing": (b"", "an empty file.*an .npz file"),
    "text": (b"stimulus,activity\n1,2\n", "npz': it is text, such as a CSV file -"),
    "one array": (_single(), "it is one array"),
    "a pickle": (b"\x80\x04N.", "BadZipFile"),
    "half a file": (_npz_bytes()[: len(_npz_bytes()) // 2], "but no whole one"),
    "no directory": (_npz_bytes()[:-22], "but no whole one"),
    "text before the zip": (b"#!/bin/sh\n" + _npz_bytes(), "an .npz file that can be read"),
    "objects": (_object(), r"array 'stimulus': Python objects.*\.astype"),
    "no array inside": (_zip({"stimulus.npy": b"hello"}), "array 'stimulus'"),
    "an empty array file": (_zip({"stimulus.npy": b""}), "array 'stimulus'"),
    "another file inside": (_zip({"readme.txt": b"hello"}), "array 'readme.txt'"),
    "one array twice": (_zip({"a.npy": b"", "a": b""}), "array 'a': there twice"),
    "a bzip2 archive": (
        _zip({"stimulus.npy": _single()}, zipfile.ZIP_BZIP2),
        "array 'stimulus': an unusual compression",
    ),
    "an LZMA archive": (_zip({"stimulus.npy": _single()}, zipfile.ZIP_LZMA), "unusual compression"),
    "a bomb": (
        _bomb(),
        "4000000.* bytes unpacked - expected at most 1000 arrays and 2000000000 bytes",
    ),
    "too many arrays": (_zip({f"a{i}.npy": b"" for i in range(1001)}), "1001 arrays"),
    "a password": (_encrypted(), "cannot be read"),
    "an endless shape": (
        _array(HEAD.format("'<f8'", (2**40, 2**20))),
        "array 'stimulus': cannot be read",
    ),
    "a shape beyond its data": (
        _array(HEAD.format("'<f8'", (10**6, 10**4)), b"\0" * 64),
        "cannot be read",
    ),
    "a negative shape": (_array(HEAD.format("'<f8'", (-1, 2)), b"\0" * 64), "array 'stimulus'"),
    "an odd header": (_array("{'descr': '<f8'}\n"), "array 'stimulus': cannot be read"),
    "code in the header": (
        _array(HEAD.format("__import__('os')", (1, 1))),
        "array 'stimulus': cannot be read",
    ),
    "an open header": (_array("{'descr': '<f8', 'shape': (1,"), "array 'stimulus': cannot be read"),
    "a deep header": (_array("(" * 9000), "array 'stimulus': cannot be read"),
    "a long header": (_array(" " * 60000), "array 'stimulus': cannot be read"),
    "a NumPy of the future": (
        _zip({"stimulus.npy": b"\x93NUMPY\x09\x00\x10\x00"}),
        "array 'stimulus'",
    ),
    "rows without bytes": (
        _array(HEAD.format("'<f8'", (10**12, 0))),
        r"no array 'activity' or 'choice'",
    ),
    "text without letters": (
        _array(HEAD.format("'<U0'", (10**5, 1))),
        "no array 'activity' or 'choice'",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused_in_one_line(tmp_path, what):
    data, words = BROKEN[what]
    (tmp_path / "a.npz").write_bytes(data)
    began = time.monotonic()
    _refused(tmp_path / "a.npz", words)
    assert time.monotonic() - began < 5.0


def test_paths_that_are_no_file_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.npz", "/dev/zero", "a\0b", "\ud800", "x" * 5000):
        _refused(path, r"recordings .*correct task\.path")
        with pytest.raises(BadInput, match="recordings"):
            fingerprint(str(path))
    for read in (_npz.read, fingerprint):  # a file that may not be opened; root may
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("builtins.open", _refuse)
            (tmp_path / "a.npz").touch()
            with pytest.raises(BadInput, match="Permission denied"):
                read(str(tmp_path / "a.npz"))


def _refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _damaged(rng: np.random.Generator, data: bytes, near: int) -> bytes:
    """`data` with up to seven bits flipped, and one in five cut.

    The bits lie in its first bytes (near > 0) or in its last (near < 0).
    """
    out = bytearray(data)
    if rng.random() < 0.2:
        del out[int(rng.integers(1, len(out))) :]
    for _ in range(int(rng.integers(1, 8))):
        place = int(rng.integers(min(len(out), abs(near))))
        out[place if near > 0 else len(out) - 1 - place] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _leaves(path) -> list[bytes]:
    """All that is taken from a file of recordings."""
    return [
        np.asarray(leaf).tobytes()
        for leaf in jax.tree.leaves(Recordings(path=str(path)).recorded().sessions)
    ]


def _demand_read(path) -> None:
    """The arrays are those that NumPy finds in the file."""
    with np.load(path) as stored:
        read = _npz.read(str(path))
        for name in read:
            np.testing.assert_array_equal(read[name], stored[name])


@pytest.mark.parametrize("where", ["anywhere", "directory", "compressed", "array"])
def test_damage_is_refused_or_harmless_and_never_slow(tmp_path, where):
    """300 files in all.

    `array`: the damage is inside an array, below checksums that are right. NumPy has to find it.
    """
    rng = np.random.default_rng(0)
    path = tmp_path / "a.npz"
    whole = _npz_bytes(example(), **({"compressed": True} if where == "compressed" else {}))
    members = _members(whole)
    refused = 0
    harmless = 0
    path.write_bytes(whole)
    right = _leaves(path)
    for i in range(75):
        if where == "array":
            name = list(members)[i % len(members)]
            data = _zip({**members, name: _damaged(rng, members[name], 140 if i % 2 else 10**6)})
        else:
            data = _damaged(rng, whole, -800 if where == "directory" else 10**6)
        path.write_bytes(data)
        began = time.monotonic()
        try:
            Recordings(path=str(path)).describe()
        except BadInput as error:
            refused += "\n" not in str(error)
        else:
            harmless += 1
            # its checksums are right: it is another recording, and is read as such
            if where == "array":
                _demand_read(path)
            else:
                assert _leaves(path) == right, i
        assert time.monotonic() - began < 5.0
        path.unlink()
    assert refused + harmless == 75
    assert refused > 35
    assert where != "array" or harmless > 5
