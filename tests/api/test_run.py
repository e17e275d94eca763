"""A run in Python: the files of the command line, and everything that is read from them."""

import base64
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import metaplast as mp
from metaplast.api.rows import Rows
from metaplast.cli.main import main
from metaplast.figures.style import Picture
from metaplast.registry import BadInput
from metaplast.reuse import html
from metaplast.runs.config import Sources, compose
from tests._runs import start_run

WORDS = (
    "experiment=oja",
    "outer.steps=3",
    "task.n_in=4",
    "task.n_out=3",
    "task.n_steps=6",
    "problem.n_tasks=2",
    "evaluation.validation=4",
    "evaluation.heldout=6",
    "evaluation.candidates=1",
    "objective=mean_loss",
    "rule=polynomial",
    "rule.terms=[post*pre,post^2*weight]",
)
"""The words of tests/api/conftest.py TINY on the command line."""
SECONDS = re.compile(rb'("wall_s": )[\d.e-]+')
TIMES = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|<dd>\d+ s</dd>")
OWN = ("log.txt", ".lock")


def contents(folder: Path) -> dict[str, bytes]:
    """{path of a file: its bytes}, without seconds, times of day, and the name of the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in OWN:
            text = TIMES.sub(b"", SECONDS.sub(rb"\1", path.read_bytes()))
            name = folder.name.encode()
            found[str(path.relative_to(folder))] = text.replace(name, b"RUN")
    return found


def test_the_folder_is_that_of_the_command_line(run: mp.Run, tmp_path: Path) -> None:
    other = start_run(compose(WORDS, Sources()), tmp_path / "cli_run")
    mine = contents(run.folder)
    theirs = contents(other)
    assert {"config.yaml", "rule.safetensors", "report.html", "metrics.jsonl"} <= mine.keys()
    assert [name for name in mine if mine[name] != theirs.get(name)] == []
    assert mine.keys() == theirs.keys()


def test_everything_is_that_of_the_files(run: mp.Run) -> None:
    summary = json.loads((run.folder / "summary.json").read_text())
    again = mp.open(str(run.folder))
    assert again == run and again.finished and again.runs == [run]
    assert run.result == summary
    score = run.scores["discovered"]
    told = summary["scores"][0]
    assert (score.mean, score.low, score.high, score.n) == (told["mean"], *told["ci95"], 6)
    assert score.reach == "synapse" and score.verdict in ("trained", "not trained")
    assert run.rule.formula == summary["rule"]["formula"]
    assert run.rules.keys() == {"rule"}
    stored = load_file(run.folder / "theta.safetensors")
    coefficients = run.theta["rules"]["rule"]["coefficients"]
    assert np.array_equal(coefficients, stored["rules.rule.coefficients"])
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert run.metrics.column("loss") == [line["loss"] for line in lines]
    assert run.metrics.column("row") == ["discovered"] * 3
    assert run.config["task"]["n_steps"] == 6
    assert str(run) == run.text and "held-out lives" in run.text
    assert run.page.name == "report.html"


def test_curves_are_a_figure_of_the_stored_lives(run: mp.Run) -> None:
    before = contents(run.folder)
    figure = run.plot.curves()
    stored = load_file(run.folder / "steps.safetensors")["loss"]
    line = figure.axes[0].lines[-1]
    assert np.allclose(line.get_ydata(), stored.mean(axis=0))
    figure.axes[0].set_title("mine")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert contents(run.folder) == before
    assert isinstance(run.plot.coefficients(), Picture)
    assert isinstance(run.plot.path(), Picture)
    with pytest.raises(BadInput, match="metric 'accuracy' - expected one of loss"):
        run.plot.curves("accuracy")
    with pytest.raises(BadInput, match="no row to compare with"):
        run.plot.gains()
    with pytest.raises(BadInput, match="did you mean 'curves'"):
        run.plot.figures("curve")


def test_evaluation_where_it_was_trained_gives_its_own_scores(run: mp.Run) -> None:
    assert run.evaluate(lives=6)["discovered"].mean == run.scores["discovered"].mean
    with pytest.raises(BadInput, match="n_stepz"):
        run.evaluate(task={"n_stepz": 8})


def test_findings_are_those_of_the_page(run: mp.Run, tmp_path: Path) -> None:
    found = run.inspect("quick", lives=4, out=tmp_path, quiet=True)
    record = json.loads((tmp_path / "inspect.json").read_text())
    assert found.page == tmp_path / "report.html" and found.page.is_file()
    assert found.numbers == record and found["landscape"] == record["landscape"]
    assert found.verdict.found == record["verdict"]["found"]
    assert found.verdict.found in repr(found)
    picture = run.pictures["curves_loss"]
    shown = picture._repr_html_()
    assert base64.b64decode(shown.partition("base64,")[2].partition('"')[0]).startswith(b"<?xml")
    assert shown.startswith("<img") and Path(picture).is_file()
    assert "<p>" in found._repr_html_() and "<script" not in found._repr_html_()


def test_a_rule_file_is_inspected_without_a_run(
    run: mp.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = mp.inspect("zoo/oja", quiet=True)
    assert found.page == Path("oja_inspect/report.html") and found.page.is_file()
    assert "Nothing is judged" in found.verdict.found
    assert found.verdict.next_command == "metaplast show zoo/oja"
    page = found.page.read_text()
    assert all(html.line(text)[3:-4] in page for text in found.verdict.sentences)
    with pytest.raises(BadInput, match=r"a rule file - mp\.open"):
        mp.inspect(run.folder)
    with pytest.raises(BadInput, match="effort='slow'"):
        mp.inspect("zoo/oja", effort="slow")  # pyright: ignore[reportArgumentType]


def test_a_diagnosis_is_the_one_of_the_command_line(run: mp.Run, capsys) -> None:
    found = mp.diagnose(run, lives=2)
    with pytest.raises(SystemExit):
        main(["diagnose", str(run.folder), "--lives", "2", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert set(found.numbers["places"]) == {"birth", "found"}
    for place, facts in printed["places"].items():
        assert found.numbers["places"][place]["measured"] == facts["measured"]
    assert "configured: outer=bptt" in found.text
    assert found._repr_html_() == html.formula(found.text)
    with pytest.raises(BadInput, match="at least 2"):
        mp.diagnose("oja", lives=1)


def test_an_export_and_a_card_are_those_of_the_command_line(
    run: mp.Run, tmp_path: Path, capsys
) -> None:
    made = mp.export(run, "python", tmp_path / "rule.py")
    with pytest.raises(SystemExit):
        main(["export", str(run.rule_file), "--to", "python"])
    assert made.grade == "faithful"
    assert made.text == (tmp_path / "rule.py").read_text() == capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["card", str(run.rule_file)])
    assert mp.card(run) == capsys.readouterr().out.removesuffix("\n")
    assert mp.card("zoo/oja") == mp.card("oja")
    with pytest.raises(BadInput, match="export it to python"):
        mp.export("zoo/readout", "lava")
    with pytest.raises(BadInput, match="target 'brain2'"):
        mp.export("oja", "brain2")
    with pytest.raises(BadInput, match="the zoo has it: zoo/stdp"):
        mp.export("stdp", "lava")
    for take in (mp.card, mp.inspect, lambda rule: mp.export(rule, "python")):
        with pytest.raises(BadInput, match="a run, the path of a rule file, or a name"):
            take(run.rule)
        with pytest.raises(BadInput, match="oja"):
            take(Path("oja"))  # a path, and not the known rule


def test_compare_pools_and_draws(run: mp.Run) -> None:
    comparison = mp.compare([run])
    assert comparison.scores == run.scores
    assert "discovered" in repr(comparison)
    assert len(comparison.curves().axes[0].lines) == 1
    for wrong in ([], str(run.folder), ["nothing"]):
        with pytest.raises(BadInput):
            mp.compare(wrong)


def test_what_is_not_there_is_refused_in_one_line(run: mp.Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a run folder"):
        mp.open(tmp_path)
    with pytest.raises(BadInput, match="row 'hebb' - expected one of discovered"):
        run.theta_of("hebb")
    with pytest.raises(BadInput, match="effort='slow' - expected one of quick, usual, thorough"):
        run.inspect("slow")  # pyright: ignore[reportArgumentType]
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.yaml").write_bytes((run.folder / "config.yaml").read_bytes())
    half = mp.open(tmp_path / "half")
    assert not half.finished and "mp.resume" in repr(half) and len(half.metrics) == 0
    with pytest.raises(BadInput, match=r"a finished run - mp\.resume"):
        half.scores  # noqa: B018


def test_html_holds_formula_reach_and_scores_and_no_script(run: mp.Run) -> None:
    shown = run._repr_html_()
    assert run.rule.formula.partition(" * ")[0] in shown
    assert "<th>reach</th><td>synapse</td>" in shown
    assert "<td>discovered</td>" in shown
    assert "synapse" in run.rule._repr_html_()
    rows = Rows([("<script>alert(1)</script>", "a\x1b[2J&")], ("<b>", "c"))
    hostile = rows._repr_html_()
    assert "<script" not in hostile and "<b>" not in hostile and "\x1b" not in hostile
    assert "&lt;script&gt;" in hostile


def test_pandas_that_is_not_installed(run: mp.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(BadInput, match="pip install pandas"):
        run.scores.to_pandas()


def test_rows_are_a_sequence() -> None:
    rows = Rows([(1, "a"), (2, "b")], ("n", "word"))
    assert list(rows) == [(1, "a"), (2, "b")] and len(rows) == 2
    assert rows[1:] == Rows([(2, "b")], ("n", "word"))
    assert rows.column("word") == ["a", "b"]
    assert repr(rows).splitlines()[0].split() == ["n", "word"]
    with pytest.raises(BadInput, match="one of n, word"):
        rows.column("m")
