"""Files that are no config are refused in one line, before anything is built of them."""

import os
from pathlib import Path

import pytest

from metaplast.registry import BadInput
from metaplast.runs.config import MAX_DEPTH, Sources, compose, read_file
from metaplast.runs.job import parse


def _refused(file: Path, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refusal:
        read_file(file, "--config ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["task: " + "[" * 100_000 + "]" * 100_000, "- " * 100_000 + "1"])
def test_a_config_nested_without_end_is_refused(tmp_path, text):
    """The YAML loader follows every level of a text. 100,000 levels would end the interpreter."""
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    _refused(file, f"nested too deep - expected at most {MAX_DEPTH} levels")


def test_a_config_as_deep_as_allowed_is_read(tmp_path):
    file = tmp_path / "deep.yaml"
    file.write_text("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert list(read_file(file)) == ["a"]


def test_an_error_of_yaml_names_its_line_and_its_cause(tmp_path):
    file = tmp_path / "twice.yaml"
    file.write_text("task: digits\nseed: 1\nseed: 2\n")
    _refused(file, "line 3: found duplicate key seed")
    file.write_text("task: digits\nrule: [1, 2\n")
    _refused(file, r"line \d: (did not find )?expected ',' or '\]'")


def test_a_character_that_no_yaml_has_is_named_by_its_line(tmp_path):
    file = tmp_path / "control.yaml"
    file.write_text("task: digits\nnote: a\x01b\n")
    _refused(file, f"--config {file}: line 2: control characters are not allowed")


def test_an_interpolation_that_is_cut_off_is_named_by_its_key(tmp_path):
    file = tmp_path / "cut.yaml"
    file.write_text("task: digits\nnote: ${seed\n")
    _refused(file, r"\(at note\)")


def test_of_a_file_without_end_no_more_is_read_than_a_config_may_hold(tmp_path):
    file = tmp_path / "long.yaml"
    with file.open("wb") as handle:
        handle.truncate(2**40)  # a hole: it takes no room on the disk
    _refused(file, "more than 1000000 characters")


def test_a_file_of_a_group_is_named_by_the_option_that_reads_it(tmp_path):
    (tmp_path / "rule").mkdir()
    (tmp_path / "rule" / "mine.yaml").write_text("name: oja\nname: hebb\n")
    with pytest.raises(
        BadInput, match=f"--config-dir {tmp_path}: rule/mine.yaml: line 2: found duplicate key name"
    ):
        compose(["experiment=oja", "rule=mine"], Sources(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")
def test_a_pipe_is_not_waited_for(tmp_path):
    file = tmp_path / "pipe.yaml"
    os.mkfifo(file)
    _refused(file, "expected a file")
    _refused(tmp_path, "expected a file")


def test_a_rule_of_a_file_may_stand_in_a_row_and_in_a_slot() -> None:
    words = ["experiment=oja", "rows.known.rule=hebb", "rules.part={edges: x_to_y, rule: oja}"]
    plain = compose([*words, "rows.other.rules.part={edges: x_to_y, rule: stdp}"], Sources())
    hebb = compose(["experiment=oja", "rule=hebb"], Sources())["rule"]
    assert plain["rows"]["known"] == {"rule": hebb}
    assert plain["rules"]["part"]["rule"] == compose(["rule=oja"], Sources())["rule"]
    assert plain["rows"]["other"]["rules"]["part"]["rule"] == "stdp"  # a plug-in, with defaults
    words = ["experiment=oja", "rows.known.rule=hebb", "rows.known.rule.rate=0.3"]
    assert compose(words, Sources())["rows"]["known"]["rule"] == {**hebb, "rate": 0.3}
    words = ["experiment=oja", "rows.known.rule={name: hebb, rate: 0.3}"]
    assert compose(words, Sources())["rows"]["known"]["rule"] == {**hebb, "rate": 0.3}
    unknown = compose(["experiment=oja", "rows.known.rule=heb"], Sources())
    with pytest.raises(BadInput, match="rule 'heb'"):
        parse(unknown)
