"""Completion in a shell, switched on by the line in docs/guides/jobs.md."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from metaplast.cli._complete import words
from metaplast.runs.config import Sources

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "jobs.md").read_text()
LINE = re.findall(r'eval "\$\(_METAPLAST_COMPLETE=bash_source metaplast\)"', DOCS)


def _offered(before: list[str], incomplete: str) -> list[str]:
    return [item.value for item in words(before, incomplete)]


def test_a_group_and_its_names_as_one_word() -> None:
    experiments = [f"experiment={name}" for name in Sources().names("experiment")]
    assert _offered([], "exp") == experiments
    assert _offered([], "experiment=oj") == ["experiment=oja", "experiment=oja_from_activity"]
    assert "rule=oja" in _offered([], "rule=") and "rule=polynomial" in _offered([], "rule=")
    assert _offered([], "network=rec") == ["network=recurrent"]
    assert _offered([], "nothing=") == []


def test_a_name_alone_after_its_group_as_bash_has_it() -> None:
    assert _offered(["experiment"], "oj") == ["oja", "oja_from_activity"]
    assert "bptt" in _offered(["experiment=oja", "outer"], "")


def test_each_value_of_a_word_of_a_sweep() -> None:
    from metaplast.cli.sweep import command

    (argument,) = [each for each in command.params if each.name == "words"]
    context = click.Context(command)
    context.params["words"] = ["experiment", "=", "oja"]

    def offered(incomplete: str) -> list[str]:
        return [item.value for item in argument.type.shell_complete(context, argument, incomplete)]

    assert offered("outer=bptt,hy") == ["outer=bptt,hybrid"]
    assert "outer=bptt" in offered("outer=b")
    context.params["words"] = ["outer"]
    assert offered("bptt,hy") == ["bptt,hybrid"]


@pytest.mark.system
@pytest.mark.skipif(shutil.which("bash") is None, reason="of bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("metaplast train experiment = oj", ["oja", "oja_from_activity"]),
        ("metaplast train task = dig", ["digits"]),
        ("metaplast list neur", ["neurons"]),
        ("metaplast show ojaX", []),
        ("metaplast comp", ["compare"]),
    ],
)
def test_the_line_of_the_docs_completes_in_bash(
    typed: str, offered: list[str], tmp_path: Path
) -> None:
    assert len(set(LINE)) == 1
    program = tmp_path / "metaplast"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m metaplast.cli.main "$@"\n')
    program.chmod(0o755)
    script = f"""
{LINE[0]}
COMP_WORDS=({typed})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_metaplast_completion metaplast
echo "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    assert done.stdout.split() == offered, done.stderr
