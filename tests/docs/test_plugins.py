"""The pages of plug-ins: every plug-in says what it computes, in a form that a page can show."""

import ast
import importlib
import re
import xml.etree.ElementTree as ElementTree

import pytest
from latex2mathml.converter import convert

from docs._build import plugins, plugins_facts, plugins_figures
from docs._build.plugins import Named, listed, page
from docs._build.plugins_docstring import read
from docs._build.plugins_prose import without_unit
from docs._build.specs import fields
from metaplast import registry
from metaplast.language.grammar import REACHES
from metaplast.spec import Positive, decode, spec

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$]+)\$")
WITH_EQUATIONS = ("rule", "neuron", "transmission", "feedback", "objective", "likelihood")
"""Kinds whose plug-ins compute something that an equation says."""


@pytest.fixture(scope="module", params=tuple(registry.KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of plug-in. All tests of a kind follow on each other, and load its room once."""
    return request.param


def _classes(kind: str) -> list[Named]:
    """The plug-ins of a kind that are classes."""
    return [each for each in listed(kind) if not plugins_facts.is_data(kind, each.name)]


def _class(plugin: Named) -> type:
    return registry.find(plugin.kind, plugin.name)


def test_every_plugin_of_the_list_has_a_claim(kind: str) -> None:
    assert listed(kind)
    silent = [each.name for each in listed(kind) if not each.words]
    silent += [each.name for each in _classes(kind) if not read(_class(each).__doc__).claim]
    assert not silent


def test_every_plugin_names_its_source_or_says_that_it_has_none(kind: str) -> None:
    assert not [each.name for each in listed(kind) if not plugins.source(each)]


def test_every_field_has_a_meaning_beside_its_unit(kind: str) -> None:
    silent = []
    for each in _classes(kind):
        for field in fields(_class(each)):
            if not without_unit(field.meaning).strip(" ."):
                silent.append(f"{each.name}.{field.name}")
    assert not silent


@pytest.mark.parametrize("kind", WITH_EQUATIONS)
def test_every_plugin_that_computes_something_has_an_equation(kind: str) -> None:
    silent = []
    for each in _classes(kind):
        if not plugins.equations(read(_class(each).__doc__), _class(each)):
            silent.append(each.name)
    assert not silent


def test_every_formula_of_the_docstrings_becomes_mathml(kind: str) -> None:
    for each in _classes(kind):
        cls = _class(each)
        symbols = "\n".join(plugins._symbols(read(cls.__doc__), cls))
        text = "\n".join(f"$${one}$$" for one in plugins.equations(read(cls.__doc__), cls))
        _demand_mathml(f"{text}\n{symbols}", each.name)


def _demand_mathml(text: str, name: str) -> None:
    """Demand that every formula of a page is read whole: nothing of LaTeX is left in MathML."""
    for block, inline in FORMULA.findall(text):
        mathml = convert(block or inline)
        words = "".join(ElementTree.fromstring(mathml).itertext())
        assert "\\" not in words and "&" not in words, f"{name}: {block or inline}"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("rule", "triplet_visual"),
        ("rule", "oja"),
        ("rule", "class_mean"),
        ("neuron", "lif"),
        ("transmission", "nmda"),
        ("reference", "streaming_lda"),
    ],
)
def test_a_page_has_every_part_and_formulas_that_are_mathml(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins_facts, "experiments", dict)
    text = page(Named(kind, name, ""))
    _demand_mathml(text, name)
    for heading in ("Equations", "Fields", "Source", "In a config", "In Python", "Experiments"):
        assert f"\n## {heading}\n" in text, heading
    assert text.count("$$") >= 2
    assert "| Field | Meaning |" in text


def test_the_page_of_a_rule_tells_its_numbers_its_reach_and_its_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugins_facts, "experiments", dict)
    text = page(Named("rule", "triplet_visual", ""))
    assert "| `a3_plus` $a^{+}_{3}$ |" in text and "**`0.0065`**" in text
    assert "Reach `synapse`, clock `event`" in text
    assert "| `post.activity` | $y_j$ |" in text
    assert "| `triplet_r1` | `[n_pre]` | pre |" in text
    assert "Pfister & Gerstner 2006, table 3" in text
    assert "[`triplet`](triplet.md)" in text


def test_what_a_page_puts_into_a_config_is_the_plugin(kind: str) -> None:
    for each in listed(kind):
        plain = plugins.in_config(each)
        assert decode(kind, plain) == plugins_facts.instance(kind, each.name), each.name


def test_the_program_of_a_page_makes_the_plugin(kind: str) -> None:
    for each in _classes(kind):
        imports, _, call = plugins.in_python(each).partition("\n\n")
        module, cls = re.fullmatch(r"from (\S+) import (\w+)", imports).groups()
        made = ast.parse(call).body[0].value
        assert made.func.id == cls
        given = {word.arg: ast.literal_eval(word.value) for word in made.keywords}
        plugin = getattr(importlib.import_module(module), cls)(**given)
        assert plugin == plugins_facts.instance(kind, each.name)


def test_the_exact_step_of_a_rule_becomes_mathml() -> None:
    for name in ("triplet", "clopath", "three_factor", "feedback_pool"):
        rows = plugins_facts.step_latex(plugins_facts.step_of(plugins_facts.instance("rule", name)))
        assert rows[-1].startswith(r"\Delta w_{ji} =")
        _demand_mathml("\n".join(f"$${row}$$" for row in rows), name)


def test_a_rule_whose_form_is_no_data_has_a_page_without_its_step() -> None:
    shown = {each.name: page(each) for each in listed("rule") if each.name.startswith("e")}
    assert "In a step of" in shown["eprop"]
    assert "In a step of" not in shown["eligibility"]


def test_a_field_that_no_docstring_describes_is_found() -> None:
    @spec
    class Silent:
        """A part. Nothing is said about its field."""

        gain: Positive = 1.0

    assert [field.meaning for field in fields(Silent)] == [""]


def test_the_reach_on_a_page_is_the_measured_one() -> None:
    subspace = plugins_facts.locality(plugins_facts.instance("rule", "oja_subspace"))
    assert subspace.reach == "layer" and "pre.returned" in subspace.reads
    assert plugins_facts.locality(plugins_facts.instance("rule", "oja")).reach == REACHES[0]


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("network", "ei", ("80 refractory", "20 refractory")),
        ("connection", "masked", ("presynaptic neuron", "postsynaptic neuron")),
        ("transmission", "exponential", ("time, ms", "transmitted signal")),
        ("neuron", "tanh", ("drive u", "activity, slope")),
        ("likelihood", "poisson", ("activity a of the model", "loss, nats")),
        ("rule", "hebb", ("pre", "post", "shrinks", "grows")),
    ],
)
def test_a_picture_names_its_axes(kind: str, name: str, words: tuple[str, ...]) -> None:
    (figure,) = plugins_figures.of(kind, name)
    assert figure.caption and figure.alt
    shown = set(re.findall(r">([^<>]+)</(?:text|tspan)>", figure.svg))
    assert set(words) <= shown


@pytest.mark.parametrize(
    ("kind", "name"),
    [("outer", "es"), ("neuron", "linear"), ("rule", "taylor"), ("connection", "one_to_one")],
)
def test_a_picture_that_would_say_nothing_is_left_out(kind: str, name: str) -> None:
    assert plugins_figures.of(kind, name) == []
