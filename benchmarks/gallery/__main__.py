"""Draw the gallery of the docs from finished run folders.

    python -m benchmarks.gallery --runs FOLDER
    python -m benchmarks.gallery --runs FOLDER --only oja

FOLDER/<experiment> is a finished run of `metaplast train experiment=<experiment>`, or a fit. It
writes docs/gallery/<experiment>.svg, docs/gallery/<experiment>.md and docs/gallery/index.md. The
pages of experiments without a finished run stay as they are, except for figures that the published
table alone can fill. Where benchmarks/results has several seeds, the numbers are of all of them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gallery import figures, page, words
from benchmarks.gallery.finished import Finished, finished
from benchmarks.gallery.tables import table_of
from benchmarks.reproduce import ROOT, published
from metaplast.figures.style import save
from metaplast.registry import BadInput

OUT = ROOT / "docs" / "gallery"
OF_TABLES = ("gains", "scores", "expression")
"""The kinds of figures that the published table of an experiment can fill."""


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
        if only and name not in only:
            continue
        run = finished(runs / name)
        table = table_of(name)
        if table is not None and entry.kind in OF_TABLES and (run is None or table.n_seeds > 1):
            run = table
        if run is None:
            continue
        numbers = table if table is not None and table.n_seeds > 1 else run
        _check(run, set(entry.shown))
        _check(numbers, set(entry.rows))
        save(figures.draw(run, entry), out / f"{name}.svg")
        verb = "train" if run.fit is None else "fit"
        is_published = name in published()
        text = page.page(name, entry, run, numbers, verb, is_published)
        (out / f"{name}.md").write_text(text, encoding="utf-8")
        written.append(name)
    drawn = {name for name in gallery.experiments if (out / f"{name}.md").is_file()}
    (out / "index.md").write_text(page.index(gallery, drawn), encoding="utf-8")
    return written


def _check(run: Finished, named: set[str]) -> None:
    """Whether a run has every row that its words name. Raises: BadInput where one is missing."""
    missing = sorted(named - run.rows)
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
