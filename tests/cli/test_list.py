"""`metaplast list`: kinds, names and signals, also of plug-ins outside this package."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from metaplast import registry
from metaplast.language.grammar import SIGNALS, TRACES, field_of
from metaplast.registry import KINDS
from metaplast.reuse.known import known_rules
from metaplast.reuse.signal_words import WORDS, lines
from metaplast.runs.config import Sources
from metaplast.signals import NeuronView, SynapseView
from tests.contracts._enrolled import enrolled
from tests.system._commands import here

SINGULAR = {word: kind for kind, (_, plural) in KINDS.items() for word in (kind, plural)}
BARE = """
from metaplast.registry import register
from metaplast.rules.base import TermRule
from metaplast.spec import spec


@register("rule", "{name}")
@spec
class {cls}(TermRule):
    rate: float = 1.0

    def init(self, key, connection):
        return {{}}

    def products(self, theta, state, view, dt):
        return state, []
"""


def _names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith(" ")]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module without a docstring, whose class has none either."""
    (tmp_path / "bare_plugin.py").write_text(BARE.format(name="bare_rule", cls="BareRule"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return "bare_plugin"


def test_without_a_kind_every_kind_is_listed(tmp_path: Path) -> None:
    code, out, _ = here("list", cwd=tmp_path)
    assert code == 0
    assert _names(out) == [*(plural for _, plural in KINDS.values()), "signals", "zoo"]
    assert "oja" in out and "feedforward" in out


@pytest.mark.parametrize(
    "kind", [*(plural for _, plural in KINDS.values()), *KINDS, "signals", "signal"]
)
def test_every_kind_is_listed_in_80_columns_with_what_it_is(kind: str, tmp_path: Path) -> None:
    code, out, _ = here("list", kind, cwd=tmp_path)
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= 80
    shipped = enrolled(SINGULAR[kind]) if kind in SINGULAR else list(SIGNALS)
    silent = [line for line in out.splitlines() if len(line.split()) == 1 and line in shipped]
    assert not silent
    assert set(shipped) <= set(_names(out))


def test_rules_that_are_data_are_listed_among_the_rules(tmp_path: Path) -> None:
    names = _names(here("list", "rules", cwd=tmp_path)[1])
    assert {"oja", "hebb", "delta", "polynomial", *known_rules()} <= set(names)
    assert names == sorted(names)


def test_the_rules_of_a_folder_are_listed_too(tmp_path: Path) -> None:
    (tmp_path / "rule").mkdir()
    (tmp_path / "rule" / "mine.yaml").write_text(
        "# What I found,\n# in two lines.\n# More.\nname: polynomial\n"
    )
    out = here("list", "rules", "--config-dir", str(tmp_path), cwd=tmp_path)[1]
    assert "What I found, in two lines." in out and "More." not in out


def test_configs_fit_80_columns(tmp_path: Path) -> None:
    code, out, _ = here("configs", cwd=tmp_path)
    assert code == 0
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "experiment=oja" in out


def test_a_plugin_that_says_nothing_is_listed_by_import(module: str, tmp_path: Path) -> None:
    code, out, error = here("list", "rules", "--import", module, cwd=tmp_path)
    assert (code, error) == (0, "")
    assert "bare_rule" in out.splitlines()


@pytest.mark.parametrize("verb", ["show", "list"])
def test_verbs_import_what_is_asked_for(verb: str, tmp_path: Path) -> None:
    code, _, error = here(
        verb, "oja" if verb == "show" else "rules", "--import", "no_such_module", cwd=tmp_path
    )
    assert code == 2
    assert "--import no_such_module: No module named" in error


def test_a_module_that_fails_is_one_line_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "fails_so.py").write_text("x = 1\ny = x / 0\n")
    code, _, error = here("list", "--import", "fails_so", cwd=tmp_path)
    assert code == 2
    assert (
        "--import fails_so: ZeroDivisionError: division by zero in fails_so.py, line 2 - expected"
        in error
    )


def test_an_entry_point_that_cannot_be_imported_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        raise RuntimeError("no such library\nand more")

    point = SimpleNamespace(name="broken_rule", load=load)
    points = {"rule": {"broken_rule": point}}
    monkeypatch.setattr(registry, "_entry_points", lambda kind: points.get(kind, {}))
    code, out, _ = here("list", "rules", cwd=tmp_path)
    assert code == 0
    assert "cannot be imported: RuntimeError: no such library" in " ".join(out.split())
    assert "and more" not in out
    assert "polynomial" in _names(out)


def test_every_signal_has_a_meaning_and_is_a_field_of_the_view() -> None:
    assert set(WORDS) == {*SIGNALS, *TRACES, "modulator.NAME"}
    fields = {name: field for name, field, _ in lines()}
    for name in SIGNALS:
        view, *path = fields[name].split(".")
        assert (view, ".".join(path)) == ("view", field_of(name))
        owner = NeuronView if len(path) == 2 else SynapseView
        assert path[-1] in owner.__dataclass_fields__
    assert fields["error"] == "view.post.feedback"


def test_the_table_in_the_docs_has_the_same_names() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "explanations" / "signals.md"
    text = page.read_text()
    for name in (
        "pre",
        "post",
        "error",
        "learning_signal",
        "target",
        "weight",
        "predicted",
        "post_gain",
    ):
        row = next(
            line
            for line in text.splitlines()
            if line.startswith("|") and f"`{name}`" in line.split("|")[1]
        )
        assert f"`view.{field_of(name)}`" in row, name


def test_the_card_of_a_rule_fits_a_terminal(tmp_path: Path) -> None:
    code, out, _ = here("show", "feedback_pool", cwd=tmp_path)
    _, *card = out.splitlines()
    assert code == 0 and max(map(len, card)) <= 80
    assert "pre.returned, weight" in " ".join(line.strip() for line in card)


@pytest.mark.parametrize("group", ["experiment", "rule"])
def test_a_headline_of_a_config_is_a_short_sentence_that_ends(group: str) -> None:
    sources = Sources()
    for name in sources.names(group):
        words = sources.headline(group, name)
        assert words.endswith("."), (name, words)
        assert len(words) <= 200, (name, words)
        if group == "experiment":
            assert not re.search(r"(?<!al)\. [A-Z]", words), (name, words)
