"""Keywords of Python say the same as words of the command line."""

import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast import registry
from metaplast.api.words import words_of
from metaplast.registry import BadInput
from metaplast.rules.base import KernelRule
from metaplast.rules.polynomial import Polynomial
from metaplast.runs import notebook
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse


def composed(experiment: str | None, **keywords: Any) -> Any:
    return compose(words_of(experiment, keywords), Sources())


@pytest.mark.parametrize(
    ("experiment", "keywords", "words"),
    [
        (None, {}, []),
        ("oja", {"steps": 300, "task": {"n_steps": 40}}, ["task.n_steps=40", "outer.steps=300"]),
        ("oja", {"outer": {"steps": 300}, "seed": 1}, ["outer.steps=300", "seed=1"]),
        ("oja", {"outer": "es", "steps": 5}, ["outer=es", "outer.steps=5"]),
        ("oja", {"steps": 5, "outer": "es"}, ["outer=es", "outer.steps=5"]),
        ("oja", {"rule": "hebb"}, ["rule=hebb"]),
        ("oja", {"rule": {"name": "oja", "rate": 0.2}}, ["rule=oja", "rule.rate=0.2"]),
        (
            "oja",
            {"rule": {"terms": ["post*pre"], "learn": None}},
            ["rule.terms=[post*pre]", "rule.learn=null"],
        ),
        ("digits", {"rows": {}}, ["rows={}"]),
        (
            "oja",
            {"seeds": 2, "vary": {"learning_rate": (1e-05, 0.1)}},
            ["seeds=2", "vary.learning_rate=[1e-05,0.1]"],
        ),
        ("oja", {"note": "a = b: ${seed}"}, ["note='a = b: ${seed}'"]),
        ("oja", {"network": {"hidden": np.array([3, 4])}}, ["network.hidden=[3,4]"]),
        ("oja", {"rule": {"from": Path("zoo/oja")}}, ["rule.from=zoo/oja"]),
        ("oja", {"dt": np.float64(0.5)}, ["dt=0.5"]),
    ],
)
def test_keywords_are_words(experiment: Any, keywords: Any, words: list[str]) -> None:
    first = [] if experiment is None else [f"experiment={experiment}"]
    assert composed(experiment, **keywords) == compose([*first, *words], Sources())


def test_a_spec_takes_the_place_of_a_whole_plugin() -> None:
    rule = Polynomial(terms=("post*pre", "post^2*weight"), initial=(1.0, -1.0), rate=0.3)
    assert parse(composed("oja", rule=rule), check=False).main.rule == rule
    task = mp.find("task", "prototypes")
    assert parse(composed("oja", task=task), check=False).main.task == task()
    network = mp.find("network", "feedforward")(hidden=(3,), output=mp.find("neuron", "tanh")())
    assert parse(composed("digits", network=network), check=False).main.network == network
    nested = composed("oja", network={"output": mp.find("neuron", "relu")})
    output: Any = parse(nested, check=False).main.network
    assert output.output == mp.find("neuron", "relu")()


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"task": {"n_steps": object()}}, "task.n_steps: object - expected numbers, text"),
        ({"seed": {1, 2}}, "seed: set - expected"),
        ({"rule": mp.find("neuron", "tanh")}, "rule: Tanh, a neuron - expected a rule"),
        ({"rule": int}, "class int - expected a spec - write @mp.spec above the class"),
    ],
)
def test_a_value_that_no_config_holds_is_refused(keywords: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        composed("oja", **keywords)
    with pytest.raises(BadInput, match="the name of an experiment"):
        composed(3)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def own_rule(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class as a notebook defines it, registered while the test runs."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    @mp.spec
    class NotebookRule(KernelRule):
        """delta_w = gain post pre."""

        start: float = 0.02
        per_synapse = False

        def init(self, key: Any, connection: Any) -> Any:
            return {"gain": jnp.asarray(self.start)}

        def kernel(self, theta: Any, state: Any, synapse: Any, dt: Any) -> Any:
            return state, theta["gain"] * synapse.post.activity * synapse.pre.activity

    NotebookRule.__module__ = "__main__"
    return NotebookRule


def test_a_class_of_a_notebook_is_recorded_by_name(own_rule: Any) -> None:
    plain = notebook.recorded(composed("oja", rule=own_rule(start=0.1)))
    assert plain["rule"] == {"name": "notebook_rule", "start": 0.1}
    assert plain["notebook"] == {"rule": ["notebook_rule"]}
    assert parse(plain).main.rule == own_rule(start=0.1)
    assert notebook.is_here(plain)
    by_name = notebook.recorded(composed("oja", rule="notebook_rule"))
    assert by_name["notebook"] == plain["notebook"]
    in_a_row = notebook.recorded(composed("oja", rows={"mine": {"rule": own_rule}}))
    assert in_a_row["notebook"] == plain["notebook"]
    assert "notebook" not in notebook.recorded(composed("oja"))


def test_a_process_without_the_class_refuses(own_rule: Any) -> None:
    plain = notebook.recorded(composed("oja", rule=own_rule))
    registry._registered.pop(("rule", "notebook_rule"))
    with pytest.raises(BadInput, match=r"a class of a notebook or script .* give --import MODULE"):
        parse(plain)
    assert not notebook.is_here(plain)
    with pytest.raises(BadInput, match="notebook="):
        parse({**composed("oja"), "notebook": ["notebook_rule"]})


def test_a_class_of_a_module_must_be_registered(own_rule: Any) -> None:
    own_rule.__module__ = "my_rules"
    with pytest.raises(BadInput, match=r"@mp.register\('rule', 'notebook_rule'\)"):
        composed("oja", rule=own_rule)


def test_an_unguarded_script_runs_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports no main module: it is hidden while workers start."""
    from metaplast.runs import workers

    main = sys.modules["__main__"]
    with workers._without_main():
        assert not hasattr(sys.modules["__main__"], "__file__")
    assert sys.modules["__main__"] is main
