"""Bad input in commands and configs: one line with the field and the fix, exit code 2.

Nothing is written to disk.
"""

import sys
from pathlib import Path

import pytest

from metaplast.cli.main import main
from tests.cli._cases import CASES as MORE

CASES = [
    (["train", "digits"], ["'digits'", "experiment=digits"]),
    (["train", "experiment=diggits"], ["experiment=diggits", "'digits'"]),
    (["train", "experiment=../x"], ["experiment=../x", "digits"]),
    (["train", "task=digts"], ["task=digts", "'digits'"]),
    (["train", "task=5"], ["task", "5"]),
    (["train", "outer=bpttt"], ["outer=bpttt", "'bptt'"]),
    (["train", "network=recurent"], ["network=recurent", "'recurrent'"]),
    (["train", "feedback=symetric"], ["feedback=symetric", "'symmetric'"]),
    (["train", "sed=1"], ["'sed'", "'seed'"]),
    (["train", "seed=-1"], ["seed=-1", "greater than or equal to 0"]),
    (["train", "seed=1.5"], ["1.5", "integer"]),
    (["train", "seed=true"], ["True", "integer"]),
    (["train", "outer.learning_rat=1"], ["'learning_rat'", "'learning_rate'"]),
    (["train", "outer.learning_rate=0"], ["outer.learning_rate=0", "greater than 0"]),
    (["train", "outer.learning_rate=.inf"], ["outer.learning_rate=inf", "finite"]),
    (["train", "outer.learning_rate=.nan"], ["outer.learning_rate=nan", "finite"]),
    (["train", "outer.learning_rate=fast"], ["outer.learning_rate='fast'", "number"]),
    (["sweep", "experiment=oja"], ["words with one value each", "seed=0..9"]),
    (["sweep", "experiment=oja", "seed=3..1"], ["seed=3..1: an empty range", "1..3"]),
    (["sweep", "experiment=oja", "outer=es,es"], ["outer=es beside outer=es", "once"]),
    (
        ["sweep", "experiment=oja", "outer=bptt,es", "outer.population=8"],
        ["member outer-bptt: outer.population=8: ", "'population'"],
    ),
    (["sweep", "seed=0,1", "--member", "0"], ["WORDS with --member"]),
    (["sweep", "--member", "0"], ["--member without --run-dir"]),
    (["sweep", "--run-dir", "folder", "--member", "0"], ["folder", "sweep.json", "--plan"]),
    (["sweep", "seed=0,1", "--plan", "--jobs", "2"], ["--jobs with --plan"]),
    (["train", "outer.optimiser=adamm"], ["optimiser='adamm'", "'adam'"]),
    (["train", "outer.optimiser_options={beta: 1}"], ["optimiser_options", "adam"]),
    (["train", "outer.schedule=cosine"], ["schedule='cosine'", "cosine_decay_schedule"]),
    (["train", "outer.steps=0"], ["outer.steps=0", "greater than or equal to 1"]),
    (["train", "problem.n_tasks=0"], ["problem.n_tasks=0", "greater than or equal to 1"]),
    (["train", "problem.n_task=1"], ["'n_task'", "'n_tasks'"]),
    (["train", "problem=3"], ["problem", "mapping"]),
    (
        ["train", "experiment=digits", "rule.rule.terms=[psot*pre]", "rule.rule.initial=[]"],
        ["'psot'", "'post'"],
    ),
    (
        ["train", "experiment=digits", "rule.rule.terms=[post^0]", "rule.rule.initial=[]"],
        ["power '0'", "1 to 8"],
    ),
    (
        ["train", "experiment=digits", "rule.rule.terms=[]", "rule.rule.initial=[]"],
        ["rule.rule.terms", "at least 1"],
    ),
    (["train", "experiment=digits", "rule.rule.initial=[1]"], ["initial with 1 values", "8"]),
    (
        ["train", "experiment=digits", "rule.rule.learn=all"],
        ["rule.rule.learn='all'", "'none', 'rate'"],
    ),
    (
        [
            "train",
            "experiment=digits",
            "rule.rule.terms=[modulator.dopa*pre]",
            "rule.rule.initial=[0]",
        ],
        ["dopa", "task offers: reward, surprise"],
    ),
    (["train", "rule.limit=-1"], ["rule.limit=-1", "greater than 0"]),
    (["train", "rule.rule=3"], ["rule.rule", "a rule"]),
    (["train", "rule={name: nope}"], ["'nope'", "polynomial"]),
    (["train", "rule={name: 3}"], ["name=3", "name of a rule"]),
    (["train", "network.hidden=[10, x]"], ["network.hidden.1='x'", "integer"]),
    (["train", "network.hidden=[0]"], ["network.hidden.0=0", "greater than or equal to 1"]),
    (["train", "network.neuron.name=softpluss"], ["'softpluss'", "'softplus'"]),
    (["train", "network.neuron.beta=0"], ["network.neuron.beta=0", "greater than 0"]),
    (["train", "genome=given"], ["genome: needs 'weights'", "error, reward, surprise, target"]),
    (
        ["train", "rows.feedback_alignment.task=digits"],
        ["rows.feedback_alignment.task", "same for every row"],
    ),
    (["train", "rows.feedback_alignment.rul=1"], ["rows.feedback_alignment.rul", "'rule'"]),
    (["train", "rows.feedback_alignment=1"], ["rows.feedback_alignment=1", "mapping"]),
    (["train", "rows=3"], ["rows", "mapping"]),
    (
        ["train", "rules={a: {edges: nothing, rule: {name: polynomial}}}", "rule=null", "rows={}"],
        ["slot a", "input_to_hidden_1"],
    ),
    (["train", "rules={a: {rule: {name: polynomial}}}"], ["rule and rules", "one of the two"]),
    (["train", "precision=float16"], ["precision='float16'", "'float32'"]),
    (["train", "dt=0"], ["dt=0", "greater than 0"]),
    (["train", "seed=${oc.env:HOME}"], ["seed=", "plain value"]),
    (["train", "seed=${nothing}"], ["nothing", "existing key"]),
    (["train", "a..b=1"], ["'a..b'", "a.b=value"]),
    (["train", "=1"], ["'=1'", "key=value"]),
    (["train", "seed=[1"], ["seed", "YAML value"]),
    (["train", "--config", "missing.yaml"], ["missing.yaml", "readable YAML file"]),
    (["train", "--config", "list.yaml"], ["list.yaml", "mapping"]),
    (["train", "--config", "twice.yaml"], ["twice.yaml", "mapping"]),
    (["train", "--config", "empty.yaml"], ["without 'task'", "task=NAME"]),
    (["train", "--config", "binary.yaml"], ["binary.yaml", "readable"]),
    (["train", "--config", "keys.yaml"], ["key 1.5", "text keys"]),
    (["train", "--config-dir", "missing"], ["missing", "existing folder"]),
    (["train", "--import", "no_such_module"], ["no_such_module", "importable"]),
    (["train", "--run-dir", "list.yaml", "rows={}"], ["list.yaml", "folder"]),
    (["train", "--jobs", "0"], ["--jobs", "0"]),
    (["train", "--nonsense"], ["--nonsense", "metaplast train --help"]),
    (["resume", "missing"], ["missing", "run folder"]),
    (["list", "rulez"], ["'rulez'", "rules"]),
    (["trian"], ["'trian'", "'train'"]),
    (["compare", "missing"], ["missing", "run folder"]),
    (["train", "task=dig\x1b[31mits"], ["\\x1b", "control characters"]),
]
FILES = {
    "list.yaml": b"- 1\n",
    "twice.yaml": b"seed: 1\nseed: 2\n",
    "empty.yaml": b"",
    "binary.yaml": b"\xff\xfe\x00",
    "keys.yaml": b"1.5: 2\n",
    "taken": b"x",
}
ALL = [*CASES, *((words, [part]) for words, part in MORE)]


@pytest.mark.parametrize(
    ("words", "expected"), ALL, ids=[ascii(" ".join(words))[1:60] for words, _ in ALL]
)
def test_one_line_exit_2_nothing_on_disk(
    words: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    for name, content in FILES.items():
        Path(name).write_bytes(content)
    Path("folder").mkdir()
    Path("dangling").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert " - expected " in error
    assert error.rstrip("\n").isprintable()
    for text in expected:
        assert text in error, error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_long_name_is_quoted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["train", "experiment=oja", "--run-dir", "x" * 300])
    assert capsys.readouterr().err.count("x" * 50) == 2  # its two ends


def test_help_imports_neither_jax_nor_pydantic() -> None:
    import subprocess

    script = (
        "import sys\nfrom metaplast.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'jax', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "train" in done.stdout


def test_a_plug_in_that_ends_the_process_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("a_script.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(SystemExit) as ended:
        main(["show", "oja", "--import", "a_script"])
    assert ended.value.code == 2
    assert "--import a_script: SystemExit: 0 in a_script.py, line 2" in capsys.readouterr().err
