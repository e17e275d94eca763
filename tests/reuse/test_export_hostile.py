"""Nothing in a rule file becomes code of an export, whatever its names and texts are."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from metaplast.registry import BadInput
from metaplast.reuse.export._names import comment, identifier
from metaplast.reuse.export.exported import TARGETS, Subject, export
from metaplast.reuse.export.source import subject_of
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.wrappers.sum import Sum
from metaplast.rules.wrappers.three_factor import ThreeFactor
from tests.reuse._exports import moved_theta, subject
from tests.reuse.test_hostile import DAMAGED

PAYLOAD = "\"\"\"'''\\\nimport os\nos.system('true')\r\u2028os.remove('x')#$\\input{x}%"
LABEL = "import_os"
MODULES = {
    "numpy",
    "brian2",
    "lava.magma.core.learning.learning_rule",
    "jax",
    "jax.numpy",
    "optax",
    "warnings",
}


def hostile(rule: Any) -> Subject:
    """A subject whose every text is a payload."""
    made = subject(rule, moved_theta(rule))
    document = {"slots": {}, "provenance": {"note": PAYLOAD}}
    return made._replace(name=PAYLOAD, formula=PAYLOAD, version=PAYLOAD, document=document)


RULES: dict[str, Any] = {
    "modulator": ThreeFactor(modulator=PAYLOAD),
    "label": Sum(
        rules=(
            (LABEL, Stdp()),
            ("np", ThreeFactor(modulator="np")),
            ("e", Polynomial(terms=("weight",), initial=(-1.0,))),
            ("caf\u00e9", Polynomial(terms=("post*modulator.delta_w",), initial=(1.0,))),
        )
    ),
    "spikes": Stdp(),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", RULES)
def test_no_text_becomes_code(name: str, target: str) -> None:
    result = export(hostile(RULES[name]), target)
    if result.grade == "unsupported":
        assert "sum over synapses" in result.reasons[0] or "spikes" in result.reasons[0]
        return
    text = result.text
    assert text.isascii()
    if target == "json":
        assert json.loads(text)["document"]["provenance"]["note"] == PAYLOAD
        return
    if TARGETS[target] == "py":
        _check_python(text)
    mark = "%" if target == "latex" else "#"
    body = [line for line in text.splitlines() if not line.startswith(mark)]
    assert not [line for line in body if line.lstrip().startswith(("import os", "os."))]
    if target == "latex":
        assert r"\input" not in "\n".join(body)


def _check_python(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= MODULES
        if isinstance(node, ast.ImportFrom):
            assert node.module in MODULES
        if isinstance(node, ast.Name):
            assert node.id not in ("os", "eval", "exec")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert "os.system" not in node.value


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused(case: str, files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "rule.safetensors"
    path.write_bytes(DAMAGED[case][0](files["shared"].read_bytes()))
    with pytest.raises(BadInput):
        subject_of(path)


@pytest.mark.parametrize("target", TARGETS)
def test_names_of_a_file_are_comments(target: str, files: dict[str, Path], tmp_path: Path) -> None:
    """A file whose slot is called as no program may call a thing."""
    file = read_rule(files["shared"])
    name = "\u1d62\u0430-import-os"
    document = {**file.document, "slots": {name: file.document["slots"]["rule"]}}
    document["reference"] = {name: file.document["reference"]["rule"]}
    tensors = {key.replace("rule.", f"{name}.", 1): value for key, value in file.tensors.items()}
    save_rule(tmp_path / "rule.safetensors", document, tensors)
    made = subject_of(tmp_path / "rule.safetensors")
    assert made.name == name
    result = export(made, target)
    assert result.grade == "unsupported" or result.text.isascii()


@pytest.mark.parametrize("text", [PAYLOAD, "", "1", "lambda", "a\nb", "\u00e9", "x" * 500, "__a__"])
def test_identifiers(text: str) -> None:
    name = identifier(text)
    assert name.isascii()
    assert name.isidentifier()
    assert len(name) <= 50
    assert identifier(text, {name}) != name
    shown = comment(text)
    assert shown.isprintable()
    assert shown.isascii()
    assert not set(shown) & {"\\", '"'}
