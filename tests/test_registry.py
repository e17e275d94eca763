"""Names, and nothing but names, lead to plug-ins."""

import sys

import pytest

from metaplast import registry
from metaplast.registry import KINDS, BadInput, find, names, register


def test_the_nearest_name_is_offered():
    with pytest.raises(
        BadInput,
        match=r"rule 'polynomal' - expected one of .*polynomial.* - did you mean 'polynomial'\?",
    ):
        find("rule", "polynomal")
    with pytest.raises(BadInput, match=r"see 'metaplast list tasks'"):
        find("task", "zzzzzz")


@pytest.mark.parametrize(
    "name", ["os", "base", "_grammar", "../os", "os.path", "", "polynomial\n", "Polynomial"]
)
def test_an_unknown_name_is_never_imported(name, monkeypatch):
    monkeypatch.setattr(
        registry.importlib, "import_module", _only_rooms(registry.importlib.import_module)
    )
    with pytest.raises(BadInput):
        find("rule", name)


def _only_rooms(original):
    def guarded(module, *rest):
        assert module in {package for package, _ in KINDS.values()}, f"{module} was imported"
        return original(module, *rest)

    return guarded


def test_a_name_is_the_snake_case_of_its_class():
    with pytest.raises(BadInput, match="'two_words'"):
        register("rule", "twowords")(type("TwoWords", (), {}))
    with pytest.raises(BadInput, match="kind 'rules'"):
        register("rules", "x")


def test_a_taken_name_stays_with_its_owner():
    find("rule", "polynomial")
    thief = type("Polynomial", (), {"__module__": "elsewhere"})
    with pytest.raises(BadInput, match=r"metaplast\.rules\.polynomial has it"):
        register("rule", "polynomial")(thief)
    assert find("rule", "polynomial").__module__ == "metaplast.rules.polynomial"


def test_what_is_registered_can_be_found_listed_and_named(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    cls = register("rule", "made_here")(type("MadeHere", (), {}))
    assert find("rule", "made_here") is cls
    assert "made_here" in names("rule")
    assert registry.name_of(cls) == "made_here"
    assert cls in registry.classes("rule")
    assert registry.name_of(int) == ""


def test_names_are_the_files_of_a_room():
    assert {"polynomial", "adam", "clip"} <= set(names("rule"))
    for kind in KINDS:
        assert list(names(kind)) == sorted(names(kind))
        assert not {"base", ""} & set(names(kind))
        assert not any(name.startswith("_") for name in names(kind))


def test_a_file_without_its_class_is_said_so(monkeypatch):
    monkeypatch.setattr(
        registry,
        "_registered",
        {k: v for k, v in registry._registered.items() if k != ("rule", "clip")},
    )
    find("rule", "polynomial")
    monkeypatch.setitem(sys.modules, "metaplast.rules.wrappers.clip", sys.modules[__name__])
    with pytest.raises(BadInput, match=r"@register\('rule', 'clip'\)"):
        find("rule", "clip")
