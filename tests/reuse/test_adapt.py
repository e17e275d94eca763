"""A search that starts from a rule starts as that rule acts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import metaplast as mp
from metaplast.registry import BadInput
from metaplast.reuse import shelf
from metaplast.reuse.adapt import start_of
from metaplast.reuse.document import entries
from metaplast.reuse.reference import N_STEPS, TINY, view_at
from metaplast.reuse.rule_file import read_rule
from metaplast.runs.config import Sources, compose, to_yaml
from metaplast.runs.job import parse
from metaplast.spec import decode
from tests.system._commands import here


def _changes(spec: Any, theta: Any, reads: frozenset[str], dt: float) -> np.ndarray:
    channels = tuple(name.partition(".")[2] for name in reads if name.startswith("modulators."))
    state = spec.init_state(theta, TINY)
    changes = []
    for step in range(N_STEPS):
        state, change = spec.step(theta, state, TINY, view_at(step, channels), dt)
        changes.append(np.asarray(change))
    return np.stack(changes)


def _first_edges() -> list[tuple[str, str]]:
    """(name, edge) of every rule of the zoo."""
    cases = []
    for name in shelf.names():
        for entry in entries(read_rule(shelf.PREFIX + name).document).values():
            cases.append((name, entry.edges[0]))
    return cases


@pytest.mark.parametrize(("name", "edge"), _first_edges())
def test_the_start_acts_as_the_rule(name: str, edge: str) -> None:
    rule = mp.load_rule(shelf.PREFIX + name, edge=edge)
    spec, ancestry = start_of(shelf.PREFIX + name, edge)
    start = decode("rule", spec)
    theta = start.init(jax.random.key(0), TINY)
    assert jax.tree.leaves(theta), "there is something to search"
    expected = _changes(rule.spec, rule.theta, rule.reads, 1e-3)
    np.testing.assert_allclose(
        _changes(start, theta, rule.reads, 1e-3),
        expected,
        rtol=2e-5,
        atol=2e-6 * np.abs(expected).max(),
    )
    assert ancestry[-1]["sha256"] == rule.sha256


def _config(*words: str) -> Any:
    return parse(compose(words, Sources(), None)).main


def test_frozen_terms_stay_and_dropped_ones_are_gone() -> None:
    config = _config(
        "experiment=oja", "rule.from=oja", "rule.freeze=[post*pre]", "rule.drop=[]", "rows={}"
    )
    rule: Any = config.rule
    parts = dict(rule.rules)
    assert parts["frozen"].terms == ("post*pre",)
    assert parts["free"].terms == ("post^2*weight",)
    theta = rule.init(jax.random.key(0), TINY)
    assert theta["frozen"] == {}
    assert set(theta["free"]) == {"coefficients", "log_rate"}
    dropped: Any = _config("experiment=oja", "rule.from=oja", "rule.drop=post*pre").rule
    assert dropped.terms == ("post^2*weight",)
    assert dropped.initial == (-1.0,)


def test_a_later_word_lays_a_field_on_the_start() -> None:
    rule: Any = _config("experiment=oja", "rule.from=oja", "rule.learn=rate").rule
    assert rule.learn == "rate"


def test_a_field_of_an_inner_rule_is_laid_on_it() -> None:
    words = ("experiment=oja", "rule.from=zoo/categories", "rule.edge=input_to_hidden_1")
    rule: Any = _config(*words, "rule.rule.rule.learn=rate").rule
    assert rule.rule.rule.learn == "rate"
    assert len(rule.rule.rule.terms) == 19


def test_a_known_rule_by_name_has_numbers_to_search() -> None:
    words = ("experiment=oja", "network.output.name=lif", "rule.from=triplet_visual")
    rule: Any = _config(*words).rule
    assert rule.learn
    traces: Any = start_of("zoo/confavreux")[0]
    assert traces["learn_tau"] is True


def test_a_term_that_was_frozen_alone_can_be_dropped(tmp_path: Path) -> None:
    spec, _ = start_of("oja", freeze=["post*pre"])
    whole = mp.combine({"a": mp.load_rule("oja")})
    rule = decode("rule", spec)
    theta = rule.init(jax.random.key(0), TINY)
    replace(whole, spec=rule, theta=theta).save(tmp_path / "frozen.safetensors")
    again, ancestry = start_of(str(tmp_path / "frozen.safetensors"), drop=["post*pre"])
    assert list(again["rules"]) == ["free"]
    assert len(ancestry) == 2


def test_a_folder_of_a_run_and_too_many_ancestors(tmp_path: Path) -> None:
    rule = mp.load_rule("oja")
    folder = tmp_path / "run"
    folder.mkdir()
    rule.save(folder / "rule.safetensors")
    spec, _ = start_of(str(folder))
    assert spec["terms"] == ["post*pre", "post^2*weight"]
    many = tuple({"rule": "a", "sha256": "", "change": ""} for _ in range(64))
    replace(rule, ancestry=many).save(folder / "rule.safetensors")
    with pytest.raises(BadInput, match="64 ancestors"):
        start_of(str(folder))


def test_ancestry_follows_the_rule_of_its_slot(tmp_path: Path) -> None:
    plain = compose(("experiment=oja", "rule.from=zoo/oja"), Sources(), None)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(plain))
    same = compose(("rule.rate=0.2",), Sources(), file)
    assert same["ancestry"] == plain["ancestry"]
    assert "ancestry" not in compose(("rule=hebb",), Sources(), file)
    anew = compose(("rule.from=zoo/hebb",), Sources(), file)
    assert [ancestor["rule"] for ancestor in anew["ancestry"]] == ["zoo/hebb"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rule.from=zoo/ojja"], "zoo/ojja"),
        (["rule.from=zoo/categories"], "rule.edge=one of input_to_hidden_1"),
        (["rule.from=zoo/categories", "rule.edge=nothing"], "rule.edge='nothing'"),
        (["rule.from=oja", "rule.drop=[post]"], "term 'post'"),
        (["rule.from=oja", "rule.drop=['post*pre','post^2*weight']"], "drop fewer"),
        (["rule.from=5"], "a plain path or a name"),
    ],
)
def test_a_wrong_start_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(BadInput) as error:
        _config("experiment=oja", *words)
    assert message in str(error.value)


def test_a_rule_whose_numbers_are_a_table_is_refused(tmp_path: Path, files: Any) -> None:
    edge = next(iter(read_rule(files["per_synapse"]).document["slots"]["rule"]["connections"]))
    with pytest.raises(BadInput, match="numbers that no field holds"):
        start_of(str(files["per_synapse"]), edge)


@pytest.mark.system
def test_a_run_keeps_the_ancestry_of_its_rule(tmp_path: Path) -> None:
    words = ("experiment=oja", "outer.steps=2", "rows={}", "rule.from=zoo/oja")
    code, _, error = here("train", *words, "--run-dir", "first", "--quiet", cwd=tmp_path)
    assert code == 0, error
    first = mp.load_rule(tmp_path / "first" / "rule.safetensors")
    (ancestor,) = first.ancestry
    assert ancestor["rule"] == "zoo/oja"
    again = f"rule.from={tmp_path / 'first' / 'rule.safetensors'}"
    code, _, error = here(
        "train",
        *words[:-1],
        again,
        "rule.drop=[post*pre]",
        "--run-dir",
        "second",
        "--quiet",
        cwd=tmp_path,
    )
    assert code == 0, error
    second = mp.load_rule(tmp_path / "second" / "rule.safetensors")
    assert [each["sha256"] for each in second.ancestry] == [ancestor["sha256"], first.sha256]
    assert "dropped: post*pre" in second.ancestry[1]["change"]
    assert second.spec.terms == ("post^2*weight",)
