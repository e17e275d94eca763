"""`metaplast fit` as a user runs it: files, text, page, resume with the same bits, a known rule
recovered, bad data.
"""

import html
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.system._commands import here, metaplast

pytestmark = pytest.mark.system
QUICK = ("outer.steps=20", "fit.starts=1", "fit.bootstrap=2", "--quiet")


def _choices(path: Path, n_subjects: int = 6, n_rows: int = 60) -> Path:
    """Choices between two odours by a network that learns from reward minus expected reward."""
    rng = np.random.default_rng(3)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("stimulus", "choice", "reward", "plastic", "session", "subject")
    }
    for subject in range(n_subjects):
        w, paid = np.zeros(2), []
        for _ in range(n_rows):
            x = np.eye(2)[rng.integers(2)]
            taken = int(rng.random() < 1 / (1 + np.exp(-w @ x)))
            reward = float(rng.random() < (0.9, 0.1)[int(x[1])])
            rows["stimulus"].append(x)
            rows["choice"].append(taken)
            rows["reward"].append(reward if taken else np.nan)
            rows["plastic"].append(float(taken))
            rows["session"].append(subject)
            rows["subject"].append(f"fly {subject}")
            if taken:
                expected = np.mean(paid[-10:]) if paid else 0.0
                w = w + 0.6 * x * (reward - expected)
                paid.append(reward)
    np.savez(path, **{name: np.asarray(values) for name, values in rows.items()})
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _choices(tmp_path_factory.mktemp("data") / "choices.npz")


def _bits(run: Path) -> Any:
    told = json.loads((run / "fit.json").read_text())
    told.pop("wall_s")
    return told, (run / "rule.safetensors").read_bytes()


