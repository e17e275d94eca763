"""outer=auto measures once, says why, and a resumed run keeps the choice."""

import json

import pytest

from metaplast.diagnosis import choice
from metaplast.diagnosis.advice import kind_of
from metaplast.registry import BadInput
from metaplast.runs.config import Sources, compose, read_file
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import Means, Request, resume, start
from metaplast.spec import decode
from metaplast.training.kind import KIND

SMALL = ("outer=auto", "outer.steps=2", "rows={}")
SMOOTH = ("experiment=oja", *SMALL)
JUDGED = ("evaluation.validation=4", "evaluation.heldout=4", "evaluation.candidates=1")


def _choice(*words: str) -> dict:
    return choice.choose(parse(compose(words, Sources())).main)


def test_a_smooth_problem_gets_the_gradient_and_a_chaotic_one_evolution():
    smooth = _choice(*SMOOTH)
    assert smooth["chosen"] == {"name": "bptt", "steps": 2}
    assert smooth["reason"].startswith("the gradient agrees with the loss")
    chaotic = _choice("experiment=chaos", *SMALL)
    assert chaotic["chosen"]["name"] == "es"
    numbers = dict(number.split("=") for number in chaotic["measured"])
    assert float(numbers["gradient_growth"]) > 1e3 and float(numbers["agreement"]) < 0.5


def test_a_spiking_task_whose_reward_hides_the_gradient_gets_evolution():
    spiking = _choice("experiment=reward_stdp", *SMALL)
    assert spiking["chosen"]["name"] == "es"
    assert "signal_of_gradient=0" in spiking["measured"]
    assert "signal 0 against" in spiking["reason"]


def test_the_lives_that_are_measured_are_those_of_the_seed():
    once, again = _choice(*SMOOTH), _choice(*SMOOTH)
    for chosen in (once, again):
        assert chosen["measured"].pop().startswith("memory_share=")  # it is of the machine
    assert once == again
    assert once["measured"] != _choice(*SMOOTH, "seed=1")["measured"][:-1]


def test_a_run_holds_its_choice_and_a_resumed_one_never_chooses(tmp_path, monkeypatch):
    lines: list[str] = []
    request = Request(compose((*SMOOTH, *JUDGED), Sources()))
    run = start(KIND, request, tmp_path / "run", Means(say=lines.append))
    outer = read_file(run / "config.yaml")["outer"]
    assert outer["chosen"]["name"] == "bptt" and outer["reason"]
    assert f"outer=auto: bptt, for {outer['reason']}" in lines
    assert "signal_of_gradient=" in (run / "log.txt").read_text()
    summary = json.loads((run / "summary.json").read_text())
    chosen = {"name": "bptt", "reason": outer["reason"], "measured": outer["measured"]}
    assert summary["auto"] == chosen

    def refuse(config):
        raise AssertionError("chosen again")

    monkeypatch.setattr(choice, "choose", refuse)
    for name in ("summary.json", "report.html"):
        (run / name).unlink()
    row = next(run.rglob("row.json"))
    row.unlink()
    resume(run, Means())
    again = json.loads((run / "summary.json").read_text())
    assert again["auto"] == chosen and again["scores"] == summary["scores"]


def test_several_processes_need_a_choice_that_was_made():
    request = Request(compose(SMOOTH, Sources()))
    joined = Means(joined=object())  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="outer=auto with several processes"):
        KIND.settled(request, joined)


def test_auto_has_the_class_and_the_steps_of_what_it_chose():
    auto = decode("outer", {"name": "auto", "steps": 7, "chosen": {"name": "es"}, "reason": "x"})
    assert auto.n_steps == auto.loop.n_steps == 7
    assert kind_of(auto) == "evolution"
