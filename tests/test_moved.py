"""Old import paths lead to the same objects, with one warning."""

import importlib
import subprocess
import sys
import warnings

import pytest

import metaplast as mp
from metaplast import search_loop
from metaplast._moved import LOOP, MOVED, ROOMS


@pytest.mark.parametrize("old", MOVED)
def test_an_old_path_holds_the_names_of_the_new_ones(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(FutureWarning, match=f"{old} has moved to .*metaplast 0.3") as caught:
        module = importlib.import_module(old)
    assert len(caught) == 1
    for home in MOVED[old]:
        new = importlib.import_module(home)
        defined = [
            name for name, value in vars(new).items() if getattr(value, "__module__", "") == home
        ]
        assert defined or home in ("metaplast.signals", "metaplast.settings.names")
        for name in defined:
            assert getattr(module, name) is getattr(new, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert importlib.import_module(old) is module


def test_a_room_that_is_gone_holds_nothing_else() -> None:
    for room in ROOMS:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{room}.nothing")


def test_the_loop_is_still_found_under_train() -> None:
    """`from metaplast import train` gave the module that is search_loop now."""
    assert set(LOOP) <= set(vars(search_loop))
    with pytest.warns(FutureWarning, match="metaplast.train.stream has moved .*metaplast 0.3"):
        key = mp.train.stream(3, "tasks", 2)  # pyright: ignore[reportFunctionMemberAccess]
    assert key == search_loop.stream(3, "tasks", 2)


def test_import_metaplast_alone_says_nothing() -> None:
    program = [sys.executable, "-W", "error", "-c", "import metaplast"]
    assert subprocess.run(program, check=False).returncode == 0
