"""Files that are no config are refused in one line, before anything is built of them."""

import os
from pathlib import Path

import pytest

from metaplast.launch.config import MAX_DEPTH, read_file
from metaplast.registry import BadInput


def _refused(file: Path, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refusal:
        read_file(file, "--config ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["task: " + "[" * 100_000 + "]" * 100_000, "- " * 100_000 + "1"])
def test_a_config_nested_without_end_is_refused(tmp_path, text):
    """The loader of YAML goes as deep as the text: 100,000 levels end the interpreter."""
    file = tmp_path / "deep.yaml"
    file.write_text(text)
    _refused(file, f"nested too deep - expected at most {MAX_DEPTH} levels|exceeded maximum nesting depth")


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")
def test_a_pipe_is_not_waited_for(tmp_path):
    file = tmp_path / "pipe.yaml"
    os.mkfifo(file)
    _refused(file, "expected a file")
    _refused(tmp_path, "expected a file")
