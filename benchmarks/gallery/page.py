"""The pages of the gallery as Markdown: one of an experiment, and the index."""

from benchmarks.gallery.facts import facts_of
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry, Gallery
from metaplast.settings.names import DISCOVERED

INDEX = """# Gallery

Every experiment that ships, with one figure and ten lines. A picture leads to its page. Curves are
of one finished run. Where an experiment is published with several seeds, its numbers are of all of
them. [Results](../results.md) has the tables.

```bash
metaplast configs
```

It prints the experiments. This command, in a checkout, draws the pages from a folder of runs, in
which `FOLDER/oja` is a run of `experiment=oja`:

```text
python -m benchmarks.gallery --runs FOLDER
```
"""
OF_CURVES = ("learning", "trajectory")
"""The kinds of figures that show the lives whose steps a run stored."""


def page(
    name: str, entry: Entry, run: Finished, numbers: Finished, verb: str, is_published: bool
) -> str:
    """The page of an experiment.

    Args:
        name: of the experiment.
        entry: its words.
        run: of the figure.
        numbers: of the text: the same run, or the published table of several seeds.
        verb: `train` or `fit`.
        is_published: whether docs/results.md has its table.
    """
    facts = facts_of(numbers, entry)

    def filled(text: str) -> str:
        return entry.filled(facts, text)

    lines = [f"# {entry.title}", f"![{entry.line}]({name}.svg)"]
    for head, text in (
        ("Question", entry.question),
        ("Method", entry.method),
        ("Result", entry.result),
        ("Control", entry.control),
        ("Not shown", entry.missing),
    ):
        lines.append(f"**{head}.** {filled(text)}")
    lines.append(_of_which_seeds(run, numbers, name, entry, is_published))
    if entry.more:
        lines.append(f"More: {entry.more}.")
    lines.append(f"```text\nmetaplast {verb} experiment={name} --run-dir runs/{name}\n```")
    lines.append(f"This prints more of it, without a run:\n\n```bash\n{entry.look}\n```")
    return "\n\n".join(lines) + "\n"


def _of_which_seeds(
    run: Finished, numbers: Finished, name: str, entry: Entry, is_published: bool
) -> str:
    """The seeds of the figure and of the numbers, the lives of curves, and where the table is."""
    table = f"../results.md#{name}"
    n = numbers.n_seeds
    if run.n_seeds > 1:
        return (
            f"Figure and numbers are means over {n} seeds; bars and brackets hold 95 % t intervals "
            f"over them. [Table of all seeds]({table})."
        )
    sentences = [f"The figure is one run, seed {run.job.main.seed}."]
    if entry.kind in OF_CURVES:
        n_lives = len(run.steps(DISCOVERED)["loss"].values)
        sentences.append(f"Its curves are means over the first {n_lives} held-out lives.")
        sentences.append("Bands are 95 % intervals at each step.")
    if n > 1:
        sentences.append(f"The numbers are means over {n} seeds.")
        sentences.append("Brackets hold 95 % t intervals over them.")
        sentences.append(f"[Table of all seeds]({table}).")
        return " ".join(sentences)
    sentences.append("Brackets hold 95 % intervals.")
    if is_published:
        sentences.append(f"[Table]({table}).")
    return " ".join(sentences)


def index(gallery: Gallery, drawn: set[str]) -> str:
    """The index.

    Args:
        gallery: all words.
        drawn: the experiments that have a page.
    """
    parts = [INDEX]
    for group in gallery.groups:
        parts.append(f"## {group}\n")
        parts.append('<div class="grid cards" markdown>\n')
        for name, entry in gallery.experiments.items():
            if entry.group == group and name in drawn:
                parts.append(_card(name, entry))
        parts.append("</div>\n")
    return "\n".join(parts)


def _card(name: str, entry: Entry) -> str:
    return (
        f"-   [![{entry.title}]({name}.svg)]({name}.md)\n\n"
        f"    **[{entry.title}]({name}.md)**\n\n"
        f"    {entry.line}\n"
    )
