"""A search that starts from a rule starts as that rule acts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from inner_tasks.teacher_student import TeacherStudent
from metaplast import search_loop
from metaplast.language.numbers import as_text, of_text
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.held import held_of
from metaplast.registry import BadInput
from metaplast.reuse import shelf
from metaplast.reuse.adapt import start_of
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.document import entries
from metaplast.reuse.reference import N_STEPS, TINY, view_at
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.rules.abcd import Abcd
from metaplast.rules.base import AbstractRule
from metaplast.rules.mlp import Mlp
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.sum import Sum
from metaplast.runs.config import Sources, compose, to_yaml
from metaplast.runs.job import parse
from metaplast.runs.row_files import dotted
from metaplast.space import coordinates, theta_at
from metaplast.spec import decode
from metaplast.training.summary import read_summary
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
    spec, ancestry, numbers, _ = start_of(shelf.PREFIX + name, edge)
    assert not numbers, "fields hold all"
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
    traces: Any = start_of("zoo/confavreux").spec
    assert traces["learn_tau"] is True


def test_a_term_that_was_frozen_alone_can_be_dropped(tmp_path: Path) -> None:
    spec = start_of("oja", freeze=["post*pre"]).spec
    whole = mp.combine({"a": mp.load_rule("oja")})
    rule = decode("rule", spec)
    theta = rule.init(jax.random.key(0), TINY)
    replace(whole, spec=rule, theta=theta).save(tmp_path / "frozen.safetensors")
    again, ancestry, *_ = start_of(str(tmp_path / "frozen.safetensors"), drop=["post*pre"])
    assert list(again["rules"]) == ["free"]
    assert len(ancestry) == 2


def test_a_folder_of_a_run_and_too_many_ancestors(tmp_path: Path) -> None:
    rule = mp.load_rule("oja")
    folder = tmp_path / "run"
    folder.mkdir()
    rule.save(folder / "rule.safetensors")
    spec = start_of(str(folder)).spec
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


ON_ALL = ("experiment=oja", "rows={}", "outer.steps=2")
MLP = Mlp(hidden=(3,))
IN_A_SUM = Sum(rules=(("free", Polynomial()), ("net", Clip(rule=MLP, limit=0.5))))


def _saved(rule: AbstractRule, path: Path) -> dict[str, np.ndarray]:
    """Save a rule with random numbers. Returns: {dotted name of a leaf: its numbers}."""
    lifetime = Lifetime(
        task=TeacherStudent(n_in=12, n_out=4),
        network=Feedforward(hidden=()),
        slots=(Slot(rule=rule),),
    )
    generator = np.random.default_rng(0)
    theta = jax.tree.map(
        lambda leaf: jnp.asarray(0.1 * generator.normal(size=leaf.shape), leaf.dtype),
        lifetime.init(jax.random.key(0)),
    )
    save_rule(path, *describe_rule(lifetime, theta))
    return _leaves(theta["rules"]["rule"])


def _leaves(theta: Any) -> dict[str, np.ndarray]:
    return {dotted(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(theta)}


def _birth(config: Any) -> dict[str, np.ndarray]:
    """The numbers of the rule before its search."""
    theta = config.meta_problem().init(jax.random.key(5))
    return _leaves(theta["rules"]["rule"])


@pytest.mark.parametrize("rule", [MLP, Abcd(), Abcd(shared=True, learn_rate=True), IN_A_SUM])
def test_a_rule_of_tables_starts_with_the_numbers_of_its_file(tmp_path: Path, rule: Any) -> None:
    path = tmp_path / "rule.safetensors"
    saved = _saved(rule, path)
    found = _birth(_config(*ON_ALL, f"rule.from={path}"))
    assert list(found) == list(saved)
    for name, values in saved.items():
        if "coefficients" in name or name == "log_rate":
            values = np.zeros_like(values)  # the fields of the spec hold them
        np.testing.assert_array_equal(found[name], values)


def test_a_search_goes_on_from_tables_and_leaves_the_frozen_ones(tmp_path: Path) -> None:
    path = tmp_path / "rule.safetensors"
    saved = _saved(MLP, path)
    words = (f"rule.from={path}", "rule.freeze=layer_0", "rule.drop=layer_1.bias")
    plain = compose((*ON_ALL, *words, "space={a: {leaves: '*weight', scale: 2.0}}"), Sources())
    assert plain["ancestry"][-1]["sha256"] == mp.load_rule(path).sha256
    assert "frozen: layer_0; dropped: layer_1.bias" in plain["ancestry"][-1]["change"]
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(plain))
    path.unlink()  # the config says all
    config = parse(compose((), Sources(), file)).main
    problem, outer = config.meta_problem(), config.outer_loop()
    state = search_loop.begin(problem, outer, config.seed)
    for _, after, _ in search_loop.steps(problem, outer, config.seed, state, 0, 2):
        state = after
    end = _leaves(outer.theta(state)["rules"]["rule"])
    assert list(end) == list(saved)
    np.testing.assert_array_equal(end["layer_0.weight"], saved["layer_0.weight"])
    np.testing.assert_array_equal(end["layer_0.bias"], saved["layer_0.bias"])
    np.testing.assert_array_equal(end["layer_1.bias"], [0.0])
    assert np.abs(end["layer_1.weight"] - saved["layer_1.weight"]).min() > 1e-5


def test_members_of_a_population_share_what_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "rule.safetensors"
    saved = _saved(MLP, path)
    words = (*ON_ALL, f"rule.from={path}", "rule.freeze=layer_0", "outer=es", "outer.population=4")
    config = _config(*words)
    problem, outer = config.meta_problem(), config.outer_loop()
    state = search_loop.begin(problem, outer, config.seed)
    for _, after, metrics in search_loop.steps(problem, outer, config.seed, state, 0, 2):
        state = after
        assert np.isfinite(metrics["loss"])
    end = _leaves(outer.theta(state)["rules"]["rule"])
    np.testing.assert_array_equal(end["layer_0.weight"], saved["layer_0.weight"])
    assert np.abs(end["layer_1.weight"] - saved["layer_1.weight"]).min() > 0.0


def test_tables_stay_while_the_rule_keeps_its_form(tmp_path: Path) -> None:
    path = tmp_path / "rule.safetensors"
    _saved(MLP, path)
    plain = compose((*ON_ALL, f"rule.from={path}", "rule.freeze=layer_0"), Sources())
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(plain))
    same = compose(("rule.rate=0.2",), Sources(), file)
    assert (same["start"], same["frozen"]) == (plain["start"], plain["frozen"])
    for word in ("rule=hebb", "rule.from=oja"):
        other = compose((word,), Sources(), file)
        assert not other.keys() & {"start", "frozen"}
        parse(other)


def test_tables_of_a_slot_and_of_a_row(tmp_path: Path, files: Any) -> None:
    file = read_rule(files["per_synapse"])
    edges = list(file.document["slots"]["rule"]["connections"])
    task = "task={name: teacher_student, n_in: 5, n_out: 2, n_steps: 3}"
    words = ["experiment=oja", task, "network.hidden=[4]", "rule=null", "rows={}", "genome=random"]
    for edge in edges:
        slot = f"rules.of_{edge}"
        words += [f"{slot}.rule.from={files['per_synapse']}", f"{slot}.rule.edge={edge}"]
        words += [f"{slot}.edges={edge}", f"{slot}.shared=false"]
    theta = _config(*words).meta_problem().init(jax.random.key(0))["rules"]
    for edge in edges:
        for name in "abcd":
            found = theta[f"of_{edge}"][edge][name]
            np.testing.assert_array_equal(found, file.tensors[f"rule.{edge}.{name}"])
    path = tmp_path / "rule.safetensors"
    saved = _saved(MLP, path)
    row = f"rows={{mine: {{rule: {{from: '{path}', freeze: [layer_0]}}}}}}"
    job = parse(compose((ON_ALL[0], row), Sources()))
    found = _birth(job.row("mine"))
    np.testing.assert_array_equal(found["layer_1.weight"], saved["layer_1.weight"])
    assert job.row("mine").frozen == ("layer_0.bias", "layer_0.weight")
    assert not job.main.start
    plain = compose((*ON_ALL[:1], f"rule.from={path}", "rows={mine: {rule: hebb}}"), Sources())
    job = parse(plain)
    assert job.main.start and not job.row("mine").start


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rule.hidden=[5]"], "layer_0.bias of shape [3] - expected [5]"),
        (["rule.freeze=[layer_7]"], "one of layer_0.bias, layer_0.weight"),
        (["rule.freeze=[layer_0,layer_1]"], "numbers that are all frozen"),
        (["frozen=[layer_1.bias]", "start={}"], "frozen leaf 'layer_1.bias'"),
        (["start={layer_1.bias: float32 1 AAAA}"], "numbers 'float32 1 AAAA'"),
        (["start={layer_9: float32 1 AAAAAA==}"], "a leaf of its rule: layer_0.bias"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, words: list[str], message: str) -> None:
    path = tmp_path / "rule.safetensors"
    _saved(MLP, path)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(compose((*ON_ALL, f"rule.from={path}"), Sources())))
    if words[0].startswith("rule.freeze"):
        words = [f"rule.from={path}", *words]
    with pytest.raises(BadInput) as error:
        parse(compose(words, Sources(), file))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_come_back_from_their_text(shape: tuple[int, ...], kind: Any) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(kind)
    found = of_text(as_text(np.asarray(values)))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, values)


def test_too_many_numbers_have_no_text() -> None:
    with pytest.raises(BadInput, match="at most"):
        as_text(np.zeros(2**20 + 1, np.float32))


def test_a_text_of_numbers_with_too_many_axes_is_refused_in_one_line() -> None:
    sizes = "x".join(["1"] * 70)
    _, _, written = as_text(np.zeros(1, np.float32)).split()
    with pytest.raises(BadInput, match="numbers 'float32 1x1"):
        of_text(f"float32 {sizes} {written}")


def test_coordinates_are_of_the_leaves_that_are_free(tmp_path: Path) -> None:
    path = tmp_path / "rule.safetensors"
    saved = _saved(MLP, path)
    box = 1.01 * np.abs(saved["layer_1.weight"]).max()
    assert np.abs(saved["layer_0.weight"]).max() > box  # a frozen leaf may lie outside
    words = (f"rule.from={path}", "rule.freeze=layer_0", "rule.drop=layer_1.bias")
    space = f"space={{a: {{leaves: '*weight', transform: box, low: {-box}, high: {box}}}}}"
    config = _config(*ON_ALL, *words, space)
    held = held_of(config.slots())
    theta = config.meta_problem().init(jax.random.key(5))
    z = coordinates(config.space, held, theta)
    assert list(_leaves(z["rules"]["rule"])) == ["layer_1.weight"]
    assert np.isfinite(_leaves(z["rules"]["rule"])["layer_1.weight"]).all()
    back = _leaves(theta_at(config.space, held, z)["rules"]["rule"])
    for name, values in _leaves(theta["rules"]["rule"]).items():
        np.testing.assert_allclose(back[name], values, rtol=1e-5)


@pytest.mark.system
def test_frozen_numbers_are_not_counted_nor_diagnosed(tmp_path: Path) -> None:
    saved = _saved(MLP, tmp_path / "rule.safetensors")
    n_free = saved["layer_1.weight"].size + saved["layer_1.bias"].size
    words = (*ON_ALL, "rule.from=rule.safetensors", "rule.freeze=layer_0")
    code, _, error = here("train", *words, "--run-dir", "first", "--quiet", cwd=tmp_path)
    assert code == 0, error
    run = mp.open(tmp_path / "first")
    assert read_summary(tmp_path / "first").rows["discovered"].learned == n_free
    assert f"{n_free} numbers" in mp.diagnose(run, lives=2).text


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
