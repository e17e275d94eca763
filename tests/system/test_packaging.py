"""The wheel, as a user gets it: built, installed beside the locked packages in a clean environment,
run elsewhere.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = ("metaplast", "outer_loops", "inner_tasks", "configs")


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a stranger would: no help from the variables of this test run, nothing on
    stdin.
    """
    hidden = ("PYTHON", "PYTEST", "VIRTUAL_ENV", "COVERAGE", "JAX_", "XLA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _succeed(*command: str | Path, cwd: Path) -> str:
    """Run a command that must end with exit code 0; its standard output."""
    done = _run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command} gave {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools would leave build/ in the checkout and pack stale
    files from it.
    """
    source = tmp_path_factory.mktemp("source")
    for name in TOP_LEVEL:
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    _succeed(sys.executable, "-m", "build", "--wheel", "--outdir", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a clean environment that holds the locked packages and the wheel, nothing
    else.
    """
    folder = tmp_path_factory.mktemp("clean") / "venv"
    _succeed(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    install = (
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    )
    _succeed(*install, "-r", ROOT / "requirements" / "lock.txt", wheel, cwd=folder.parent)
    return folder / "bin"


def test_every_package_is_listed() -> None:
    """The package list in pyproject.toml is explicit: a new folder that is not added would miss in
    the wheel.
    """
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    folders = [
        file.parent.relative_to(ROOT) for name in TOP_LEVEL for file in (ROOT / name).rglob("*.py")
    ]
    found = {
        "metaplast.configs" if path.parts[0] == "configs" else ".".join(path.parts)
        for path in folders
    }
    assert listed == found


def test_wheel_holds_every_source_and_config(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        str(path.relative_to(ROOT))
        for name in TOP_LEVEL[:3]
        for path in (ROOT / name).rglob("*.py")
    }
    configs = {f"metaplast/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert configs
    data = {"metaplast/py.typed", "metaplast/report/report.html.j2"}
    data |= {f"metaplast/clusters/{part}.sh" for part in ("after", "count", "job")}
    assert not (sources | configs | data) - packed
    assert {name.split("/")[0] for name in packed if ".dist-info/" not in name} == set(
        TOP_LEVEL[:3]
    )


def test_the_lock_pins_every_package() -> None:
    lines = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    loose = [line for line in lines if line and not line.startswith("#") and "==" not in line]
    assert not loose


def test_the_locked_packages_and_the_wheel_train_outside_the_repository(
    binaries: Path, tmp_path: Path
) -> None:
    """One test, so that one worker alone makes the environment."""
    _succeed(binaries / "python", "-m", "pip", "check", cwd=tmp_path)
    out = _succeed(binaries / "metaplast", "configs", cwd=tmp_path)
    assert {"digits", "oja"} <= set(re.findall(r"[\w-]+", out))
    run = tmp_path / "run"
    _succeed(
        binaries / "metaplast",
        "train",
        "experiment=oja",
        "outer.steps=2",
        "--run-dir",
        run,
        cwd=tmp_path,
    )
    assert (run / "rule.safetensors").stat().st_size > 0
    assert json.loads((run / "summary.json").read_text())["outer_steps"] == 2
