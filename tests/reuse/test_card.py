"""The card of a rule: whole, true to the file, and safe for the page that shows it."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from metaplast.reuse import shelf
from metaplast.reuse.card import card
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import RuleFile, read_rule
from tests.system._commands import here

SECTIONS = ("Model details", "Signals and reach", "Uses", "Valid range", "Training", "Evaluation")


@pytest.mark.parametrize("name", shelf.names())
def test_every_rule_of_the_zoo_has_a_whole_card(name: str) -> None:
    file = read_rule(shelf.PREFIX + name)
    text = card(file, shelf.PREFIX + name, shelf.shelved(name))
    for section in SECTIONS:
        assert f"## {section}" in text
    assert formula(file.document, file.tensors) in text
    for slot in file.document["slots"].values():
        for field in slot["reads"]:
            (line,) = [line for line in text.splitlines() if f"`view.{field}`" in line]
            meaning, unit = line.split("|")[2:4]
            assert meaning.strip()
            assert unit.strip()


def _metadata(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    metadata = {}
    for line in head.splitlines():
        key, value = line.split(": ", 1)
        metadata[key] = json.loads(value)
    return metadata


def test_the_metadata_hold_the_score_of_the_file() -> None:
    file = read_rule("zoo/categories")
    metadata = _metadata(card(file, "zoo/categories", shelf.shelved("categories")))
    (result,) = metadata["model-index"][0]["results"]
    (score,) = [score for score in file.document["scores"] if score["name"] == "discovered"]
    assert result["metrics"] == [{"type": "accuracy", "value": score["mean"]}]
    assert metadata["library_name"] == "metaplast"


HOSTILE = "<script>alert(1)</script>\n---\n# x [a](javascript:b) `c` | d"


def test_words_of_a_file_stay_words(made: dict[str, Any]) -> None:
    document, tensors = made["shared"]
    score = {**document["scores"][0], "name": HOSTILE, "metric": HOSTILE}
    changed = {
        **document,
        "provenance": {HOSTILE: HOSTILE, "experiment": HOSTILE},
        "scores": [*document["scores"], score],
    }
    text = card(RuleFile(changed, tensors), HOSTILE)
    plain = card(RuleFile(document, tensors), "a.safetensors")
    assert "<script>" not in text.split("---\n", 2)[2].replace("'", "").split("```python")[0]
    assert text.count("\n---\n") == plain.count("\n---\n")
    assert text.count("\n# ") == plain.count("\n# ")
    _metadata(text)


@pytest.mark.parametrize("name", ["r');print(1)#.safetensors", "a`b`.safetensors", "a\\'.x"])
def test_the_python_of_a_card_loads_one_text(name: str, made: dict[str, Any]) -> None:
    text = card(RuleFile(*made["shared"]), name)
    code = text.split("```python\n")[1].split("```")[0]
    loaded = ast.parse(code).body[1]
    assert isinstance(loaded, ast.Assign)
    assert isinstance(loaded.value, ast.Call)
    (argument,) = loaded.value.args
    assert isinstance(argument, ast.Constant)
    assert argument.value == name


def test_no_address_of_a_file_becomes_a_link(made: dict[str, Any]) -> None:
    document, tensors = made["shared"]
    changed = {**document, "provenance": {"note": "https://a.b www.c.d $x$ @you"}}
    text = card(RuleFile(changed, tensors), "a")
    for part in ("https://", "www.c", " $x", " @you"):
        assert part not in text


def test_the_verb_prints_a_card_and_the_command_that_publishes_it(tmp_path: Path) -> None:
    code, out, _ = here("card", "zoo/oja", cwd=tmp_path)
    assert code == 0
    assert out.startswith("---\n")
    code, out, _ = here("card", "oja", "--out", "README.md", cwd=tmp_path)
    assert code == 0
    assert "hf upload" in out
    assert "Oja 1982" in (tmp_path / "README.md").read_text()