def test_a_fit_says_what_it_found_and_goes_on_with_the_same_bits(
    data: Path, tmp_path: Path
) -> None:
    words = ("fit", str(data), *QUICK)
    done = metaplast(*words, "--run-dir", "whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "whole" / "fit.json").read_text())
    assert told["schema"] == "metaplast.fit/1"
    assert {"discovered", "reward_hebb", "hebb", "mlp", "no_plasticity"} == set(told["rows"])
    assert set(told["rows"]["discovered"]["explained"]) == {"mean", "glm_history", "no_plasticity"}
    assert told["rows"]["no_plasticity"]["explained"]["no_plasticity"]["mean"] == 0
    assert len(told["data"]["heldout_subjects"]) == 2
    for name in told["rows"]:
        assert name in done.stdout
    for path in (
        "fit.json",
        "rule.safetensors",
        "report.html",
        "figures/explained.svg",
        "figures/numbers.svg",
    ):
        assert str(Path("whole") / path) in done.stdout
    page = (tmp_path / "whole" / "report.html").read_text()
    assert "<script" not in page
    for title in ("What is explained", "The rule", "Which terms", "Reasons to doubt it"):
        assert title in page
    head, _, rest = page.partition("<section")
    assert "choices.npz, SHA-256 " in head and f"metaplast fit {data.name}" in head
    assert rest.index("Reasons to doubt it") < rest.index("What is explained")
    assert here("show", "whole/rule.safetensors", cwd=tmp_path)[0] == 0

    program = [str(Path(sys.executable).with_name("metaplast")), *words, "--run-dir", "cut"]
    process = subprocess.Popen(
        program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "cut" / "row.json").is_file() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "metaplast resume cut" in said
    again = metaplast("resume", "cut", "--quiet", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert _bits(tmp_path / "cut") == _bits(tmp_path / "whole")
    finished = metaplast("resume", "cut", "--quiet", cwd=tmp_path)
    assert finished.stdout == again.stdout


@pytest.mark.parametrize(("n_subjects", "by"), [(4, "subjects"), (1, "trials of the same")])
def test_few_subjects_have_a_verdict_and_a_page(n_subjects: int, by: str, tmp_path: Path) -> None:
    """One held-out subject, or none, gives no interval."""
    _choices(tmp_path / "few.npz", n_subjects)
    words = ("rule.name=polynomial", "rule.terms=[modulator.advantage*pre]", "rows=null")
    done = metaplast("fit", "few.npz", *words, *QUICK, "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Not judged: the rule explains" in done.stdout and f"held-out {by}" in done.stdout
    for name in ("explained", "numbers", "session"):
        assert (tmp_path / "run" / "figures" / f"{name}.svg").is_file()
    assert "could not be made" not in (tmp_path / "run" / "report.html").read_text()


def test_what_was_dropped_is_told_before_the_fit_after_it_and_on_the_page(
    data: Path, tmp_path: Path
) -> None:
    given = dict(np.load(data))
    given["choice"] = np.where(np.arange(len(given["choice"])) % 4 == 0, -1, given["choice"])
    np.savez(tmp_path / "missed.npz", **given)
    done = metaplast("fit", "missed.npz", "rows={}", *QUICK, "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = "array 'choice': no choice made in 90 of 360 rows (25.0 %): -1 (90 rows)"
    assert f"data: {words}" in done.stderr
    assert f"Of the data:\n- {words}" in done.stdout
    reading = json.loads((tmp_path / "run" / "fit.json").read_text())["reading"]
    assert reading["warnings"][0].startswith(words)
    assert words in (tmp_path / "run" / "log.txt").read_text()
    page = html.unescape((tmp_path / "run" / "report.html").read_text())
    assert words in page.partition("How the data were read")[2]
    assert "array 'session'" in page
    assert (
        here("fit", "missed.npz", "--describe", cwd=tmp_path)[1].splitlines()[-1]
        == f"warning: {reading['warnings'][-1]}"
    )


def test_the_dt_of_a_file_is_that_of_its_time_constants(tmp_path: Path) -> None:
    """Pair STDP with tau 20 ms in rows of 10 ms, by NumPy, without noise."""
    rng, n, rows = np.random.default_rng(0), 6, 200
    pre, post = (
        (rng.random((n, rows, 3)) < 0.15).astype(float),
        (rng.random((n, rows, 2)) < 0.15).astype(float),
    )
    before = rng.uniform(0.3, 0.7, (n, 2, 3))
    after = before.copy()
    for s in range(n):
        x, y = np.zeros(3), np.zeros(2)
        for t in range(rows):
            x, y = x * np.exp(-0.01 / 0.02), y * np.exp(-0.01 / 0.02)
            after[s] -= 0.0105 * np.outer(y, pre[s, t])
            x = x + pre[s, t]
            after[s] += 0.01 * np.outer(post[s, t], x)
            y = y + post[s, t]
    edges = {"weights.input_to_recorded": before, "final_weights.input_to_recorded": after}
    arrays = {
        "stimulus": pre.reshape(-1, 3),
        "activity": post.reshape(-1, 2),
        "session": np.repeat(np.arange(n), rows),
    }
    np.savez(tmp_path / "spikes.npz", dt=0.01, **arrays, **edges)
    stdp = (
        "task.clamp=true",
        "network=clamped",
        "objective=final_weights",
        "rule=stdp",
        "rule.learn=true",
        "rows={}",
    )
    done = metaplast(
        "fit",
        "spikes.npz",
        *stdp,
        "outer.steps=60",
        "fit.starts=1",
        "--quiet",
        "--json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["rows"]["discovered"]["numbers"]
    assert found["tau_pre"] == pytest.approx(0.02, rel=1e-2)
    assert found["tau_post"] == pytest.approx(0.02, rel=1e-2)


def test_a_known_rule_is_recovered_on_the_users_own_design(data: Path, tmp_path: Path) -> None:
    true = [
        "rule=polynomial",
        "rule.terms=[modulator.advantage*pre]",
        "rule.initial=[1.0]",
        "rule.rate=0.6",
    ]
    flags = [part for word in [*true, "rule.learn=none"] for part in ("--recover", word)]
    words = (
        "rows={}",
        "outer.steps=60",
        "fit.starts=1",
        "fit.bootstrap=4",
        "genome=constant",
        "--quiet",
        "--json",
    )
    done = metaplast("fit", str(data), *flags, *words, "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (main,) = [entry for entry in told["truth"] if entry["name"] == "modulator.advantage*pre"]
    assert main["true"] == pytest.approx(0.6)
    weights = told["rows"]["discovered"]["weights"]["input_to_output"]
    assert weights["r2_change"] <= 1.0
    assert {entry["verdict"] for entry in told["truth"]} <= {"recovered", "off", "missed", "false"}
    assert "Simulated and recovered" in (tmp_path / "run" / "report.html").read_text()


def test_activity_and_choices_are_fitted_together_and_told_apart(
    data: Path, tmp_path: Path
) -> None:
    given = dict(np.load(data))
    rng, n = np.random.default_rng(4), len(given["choice"])
    np.savez(
        tmp_path / "both.npz", **given, activity=rng.normal(size=(n, 3)) + given["stimulus"][:, :1]
    )
    words = (
        "experiment=joint_recordings",
        "network.hidden=[3]",
        "rows={}",
        "rows.no_plasticity={rule: null}",
    )
    refused, _, error = here("fit", "both.npz", *words[1:], cwd=tmp_path)
    assert "set task.target=activity, choice or both" in error
    wrong, _, error = here("fit", "both.npz", words[0], cwd=tmp_path)
    assert (
        "task: watches 'hidden_1', which has 2 units - expected 3, as many as were recorded"
        in error
    )
    assert (refused, wrong) == (2, 2)
    _, said, _ = here("fit", "both.npz", *words, "--describe", cwd=tmp_path)
    assert "units: 3 in hidden_1; 100.0 %" in said
    assert f"choices: {n}, in 100.0 % of the rows" in said

    truth = (
        "rules.recorded={edges: input_to_hidden_1, "
        "rule: {name: polynomial, terms: [pre], initial: [1], learn: none}}"
    )
    more = ("fit.strengths=[0.1]", "rules.recorded.rule.terms=[pre, weight]", "--recover", truth)
    done = metaplast("fit", "both.npz", *words, *QUICK, *more, "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "run" / "fit.json").read_text())
    for name in ("discovered", "no_plasticity"):
        parts = told["rows"][name]["parts"]
        assert {part: set(found["explained"]) for part, found in parts.items()} == {
            part: {"mean", "glm_history", "no_plasticity"} for part in ("activity", "choice")
        }
        split = told["rows"][name]["splits"]["heldout"]
        each = [split["parts"][part]["deviance"] for part in ("activity", "choice")]
        assert split["deviance"] == pytest.approx(sum(each), rel=1e-4)
    assert told["rows"]["discovered"]["sd"] > 0.5
    assert {entry["name"] for entry in told["truth"]} <= {"pre", "weight"}
    for text in (
        "Of activity alone:",
        "Of choice alone:",
        "R2 activity",
        "R2 choice",
        "explained_activity.svg",
    ):
        assert text in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Held-out values of choice" in page
    assert here("compare", "run", cwd=tmp_path)[1].count("explained vs") == 9
    again = metaplast("resume", "run", "--quiet", cwd=tmp_path)
    assert again.stdout == done.stdout


def test_what_was_understood_is_described_and_nothing_is_written(
    data: Path, tmp_path: Path
) -> None:
    code, said, error = here("fit", str(data), "--describe", cwd=tmp_path)
    assert code == 0, error
    assert "6" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing.npz",), "nothing.npz"),
        (("DATA", "more.npz"), "one"),
        (("DATA", "task.likelihood=gaussian"), "likelihood"),
        (("DATA", "--recover", "network.hidden=[3]"), "--recover"),
        (("experiment=oja",), "recordings"),
        (("DATA", "fit.startz=3"), "starts"),
        (("DATA", "genome=given"), "weights"),
        (("DATA", "task.held={subjects: 0.0, trials: 0.0}"), "held"),
    ],
)
def test_bad_input_is_one_line(
    words: tuple[str, ...], told: str, data: Path, tmp_path: Path
) -> None:
    given = [str(data) if word == "DATA" else word for word in words]
    code, _, error = here("fit", *given, cwd=tmp_path)
    assert code == 2, error
    assert told in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_constants_keep_their_shape_on_the_way_through_files(data: Path, tmp_path: Path) -> None:
    rule = [
        "rule=polynomial",
        "rule.terms=[modulator.advantage*pre]",
        "rule.learn=both",
        "rule.rate=0.5",
    ]
    words = (
        "rows={}",
        "outer.steps=10",
        "fit.starts=1",
        "fit.bootstrap=0",
        "--quiet",
        "--run-dir",
        "run",
    )
    done = metaplast("fit", str(data), *rule, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    import metaplast as mp

    assert mp.load_rule(tmp_path / "run" / "rule.safetensors").theta["log_rate"].shape == ()


@pytest.mark.parametrize(
    ("separated", "terms", "said"),
    [
        (
            False,
            "[modulator.advantage*pre,modulator.advantage*pre^2]",
            "is not settled by these data",
        ),
        (True, "[modulator.advantage*pre,pre]", "(separation)"),
    ],
)
def test_what_data_leave_open_gets_no_interval(
    separated: bool, terms: str, said: str, tmp_path: Path
) -> None:
    """Inputs of 0 and 1, whose squares they are; choices of 1 wherever there is an input, whose
    likelihood has no maximum.
    """
    rng = np.random.default_rng(0)
    mouse = np.repeat(np.arange(8), 60)
    fields = {
        "stimulus": rng.integers(2, size=(480, 2)).astype(float),
        "session": mouse,
        "subject": mouse,
    }
    choice = rng.integers(2, size=480)
    if separated:
        choice = fields["stimulus"].any(axis=1).astype(int)
    np.savez(
        tmp_path / "data.npz",
        choice=choice,
        reward=rng.integers(2, size=480).astype(float),
        **fields,
    )
    words = (
        "rule=polynomial",
        f"rule.terms={terms}",
        "rule.scale=0",
        "genome=constant",
        "rows={}",
        "outer.steps=60",
    )
    done = metaplast("fit", "data.npz", *words, "--quiet", "--run-dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout and said in done.stderr and "not determined" in done.stdout
    told = json.loads((tmp_path / "run" / "fit.json").read_text())
    for name in terms.strip("[]").split(","):
        assert told["intervals"]["ci95"][name] == told["bootstrap"]["ci95"][name] == [None, None]
    starts = told["rows"]["discovered"]["starts"]
    assert starts["n"] == 3 and (
        separated or starts["spread"] > 0.1
    )  # another start, another place on the same ridge
    assert said in (tmp_path / "run" / "report.html").read_text()
