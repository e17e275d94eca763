"""`metaplast diagnose`: its text on a config and on a run, bad words; the note on a first step."""

import json
import logging
import math
from pathlib import Path

import pytest

from metaplast.cli.main import main
from metaplast.diagnosis import diagnose
from metaplast.diagnosis.advice import FirstStep, first_objection
from metaplast.runs.config import Sources, read_yaml, to_yaml
from metaplast.training import first_step
from tests._runs import resume_run, start_run

CONFIG = read_yaml(
    """
task: {name: regression, n_in: 4, shots: 3, queries: 2}
network: {name: feedforward, hidden: [3]}
rule: {name: polynomial, terms: [error*pre, weight], initial: [-1, 0], learn: both}
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 2}
""",
    "test",
)
FIRST = FirstStep(lives=8, diverged=0, norm=1.0, grad_norm=0.5, n_numbers=4, slope=-0.4, error=0.1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_run(CONFIG, tmp_path_factory.mktemp("runs") / "run", 1)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> diagnose.Report:
    folder = tmp_path_factory.mktemp("configs")
    (folder / "experiment").mkdir()
    (folder / "experiment" / "small.yaml").write_text(to_yaml(CONFIG))
    return diagnose.diagnose(["experiment=small"], Sources(folder), 6)


@pytest.mark.system
def test_a_run_notes_once_what_its_first_step_says_and_keeps_its_bits(
    finished, tmp_path, monkeypatch, capsys
):
    (line,) = (finished / "log.txt").read_text().splitlines()
    assert " INFO first step of outer=bptt: 0 of 2 lives blew up, gradient norm of a life " in line
    assert "a short step in its direction changes the loss by -" in line
    resume_run(finished, 1)
    assert (finished / "log.txt").read_text().count("first step") == 1
    monkeypatch.setattr(first_step, "report", lambda *_: None)
    bare = start_run(CONFIG, tmp_path / "bare", 1)
    assert not (bare / "log.txt").exists()
    assert logging.getLogger("metaplast").level == logging.NOTSET
    for name in ("theta.safetensors", "lives.safetensors"):
        assert (bare / name).read_bytes() == (finished / name).read_bytes()
    rows = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (bare, finished)]
    a, b = (
        [{k: v for k, v in json.loads(row).items() if k != "wall_s"} for row in each]
        for each in rows
    )
    assert a == b
    assert "first step" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"diverged": 4.0}, "4 of 8 lives blew up"),
        ({"grad_norm": 0.0}, "exactly zero"),
        ({"slope": 0.4}, "the loss rises"),
        ({"slope": 0.2}, ""),
        ({"norm": 1e5}, "exploded"),
        ({"norm": 1e5, "resolution": 1e-6}, "exploded"),
        ({"norm": 2e-12, "slope": 0.0, "error": 0.0, "resolution": 1e-6}, "vanished"),
        ({"norm": math.nan, "grad_norm": math.nan, "slope": math.nan, "error": math.nan}, ""),
    ],
)
def test_what_a_first_step_is_warned_for(changed, words):
    objection = first_objection(FIRST._replace(**changed))
    assert words in objection
    assert bool(words) == bool(objection)


def test_only_a_gradient_is_warned_of(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "metaplast")
    monkeypatch.setattr(first_step, "measured", lambda *_: FIRST._replace(slope=0.4))
    for words, level in ((("outer=bptt",), logging.WARNING), (("outer=es",), logging.INFO)):
        caplog.clear()
        config = diagnose.parse(diagnose.compose(["experiment=oja", *words], Sources())).main
        first_step.report(config, config.meta_problem(), {}, {}, {})
        (record,) = caplog.records
        assert record.levelno == level
    assert "outer=bptt: the loss rises" not in record.getMessage()


@pytest.mark.system
def test_a_run_is_diagnosed_where_it_began_and_where_it_ended(finished):
    report = diagnose.diagnose([str(finished)], Sources(), 6)
    text = diagnose.render(report)
    assert "at the theta that was found: 3 numbers" in text
    (_, birth), (_, trained) = report.places.items()
    assert birth[0].loss != trained[0].loss


def test_the_text_says_what_was_measured_and_what_it_speaks_for(report):
    text = diagnose.render(report)
    assert text.startswith("at theta of birth: 3 numbers, lives of 5 steps, measured on 6 lives\n")
    for words in (
        "gradient norm, 1, 2, 5 steps",
        "largest exponent of a life",
        "lives not finite, here and s away",
        "memory",
    ):
        assert words in text
    assert (
        "\nadvised: outer=bptt, for the gradient agrees with the loss (1.00) and its signal over 2 "
        "lives is" in text
    )
    assert text.endswith("configured: outer=bptt, as advised")
    assert max(map(len, text.partition("\n\nadvised")[0].splitlines())) <= 120


def test_a_loop_that_is_advised_at_one_theta_alone_is_no_contradiction(report):
    diagnosis, advice = report.places["birth"]
    moved = {"birth": (diagnosis, advice), "found": (diagnosis, advice._replace(outer="es"))}
    told = diagnose.render(report._replace(places=moved)).splitlines()[-1]
    assert told == "configured: outer=bptt, as advised"  # of the same class
    moved["found"] = (diagnosis, advice._replace(outer="es", kind="evolution"))
    told = diagnose.render(report._replace(places=moved)).splitlines()[-1]
    assert told == (
        "configured: outer=bptt, as advised at theta of birth, not at the theta that was found "
        "(outer=es)"
    )


def test_the_json_holds_every_measurement_and_no_number_that_is_not_finite(report):
    record = json.loads(json.dumps(diagnose.plain(report), allow_nan=False))
    assert (record["schema"], record["outer"], record["kind"]) == (
        "metaplast.diagnosis/1",
        "bptt",
        "gradient",
    )
    assert set(record["places"]) == {"birth"}
    measured = record["places"]["birth"]["measured"]
    assert measured["here"]["n"] == 6
    assert (
        measured["exponents"]["network"] is None
    )  # a feed-forward network has no state of its own
    assert record["costs"]["memory"] > 0
    assert record["costs"]["gradient"] > 0
    assert set(record["costs"]["hours"]) == {"bptt", "es"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits"], "did you mean experiment=digits?"),
        (["experiment=nothing"], "experiment=nothing"),
        (["unfinished"], "unfinished - expected a finished run"),
        (["unfinished", "empty"], "empty, a second run"),
        (["experiment=oja", "rule=null"], "diagnose: theta - expected a number to learn"),
        (["experiment=bandit", "outer=bptt"], "outer bptt - expected a differentiable task"),
        (["--lives", "1"], "'--lives'"),
    ],
)
def test_bad_words_are_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    for name in ("unfinished", "empty"):
        Path(name).mkdir()
    Path("unfinished/config.yaml").write_text(to_yaml(CONFIG))
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", *words])
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert message in error
