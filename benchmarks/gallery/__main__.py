"""Draw the gallery of the docs from finished run folders.

    python -m benchmarks.gallery --runs FOLDER
    python -m benchmarks.gallery --runs FOLDER --only oja

FOLDER/<experiment> is a finished run of `metaplast train experiment=<experiment>`, or a fit. It
writes docs/gallery/<experiment>.svg, docs/gallery/<experiment>.md and docs/gallery/index.md. The
pages of experiments without a finished run stay as they are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gallery import figures, page, words
from benchmarks.gallery.finished import Finished, finished
from benchmarks.reproduce import ROOT, published
from metaplast.figures.style import save
from metaplast.registry import BadInput

OUT = ROOT / "docs" / "gallery"


def write(runs: Path, out: Path, only: Sequence[str] = ()) -> list[str]:
    """Write the pages of the runs that are there, and the index.

    Args:
        runs: the folder of the run folders.
        out: the folder of the pages.
        only: the experiments that are drawn; empty: all.

    Returns: the experiments whose pages were written.
    Raises: BadInput for a run without a row that its words name.
    """
    gallery = words.read()
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, entry in gallery.experiments.items():
        run = finished(runs / name) if name in only or not only else None
        if run is None:
            continue
        _check(run, entry)
        save(figures.draw(run, entry), out / f"{name}.svg")
        known = published().get(name, {})
        verb = "train" if run.fit is None else "fit"
        text = page.page(name, entry, run, verb, len(known.get("seeds", ())))
        (out / f"{name}.md").write_text(text, encoding="utf-8")
        written.append(name)
    drawn = {name for name in gallery.experiments if (out / f"{name}.md").is_file()}
    (out / "index.md").write_text(page.index(gallery, drawn), encoding="utf-8")
    return written


def _check(run: Finished, entry: words.Entry) -> None:
    """Whether a run has every row that its words name. Raises: BadInput where one is missing."""
    missing = sorted(set(entry.rows) - run.rows)
    if missing:
        what = f"{run.folder} without the rows {', '.join(missing)}"
        raise BadInput(what, "a run of the experiment as it ships", "run it again")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", default=(), metavar="EXPERIMENT")
    arguments = parser.parse_args()
    for name in write(arguments.runs, arguments.out, arguments.only):
        print(name)


if __name__ == "__main__":
    main()
