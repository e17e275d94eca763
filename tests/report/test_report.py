"""The page: complete, self-contained, and nothing that stands in a config can become markup."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from metaplast import search_loop
from metaplast.cli.main import main
from metaplast.figures.style import save, subplots
from metaplast.registry import BadInput
from metaplast.report.page import Figure, Folded, Page, Section, Table, html
from metaplast.report.rule import inspect_rule, write
from metaplast.results.changed_world import Lived
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.runs.config import to_yaml
from metaplast.runs.job import parse
from metaplast.runs.metrics import MetricsFile, read
from metaplast.training import loop as training
from metaplast.training import page as report
from metaplast.training import train_row as row
from metaplast.training.kept_transfer import keep
from metaplast.training.summary import summarise
from metaplast.training.summary_text import render
from tests._runs import start_run

HOSTILE = "<script>alert(1)</script>"
NO_TAGS = ("script", "link", "iframe", "object", "embed", "form", "base")
IMAGE = "\"><img src='http://example.org/x' onerror=alert(1)>"
TERMS = ["post*pre", "post^2*weight"]
PICTURES = ("img", "svg")
CONFIG = {
    "experiment": HOSTILE,
    "note": IMAGE,
    "task": {"name": "teacher_student", "n_in": 2, "n_out": 1, "n_steps": 4},
    "network": {"name": "feedforward", "hidden": [], "output": {"name": "tanh"}},
    "genome": {"name": "given"},
    "rule": {"name": "polynomial", "terms": TERMS, "scale": 0.1, "learn": "both"},
    "objective": {"name": "mean_loss"},
    "outer": {"name": "bptt", "steps": 3},
    "problem": {"n_tasks": 2},
    "evaluation": {"validation": 4, "heldout": 8, "candidates": 1},
}


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def check_page(page: str) -> Reader:
    """Nothing runs, nothing is loaded, every figure is described, every link has its end."""
    page_read = Reader(page)
    assert "<script" not in page.lower()
    ids = [attributes["id"] for _, attributes in page_read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page_read.tags:
        assert tag not in (*NO_TAGS, "foreignobject")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "background"):
            target = attributes.get(name) or "data:image/png;base64,"
            is_inside = target.startswith("#") and target[1:] in [*ids, "top"]
            assert is_inside or target.startswith("data:image/png;base64,"), target
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes["aria-label"] and attributes["role"] == "img"
    policies = [a["content"] for t, a in page_read.tags if t == "meta" and "http-equiv" in a]
    (policy,) = policies
    assert policy is not None and policy.startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline';"
    )
    for target in re.findall(r"url\(([^)]*)\)", page):
        assert target[0] == "#" and target[1:] in ids
    assert "@import" not in page and "<!DOCTYPE svg" not in page
    assert "http:" not in page.replace("http://example.org", "") and "https:" not in page
    return page_read


def n_pictures(page_read: Reader) -> int:
    return len([tag for tag, _ in page_read.tags if tag in PICTURES])


def finished(folder: Path, seed: int) -> Path:
    """A run folder as a finished training leaves it, with made-up numbers: nothing is compiled."""
    plain = {**CONFIG, "seed": seed}
    job = parse(plain)
    theta = job.main.meta_problem().init(search_loop.stream(seed, "theta"))
    folder.mkdir()
    (folder / "config.yaml").write_text(to_yaml(plain))
    (folder / "environment.json").write_text(json.dumps({"jax": HOSTILE}))
    log = MetricsFile(folder / "metrics.jsonl", 0)
    for step in (1, 2, 3):
        part = jax.tree.map(lambda x: x * step / 3, theta)  # noqa: B023
        log.write(step, {"loss": np.asarray(1.0 / step)}, 0.1, training.listed(part))
    log.close()
    lives = {"loss": np.random.default_rng(seed).uniform(size=8), "at_bound": np.full(8, 0.2)}
    row.publish(folder, theta, lives, {"name": "discovered", "diverged_lives": 0, "wall_s": 0.1})
    summarise(folder, job, 1.0)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [finished(folder / f"seed_{seed}", seed) for seed in (0, 1)]


def test_clipped_weights_are_named_at_the_end_of_a_run(runs: list[Path]):
    assert "discovered: 20 % of its weights end at their bound (clipped)." in render(runs[0])


@pytest.mark.parametrize("hostile", [HOSTILE, IMAGE, "</svg><b>", "]]>", "</style><b>", "--><b>"])
def test_hostile_text_stays_text(hostile: str, tmp_path: Path):
    drawn = tmp_path / "drawn.svg"
    figure, axes = subplots()
    axes.plot([1.0, 2.0], label=hostile.replace("$", ""))
    axes.set_title(hostile)
    axes.legend()
    save(figure, drawn)
    bitmap = tmp_path / "x.png"
    bitmap.write_bytes(b"not looked at")
    table = Table(hostile, [hostile], [[hostile]])
    section = Section(
        hostile,
        [hostile],
        [hostile, f"{hostile}{'+ x' * 200}"],
        [Figure(bitmap, hostile, hostile), Figure(drawn, hostile, hostile)],
        [table, Table(hostile, ["n"], [["1"]] * 40)],
        summary=hostile,
        folded=[Folded(hostile, [hostile], [hostile], [table])],
        id=hostile,
    )
    page = Page(
        hostile, [(hostile, hostile)], [section, section], [hostile], hostile, section.figures[1]
    )
    written = html(page)
    page_read = check_page(written)
    expected_tags = {"img": 2, "svg": 3, "section": 3, "b": 0, "details": 6}
    for tag, n in expected_tags.items():
        assert len([each for each, _ in page_read.tags if each == tag]) == n, tag
    described = [a.get("alt") or a.get("aria-label") for t, a in page_read.tags if t in PICTURES]
    assert described == [hostile] * 5
    assert page_read.text.count(hostile) > 40 and hostile not in written


@pytest.mark.system
def test_training_writes_the_page_and_every_step_of_its_rule(tmp_path: Path):
    folder = start_run({**CONFIG, "seed": 0}, tmp_path / "run", 1)
    page_read = check_page((folder / "report.html").read_text())
    assert (
        HOSTILE in page_read.text
        and IMAGE in page_read.text
        and "metaplast inspect RUN_DIR" in page_read.text
    )
    rows = read(folder / "metrics.jsonl")
    assert [len(each["theta"]) for each in rows] == [3, 3, 3]
    theta = load_file(folder / "theta.safetensors")
    last = [*theta["rules.rule.coefficients"], theta["rules.rule.log_rate"]]
    np.testing.assert_allclose(rows[-1]["theta"], last, rtol=1e-5)
    report.inspect_runs([folder], None, 6)
    curve = json.loads((folder / "inspect.json").read_text())["curves"]["bands"]["loss"][
        "discovered"
    ]
    assert np.mean(curve["mean"]) == pytest.approx(
        load_file(folder / "lives.safetensors")["loss"][:6].mean(), rel=1e-4
    )


def test_pictures_of_an_earlier_page_are_removed(tmp_path: Path) -> None:
    pictures = tmp_path / "figures"
    for name in ("mine.png", "old.svg", "curve.png", "kept.svg"):
        figure, axes = subplots()
        axes.plot([0.0, 1.0])
        save(figure, pictures / name)
    victim = tmp_path / "victim.svg"
    victim.write_text("no picture of a page")

    def page(*names: str) -> Page:
        shown = [Figure(pictures / name, name, name) for name in names]
        return Page("title", [], [Section("one", figures=shown)])

    write(tmp_path, page("old.svg", "kept.svg"), {})
    record = json.loads((tmp_path / "inspect.json").read_text())
    assert record["pictures"] == ["old.svg", "kept.svg"]
    record["pictures"].append("../victim.svg")
    (tmp_path / "inspect.json").write_text(json.dumps(record))
    figure, axes = subplots()
    save(figure, pictures / "curve.svg")
    write(tmp_path, page("curve.svg", "kept.svg"), {})
    assert sorted(file.name for file in pictures.iterdir()) == ["curve.svg", "kept.svg", "mine.png"]
    assert victim.is_file()
    (tmp_path / "inspect.json").write_text("damaged")
    write(tmp_path, page("kept.svg"), {})
    assert (pictures / "curve.svg").is_file()


def test_one_run(runs: list[Path], tmp_path: Path):
    written = report.inspect_runs(runs[:1], tmp_path / "out", 6)
    assert all(path.is_file() and path.is_relative_to(tmp_path / "out") for path in written)
    page = check_page((tmp_path / "out" / "report.html").read_text())
    assert n_pictures(page) == 6 and "One seed" in page.text
    verdict = json.loads((tmp_path / "out" / "inspect.json").read_text())["verdict"]
    assert verdict["standing"] == "alone" and verdict["found"] in page.text
    assert verdict["next_command"].startswith("metaplast train --config seed_0/config.yaml 'rows=")
    assert HOSTILE in page.text and IMAGE in page.text
    numbers = json.loads((tmp_path / "out" / "inspect.json").read_text())
    summary = json.loads((runs[0] / "summary.json").read_text())
    assert numbers["schema"] == "metaplast.inspect/1"
    assert numbers["scores"]["table"] == summary["scores"]
    curve = numbers["curves"]["bands"]["loss"]["discovered"]
    assert len(curve["mean"]) == 4 and numbers["curves"]["n_lives"] == 6
    assert all(
        low <= mean <= high
        for low, mean, high in zip(curve["low"], curve["mean"], curve["high"], strict=True)
    )
    for term, value in summary["rule"]["terms"]["rule"].items():
        assert numbers["path"]["terms"][0]["rule"][term][-1] == pytest.approx(value, rel=1e-4)
        assert numbers["coefficients"]["terms"]["rule"][term]["mean"] == pytest.approx(
            value, rel=1e-5
        )
    surface = numbers["surfaces"]["rule"][0]
    assert np.shape(surface["delta_w"]) == (len(surface["y_values"]), len(surface["x_values"]))


def test_several_seeds_have_intervals_and_a_folder_of_their_own(runs: list[Path]):
    before = {
        path: path.read_bytes() for folder in runs for path in folder.rglob("*") if path.is_file()
    }
    written = report.inspect_runs(runs, None, 4)
    assert {path.parent for path in written[:2]} == {
        runs[0].parent / "inspect-_script_alert_1_script_-0-1"
    }
    assert {path: path.read_bytes() for path in before} == before
    check_page(written[0].read_text())
    numbers = json.loads(written[1].read_text())
    coefficient = numbers["coefficients"]["terms"]["rule"][TERMS[0]]
    values = [
        json.loads((r / "summary.json").read_text())["rule"]["terms"]["rule"][TERMS[0]]
        for r in runs
    ]
    half = 12.7062 * abs(values[0] - values[1]) / 2
    assert coefficient["mean"] == pytest.approx(np.mean(values), rel=1e-5)
    assert coefficient["ci95"] == pytest.approx(
        [np.mean(values) - half, np.mean(values) + half], rel=1e-4
    )


def test_changed_worlds_that_a_run_keeps(runs: list[Path], tmp_path: Path):
    """Their words and rows are text of a file, whatever stands in it."""
    report.inspect_runs(runs[:1], tmp_path / "without", 4)
    page = check_page((tmp_path / "without" / "report.html").read_text())
    assert "Not judged. metaplast eval seed_0 task.n_steps=8" in page.text.replace("`", "")
    run = Path(shutil.copytree(runs[0], tmp_path / "run"))
    for changes, seed in ((["task.n_steps=8"], 0), ([HOSTILE, IMAGE], 1)):
        losses = np.random.default_rng(seed).uniform(size=12)
        rows = {"discovered": losses.tolist(), HOSTILE: (losses + 0.25).tolist()}
        lived = Lived(changes=changes, seed=0, metric="loss", rows=rows)
        file = keep(run, lived)
    report.inspect_runs([run], None, 4)
    page = check_page((run / "report.html").read_text())
    assert f"{HOSTILE} {IMAGE}: the rule has loss" in page.text
    assert "no tuned baseline has a score there" in page.text
    cells = json.loads((run / "inspect.json").read_text())["transfer"]["cells"]
    assert [cell["changes"] for cell in cells] == [[HOSTILE, IMAGE], ["task.n_steps=8"]]
    other = cells[1]["scores"][1]
    assert (other["n"], other["minus_discovered"]["mean"]) == (12, pytest.approx(0.25))
    # A damaged file takes away its part and leaves the page.
    file.write_text("{")
    report.inspect_runs([run], None, 4)
    page = check_page((run / "report.html").read_text())
    assert "This part could not be made" in page.text and "Scores" in page.text


def test_a_rule_file_on_the_command_line(runs: list[Path], tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    file = shutil.copy(runs[0] / "rule.safetensors", tmp_path / "mine.safetensors")
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(file)])
    assert ended.value.code == 0
    said = capsys.readouterr()
    written = [Path(line) for line in said.out.splitlines()]
    told = json.loads(written[1].read_text())["verdict"]
    assert f"{told['sure']}\n{told['limits']}\nNext: {told['next_command']}\n" in said.err
    assert written[0] == tmp_path / "mine_inspect" / "report.html" and all(
        path.is_file() for path in written
    )
    page = check_page(written[0].read_text())
    formula = json.loads((runs[0] / "summary.json").read_text())["rule"]["formula"]
    assert formula in page.text and HOSTILE in page.text


def test_runs_that_differ_in_more_than_their_seed_are_refused(runs: list[Path], tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(text.replace("steps: 3", "steps: 4"))
    with pytest.raises(BadInput, match=r"outer\.steps=4"):
        report.inspect_runs([runs[0], other], None, 4)
    (other / "summary.json").unlink()
    with pytest.raises(BadInput, match="expected a finished run"):
        report.inspect_runs([other], None, 4)


def test_the_task_to_give_is_no_command_of_a_file(tmp_path: Path, runs: list[Path]):
    """A rule file that was mailed holds an experiment that is no name."""
    file = read_rule(runs[0] / "rule.safetensors")
    document = {**file.document, "provenance": {"experiment": "x; rm -r ~"}}
    path = tmp_path / "a b.safetensors"
    save_rule(path, document, file.tensors)
    page = inspect_rule(path, tmp_path / "page")[0].read_text()
    assert "metaplast inspect &#39;a b.safetensors&#39; experiment=NAME" in page
    assert "experiment=x" not in page
