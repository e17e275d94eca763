"""What the site adds to MkDocs: generated pages, the menu, links between pages, formulas.

MkDocs calls these functions by their names. No Python of this folder is part of the site.
"""

import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, ROOT)

from docs._build import formulas, generators, links, navigation  # noqa: E402


def on_startup(**_: Any) -> None:
    """Describe the code beside the pages, also where another copy of it is installed."""
    sys.path.insert(0, ROOT)  # MkDocs has put back the path of before this file


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages and make the menu of all pages."""

    def add(pages: dict[str, str]) -> None:
        for address, text in pages.items():
            files.append(File.generated(config, address, content=text))

    add(generators.pages())
    add(links.sources(_texts(files)))
    texts = _texts(files)
    add(navigation.indexes(texts))
    config.nav = navigation.menu(_texts(files))
    return files


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to pages of the site, under their titles."""
    return links.within_site(text, page.file.src_uri, _texts(files))


def on_page_content(html: str, **_: Any) -> str:
    """Write the formulas of a page as MathML."""
    return formulas.as_mathml(html)


def _texts(files: Files) -> dict[str, str]:
    """{address of a page: its Markdown}"""
    texts = {}
    for file in files.documentation_pages():
        texts[file.src_uri] = file.content_string
    return texts
