"""The public face of the package: lazy imports, and `metaplast show` without JAX."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import metaplast as mp
from metaplast.cli.show import command
from metaplast.registry import BadInput
from metaplast.reuse.rule_file import save_rule
from metaplast.reuse.text import printable


def _fresh(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy() -> None:
    """Rule files, formulas and known rules do not load JAX."""
    code = """
import sys
import metaplast
dir(metaplast)
heavy = {"jax", "pydantic", "numpy", "click", "omegaconf", "safetensors", "optax", "matplotlib"}
heavy &= set(sys.modules)
assert not heavy, heavy
metaplast.read_rule, metaplast.save_rule, metaplast.BadInput, metaplast.__version__
import metaplast.reuse.formula, metaplast.reuse.known
metaplast.reuse.known.known_rules()
assert "jax" not in sys.modules
"""
    _fresh(code)


def test_show_does_not_load_jax(files) -> None:
    code = """
import sys
from metaplast.cli.show import command
command.main([sys.argv[1]], standalone_mode=False)
assert not {"jax", "pydantic"} & set(sys.modules)
"""
    assert _fresh(code, str(files["per_edge"])).startswith(
        "delta_w[rule/input_to_hidden_1] = clip(adam("
    )
    assert _fresh(code, "oja").startswith("delta_w = 0.1 * (1.000*post*pre - 1.000*post^2*weight)")


def test_every_public_name_exists() -> None:
    for name in mp.__all__:
        assert getattr(mp, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'speck'"):
        mp.speck  # noqa: B018


def test_spec_is_the_decorator_before_and_after_its_module_is_imported() -> None:
    code = """
import sys
import metaplast as mp
@mp.spec
class A:
    n: int = 1
import metaplast.spec
from metaplast.spec import Count, spec
assert mp.spec is spec and A(2) == A(2) and sys.modules["metaplast.spec"].Count is Count
"""
    _fresh(code)


def _show(path: Path | str) -> str:
    done = CliRunner().invoke(command, [str(path)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_card(files) -> None:
    shown = _show(files["shared"])
    assert "reach          layer\n" in shown
    assert (
        "reads          post.activity, post.feedback, pre.activity, pre.returned, weight\n" in shown
    )
    assert "learned on     input_to_hidden_1 4x5, hidden_1_to_output 2x4\n" in shown
    assert "score          discovered heldout accuracy 0.9 [0.88, 0.92] n 8\n" in shown
    assert "experiment     digits\n" in shown
    assert "form           clip of adam of polynomial\n" in _show(files["per_edge"])
    assert "reach          synapse (as written in the file)\n" in _show(files["per_synapse"])


def test_the_card_is_computed_and_printable(made, tmp_path: Path) -> None:
    """Reach and fields come from the terms and not from the file.

    No text of the file reaches the terminal raw.
    """
    document, tensors = made["shared"]
    slot = {
        **document["slots"]["rule"],
        "reads": ["weight"],
        "reach": "synapse",
        "edges": "\x1b[2J\r*",
    }
    hostile = {
        "slots": {"rule": slot},
        "provenance": {
            "formula": "delta_w = perfect\n\x1b]0;title\x07",
            "\u202ekey": {"a": "\u2028"},
        },
        "scores": [{"name": "best\x1b[31m", "mean": None, "ci95": ["a\n", None], "n": [1]}, {}],
    }
    save_rule(tmp_path / "r.safetensors", document | hostile, tensors)
    shown = _show(tmp_path / "r.safetensors")
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "reach          layer\n" in shown
    assert "pre.returned" in shown
    assert "\\x1b[2J\\r*" in shown
    assert "not finite" in shown
    assert shown.startswith("delta_w = 0.05 * (")


def test_show_refuses_in_one_line(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "none.safetensors", "ojja"):
        done = CliRunner().invoke(command, [str(wrong)])
        assert isinstance(done.exception, BadInput)


def test_printable() -> None:
    assert printable("a b-é∆") == "a b-é∆"
    assert (
        printable("\x00\x1b\n\x7f\x85\u202e\u2066\ufeff\ud800")
        == r"\x00\x1b\n\x7f\x85\u202e\u2066\ufeff\ud800"
    )
