"""Exports that are read and not run: JSON makes the same rule file again, LaTeX is well formed."""

import json as plain_json
import re
from pathlib import Path

import numpy as np
import pytest

from metaplast.language.account import Account
from metaplast.registry import BadInput, find
from metaplast.reuse.export.exported import TARGETS, export
from metaplast.reuse.export.json import read
from metaplast.reuse.export.lowered import program
from metaplast.reuse.export.source import subject_of
from metaplast.reuse.node import node
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.base import AbstractRule
from metaplast.rules.eligibility import Eligibility
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from tests.reuse._exports import forms, moved_theta, subject

BRACKETS = {"{": "}", r"\bigl(": r"\bigr)", r"\bigl[": r"\bigr]", r"\bigl|": r"\bigr|"}


@pytest.mark.parametrize("kind", ["shared", "per_edge", "per_synapse", "two_slots"])
def test_json_makes_the_same_file_again(kind: str, files: dict[str, Path], tmp_path: Path) -> None:
    edge = None if kind == "shared" else "hidden_1_to_output"
    result = export(subject_of(files[kind], edge), "json")
    again = read(result.text)
    file = read_rule(files[kind])
    assert again.document == file.document
    assert again.tensors.keys() == file.tensors.keys()
    save_rule(tmp_path / "again.safetensors", again.document, again.tensors)
    assert (tmp_path / "again.safetensors").read_bytes() == files[kind].read_bytes()


def test_json_of_a_known_rule_is_a_rule_file(tmp_path: Path) -> None:
    made = subject_of("class_mean")
    again = read(export(made, "json").text)
    path = tmp_path / "class_mean.safetensors"
    save_rule(path, again.document, again.tensors)
    assert subject_of(path).formula == made.formula


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text[:-5], "JSON text"),
        (lambda text: text.replace("rule.json/1", "rule.json/2"), "another schema"),
        (lambda text: text.replace('"dtype": "F32"', '"dtype": "F16"'), "F16"),
        (lambda text: text.replace('"dt": 0.001', '"dt": -1'), "a positive number"),
        (lambda text: "[1]", "another schema"),
    ],
)
def test_other_json_is_refused(change, expected: str, files: dict[str, Path]) -> None:
    text = export(subject_of(files["shared"]), "json").text
    with pytest.raises(BadInput, match=expected):
        read(change(text))


def test_json_has_the_coefficients_as_they_act(files: dict[str, Path]) -> None:
    content = plain_json.loads(export(subject_of(files["shared"]), "json").text)
    tensors = read_rule(files["shared"]).tensors
    acting = np.asarray([-1.0, 0.0, 0.0]) + tensors["rule.coefficients"]
    assert list(content["terms"]["rule"].values()) == pytest.approx(acting.tolist())


@pytest.mark.parametrize("name", tuple(forms()))
def test_latex_is_well_formed(name: str) -> None:
    spec = find("rule", name)()
    made = subject(spec, moved_theta(spec))
    text = export(made, "latex").text
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.isascii()
    assert re.findall(r"\\begin\{(\w+\*?)\}", body)[::-1] != []
    for environment in set(re.findall(r"\\begin\{(\w+\*?)\}", body)):
        assert body.count(rf"\begin{{{environment}}}") == body.count(rf"\end{{{environment}}}")
    bare = body.replace(r"\{", "").replace(r"\}", "")
    for opening, closing in BRACKETS.items():
        assert bare.count(opening) == bare.count(closing)
    equations = body.split(r"\begin{align*}")[1].split(r"\end{align*}")[0]
    for row in equations.strip().split("\\\\\n"):
        assert row.replace(r"\&", "").count("&") == 1
        assert row.count("{") == row.count("}")
    assert body.count("$") % 2 == 0


@pytest.mark.parametrize("name", ["oja", "confavreux", "class_mean", "triplet_hippocampus"])
def test_latex_has_every_number_in_full(name: str) -> None:
    made = subject_of(name)
    table = export(made, "latex").text.split(r"\hline")[1].split(r"\end{longtable}")[0]
    shown, full = [], []
    for row in table.strip().splitlines():
        cells = row.split(" & ")
        value = cells[1].strip("$")
        shown.append(number(value))
        full.append(number(row.rpartition(" % ")[2]) if " % " in row else number(value))
        assert cells[2].split("\\\\")[0].strip(), row  # a meaning
    constants = [constant.value for constant in program(made.rule).constants]
    assert full == constants
    assert shown == [float(f"{value:.6g}") for value in constants]


def number(text: str) -> float:
    return float(text.replace(r"\times 10^{", "e").replace("}", ""))


