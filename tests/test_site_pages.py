"""The Python of the site: links, menu, formulas, docstrings and tables of the generated pages."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Annotated, Literal

import click
import pytest
from annotated_types import Gt, Le

from docs._build import commands, config, docstrings, errors, formulas, links, navigation
from metaplast.cli.main import cli
from metaplast.spec import Positive, mapping, spec

TEXTS = {
    "index.md": "# Home",
    "guides/jobs.md": "# Jobs: change, resume\n\nA job is one config. More.",
    "guides/zebra.md": "# A zebra",
    "guides/apple.md": "# The apple\n\n```bash\nmetaplast list\n```\n\nRed ([one](jobs.md)).",
    "faq.md": "# Questions",
    "source/examples/train.py.md": "# examples/train.py",
    "project/readme.md": "# metaplast",
}


def test_a_link_whose_text_is_a_path_gets_the_title_of_the_page() -> None:
    text = "See [docs/guides/jobs.md](docs/guides/jobs.md#x) and [these](docs/guides/jobs.md)."
    assert links.within_site(text, "project/readme.md", TEXTS) == (
        "See [Jobs: change, resume](../guides/jobs.md#x) and [these](../guides/jobs.md)."
    )


def test_a_file_outside_the_docs_becomes_a_page() -> None:
    text = "See [train.py](../../examples/train.py)."
    pages = links.sources({"guides/jobs.md": text})
    assert list(pages) == ["source/examples/train.py.md"]
    assert "import metaplast" in pages["source/examples/train.py.md"]
    written = links.within_site(text, "guides/jobs.md", TEXTS)
    assert written == "See [train.py](../source/examples/train.py.md)."


def test_what_is_no_link_to_a_file_stays() -> None:
    text = "`rule.init](weights)` [a](https://example.org/a.md) [b](#there) [c](nothing.md)"
    assert links.within_site(text, "guides/jobs.md", TEXTS) == text


def test_known_pages_come_first_and_others_by_their_titles() -> None:
    menu = navigation.menu(TEXTS)
    assert menu[0] == {"Home": "index.md"}
    assert {"Guides": ["guides/jobs.md", "guides/zebra.md", "guides/apple.md"]} in menu
    assert {"Project": ["project/readme.md", "faq.md"]} in menu
    assert len(menu) == 3


def test_a_folder_without_an_index_gets_a_list_of_its_pages() -> None:
    pages = navigation.indexes(TEXTS)
    assert list(pages) == ["guides/index.md"]
    assert pages["guides/index.md"].splitlines()[2:] == [
        "- [Jobs: change, resume](jobs.md): A job is one config.",
        "- [A zebra](zebra.md)",
        "- [The apple](apple.md): Red.",
    ]


def test_a_formula_is_mathml() -> None:
    html = '<p><span class="arithmatex">\\(w_{ji} &lt; 1\\)</span></p>'
    written = formulas.as_mathml(html)
    assert written.startswith("<p><math") and "<msub>" in written and "&#x0003C;" in written
    block = formulas.as_mathml('<div class="arithmatex">\\[\nx^2\n\\]</div>')
    assert 'display="block"' in block and "<msup>" in block


class Documented:
    """Claim with a_name and <angle>. More.

        delta_w = rate post pre   (an equation)

    rate, gain: two symbols [],
        in two lines.
    z [n]: with a shape.

    Args:
        view: the `signals`.

    Returns: a change.
    Raises: BadInput for a
        wrong one.
    """


def test_a_docstring_is_markdown() -> None:
    text = inspect.getdoc(Documented) or ""
    assert docstrings.summary(text) == "Claim with a_name and <angle>."
    assert docstrings.as_markdown(text, {"view": "View = None", "silent": "int"}).split("\n\n") == [
        r"Claim with a\_name and &lt;angle>. More.",
        "```text\ndelta_w = rate post pre   (an equation)\n```",
        "- `rate, gain`: two symbols \\[\\], in two lines.\n- `z [n]`: with a shape.",
        "**Arguments:** ",
        "- `view: View = None`: the `signals`.",
        "**Returns:** a change.",
        "**Raises:** BadInput for a wrong one.",
        "**Fields:** ",
        "- `silent: int`\n",
    ]
    assert docstrings.symbols(text) == {
        "rate": "two symbols [], in two lines.",
        "gain": "two symbols [], in two lines.",
        "z": "with a shape.",
        "view": "the `signals`.",
    }


@spec
class Fields:
    """Some fields.

    share: a share.
    form: a form.
    names: some names.
    values: values.
    curve: some pairs.
    """

    share: Annotated[float, Gt(0), Le(1)] = 0.5
    form: Literal["round", "flat"] | None = None
    names: tuple[str, ...] = ("a",)
    values: Annotated[tuple[tuple[str, tuple[Positive, ...]], ...], mapping] = ()
    curve: Annotated[tuple[tuple[int, int], ...], mapping] = ()


def test_a_field_has_its_type_bounds_default_and_words() -> None:
    assert config.fields_table(Fields, "part.")[2:] == [
        "| `part.share` | number, >&nbsp;0, ≤&nbsp;1 | `0.5` | a share. |",
        "| `part.form` | `round` or `flat` or null | `null` | a form. |",
        "| `part.names` | list of text | `[a]` | some names. |",
        "| `part.values` | mapping of names to list of number, each >&nbsp;0 | `{}` | values. |",
        "| `part.curve` | mapping of whole number to whole number | `{}` | some pairs. |",
    ]


def test_every_field_of_the_config_has_words() -> None:
    (text,) = config.pages().values()
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \| (.*) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 60
    assert not [row for row in rows if not all(cell.strip() for cell in row)]
    named = {name for name, *_ in rows}
    assert {field.name for field in dataclasses.fields(config.Config)} <= named
    assert {"problem.n_tasks", "rules.NAME.edges", "fit.starts", "seeds"} <= named


def test_every_verb_and_every_option_has_words() -> None:
    (text,) = commands.pages().values()
    for verb in cli.list_commands(click.Context(cli)):
        assert f"## {verb}\n" in text
    rows = re.findall(r"^\| `(-[^`]+)` \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) > 30
    assert not [option for option, words in rows if not words.strip()]


def test_every_exit_code_and_every_message_is_listed() -> None:
    codes, messages = errors.pages().values()
    assert re.findall(r"^\| (\d+) \|", codes, re.MULTILINE) == [
        "0",
        "1",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "130",
    ]
    assert r"| unknown field … | one of …, or: no field at all | … |" in messages
    assert messages.count("\n|") > 400


@pytest.mark.parametrize(
    "word",
    ["advantage", "taylor", "glm_history", "log odds", "separation", "at rest", "residual"],
)
def test_a_word_that_a_fit_prints_is_in_the_glossary(word: str) -> None:
    glossary = (Path(__file__).parents[1] / "docs/explanations/glossary.md").read_text()
    assert re.search(rf"^\| `?{word}", glossary, re.MULTILINE)
