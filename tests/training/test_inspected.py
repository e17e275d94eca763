"""Rule files in a task, and parts of a page that fail."""

import logging
from pathlib import Path

import jax
import numpy as np
import pytest

from metaplast.cli.main import main
from metaplast.figures.section import PagePart, Section
from metaplast.inspection.subject import Subject
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput, find
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import RuleFile, save_rule
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.symbolic import Symbolic
from metaplast.settings.names import CAUGHT
from metaplast.space import Coordinate, within
from metaplast.spec import decode
from metaplast.training import inspected
from metaplast.training.effort import SPIKES
from metaplast.training.inspected import Effort, Inspected, Part, made, of_rule, shortened

WORDS = ("experiment=oja", "task.n_in=4", "task.n_out=3", "task.n_steps=6")
OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0))


def rule_file(path: Path, shared: bool, rule: AbstractRule = OJA) -> Path:
    task = decode("task", {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 6})
    slots = (Slot(rule=rule, shared=shared),)
    lifetime = Lifetime(task=task, network=Feedforward(hidden=()), slots=slots)
    theta = lifetime.init(jax.random.key(0))
    document, tensors = describe_rule(lifetime, theta)
    file = path / "rule.safetensors"
    save_rule(file, document, tensors)
    return file


@pytest.mark.parametrize("shared", [True, False])
def test_a_rule_lives_in_the_task_of_the_words(tmp_path: Path, shared: bool) -> None:
    subject = of_rule(rule_file(tmp_path, shared), WORDS)
    assert subject.problem.lifetime.task.shape().inputs == {"input": 4}
    assert (subject.metric, subject.larger_is_better) == ("loss", False)
    # The teacher learns by this very rule.
    assert subject.scores(subject.theta, "validation", 4) == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_rule_of_another_network_is_refused(tmp_path: Path) -> None:
    file = rule_file(tmp_path, shared=False)
    with pytest.raises(BadInput, match="in another network"):
        of_rule(file, ("experiment=categories",))


@pytest.mark.system
@pytest.mark.parametrize(
    ("rule", "shared"),
    [
        (OJA, False),
        (Symbolic(expression="0.1*post*pre"), True),
        (find("rule", "mlp")(), True),
        (find("rule", "bcm")(), True),
        (find("rule", "abcd")(), False),
    ],
)
def test_every_part_of_a_page_is_made(tmp_path: Path, rule: AbstractRule, shared: bool) -> None:
    file = rule_file(tmp_path, shared, rule)
    (tmp_path / "figures").mkdir()
    outer = decode("outer", {"name": "bptt", "steps": 2})
    subject = Inspected([of_rule(file, WORDS)], file, outer, "", Effort.USUAL, tmp_path)
    page = made(subject, lambda *_: None)
    assert list(page) == [part.name for part in inspected.PARTS if not part.of_spikes]
    failed = {
        name: part.numbers["failed"] for name, part in page.items() if "failed" in part.numbers
    }
    assert not failed


@pytest.mark.system
def test_a_page_shows_the_spikes_of_its_rule(tmp_path: Path) -> None:
    file = rule_file(tmp_path, shared=True)
    (tmp_path / "figures").mkdir()
    words = (*WORDS, "network.output={name: lif, threshold: 0.05}")
    subject = Inspected([of_rule(file, words)], file, None, "", None, tmp_path)
    page = made(subject, lambda *_: None)
    assert list(page) == [SPIKES] and "failed" not in page[SPIKES].numbers
    assert list(page[SPIKES].numbers["populations"]) == ["output"]


@pytest.mark.parametrize(
    ("neuron", "effort", "names"),
    [
        ("tanh", None, []),
        ("lif", None, [SPIKES]),
        ("tanh", Effort.QUICK, ["landscape", "life"]),
        ("lif", Effort.QUICK, ["landscape", "life", SPIKES]),
    ],
)
def test_only_spiking_cells_have_a_life_spike_by_spike(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    neuron: str,
    effort: Effort | None,
    names: list[str],
) -> None:
    some = PagePart(Section("Some", ["words"]), {})
    parts = tuple(part._replace(make=lambda _: some) for part in inspected.PARTS)
    monkeypatch.setattr(inspected, "PARTS", parts)
    lifetime = Lifetime(network=Feedforward(hidden=(), output=decode("neuron", neuron)))
    of_run = Subject(MetaProblem(lifetime), {}, 0, "loss", False, RuleFile({}, {}))
    subject = Inspected([of_run], tmp_path, None, "", effort, tmp_path)
    assert list(made(subject, lambda *_: None)) == names