def test_latex_says_what_its_symbols_mean() -> None:
    text = export(subject_of("zoo/triplet"), "latex").text
    assert r"\section*{zoo/triplet}" in text
    assert "$z_i$: spikes of the presynaptic neuron" in text
    assert r"$[a > 0]$: 1 where" in text
    assert "trace of presynaptic spikes" in text
    assert "in seconds" in text
    potential = export(subject_of("zoo/clopath"), "latex").text
    assert (
        "$u_j$: membrane potential of the postsynaptic neuron (potential: mV for adex" in potential
    )


@pytest.mark.parametrize("name", ["triplet", "clopath", "eprop"])
def test_latex_breaks_its_lines(name: str) -> None:
    """A line has at most 54 characters that are seen, or is one factor that is longer."""
    text = export(subject_of(f"zoo/{name}"), "latex").text
    equations = text.split(r"\begin{align*}")[1].split(r"\end{align*}")[0]
    for row in equations.strip().split("\\\\\n"):
        seen = re.sub(r"\\(mathrm|bigl|bigr|quad|,)|[\\{}_^& ]", "", row)
        assert len(seen) <= 54 or r"\frac" in row, row


@pytest.mark.parametrize(
    "rule", [Stdp(), Stdp(pairing="nearest", mu_depression=1.0), Vogels(), Pathways()], ids=repr
)
def test_nestml_has_its_blocks_and_declares_every_name(rule: AbstractRule) -> None:
    """NESTML itself compiles it in the golden lane; here its form is checked."""
    text = export(subject(rule, {}), "nestml").text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "model metaplast_synapse:"
    assert all((len(line) - len(line.lstrip())) % 4 == 0 for line in lines)
    blocks = [line.strip() for line in lines if re.fullmatch(r" {4}\S.*", line)]
    assert [block.split(":")[0] for block in blocks] == [
        "state",
        "parameters",
        "equations",
        "input",
        "output",
        "onReceive(post_spikes)",
        "onReceive(pre_spikes)",
        "update",
    ]
    declared = set(re.findall(r"^ {8}(\w+) (?:real|ms) = ", text, re.MULTILINE))
    assert re.search(r"tau\w* ms = \d+\.\d+ ms", text)
    body = "\n".join(lines[lines.index("    onReceive(post_spikes):") :])
    used = set(re.findall(r"[a-z_]\w*", body)) - {"onReceive", "pre_spikes", "post_spikes"}
    assert used - declared == {
        "min",
        "max",
        "if",
        "else",
        "update",
        "integrate_odes",
        "emit_spike",
    } | ({"ms"} if "1000 ms" in body else set())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (find("rule", "triplet")(), "triplets"),
        (find("rule", "polynomial")(), "not at spikes alone"),
        (Stdp(mu_depression=0.3), "neither 0 nor 1"),
        (Stdp(increment="dt_over_tau"), "length of a step"),
        (Pathways(first="post"), "comes before its presynaptic one"),
    ],
    ids=repr,
)
def test_what_nestml_does_not_get_is_refused(rule: AbstractRule, expected: str) -> None:
    result = export(subject(rule, moved_theta(rule)), "nestml")
    assert result.grade == "unsupported"
    assert expected in result.reasons[0]


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "json"])
def test_a_rule_that_is_code_alone_is_unsupported(target: str) -> None:
    """A rule of another package, of which the file holds the name and the numbers."""
    made = subject(Stdp(), {})
    foreign = node({"name": "of_another_package", "rate": 0.1}, Account(), {})
    result = export(made._replace(rule=foreign), target)
    assert result.grade == "unsupported"
    expected = "the form of rule of_another_package is known as code and not as data"
    assert result.reasons == (expected,)


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "json"])
def test_a_rule_that_needs_its_neuron_is_unsupported_and_says_what_to_export(target: str) -> None:
    result = export(subject(Eligibility(), {}), target)
    assert result.grade == "unsupported"
    assert result.text == ""
    assert "for lif and alif export eprop" in result.reasons[0]


def test_a_header_says_what_a_spike_does() -> None:
    text = " ".join(export(subject_of("zoo/stdp"), "python").text.split())
    assert "At a presynaptic spike: w + (-(depression * stdp_y))." in text
    assert "At a postsynaptic spike: w + (potentiation * stdp_x)." in text
    assert "stdp_x grows by 1.0 at a presynaptic spike, and decays with tau_pre = 20 ms." in text
    assert "the postsynaptic spike sees pre traces before their jump" in text
    assert "steps of 1 ms" in text
    of_form = " ".join(export(subject(Stdp(), {}), "python").text.split())
    assert "the postsynaptic spike sees pre traces after their jump" in of_form
    assert "At a presynaptic spike" not in export(subject_of("zoo/oja"), "python").text
