"""Rows with an origin: they start from its trained theta, and a resume keeps their bits."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from metaplast.registry import BadInput
from metaplast.runs import nesting
from metaplast.runs.config import read_yaml
from metaplast.runs.folder import row_folder
from metaplast.runs.job import Run, parse
from metaplast.training import summary, summary_text
from metaplast.training import train_row as row
from tests._runs import start_run

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: []}
rule: {name: polynomial, learn: both, terms: [error*pre, weight], initial: [-1, 0]}
outer: {name: bptt, steps: 4}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 1}
checkpoint_every: 1
rows:
  wide:
    rule:
      name: polynomial
      rate: 0.2
      learn: both
      terms: [post, error*pre, weight]
      initial: [0, -1, 0]
    from: discovered
"""


class Halt(Exception):
    """An error that stops a run as a kill would."""


def _train(folder: Path, plain: dict, halt: int = 0) -> Path:
    """Train both rows in this process, one after the other.

    With `halt`, the second row stops after so many steps and is resumed.
    """

    def tick(_: Path, step: int) -> None:
        if step == halt:
            raise Halt

    one = Run(folder, parse(plain, check=False), parse(plain, check=False))
    folder.mkdir()
    row.train_row([one], "discovered")
    if halt:
        with pytest.raises(Halt):
            row.train_row([one], "wide", tick)
    row.train_row([one], "wide")
    return folder


@pytest.mark.exact
@pytest.mark.system
def test_it_starts_where_the_other_ended_and_resumes_exactly(tmp_path: Path):
    plain = read_yaml(CONFIG, "test")
    folder = _train(tmp_path / "run", plain)
    job = parse(plain)
    trained = row.theta_of(folder, job.main.meta_problem())
    wide = job.row("wide")
    start = nesting.embed(wide, job.main, trained, wide.meta_problem().init(jax.random.key(0)))
    first = load_file(row_folder(folder, "wide") / "validation.safetensors")
    np.testing.assert_allclose(
        first["start_loss"], load_file(folder / "validation.safetensors")["loss"], rtol=1e-5
    )
    assert float(trained["rules"]["rule"]["log_rate"]) != 0.0
    assert start["rules"]["rule"]["log_rate"] == pytest.approx(
        float(trained["rules"]["rule"]["log_rate"]) + np.log(0.1 / 0.2) / 5, rel=1e-5
    )
    again = _train(tmp_path / "again", plain, halt=2)
    for name in ("theta", "lives", "validation"):
        files = [
            (row_folder(each, "wide") / f"{name}.safetensors").read_bytes()
            for each in (folder, again)
        ]
        assert files[0] == files[1]
    (folder / "config.yaml").write_text(json.dumps(plain))
    rows = summary.summarise(folder, job, 1.0).trained_rows
    assert rows["wide"].origin == "discovered"
    assert rows["wide"].budget == 8
    assert rows["discovered"].budget == 4
    text = summary_text.render(folder)
    assert "wide starts from discovered: 8 outer steps in all, with those before it." in text
    assert "budget (but for rows that start from others)" in text


def test_what_determines_the_other_row_determines_this_one():
    plain = read_yaml(CONFIG, "test")
    plain["rows"] |= {
        "narrow": {"rule": plain["rule"]},
        "wide": plain["rows"]["wide"] | {"from": "narrow"},
    }
    other = json.loads(json.dumps(plain))
    other["rows"]["narrow"]["rule"]["rate"] = 0.3
    assert row._digest(plain, "wide") != row._digest(other, "wide")
    for each in (plain, other):
        del each["rows"]["wide"]["from"]
    assert row._digest(plain, "wide") == row._digest(other, "wide")


def test_a_row_whose_start_did_not_train_is_not_trained(tmp_path: Path):
    plain = read_yaml(CONFIG, "test")
    with pytest.raises(row.Diverged, match="expected discovered, its start, to be trained"):
        row.train_row([Run(tmp_path, parse(plain, check=False), parse(plain, check=False))], "wide")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {"x": {"from": "discoverd"}},
            "rows.x.from='discoverd' - expected a row: .*did you mean 'discovered'",
        ),
        ({"x": {"from": 3}}, "rows.x.from=3 - expected a row"),
        ({"x": {"from": "x"}}, "rows.x.from: x <- x - expected a row that starts by itself"),
        ({"x": {"from": "y"}, "y": {"from": "x"}}, "rows.x.from: x <- y <- x"),
        (
            {"x": {"rule": {"name": "mlp"}, "from": "discovered"}},
            "rows.x.from=discovered - expected no from: it contains",
        ),
        (
            {"x": {"from": "y"}, "y": {"rule": {"name": "polynomial", "terms": ["post"]}}},
            "rows.x.from=y - expected a row whose family it contains: discovered",
        ),
    ],
)
def test_what_cannot_be_a_start_is_refused(rows, words, tmp_path):
    plain = read_yaml(CONFIG, "test") | {"rows": rows}
    with pytest.raises(BadInput, match=words):
        start_run(plain, tmp_path / "run", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_a_row_waits_for_its_start_though_there_is_a_worker_for_each(tmp_path: Path):
    folder = start_run(read_yaml(CONFIG, "test"), tmp_path / "run", 2)
    alone = _train(tmp_path / "alone", read_yaml(CONFIG, "test"))
    thetas = [load_file(row_folder(each, "wide") / "theta.safetensors") for each in (folder, alone)]
    for name, values in thetas[0].items():
        np.testing.assert_allclose(values, thetas[1][name], rtol=1e-5)
    assert "starts from discovered, 8 outer steps in all" in (folder / "report.html").read_text()
