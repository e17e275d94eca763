"""The native step: equal to the plain maps of a connection, and refused with a reason."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from benchmarks import spiking
from metaplast.connections._event_driven import EventDriven
from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.native import calls, library
from metaplast.registry import BadInput
from metaplast.runs.environment import environment, warn_of_other_versions

pytestmark = pytest.mark.system

COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
CONNECTIONS = (
    Dense(150, 131),
    Sparse(150, 131, probability=0.1, seed=2, self_connections=True),
)
KINDS = (
    ((0, 0), ("post", "pre")),
    ((0, 1, 1), ("post", "post", "pre")),
    ((0, 1), ("pre", "pre")),
    ((1,), ("post",)),
    ((0, 0, 1, 1), ("pre", "post", "pre", "post")),
)
SHARES = (0.0, 0.03, 0.4, 1.0)  # of neurons that spike
BOUNDS = (0.0, 0.9)


def _forget() -> None:
    library.available.cache_clear()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[library.Built]:
    """A native step in a cache folder of its own, which this process uses."""
    if COMPILER is None:
        pytest.skip("no C++ compiler on PATH")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv(library.OFF, raising=False)
        _forget()
        yield library.build()
    _forget()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(library.OFF, raising=False)
    _forget()
    yield tmp_path
    _forget()


def _spikes(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    return (rng.random(n) < share) * rng.uniform(0.5, 2.0, n)


def _terms(
    connection: EventDriven, kind: tuple, share: float, rng: np.random.Generator
) -> list[Term]:
    terms = []
    for power, side in zip(*kind, strict=True):
        post = rng.normal(size=connection.n_post)
        pre = rng.normal(size=connection.n_pre)
        if side == "post":
            post = _spikes(rng, connection.n_post, share)
        else:
            pre = _spikes(rng, connection.n_pre, share)
        terms.append(Term(jnp.asarray(post, "f4"), jnp.asarray(pre, "f4"), power, side))
    return terms


def _weights(connection: EventDriven, rng: np.random.Generator) -> Array:
    return jnp.asarray(rng.uniform(*BOUNDS, connection.shape), "f4")


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("connection", CONNECTIONS, ids=lambda c: type(c).__name__)
def test_a_change_is_the_plain_one(
    built: library.Built, connection: EventDriven, kind: tuple, share: float
) -> None:
    rng = np.random.default_rng(3)
    weights = _weights(connection, rng)
    terms = _terms(connection, kind, share, rng)
    move = Move(jnp.ones(()), jnp.asarray(0.3), *BOUNDS, frozenset({"post", "pre"}))
    change = lambda w: connection.changed(w, terms, move)
    assert f"metaplast_Change_{built.digest}" in jax.jit(change).lower(weights).as_text()
    plain = AbstractConnection.changed(connection, weights, terms, move)
    np.testing.assert_allclose(jax.jit(change)(weights), plain, rtol=0, atol=2e-6)
    assert share == 0.0 or not np.array_equal(plain, weights)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("connection", CONNECTIONS, ids=lambda c: type(c).__name__)
def test_sent_spikes_are_the_plain_ones(
    built: library.Built, connection: EventDriven, share: float
) -> None:
    rng = np.random.default_rng(4)
    weights = _weights(connection, rng)
    spikes = jnp.asarray(_spikes(rng, connection.n_pre, share), "f4")
    send = jax.jit(connection.propagate_spikes)
    assert f"metaplast_Send_{built.digest}" in send.lower(weights, spikes).as_text()
    plain = connection.propagate(weights, spikes)
    np.testing.assert_allclose(send(weights, spikes), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("connection", CONNECTIONS, ids=lambda c: type(c).__name__)
def test_each_member_and_life_has_its_own_numbers(
    built: library.Built, connection: EventDriven
) -> None:
    """Rules on the outer axis, lives on the inner one; the signals of a life are shared."""
    rng = np.random.default_rng(5)
    weights = jnp.stack([_weights(connection, rng) for _ in range(3)])
    terms = _terms(connection, KINDS[0], 0.1, rng)
    rates = jnp.asarray([0.1, 0.7], "f4")

    def changed(rate: Array, w: Array, form: type) -> Array:
        scaled = [term._replace(post=rate * term.post) for term in terms]
        move = Move(jnp.ones(()), jnp.ones(()), *BOUNDS, frozenset({"post", "pre"}))
        return form.changed(connection, w, scaled, move)

    over_lives = jax.vmap(lambda rate, w: changed(rate, w, EventDriven), (None, 0))
    together = jax.jit(jax.vmap(over_lives, (0, None)))
    assert "metaplast_Change" in together.lower(rates, weights).as_text()
    result = together(rates, weights)
    for rate, lives in zip(rates, result, strict=True):
        for w, new in zip(weights, lives, strict=True):
            plain = changed(rate, w, AbstractConnection)
            np.testing.assert_allclose(new, plain, rtol=0, atol=2e-6)


@pytest.mark.parametrize("connection", CONNECTIONS, ids=lambda c: type(c).__name__)
def test_a_gradient_takes_the_plain_step(built: library.Built, connection: EventDriven) -> None:
    rng = np.random.default_rng(6)
    weights = _weights(connection, rng)
    terms = _terms(connection, KINDS[1], 0.1, rng)
    spikes = jnp.asarray(_spikes(rng, connection.n_pre, 0.1), "f4")
    move = Move(jnp.ones(()), jnp.asarray(0.1), *BOUNDS, frozenset({"post", "pre"}))

    def loss(w: Array, form: type) -> Array:
        new = form.changed(connection, w, terms, move)
        sent = form.propagate_spikes(connection, new, spikes)
        return jnp.sum(sent**2)

    gradient = jax.jit(jax.grad(lambda w: loss(w, EventDriven)))
    assert "metaplast_" not in gradient.lower(weights).as_text()
    plain = jax.grad(lambda w: loss(w, AbstractConnection))(weights)
    np.testing.assert_allclose(gradient(weights), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("index", (0, 1), ids=("sparse", "dense"))
def test_a_life_has_the_same_spikes(
    built: library.Built, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = spiking.works(n_sparse=300, n_dense=150, currents=(1.0, 1.4))[index]
    _, start = spiking.framework(work, 1)
    life, spikes = spiking.alone(work, start, 300)
    monkeypatch.setenv(library.OFF, "0")
    _forget()
    plain, wanted = spiking.alone(work, start, 300)
    _forget()
    assert int(wanted.sum()) > 1000
    np.testing.assert_array_equal(spikes, wanted)
    largest = spiking.COUPLING / work.connection.fan_in
    new, old = (one.synapses[spiking.PLASTIC].weight for one in (life, plain))
    np.testing.assert_allclose(new, old, rtol=0, atol=1e-5 * largest)


def test_double_precision_and_high_powers_take_the_plain_step(built: library.Built) -> None:
    assert calls.fits(jnp.zeros(1, jnp.float32))
    assert not calls.fits(np.zeros(1))
    assert not calls.takes((2, 0))
    assert not calls.takes((0,) * 5)


def test_a_second_build_has_the_same_hash(built: library.Built) -> None:
    assert library.build() == built
    assert library.name() == f"native {built.digest}"


def test_the_environment_names_the_step(
    built: library.Built,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "environment.json"
    file.write_text(json.dumps(environment()))
    warn_of_other_versions(tmp_path)
    assert not caplog.records
    monkeypatch.setenv(library.OFF, "0")
    _forget()
    warn_of_other_versions(tmp_path)
    (line,) = (record.getMessage() for record in caplog.records)
    assert f"step native {built.digest} -> jax" in line
    _forget()


def test_a_run_of_before_goes_on_with_the_jax_step_in_silence(
    cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = environment()
    del old["step"]
    (tmp_path / "environment.json").write_text(json.dumps(old))
    warn_of_other_versions(tmp_path)
    assert not caplog.records


def test_a_damaged_library_is_left_alone_with_one_warning(
    built: library.Built, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = library.path()
    copy.parent.mkdir(parents=True)
    shutil.copy(built.path.with_suffix(".json"), copy.with_suffix(".json"))
    copy.write_bytes(built.path.read_bytes()[:-100])
    _forget()
    with caplog.at_level(logging.WARNING):
        assert library.name() == "jax"
        assert library.available() is None
    (line,) = (record.getMessage() for record in caplog.records)
    assert "damaged" in line and library.BUILD in line
    with pytest.raises(BadInput, match="damaged"):
        library.found()


def test_a_library_of_another_source_is_not_seen(
    built: library.Built, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cache / "other.cc"
    source.write_text(library.SOURCE.read_text() + "\n")
    shutil.copytree(built.path.parent, library.folder())
    assert library.found() is not None
    monkeypatch.setattr(library, "SOURCE", source)
    library.key.cache_clear()
    assert library.found() is None
    monkeypatch.undo()
    library.key.cache_clear()


def _run(*words: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "metaplast.cli.main", "native", *words]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_no_compiler_is_one_line(cache: Path) -> None:
    done = _run("build", PATH="/nowhere", CXX="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no C++ compiler - expected ")
    assert done.stderr.count("\n") == 1


def test_a_compiler_that_fails_is_one_line(cache: Path) -> None:
    compiler = cache / "broken"
    compiler.write_text("#!/bin/sh\necho 'x.cc:1: error: no such header' >&2\nexit 1\n")
    compiler.chmod(0o755)
    done = _run("build", CXX=str(compiler))
    assert done.returncode == 2
    assert "broken: x.cc:1: error: no such header - expected" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(library.folder().iterdir())


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler on PATH")
def test_a_folder_that_takes_no_files_is_one_line(cache: Path) -> None:
    (cache / "metaplast").write_text("")
    done = _run("build")
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert library.name() == "jax"


def test_status_and_remove(built: library.Built, cache: Path) -> None:
    assert "no native step is built" in _run("status").stdout
    shutil.copytree(built.path.parent, library.folder())
    assert f"native {built.digest}" in _run("status").stdout
    assert f"{library.OFF} is 0" in _run("status", METAPLAST_NATIVE="0").stdout
    assert "removed" in _run("remove").stdout
    assert not list(library.folder().iterdir())
