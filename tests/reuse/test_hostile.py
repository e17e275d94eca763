"""Hostile and damaged rule files are refused in one printable line, and nothing is run."""

import copy
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metaplast.registry import BadInput
from metaplast.reuse.rule_file import read_rule
from metaplast.reuse.schema import SCHEMA

Header = dict[str, Any]


def _split(data: bytes) -> tuple[Header, bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _join(header: Header | bytes, body: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _header(change: Callable[[Header], Any]) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        header, body = _split(data)
        change(header)
        return _join(header, body)

    return apply


def _document(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    def on_header(header: Header) -> None:
        document = json.loads(header["__metadata__"][SCHEMA])
        change(document)
        header["__metadata__"][SCHEMA] = json.dumps(document)

    return _header(on_header)


def _text(replace: Callable[[str], str]) -> Callable[[bytes], bytes]:
    def on_header(header: Header) -> None:
        header["__metadata__"][SCHEMA] = replace(header["__metadata__"][SCHEMA])

    return _header(on_header)


def _slot(**fields: Any) -> Callable[[bytes], bytes]:
    return _document(lambda d: d["slots"]["rule"].update(fields))


def _rule(**fields: Any) -> Callable[[bytes], bytes]:
    return _document(lambda d: d["slots"]["rule"]["rule"].update(fields))


def _edge(**fields: Any) -> Callable[[bytes], bytes]:
    return _document(
        lambda d: d["slots"]["rule"]["connections"]["hidden_1_to_output"].update(fields)
    )


def _top(**fields: Any) -> Callable[[bytes], bytes]:
    return _document(lambda d: d.update(fields))


def _tensor(**fields: Any) -> Callable[[bytes], bytes]:
    return _header(lambda h: h["rule.coefficients"].update(fields))


def _rename_slot(name: str) -> Callable[[bytes], bytes]:
    return _document(lambda d: d["slots"].update({name: d["slots"].pop("rule")}))


def _add_tensor(name: str, body: bytes = b"\0" * 4) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        header, old = _split(data)
        header[name] = {
            "dtype": "F32",
            "shape": [len(body) // 4],
            "data_offsets": [len(old), len(old) + len(body)],
        }
        return _join(header, old + body)

    return apply


def _values(number: float) -> Callable[[bytes], bytes]:
    return lambda data: data[:-4] + struct.pack("<f", number)


def _nested(depth: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"name": "clip"}
    for _ in range(depth):
        rule = {"name": "clip", "limit": 0.1, "rule": rule}
    return rule


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", "cut off"),
    "seven bytes": (lambda b: b[:7], "cut off"),
    "header cut": (lambda b: b[:100], "cut off"),
    "data cut": (lambda b: b[:-1], "damaged"),
    "data too long": (lambda b: b + b"\0", "damaged"),
    "header length of 2^63": (lambda b: struct.pack("<Q", 2**63) + b[8:], "cut off"),
    "header of 5 MB": (lambda b: _join(b" " * 5_000_000, b""), "at most 4194304"),
    "header no JSON": (lambda b: _join(b"{]", b""), "JSON text"),
    "header no UTF-8": (lambda b: _join(b'{"\xff": 1}', b""), "JSON text"),
    "header a list": (lambda b: _join(b"[1]", b""), "a JSON object"),
    "header 100000 levels deep": (lambda b: _join(b"[" * 100_000 + b"]" * 100_000, b""), "header"),
    "tensor twice": (lambda b: _join(b'{"a": 1, "a": 2}', b""), "'a' stands twice"),
    "half precision": (_tensor(dtype="F16"), "of dtype 'F16'"),
    "integers of 64 bits": (_tensor(dtype="I64"), "of dtype 'I64'"),
    "dtype no text": (_tensor(dtype=["F32"]), "of dtype"),
    "coefficients of integers": (_tensor(dtype="I32"), "floats of shape [3]"),
    "negative size": (_tensor(shape=[-3]), "damaged"),
    "size beyond the data": (_tensor(shape=[2**40]), "damaged"),
    "overlapping data": (_tensor(data_offsets=[0, 8]), "damaged"),
    "wrong shape": (_tensor(shape=[3, 1]), "floats of shape [3]"),
    "not a number": (_values(float("nan")), "not finite"),
    "infinite": (_values(float("-inf")), "not finite"),
    "missing tensor": (
        _header(lambda h: h.update({"rule.other": h.pop("rule.coefficients")})),
        "'missing'",
    ),
    "tensor of nobody": (_add_tensor("evil.coefficients"), "names that begin with rule"),
    "tensor below a tensor": (_add_tensor("rule.coefficients.x"), "no branch"),
    "tensor 40 levels deep": (_add_tensor("rule" + ".x" * 40), "at most 16 parts"),
    "control characters in a name": (_add_tensor("\x1b[31mrule\r\n"), "\\x1b[31mrule\\r\\n"),
    "no metadata": (_header(lambda h: h.pop("__metadata__")), "no metadata"),
    "later schema": (
        _header(lambda h: h.update(__metadata__={"metaplast.rule/3": "{}"})),
        "metaplast.rule/3, written by a newer metaplast",
    ),
    "another schema": (
        _header(lambda h: h.update(__metadata__={"metaplast.rule/x": "{}"})),
        "one entry metaplast.rule/2",
    ),
    "ancestry of another form": (_top(ancestry=[{"rule": "a"}]), "ancestry"),
    "ancestor with a hostile name": (
        _top(ancestry=[{"rule": "a\nb", "sha256": "", "change": ""}]),
        "printable text",
    ),
    "ancestor with another digest": (
        _top(ancestry=[{"rule": "a", "sha256": "12", "change": ""}]),
        "64 hexadecimal digits",
    ),
    "two documents": (_header(lambda h: h["__metadata__"].update(more="{}")), "one entry"),
    "document no text": (_header(lambda h: h.update(__metadata__={SCHEMA: 3})), "one entry"),
    "document no JSON": (_text(lambda t: t[:-1]), "JSON text"),
    "document 30 levels deep": (
        _top(provenance=json.loads("[" * 30 + "]" * 30)),
        "at most 24 levels",
    ),
    "document 100000 levels deep": (_text(lambda t: "[" * 100_000 + "]" * 100_000), "document"),
    "slot twice": (
        _text(lambda t: t.replace('"slots":', '"slots":{},"slots":', 1)),
        "'slots' stands twice",
    ),
    "NaN in the document": (_text(lambda t: t.replace('"dt":0.001', '"dt":NaN')), "finite numbers"),
    "1e999 in the document": (
        _text(lambda t: t.replace('"dt":0.001', '"dt":1e999')),
        "finite numbers",
    ),
    "5000 digits": (_text(lambda t: t.replace('"dt":0.001', '"dt":' + "9" * 5000)), "JSON text"),
    "dt of 4000 digits": (_top(dt=10**4000), "a positive number"),
    "dt true": (_top(dt=True), "a positive number"),
    "dt zero": (_top(dt=0), "a positive number"),
    "reference activity text": (_top(activity_reference="1"), "a positive number"),
    "no scores": (_document(lambda d: d.pop("scores")), "['scores']"),
    "unknown key": (_top(exec="import os"), "['exec']"),
    "scores of text": (_top(scores=["<script>"]), "a list of mappings"),
    "no slots": (_top(slots={}), "1 to 256 slots"),
    "slots a list": (_top(slots=[1]), "1 to 256 slots"),
    "slot that climbs": (_rename_slot("../../etc"), "a name of letters"),
    "slot with a dot": (_rename_slot("a.b"), "a name of letters"),
    "slot with control characters": (_rename_slot("a\x07\u202eb"), "'a\\x07\\u202eb'"),
    "slot without rule": (_document(lambda d: d["slots"]["rule"].pop("rule")), "['rule']"),
    "shared a number": (_slot(shared=1), "true or false"),
    "unknown clock": (_slot(clock="tick"), "one of event"),
    "reach that lies": (_slot(reach="synapse"), "layer, which its `reads` give"),
    "no edges": (_slot(connections={}), "1 to 4096 edges"),
    "rule a text": (_slot(rule="os.system"), "a mapping with 'name'"),
    "unknown form": (_rule(name="os.system"), "rule form='os.system'"),
    "form a path": (_rule(name="../polynomial"), "rule form"),
    "private module as form": (_rule(name="_grammar"), "rule form"),
    "unknown form inside": (
        _slot(rule={"name": "clip", "rule": {"name": "pickle"}}),
        "rule form='pickle'",
    ),
    "wrapped 9 times": (_slot(rule=_nested(9)), "nested too deep"),
    "no terms": (_rule(terms=[]), "1 to 4096 terms"),
    "term that is code": (_rule(terms=["__import__('os').system('true')"] * 3), "signal"),
    "term of 1000 characters": (_rule(terms=["pre" + "*pre" * 250] * 3), "at most 400"),
    "trace that nothing keeps": (_rule(terms=["post*pre_trace"] * 3), "a signal of the view"),
    "time constant of text": (
        _rule(name="trace_taylor", tau_pre_trace="0.02"),
        "a positive number",
    ),
    "time constant of 0": (_rule(name="trace_taylor", tau_pre_trace=0.0), "a positive number"),
    "too few initial values": (_rule(initial=[1.0]), "none or 3 numbers"),
    "rate negative": (_rule(rate=-1.0), "a positive number"),
    "field with control characters": (_slot(rule={"name": "abcd", "\x1b[2J": 1}), "'\\x1b[2J'"),
    "value that reverses the line": (
        _slot(rule={"name": "abcd", "note": "a\u202eb"}),
        "'a\\u202eb'",
    ),
    "learn unknown": (_rule(learn="all"), "one of none, rate"),
    "connection unknown": (_edge(spec={"name": "os"}), "one of dense"),
    "connection huge": (_edge(n_post=2**20, n_pre=2**20), "at most"),
    "size true": (_edge(n_post=True), "two counts"),
    "shape negative": (_edge(shape=[-1, 4]), "a list of counts"),
    "reference of another shape": (_top(reference={"rule": [[1.0]]}), "shape [4, 2, 3]"),
    "reference of text": (_top(reference={"rule": "pass"}), "shape [4, 2, 3]"),
    "reference ragged": (_top(reference={"rule": [[1.0], 2.0]}), "shape [4, 2, 3]"),
    "reference of nobody": (_top(reference={}), "['rule']"),
}


def _refused(path: Path | str) -> str:
    with pytest.raises(BadInput) as caught:
        read_rule(path)
    line = str(caught.value)
    assert line.isprintable(), repr(line)
    assert line.count(" - ") >= 2
    assert len(line) < 600
    return line


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_content(case: str, files, tmp_path: Path) -> None:
    change, expected = DAMAGED[case]
    good = files["shared"].read_bytes()
    bad = change(copy.copy(good))
    assert bad != good
    path = tmp_path / "rule.safetensors"
    path.write_bytes(bad)
    assert expected in _refused(path)


def test_unchanged_content_passes(files, tmp_path: Path) -> None:
    """The control: a file that is taken apart and put together again is not refused."""
    path = tmp_path / "rule.safetensors"
    path.write_bytes(_document(lambda d: d)(files["shared"].read_bytes()))
    assert read_rule(path).document == read_rule(files["shared"]).document


def test_every_truncation_and_byte_flip_is_refused_or_harmless(files, tmp_path: Path) -> None:
    good, path, whole = (
        files["shared"].read_bytes(),
        tmp_path / "rule.safetensors",
        read_rule(files["shared"]),
    )
    refused = harmless = 0
    for cut in range(0, len(good), 37):
        path.write_bytes(good[:cut])
        _refused(path)
    for position in range(0, len(good), 11):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :])
        try:
            read = read_rule(path)
        except BadInput as error:
            assert str(error).isprintable()
            refused += 1
            continue
        harmless += 1
        assert read.document == whole.document
        for name, value in whole.tensors.items():
            assert read.tensors[name].tobytes() == value.tobytes()
    assert refused > 10 * harmless


def test_paths(tmp_path: Path, files) -> None:
    assert "No such file" in _refused(tmp_path / "missing.safetensors")
    assert "a folder" in _refused(tmp_path)
    assert "embedded null" in _refused("a\0b")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "symbolic links" in _refused(loop)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "missing")
    assert "No such file" in _refused(dangling)
    to_device = tmp_path / "zero"
    to_device.symlink_to("/dev/zero")
    assert "not a regular file" in _refused(to_device)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "not a regular file" in _refused(pipe)
    big = tmp_path / "big.safetensors"
    with open(big, "wb") as file:
        file.truncate(2**26 + 1)
    assert "at most 67108864" in _refused(big)  # 64 MiB
    os.truncate(big, 2**26)
    assert "header" in _refused(big)
    assert "\\x1b[2J" in _refused(tmp_path / "\x1b[2J.safetensors")
    link = tmp_path / "link.safetensors"
    link.symlink_to(files["shared"])
    assert read_rule(link).document["slots"]
