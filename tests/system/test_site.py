"""The site: it builds strictly, every link leads somewhere, and a browser shows every page."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from tests._browser import PROGRAMS, Browser, programs

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
POLICY += "img-src 'self' data:"
needs_browser = pytest.mark.skipif(
    not programs(), reason=f"no browser: none of {', '.join(PROGRAMS)} is on PATH"
)
WIDE, NARROW = 1280, 390


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The address of a server of the site, which forbids everything from elsewhere."""
    with _served(site, _Handler) as found:
        yield found


@pytest.fixture(scope="module")
def address_without_search(site: Path) -> Iterator[str]:
    """The same with an empty index of the search, which every page would sort anew."""
    with _served(site, _WithoutSearch) as found:
        yield found


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class _WithoutSearch(_Handler):
    def translate_path(self, path: str) -> str:
        found = super().translate_path(path)
        if not path.endswith("/search_index.json"):
            return found
        index = json.loads(Path(found).read_text())
        empty = Path(found).with_name("empty_index.json")
        empty.write_text(json.dumps({**index, "docs": index["docs"][:1]}))
        return str(empty)


@contextmanager
def _served(site: Path, handler: type[_Handler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Page(HTMLParser):
    """The links and the anchors of a page, and the files that it loads.

    links: addresses of other pages.
    loads: addresses of files that the browser gets by itself.
    anchors: places in the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for key, value in attrs if key in ("id", "name") and value}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        source = given.get("href") if tag == "link" else given.get("src")
        if tag != "a" and source:
            self.loads.append(source)


def _pages(site: Path) -> list[str]:
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def test_every_link_and_anchor_leads_to_a_place_of_the_site(site: Path) -> None:
    read = {name: _Page((site / name).read_text()) for name in _pages(site)}
    assert len(read) > 60
    broken = []
    n_links = 0
    for name, page in read.items():
        for link in [*page.links, *page.loads]:
            if link.startswith(("https:", "http:", "mailto:", "data:")):
                continue
            n_links += 1
            target, anchor = urldefrag(urljoin(f"/{name}", link))
            path = unquote(target).lstrip("/") or "index.html"
            if path.endswith("/"):
                path += "index.html"
            is_there = (site / path).is_file()
            if is_there and anchor and path in read:
                is_there = unquote(anchor) in read[path].anchors
            if not is_there:
                broken.append(f"{name}: {link}")
    assert not broken
    assert n_links > 1000


def test_no_page_loads_a_file_from_elsewhere(site: Path) -> None:
    for name in _pages(site):
        page = _Page((site / name).read_text())
        assert not [file for file in page.loads if "//" in file], name
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(), style


def test_every_page_is_reached_from_another_one(site: Path) -> None:
    """A page that only a search finds is lost."""
    listed = set()
    for name in _pages(site):
        page = _Page((site / name).read_text())
        for link in page.links:
            target = urldefrag(urljoin(f"/{name}", link))[0].lstrip("/")
            if target != name:
                listed.add(target)
    lost = [name for name in _pages(site) if name not in listed and name != "404.html"]
    assert not lost


@needs_browser
def test_a_browser_shows_every_page_wide_and_narrow(
    site: Path, address_without_search: str
) -> None:
    address = address_without_search
    faults = []
    with Browser() as browser:
        for name in _pages(site):
            browser.events.clear()
            browser.open(address + name, WIDE, 900)
            faults += [f"{name}: {fault}" for fault in _faults(browser, address)]
            browser.resize(NARROW, 900)
            wide = browser.ask("document.documentElement.scrollWidth")
            if wide > NARROW:
                faults.append(f"{name}: {wide} px wide in a window of {NARROW}")
    assert not faults


def _faults(browser: Browser, address: str) -> list[str]:
    """What is wrong with the page that a browser shows."""
    faults = [*browser.complaints(), *browser.errors()]
    faults += [f"asks for {asked}" for asked in browser.requests() if not asked.startswith(address)]
    if browser.ask("document.querySelector('main').innerText.length") < 10:
        faults.append("empty")
    missing = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
    faults += [f"image {source} is missing" for source in browser.ask(missing)]
    if browser.ask(
        "[...document.querySelectorAll('math')].some(m => m.textContent.includes('\\\\'))"
    ):
        faults.append("a formula holds TeX")
    return faults


@needs_browser
@pytest.mark.parametrize("place", ["server", "folder"])
def test_the_search_finds_pages(site: Path, address: str, place: str) -> None:
    start = address if place == "server" else f"{site.as_uri()}/"
    with Browser() as browser:
        browser.open(f"{start}index.html?q=oja", WIDE, 900)
        browser.wait("document.querySelectorAll('.md-search-result__item').length > 2")
        assert not _faults(browser, start)
