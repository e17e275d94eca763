"""Names, and nothing but names, lead to plug-ins."""

import importlib
import sys

import pytest

from metaplast import registry
from metaplast.registry import KINDS, OLD_NAMES, BadInput, find, has, names, register
from metaplast.spec import decode, encode


def test_the_nearest_name_is_offered():
    with pytest.raises(
        BadInput,
        match=r"rule 'polynomal' - expected one of .*polynomial.* - did you mean 'polynomial'\?",
    ):
        find("rule", "polynomal")
    with pytest.raises(BadInput, match=r"see 'metaplast list tasks'"):
        find("task", "zzzzzz")


@pytest.mark.parametrize(
    "name",
    [
        *("os", "base", "_grammar", "../os", "os.path", "", "polynomial\n", "Polynomial"),
        *("wrappers", "wrappers.clip", "voltage.x", "_running"),
    ],
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


def test_a_room_may_have_folders_and_a_name_stands_once_in_all_of_them(tmp_path, monkeypatch):
    room = importlib.import_module("metaplast.objectives")
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    folder = tmp_path / "of_a_folder"
    hidden = tmp_path / "_hidden"
    for path in (folder, hidden):
        path.mkdir()
        (path / "__init__.py").write_text("")
    text = """from metaplast.registry import register

@register("objective", "folded")
class Folded:
    pass
"""
    (folder / "folded.py").write_text(text)
    (folder / "base.py").write_text("")
    (hidden / "not_offered.py").write_text("")
    assert "folded" in names("objective")
    assert not {"of_a_folder", "base", "_hidden", "not_offered"} & set(names("objective"))
    cls = find("objective", "folded")
    assert cls.__module__ == "metaplast.objectives.of_a_folder.folded"
    (tmp_path / "folded.py").write_text(text)
    with pytest.raises(BadInput, match=r"one objective 'folded' - rename one of the files"):
        names("objective")


@pytest.mark.parametrize(("kind", "old"), OLD_NAMES)
def test_an_old_name_leads_to_the_plugin_with_one_warning(kind, old, monkeypatch):
    new = OLD_NAMES[kind, old]
    monkeypatch.setattr(registry, "_warned", set())
    with pytest.warns(FutureWarning, match=f"{kind} '{old}' is called '{new}' now") as caught:
        assert find(kind, old) is find(kind, new)
        assert encode(decode(kind, {"name": old}))["name"] == new
        assert decode(kind, old) == find(kind, new)()
    assert len(caught) == 1
    assert has(kind, old) and has(kind, new)
    assert old not in names(kind) and new in names(kind)


def test_an_old_name_is_taken():
    with pytest.raises(BadInput, match="the old name of 'clopath'"):
        register("rule", "voltage")(type("Voltage", (), {}))


@pytest.mark.parametrize("name", [None, 3, ["clopath"], {"name": "clopath"}, "Clopath", ""])
def test_what_is_no_name_is_not_known(name):
    assert not has("rule", name)
