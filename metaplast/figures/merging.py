"""The part on merged rules: the score of k rules in place of one rule a synapse."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaplast.figures.section import Figure, Folded, PagePart, Section, Table
from metaplast.figures.style import INK, OTHERS, OURS, save, subplots
from metaplast.results.merging import (
    CLUSTERS,
    RANDOM,
    SEARCHED,
    MergedScore,
    Merging,
    head,
    lines,
    sentence,
    to_json,
)
from metaplast.results.numbers import number

TITLE = "How many rules"
FIGURE = "merging.svg"
ENOUGH = 0.9
"""The share of the gain over birth at which a dotted line is drawn."""
WIDE = 30.0
"""The ratio of the largest mean to the smallest from which on the axis is logarithmic."""
MOST_RULES = 32
"""Rules of one k whose numbers a page shows."""


def part(merging: Merging, of_seed: str, folder: Path) -> PagePart:
    """The scores of merged rules, and the numbers of the rules that were asked for.

    Args:
        merging: the scores.
        of_seed: a sentence that says whose rule it is, where there are several; else "".
        folder: of the picture.
    """
    path = folder / FIGURE
    draw(merging, path)
    values = []
    for one in merging.clusters:
        values.append(f"{number(one.score.mean)} of {one.k}")
    alt = f"{merging.metric} over the number of rules: {', '.join(values)}"
    caption = (
        "Score of k rules; bars: 95 % intervals over lives. Lines: the rule as searched, 90 % of "
        "its gain over birth, and birth, which is the same network without plasticity."
    )
    names, *rows = lines(merging)
    words = [
        *filter(None, [of_seed]),
        head(merging),
        "The numbers of all synapses of a slot were clustered by k-means, and every synapse got "
        "the centre of its cluster. Nothing was searched anew. Random groups have the sizes of the "
        f"clusters; a life has its mean score over {merging.n_random} draws of them.",
    ]
    table = Table("The same held-out lives under every set of rules", names, rows)
    folded = [Folded("The numbers of the merged rules", tables=_rules(merging.clusters))]
    section = Section(
        TITLE,
        words,
        figures=[Figure(path, alt, caption)],
        tables=[table],
        summary=sentence(merging),
        folded=folded,
    )
    return PagePart(section, to_json(merging))


def draw(merging: Merging, path: Path) -> None:
    """Draw the score over the number of rules.

    Args:
        merging: the scores.
        path: of the picture.
    """
    figure, axes = subplots(figsize=(5.6, 3.6), layout="constrained")
    birth, searched = merging.birth.mean, merging.searched.score.mean
    if birth is not None and searched is not None:
        axes.axhline(searched, color=INK, lw=1.0, label=SEARCHED)
        enough = birth + ENOUGH * (searched - birth)
        axes.axhline(enough, color=INK, lw=0.8, ls=":", label=f"{ENOUGH:.0%} of the gain")
        axes.axhline(birth, color=INK, lw=0.8, ls="--", label="birth")
    _bars(axes, merging.clusters, OURS, CLUSTERS)
    _bars(axes, merging.random, OTHERS, RANDOM)
    ks = [one.k for one in merging.clusters]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()
    axes.set_xlabel(f"rules in place of {merging.n_synapses}")
    axes.set_ylabel(merging.metric)
    if _is_wide([*merging.clusters, *merging.random, merging.searched]):
        axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False)
    save(figure, path)


def _is_wide(scores: Sequence[MergedScore]) -> bool:
    """Whether the scores differ so much that a linear axis shows the largest alone."""
    means = [one.score.mean for one in scores if one.score.mean is not None]
    return bool(means) and min(means) > 0.0 and max(means) > WIDE * min(means)


def _bars(axes: Any, scores: Sequence[MergedScore], colour: str, label: str) -> None:
    """A line with intervals; a score that is not finite is left out."""
    ks, means, below, above = [], [], [], []
    for one in scores:
        low, high = one.score.ci95
        if one.score.mean is None or low is None or high is None:
            continue
        ks.append(one.k)
        means.append(one.score.mean)
        below.append(one.score.mean - low)
        above.append(high - one.score.mean)
    axes.errorbar(ks, means, yerr=[below, above], marker="o", capsize=3, color=colour, label=label)


def _rules(scores: Sequence[MergedScore]) -> list[Table]:
    """A table of the rules of every k that has no more than MOST_RULES, by slot."""
    tables = []
    for one in scores:
        by_slot: dict[str, list[Mapping[str, float]]] = {}
        counts: dict[str, list[int]] = {}
        for rule in one.rules:
            by_slot.setdefault(rule.slot, []).append(rule.numbers)
            counts.setdefault(rule.slot, []).append(rule.n_synapses)
        for slot, rules in by_slot.items():
            if len(rules) > MOST_RULES:
                continue
            rows = []
            for n, numbers in zip(counts[slot], rules, strict=True):
                rows.append((str(n), *(number(value, ".3g") for value in numbers.values())))
            caption = f"slot {slot}, k = {one.k}: numbers as theta holds them"
            tables.append(Table(caption, ("synapses", *rules[0]), rows))
    return tables
