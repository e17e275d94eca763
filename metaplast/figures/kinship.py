"""The part of a page on the kin of a rule, on whether it is a gradient, and on its locality."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import OURS, PALETTE, save, subplots
from metaplast.inspection.certificate import Locality
from metaplast.inspection.gradient_field import ROUNDING, Alignment, GradientField
from metaplast.inspection.kinship import Kinship, Likeness, Relative, mean_cosine
from metaplast.results.numbers import interval, json_number, number, rounded
from metaplast.results.statistics import Estimate

_TITLE = "Nearest known rule, gradient and locality"
_SHOWN = 8
"""Known rules in the figure."""
_NEAR = 0.7
"""A cosine below which less than half of the power of the change is explained."""
_GRADIENT = 0.01
"""An asymmetry below which a field counts as a gradient."""


def part(
    kin: Kinship,
    field: GradientField,
    aligned: Mapping[str, Alignment],
    localities: Mapping[str, Locality],
    metric: str,
    folder: Path,
) -> PagePart:
    """The kin of a rule in words, a figure and tables.

    Args:
        kin: the known rules beside the rule.
        field: the asymmetry of its field.
        aligned: {hidden population: angles}; empty where the task tells no error.
        localities: {edge: locality}.
        metric: the name of the score.
        folder: of the picture.
    """
    figures = []
    if kin.likeness:
        path = folder / "kinship.svg"
        draw(kin.likeness, path)
        caption = (
            "Cosine between the changes of the rule and of known rules over the visited signals, "
            "with 95 % intervals over lives. 1: the same changes but for a factor. "
            "-1: the reversed ones."
        )
        figures.append(Figure(path, _alt(kin), caption))
    words = [
        *nearest(kin, metric),
        *gradient(field),
        *alignment(aligned),
        *_local(localities),
    ]
    tables = _tables(kin, metric, field, aligned, localities)
    return PagePart(
        Section(_TITLE, words, figures=figures, tables=tables),
        _plain(kin, metric, field, aligned, localities),
    )


def draw(likeness: Mapping[str, Mapping[str, Likeness]], path: Path) -> None:
    """Draw the cosine of the nearest known rules as bars, one colour an edge."""
    names = list(likeness)[:_SHOWN]
    edges = list(likeness[names[0]])
    height = 0.8 / len(edges)
    figure, axes = subplots(
        figsize=(5.2, 0.9 + 0.35 * len(names) * max(1.0, 0.6 * len(edges))), layout="constrained"
    )
    for index, edge in enumerate(edges):
        colour = (OURS, *PALETTE)[index % (1 + len(PALETTE))]
        estimates = [likeness[name][edge].cosine for name in names]
        means = [estimate.mean for estimate in estimates]
        places = np.arange(len(names)) + height * (index - (len(edges) - 1) / 2)
        axes.barh(places, means, height=0.9 * height, color=colour, label=edge)
        lows = [estimate.low for estimate in estimates]
        highs = [estimate.high for estimate in estimates]
        axes.hlines(places, lows, highs, color="black", lw=1.2)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_xlim(-1.05, 1.05)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("cosine between the changes", fontsize=9)
    if len(edges) > 1:
        figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    save(figure, path)


def nearest(kin: Kinship, metric: str) -> list[str]:
    """The sentences on the nearest known rules."""
    still = [f"{edge} is left out of the comparison: {why}." for edge, why in kin.still.items()]
    if not kin.likeness:
        return ["No known rule could be compared: see the reasons in the table.", *still]
    name = next(iter(kin.likeness))
    called = name
    if mean_cosine(kin.likeness[name]) < 0:
        called = f"{name} reversed (its anti-rule)"
    parts = []
    for edge, likeness in kin.likeness[name].items():
        parts.append(
            f"cosine {number(likeness.cosine.mean, '.3f')} {_within(likeness.cosine, '.3f')} at "
            f"{edge}, where {number(likeness.distance, '.3g')} of the change is left at the best "
            f"scale"
        )
    lives = next(iter(kin.likeness[name].values())).cosine.n
    words = [
        f"Of {len(kin.likeness)} known rules with changes of their own on the signals of {lives} "
        f"lives, {called} is the nearest: {'; '.join(parts)}. Each rule sees the signals of the "
        f"lives as they were. Rules are ranked by the size of the mean of their signed cosines "
        f"over edges: -1 is the reversed rule, and edges of opposite signs cancel.",
        *still,
    ]
    cosines = [abs(likeness.cosine.mean) for likeness in kin.likeness[name].values()]
    if max(cosines) < _NEAR:
        words.append(
            f"None is near: below a cosine of {_NEAR:g}, more than half of the power of the change "
            f"is left at the best scale."
        )
    for relative in kin.in_task:
        words.append(_at_work(relative, metric))
    return words


def _at_work(relative: Relative, metric: str) -> str:
    reversed_ = ""
    if relative.sign < 0:
        reversed_ = ", reversed"
    better = relative.better
    if better.n == 0:
        return (
            f"{relative.name}{reversed_}, run in place of the rule, gives no finite {metric} "
            f"({relative.not_finite} held-out lives are not finite)."
        )
    verdict = "no difference is seen"
    if better.low > 0:
        verdict = "it is better than the rule"
    elif better.high < 0:
        verdict = "it is worse than the rule"
    lost = ""
    if relative.not_finite:
        lost = f" In {relative.not_finite} more lives its score is not finite."
    return (
        f"{relative.name}{reversed_}, run in place of the rule at the best of five scales, has "
        f"{metric} {number(relative.score.mean)} {_within(relative.score)} on "
        f"{better.n} held-out lives. Life by life it is better by {number(better.mean)} "
        f"{_within(better)}: {verdict}.{lost}"
    )


def gradient(field: GradientField) -> list[str]:
    """The sentences on the asymmetry of the field."""
    words = [
        f"Is it a gradient? Its mean change over {field.n_inputs} inputs of each of "
        f"{field.n_lives} lives was differentiated by the weights, through one step of the life "
        f"itself. The asymmetry |J - J^T| / |J + J^T| is 0 for a gradient and about 1 for a "
        f"random matrix."
    ]
    for edge, estimate in field.one_neuron.items():
        words.append(f"{edge}, the weights of one neuron: {_symmetry(estimate)}")
    words.append(f"All chosen weights together: {_symmetry(field.together)}")
    words.append(
        "A step size of its own for each synapse or edge also counts as asymmetry: it is a "
        "gradient in another metric."
    )
    if field.surrogate:
        words.append("Neurons spike, so the slope of the response is a surrogate.")
    return words


def _symmetry(estimate: Estimate) -> str:
    if not np.isfinite(estimate.mean):
        return "the change does not depend on them."
    size = f"asymmetry {number(estimate.mean, '.3g')} {_within(estimate, '.3g')}"
    if estimate.mean < ROUNDING:
        return f"{size}: a gradient, up to rounding."
    if estimate.high < _GRADIENT:
        return f"{size}: a gradient, to within {_GRADIENT:g}."
    if estimate.low > _GRADIENT:
        return f"{size}: no gradient."
    return f"{size}: undecided at {_GRADIENT:g}."


def alignment(aligned: Mapping[str, Alignment]) -> list[str]:
    """The sentences on the angle between credit and gradient."""
    words = []
    for name, angles in aligned.items():
        early, late = angles.early, angles.late
        words.append(
            f"The credit of {name} stands at {number(early.mean, '.3g')} degrees "
            f"{_within(early, '.3g')} to the gradient of the loss of the step in the first tenth "
            f"of the plastic steps, and at {number(late.mean, '.3g')} degrees "
            f"{_within(late, '.3g')} in the last tenth ({late.n} held-out lives; 90 degrees: no "
            f"relation)."
        )
    return words


def _local(localities: Mapping[str, Locality]) -> list[str]:
    reaches = {each.reach for each in localities.values()}
    words = [f"Locality, measured on the program of one step: reach {', '.join(sorted(reaches))}."]
    if any(each.transport for each in localities.values()):
        words.append("It reads activity carried back through the forward weights.")
    return words


def _within(estimate: Estimate, form: str = ".4g") -> str:
    return interval([estimate.low, estimate.high], form)


def _tables(
    kin: Kinship,
    metric: str,
    field: GradientField,
    aligned: Mapping[str, Alignment],
    localities: Mapping[str, Locality],
) -> list[Table]:
    tables = []
    rows: list[tuple[str, ...]] = []
    for name, of_edges in kin.likeness.items():
        for edge, each in of_edges.items():
            cosine = f"{number(each.cosine.mean, '.3f')} {_within(each.cosine, '.3f')}"
            distance = number(each.distance, ".3g")
            rows.append((name, edge, cosine, distance, number(each.scale, ".3g")))
    if rows:
        head = ("known rule", "edge", "cosine", "left at best scale", "best scale")
        tables.append(Table("Known rules by the likeness of their changes", head, rows))
    rows = []
    for relative in kin.in_task:
        score = f"{number(relative.score.mean)} {_within(relative.score)}"
        better = f"{number(relative.better.mean)} {_within(relative.better)}"
        scale = number(relative.sign * relative.factor, "g")
        n = (str(relative.better.n), str(relative.not_finite))
        rows.append((relative.name, scale, score, better, *n))
    if rows:
        head = ("known rule", "factor of the best scale", metric, "better by", "lives")
        head = (*head, "not finite")
        tables.append(Table("Known rules run in place of the rule", head, rows))
    rows = []
    for name, other in kin.same.items():
        rows.append((name, f"the changes of {other} on these signals, but for a factor"))
    for name, reason in (*kin.not_run.items(), *kin.left_out.items()):
        rows.append((name, reason))
    if rows:
        tables.append(Table("Known rules left out", ("known rule", "reason"), rows))
    rows = []
    for edge, estimate in field.one_neuron.items():
        rows.append((f"{edge}, one neuron", *_cells(estimate, ".3g")))
    rows.append(("all together", *_cells(field.together, ".3g")))
    tables.append(Table("Asymmetry of the field", ("weights", "asymmetry", "95 %"), rows))
    rows = []
    for name, angles in aligned.items():
        rows.append((name, *_cells(angles.early, ".3g"), *_cells(angles.late, ".3g")))
    if rows:
        head = ("population", "early", "95 %", "late", "95 %")
        tables.append(Table("Angle between credit and gradient, degrees", head, rows))
    rows = []
    for edge, each in localities.items():
        reads = ", ".join((*each.signals, *each.others)) or "nothing"
        mixing = each.mixing or "none"
        rows.append((edge, each.reach, reads, mixing))
    head = ("edge", "reach", "reads", "mixes by itself")
    tables.append(Table("Locality certificate", head, rows))
    return tables


def _cells(estimate: Estimate, form: str) -> tuple[str, str]:
    return number(estimate.mean, form), _within(estimate, form)


def _alt(kin: Kinship) -> str:
    words = []
    for name in list(kin.likeness)[:_SHOWN]:
        cosines = []
        for each in kin.likeness[name].values():
            cosines.append(number(each.cosine.mean, ".2f"))
        words.append(f"{name} {', '.join(cosines)}")
    return f"Bars of the cosine with known rules: {'; '.join(words)}"


def _plain(
    kin: Kinship,
    metric: str,
    field: GradientField,
    aligned: Mapping[str, Alignment],
    localities: Mapping[str, Locality],
) -> dict[str, Any]:
    likeness: dict[str, Any] = {}
    for name, of_edges in kin.likeness.items():
        likeness[name] = {}
        for edge, each in of_edges.items():
            likeness[name][edge] = {
                "cosine": asdict(rounded(each.cosine)),
                "distance": json_number(each.distance),
                "scale": json_number(each.scale),
            }
    at_work = []
    for relative in kin.in_task:
        at_work.append(
            {
                "name": relative.name,
                "sign": relative.sign,
                "factor": relative.factor,
                "metric": metric,
                "score": asdict(rounded(relative.score)),
                "better": asdict(rounded(relative.better)),
                "not_finite": relative.not_finite,
            }
        )
    one_neuron = {}
    for edge, estimate in field.one_neuron.items():
        one_neuron[edge] = asdict(rounded(estimate))
    angles = {}
    for name, each in aligned.items():
        angles[name] = {
            "early": asdict(rounded(each.early)),
            "late": asdict(rounded(each.late)),
        }
    certificates = {}
    for edge, each in localities.items():
        certificates[edge] = {
            "reach": each.reach,
            "signals": list(each.signals),
            "others": list(each.others),
            "mixing": each.mixing,
            "transport": each.transport,
        }
    return {
        "likeness": likeness,
        "same": dict(kin.same),
        "left_out": dict(kin.left_out),
        "not_run": dict(kin.not_run),
        "edges_left_out": dict(kin.still),
        "in_task": at_work,
        "gradient": {
            "one_neuron": one_neuron,
            "together": asdict(rounded(field.together)),
            "n_synapses": dict(field.n_synapses),
            "n_lives": field.n_lives,
            "n_inputs": field.n_inputs,
            "surrogate": field.surrogate,
        },
        "alignment": angles,
        "locality": certificates,
    }
