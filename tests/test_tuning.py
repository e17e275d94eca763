"""The layout of lives: fixed on a CPU, measured once on another kind of device."""

import json
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from metaplast import tuning
from metaplast.problem.layout import each, fitting_chunk, numbers_kept
from metaplast.problem.meta_problem import MetaProblem
from metaplast.runs import measuring, preflight
from metaplast.runs.config import Sources, compose
from metaplast.runs.environment import CPU_LAYOUT, environment, warn_of_other_versions
from metaplast.runs.job import parse
from metaplast.runs.processes import agree
from metaplast.tuning import CPU, UNMEASURED, Tuning

KIND = "Fake H9000 (PCIe)"
BYTES_OF_LIFE = 4 * measuring.N**2


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache folder, and no layout of an earlier test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tuning.kept.cache_clear()
    yield
    tuning.share(None)
    tuning.kept.cache_clear()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of another kind."""
    monkeypatch.setattr(tuning, "other_kind", lambda: KIND)


def saturating(problem: MetaProblem, copies: int, lockstep: bool) -> float:
    """Seconds on a device that runs 250 lives as quickly as one, with a start of 1 ms a chunk."""
    at_once = problem.chunk * (copies if lockstep else 1)
    n_chunks = problem.n_tasks * copies / at_once
    return n_chunks * 1e-3 * max(1.0, at_once / 250)


def test_a_cpu_keeps_its_layout_whatever_the_cache_holds() -> None:
    file = tuning.file_of("cpu")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(Tuning(1, 1, True)._asdict()))
    assert tuning.here() == CPU
    assert tuning.is_measured()
    assert measuring.keep(measuring.measure(saturating)) is None
    assert tuning.here() == CPU


def test_the_smallest_chunk_that_fills_the_device_is_kept(fake: None) -> None:
    assert tuning.here() == UNMEASURED and not tuning.is_measured()
    measured = measuring.measure(saturating)
    file = measuring.keep(measured)
    assert file is not None and file.name == f"fake-h9000-pcie-jax-{jax.__version__}.json"
    assert tuning.here() == Tuning(256 * BYTES_OF_LIFE, 4096, lockstep=False)
    assert tuning.is_measured()
    content = json.loads(file.read_text())
    assert content["device"] == KIND and content["jax"] == jax.__version__
    assert content["lives_per_second"]["4"] == pytest.approx(4000.0)
    lifetime = measuring.workload(1, 0).lifetime
    assert numbers_kept(lifetime) == measuring.N**2
    assert fitting_chunk(lifetime) == 256
    assert fitting_chunk(lifetime, tangents=3) == 64


def test_lockstep_is_chosen_where_it_is_faster() -> None:
    measured = measuring.measure(saturating, chunks=(4, 16))
    assert measured.in_lockstep == pytest.approx(4 * measured.in_turn)
    assert measured.tuning.lockstep


def test_a_chunk_that_does_not_fit_ends_the_measurement() -> None:
    def small(problem: MetaProblem, copies: int, lockstep: bool) -> float:
        if problem.chunk > 16:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return saturating(problem, copies, lockstep)

    assert measuring.measure(small).tuning == Tuning(16 * BYTES_OF_LIFE, 16, lockstep=True)
    with pytest.raises(jax.errors.JaxRuntimeError):
        measuring.measure(small, chunks=(64, 256))


def test_the_clock_times_the_programs() -> None:
    said: list[str] = []
    measured = measuring.measure(chunks=(1, 2), say=said.append)
    assert set(measured.rates) == {1, 2}
    chunk = measuring.smallest_good(measured.rates)
    copies = f"4 copies of a chunk of {chunk}"
    programs = ["chunks of 1", "chunks of 2", f"{copies}, in turn", f"{copies}, in lockstep"]
    assert said[1::2] == [f"{words} ..." for words in programs]
    for words, line in zip(programs, said[2::2], strict=True):
        assert line.startswith(f"{words}: ") and line.endswith(" s to compile and repeat it")
    assert min(*measured.rates.values(), measured.in_turn, measured.in_lockstep) > 0


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"chunk_bytes": 0, "most_lives": 4, "lockstep": true}']
)
def test_a_damaged_measurement_is_none(content: str, fake: None) -> None:
    file = tuning.file_of(KIND)
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert tuning.here() == UNMEASURED and not tuning.is_measured()


def test_a_run_that_goes_on_in_another_layout_says_so(
    fake: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = tmp_path / "environment.json"
    record.write_text(json.dumps(environment()))
    warn_of_other_versions(tmp_path)
    assert not caplog.records
    measuring.keep(measuring.measure(saturating))
    warn_of_other_versions(tmp_path)
    (line,) = (entry.getMessage() for entry in caplog.records)
    assert f"layout {UNMEASURED.told()} -> chunks of {256 * BYTES_OF_LIFE} bytes" in line


def test_a_run_of_before_goes_on_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert CPU.told() == CPU_LAYOUT
    old = environment()
    del old["layout"]
    (tmp_path / "environment.json").write_text(json.dumps(old))
    warn_of_other_versions(tmp_path)
    assert not caplog.records


def test_a_device_that_nobody_measured_is_named(
    fake: None, caplog: pytest.LogCaptureFixture
) -> None:
    preflight.check(parse(compose(["experiment=oja", "rows={}"], Sources())), jobs=1)
    lines = [entry.getMessage() for entry in caplog.records]
    assert any(f"{KIND} was not measured" in line for line in lines)


def test_processes_of_a_job_keep_the_layout_of_the_first(
    fake: None,
) -> None:
    agree()
    measuring.keep(measuring.measure(saturating))
    assert tuning.here() == UNMEASURED


@pytest.mark.parametrize("lockstep", [False, True])
def test_copies_of_a_program_run_as_the_layout_says(lockstep: bool) -> None:
    tuning.share(CPU._replace(lockstep=lockstep))
    program = jax.make_jaxpr(lambda xs: each(jnp.sin, xs))(jnp.ones(3))
    assert ("scan" in str(program)) != lockstep
