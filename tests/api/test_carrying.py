"""Work in the process of a user: signals, settings, progress, and the modules of workers."""

import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import matplotlib
import pytest

import metaplast as mp
from metaplast import registry
from metaplast.api import carrying
from metaplast.api.progress import Cell, shown
from metaplast.rules.polynomial import Polynomial
from metaplast.runs.counted import Counted
from metaplast.runs.stopping import Interrupted, stoppable

STEPS = Counted("outer steps")


def test_a_signal_saves_and_the_process_lives_on() -> None:
    saved: list[str] = []
    with (
        pytest.raises(Interrupted, match="metaplast resume here"),
        stoppable(
            Path("here"), lambda: saved.append("saved"), patience=0.01, lives_on=True
        ) as stop,
    ):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.saved.wait(5.0)
        time.sleep(0.1)  # longer than the patience, after which a command would end
        stop.check()
    assert saved == ["saved"]


def test_the_second_interrupt_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stoppable(None, lambda: None, lives_on=True):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5.0)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_run_says_how_to_go_on() -> None:
    expected = r"runs/a: all finished steps are saved; go on with mp.resume\('runs/a'\)"
    with pytest.raises(KeyboardInterrupt, match=expected), carrying.means(True, STEPS) as means:
        assert means.lives_on
        raise Interrupted(Path("runs/a"), signal.SIGINT)


def test_the_settings_of_a_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    before = jax.config.read("jax_enable_x64")
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 33.0)
    with carrying.undisturbed():
        jax.config.update("jax_enable_x64", not before)
        assert matplotlib.rcParams["font.size"] != 33.0
    assert jax.config.read("jax_enable_x64") == before
    assert matplotlib.rcParams["font.size"] == 33.0


def test_workers_import_the_modules_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    own = type("OwnRule", (Polynomial,), {"__module__": "my_rules.deep"})
    in_a_cell = type("CellRule", (Polynomial,), {"__module__": "__main__"})
    known = {**registry._registered, ("rule", "own_rule"): own, ("rule", "cell_rule"): in_a_cell}
    monkeypatch.setattr(registry, "_registered", known)
    names = carrying.modules()
    assert "my_rules.deep" in names and "__main__" not in names
    assert not [name for name in names if name.startswith(("metaplast.", "outer_loops."))]


class Display:
    """A stand-in for IPython's display: it keeps the text of one output."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, shown: dict[str, str], raw: bool, display_id: bool) -> "Display":
        assert raw and display_id
        self.update(shown, raw=raw)
        return self

    def update(self, shown: dict[str, str], raw: bool) -> None:
        self.texts.append(shown["text/plain"])


def test_progress_under_a_cell_is_one_output(monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display()
    shell = type("ZMQInteractiveShell", (), {})()
    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    module: Any = SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with shown(False, STEPS) as screen:
        assert isinstance(screen, Cell)
        screen.say("runs/a: 1 row")
        for step in range(1, 4):
            screen("discovered", step, 3)
    assert display.texts[0] == "runs/a: 1 row"
    last = display.texts[-1].splitlines()
    assert last[0] == "runs/a: 1 row"
    assert last[1].split() == ["discovered", "3/3", "outer", "steps", "done"]
    with shown(True, STEPS) as screen:
        assert not isinstance(screen, Cell)


def test_a_terminal_shell_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython: Any = ModuleType("IPython")
    ipython.get_ipython = lambda: None
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    with shown(False, STEPS) as screen:
        assert not isinstance(screen, Cell)


def test_list_gives_rows_and_rooms() -> None:
    assert "rules" in mp.list().column("name") and "signals" in mp.list().column("name")
    rules = dict(mp.list("rules"))
    assert rules["oja"] and "polynomial" in rules
    assert "oja" in mp.list("experiments").column("name")
    assert dict(mp.list("signals"))["pre"].startswith("view.pre.activity")
    with pytest.raises(mp.BadInput, match="one of rules"):
        mp.list("ruless")
