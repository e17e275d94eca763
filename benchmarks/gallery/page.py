"""The pages of the gallery as Markdown: one of an experiment, and the index."""

from benchmarks.gallery.facts import facts_of
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry, Gallery
from metaplast.settings.names import DISCOVERED

INDEX = """# Gallery

Every experiment that ships, with one figure and ten lines. A picture leads to its page. Figures and
numbers come from finished run folders, one seed each. [Results](../results.md) has the tables, and
for some experiments several seeds.

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
ALONE = "These have no figure yet:"


def page(name: str, entry: Entry, run: Finished, verb: str, seeds: int) -> str:
    """The page of an experiment.

    Args:
        name: of the experiment.
        entry: its words.
        run: the run of its figure.
        verb: `train` or `fit`.
        seeds: of the results in docs/results.md; 0 where the experiment is not there.
    """
    facts = facts_of(run, entry)

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
    lines.append(_facts_of_run(run, name, entry, seeds))
    if entry.more:
        lines.append(f"More: {entry.more}.")
    lines.append(f"```text\nmetaplast {verb} experiment={name} --run-dir runs/{name}\n```")
    lines.append(f"This prints more of it, without a run:\n\n```bash\n{entry.look}\n```")
    return "\n\n".join(lines) + "\n"


def _facts_of_run(run: Finished, name: str, entry: Entry, seeds: int) -> str:
    """The seed of the figure, the lives of its curves, and where more seeds are."""
    words = f"The figure is one run, seed {run.job.main.seed}; brackets hold 95 % intervals."
    if entry.kind in OF_CURVES:
        n_lives = len(run.steps(DISCOVERED)["loss"].values)
        words += (
            f" Its curves are means over the first {n_lives} held-out lives; bands are 95 % "
            f"intervals at each step."
        )
    if seeds > 1:
        return f"{words} [Results of {seeds} seeds](../results.md#{name})."
    if seeds == 1:
        return f"{words} [Table](../results.md#{name})."
    return words


def index(gallery: Gallery, drawn: set[str]) -> str:
    """The index.

    Args:
        gallery: all words.
        drawn: the experiments that have a page.
    """
    parts = [INDEX]
    for group in gallery.groups:
        parts.append(f"## {group}\n")
        names = [name for name, entry in gallery.experiments.items() if entry.group == group]
        shown = [name for name in names if name in drawn]
        if shown:
            parts.append('<div class="grid cards" markdown>\n')
            for name in shown:
                parts.append(_card(name, gallery.experiments[name]))
            parts.append("</div>\n")
        others = [name for name in names if name not in drawn]
        if others:
            parts.append(f"{ALONE}\n")
            for name in others:
                parts.append(f"- `{name}`: {gallery.experiments[name].line}")
            parts.append("")
    return "\n".join(parts)


def _card(name: str, entry: Entry) -> str:
    return (
        f"-   [![{entry.title}]({name}.svg)]({name}.md)\n\n"
        f"    **[{entry.title}]({name}.md)**\n\n"
        f"    {entry.line}\n"
    )
