"""Links of the repository as links of the site.

A link in a page is a path beside that page's file, so that it also works in the repository. Files
outside docs/ that pages link to become pages too: Markdown in the folder `project`, and everything
else as its text in the folder `source`.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = {
    "README.md": "project/readme.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
"""{file of the repository: its page}"""
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".cff": "yaml", ".csv": "text"}
UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"
LINK = re.compile(
    r"(?P<before>!?\[(?P<text>[^\]\[]*)\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)"
)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def title(text: str) -> str:
    """The first heading of a page."""
    match = TITLE.search(text)
    return match[1].strip() if match else ""


def lead(text: str) -> str:
    """The first sentence below the first heading of a page; empty where no paragraph is there."""
    _, _, below = text.partition(f"# {title(text)}\n")
    prose = FENCED.sub("", below).strip()
    paragraph = " ".join(prose.split("\n\n")[0].split())
    if not paragraph[:1].isalnum() and not paragraph.startswith(("`", "*")):
        return ""
    sentence = re.split(r"(?<=[.?!]) ", paragraph)[0].removesuffix(":")
    sentence = re.sub(rf" \({LINK.pattern}\)", "", sentence)
    return LINK.sub(lambda match: match["text"], sentence)


def sources(texts: dict[str, str]) -> dict[str, str]:
    """A page for every file or folder outside docs/ to which a page links.

    Args:
        texts: {address of a page: its Markdown}.
    """
    pages: dict[str, str] = {}
    for address, text in texts.items():
        for match in LINK.finditer(text):
            path = _in_repository(match["path"], address)
            if path and not path.startswith("docs/") and path not in PROJECT:
                pages.update(_source(path))
    return pages


def within_site(text: str, address: str, texts: dict[str, str]) -> str:
    """The Markdown of a page with its links to files as links to pages.

    A link whose text is the path of a page gets the title of that page as its text.

    Args:
        text: the Markdown.
        address: the address of the page.
        texts: {address of a page: its Markdown}.
    """

    def rewritten(match: re.Match[str]) -> str:
        path = _in_repository(match["path"], address)
        if not path:
            return match[0]
        target = _page_of(path)
        if target.endswith(".md") and target not in texts:
            return match[0]
        before = match["before"]
        words = match["text"].strip("`")
        if target in texts and words.endswith(".md") and " " not in words:
            before = f"[{title(texts[target])}]("
        relative = posixpath.relpath(target, posixpath.dirname(address) or ".")
        return f"{before}{relative}{match['anchor'] or ''})"

    return LINK.sub(rewritten, text)


def _in_repository(link: str, address: str) -> str:
    """The path in the repository to which a link leads; empty where there is no such file."""
    folder = posixpath.dirname(_file_of(address))
    path = posixpath.normpath(posixpath.join(folder, link))
    if path.startswith("..") or not (ROOT / path).exists():
        return ""
    return path


def _file_of(address: str) -> str:
    """The file of a page, in the repository."""
    for path, page in PROJECT.items():
        if page == address:
            return path
    return f"docs/{address}"


def _page_of(path: str) -> str:
    """The address in the site of a file of the repository."""
    if path in PROJECT:
        return PROJECT[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}.md"


def _source(path: str) -> dict[str, str]:
    """The page of a file outside docs/, or of a folder with the files in it."""
    file = ROOT / path
    if file.is_file():
        language = LANGUAGES.get(file.suffix, "text")
        # Four backticks, because a text may hold three.
        return {
            _page_of(
                path
            ): f"{UNSEARCHED}# {path}\n\n````{language}\n{file.read_text().rstrip()}\n````\n"
        }
    pages = {}
    lines = []
    for entry in sorted(file.iterdir()):
        if entry.is_file():
            pages.update(_source(f"{path}/{entry.name}"))
            lines.append(f"- [{entry.name}]({file.name}/{entry.name}.md)")
    pages[_page_of(path)] = f"{UNSEARCHED}# {path}\n\n" + "\n".join(lines) + "\n"
    return pages