def test_a_loop_made_of_others_goes_on_with_its_last_inner_loop() -> None:
    short = {"name": "bptt", "steps": 300, "learning_rate": 0.01}
    hybrid = decode("outer", {"name": "hybrid", "first": {"name": "es"}, "then": short})
    starts = decode("outer", {"name": "multi_start", "n": 2, "inner": short})
    nested = decode("outer", {"name": "multi_start", "n": 2, "inner": {"name": "bptt"}})
    cut = decode("outer", {**short, "steps": 10})
    assert shortened(decode("outer", short), 10) == cut
    assert shortened(hybrid, 10) == cut
    assert shortened(starts, 10) == cut
    space = (("positive", Coordinate(leaves="rules/*", transform="log")),)
    assert shortened(within(starts, space), 10) == within(cut, space)
    found = shortened(nested, 1000)
    assert found is not None and found.n_steps == decode("outer", "bptt").n_steps


def test_a_page_says_that_nothing_was_retuned_and_by_whom_it_was(tmp_path: Path) -> None:
    file = rule_file(tmp_path, shared=True)
    subjects = [of_rule(file, WORDS)]
    form_searched = Inspected(subjects, file, None, "", Effort.THOROUGH, tmp_path)
    assert "Nothing was re-tuned" in form_searched.no_tuning
    hybrid = decode("outer", {"name": "hybrid"})
    by_inner = Inspected(subjects, file, hybrid, "", Effort.THOROUGH, tmp_path)
    assert by_inner.no_tuning == "" and by_inner.tuning is not None
    assert by_inner.tuning.n_steps == inspected.N_TUNING
    words = "The search was by hybrid; its inner loop bptt re-tuned."
    assert inspected._retuned_by(by_inner) == words
    bptt = decode("outer", "bptt")
    whole = Inspected(subjects, file, bptt, "", Effort.THOROUGH, tmp_path)
    assert inspected._retuned_by(whole) == whole.no_tuning == ""
    assert Inspected(subjects, file, hybrid, "", Effort.USUAL, tmp_path).tuning is None


def test_a_part_that_fails_says_why_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Inspected) -> PagePart:
        raise ValueError("no lives\nleft")

    def works(_: Inspected) -> PagePart:
        return PagePart(Section("Whole", ["whole"]), {"n": 3})

    parts = (
        Part("broken", "Broken", Effort.QUICK, fails),
        Part("whole", "Whole", Effort.QUICK, works),
        Part("late", "Late", Effort.THOROUGH, works),
    )
    monkeypatch.setattr(inspected, "PARTS", parts)
    file = rule_file(tmp_path, shared=True)
    outer = decode("outer", {"name": "bptt", "steps": 2})
    subject = Inspected([of_rule(file, WORDS)], file, outer, "", Effort.USUAL, tmp_path)
    ticks = []
    with caplog.at_level(logging.DEBUG, CAUGHT):
        page = made(subject, lambda *tick: ticks.append(tick))
    (caught,) = caplog.records
    assert caught.exc_info is not None and caught.exc_info[0] is ValueError
    assert list(page) == ["broken", "whole"]
    assert page["broken"].section.paragraphs == ["This part could not be made: no lives left"]
    assert page["broken"].numbers == {"failed": "no lives left"}
    assert page["whole"].numbers == {"n": 3}
    stages = ["1/2 Broken", "1/2 Broken", "2/2 Whole", "2/2 Whole"]
    assert ticks == [(stage, 1 + index % 2, 2) for index, stage in enumerate(stages)]


@pytest.mark.parametrize("debug", [True, False])
def test_debug_shows_where_a_part_fails(
    debug: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def breaks(_: Inspected) -> PagePart:
        raise ValueError("no lives")

    parts = (Part("broken", "Broken", Effort.QUICK, breaks),)
    monkeypatch.setattr(inspected, "PARTS", parts)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(logging.getLogger(CAUGHT), "handlers", [])
    monkeypatch.setattr(logging.getLogger(CAUGHT), "level", logging.NOTSET)
    file = rule_file(tmp_path, shared=True)
    words = ["inspect", str(file), *WORDS, "--quick", "--quiet"]
    if debug:
        words.append("--debug")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    error = capsys.readouterr().err
    assert ("Traceback" in error and "in breaks" in error) is debug
