"""The model of many devices: bytes of a program, its formula, and what is printed of it."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scaling
from benchmarks._collectives import Collective, collectives
from benchmarks.scaling_model import Job, Line, Wire, efficiency, line, processor_seconds, seconds
from tests._devices import on_devices

TEXT = """
HloModule jit_step

%sum (x: f32[], y: f32[]) -> f32[] {
  ROOT %add = f32[] add(%x, %y)
}

%body (p: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %inner = f32[2,3]{1,0} all-reduce(%x), channel_id=1, to_apply=%sum
  ROOT %t = (s32[], f32[2,3]) tuple(%i, %inner)
}

%condition (p: (s32[], f32[2,3])) -> pred[] {
  ROOT %less = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (a: f32[4]) -> f32[8] {
  %loop = (s32[], f32[2,3]) while(%init), condition=%condition, body=%body, KNOWN
  %pair = (f32[5]{0}, pred[8]{0}) all-reduce(%u, %v), channel_id=2, to_apply=%sum
  ROOT %gather = f32[8]{0} all-gather(%a), channel_id=3, dimensions={0}
}
"""
KNOWN = 'backend_config={"known_trip_count":{"n":"5"}}'
WIRE = Wire(latency=1e-3, bandwidth=1e6)
JOB = Job(
    lives=8,
    compute=Line(0.5, 0.25),
    gathered=Line(0.0, 100.0),
    reduced=Line(2000.0, 0.0),
    gathers=3,
    reduces=1,
)


def test_bytes_are_read_from_the_text_of_a_program() -> None:
    assert collectives(TEXT.replace("KNOWN", KNOWN)) == [
        Collective("all-reduce", 24, 5),
        Collective("all-reduce", 20 + 8, 1),
        Collective("all-gather", 32, 1),
    ]


def test_a_loop_of_unknown_length_is_refused() -> None:
    with pytest.raises(ValueError, match="all-reduce in a loop of unknown length"):
        collectives(TEXT.replace(", KNOWN", ""))


PROGRAM = """
import json
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from benchmarks._collectives import collectives

mesh = jax.make_mesh((2,), ("lives",), axis_types=(jax.sharding.AxisType.Auto,))
everywhere = NamedSharding(mesh, PartitionSpec())
apart = jax.device_put(jnp.ones((2, 7)), NamedSharding(mesh, PartitionSpec("lives")))
step = jax.jit(lambda x: (x.sum(0), 2.0 * x), out_shardings=everywhere)
text = step.lower(apart).compile().as_text()
print(json.dumps({"devices": jax.device_count(), "found": collectives(text)}))
"""


@pytest.mark.system
def test_bytes_of_a_real_program() -> None:
    found = on_devices(PROGRAM, 2)["found"]
    assert sorted(found) == [["all-gather", 56, 1], ["all-reduce", 28, 1]]


def test_the_model_is_its_formula() -> None:
    assert line((2.0, 1.0), (4.0, 1.5)) == Line(0.5, 0.25)
    assert line((1.0, 1.0), (2.0, 3.0)).at_none == 0.0
    assert seconds(JOB, 1, 8, WIRE) == pytest.approx(2.5)
    compute = 0.5 + 0.25 * 2
    waits = (3 + 2) * 3 * 1e-3
    bytes_sent = (800 + 2 * 2000) * 3 / 4
    assert seconds(JOB, 4, 8, WIRE) == pytest.approx(compute + waits + bytes_sent / 1e6)
    assert processor_seconds(JOB, 4, 7) == pytest.approx(4 * compute)
    assert efficiency(JOB, 1, 8, WIRE) == 1.0
    assert efficiency(JOB, 64, 8, Wire(0.0, float("inf"))) == 1.0
    assert efficiency(JOB, 64, 8, WIRE) < efficiency(JOB, 16, 8, WIRE) < 1.0


def test_the_constants_of_a_job_come_from_two_loads() -> None:
    alone: list[dict[str, Any]] = [
        {"lives": 4, "seconds": 1.5, "collectives": []},
        {"lives": 8, "seconds": 2.5, "collectives": []},
    ]
    shared = []
    for lives in (4, 8):
        found = [["all-gather", 50 * lives, 2], ["all-gather", 0, 1], ["all-reduce", 2000, 1]]
        shared.append({"lives": lives, "seconds": 9.0, "collectives": found})
    assert scaling.job_of(alone, shared) == JOB
    shared[1]["collectives"].append(["all-to-all", 1, 1])
    with pytest.raises(ValueError, match="no all-to-all"):
        scaling.job_of(alone, shared)


def test_what_is_printed_and_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three devices counts by hand; the model is right at one device, and 1.25 times off at 4."""

    def found(devices: int, names: list[str]) -> dict[str, Any]:
        took = {1: 2.5, 2: 3.0, 4: 5.0}[devices]
        shared = [["all-gather", 200, 3], ["all-reduce", 2000, 1]] if devices > 1 else []
        half = {"lives": 4, "seconds": 1.5, "collectives": shared}
        return {names[0]: [half, {"lives": 8, "seconds": took, "collectives": shared}]}

    monkeypatch.setattr(scaling, "on_devices", found)
    monkeypatch.setattr(scaling, "loopback", lambda: WIRE)
    out = tmp_path / "figure.svg"
    scaling.report(argparse.Namespace(out=out, latency=1e-5, bandwidth=1e10), ["a job"])
    printed = capsys.readouterr().out
    assert "| a job | 8 | 3 | 600 | 1 | 2,000 | 3,450 |" in printed
    assert "| 2500.0 | 2500.0 | 1.00 | 3000.0 | 3000.0 | 1.00 | 5000.0 | 4000.0 | 1.25 |" in printed
    assert "loopback, measured: 1000 us" in printed and "assumed: 10 us, 10 GB/s" in printed
    assert out.stat().st_size > 1000
