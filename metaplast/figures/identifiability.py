"""The figure of identifiability: what the task pins down, and what it leaves open."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import OTHERS, OURS, save, subplots
from metaplast.inspection.collinear import Collinearity
from metaplast.inspection.identifiability import RISE, Curvature
from metaplast.inspection.information import LearnedBits, RuleBits
from metaplast.inspection.starts import Agreement
from metaplast.results.numbers import interval, json_list, json_number, number, share
from metaplast.results.statistics import Estimate

_TITLE = "What the task pins down"
_SHOWN = 6
"""Directions, terms and pairs that are named in words."""
_PINNED = 0.9
_LOOSE = 0.1


def part(
    curvature: Curvature | str,
    collinear: Mapping[str, Collinearity],
    agreement: Agreement | None,
    folder: Path,
    bits: RuleBits | None = None,
    learned: LearnedBits | None = None,
) -> PagePart:
    """The identifiability of a rule, and its information.

    Args:
        curvature: the Hessian, or the reason why there is none.
        collinear: {entry: the collinearity of its terms}.
        agreement: of several starts; None where there is one start.
        folder: of the picture.
        bits: of the rule.
        learned: in a life.
    """
    words = []
    figures = []
    tables = []
    if isinstance(curvature, str):
        words.append(f"The curvature of the loss is not known: {curvature}")
    else:
        path = folder / "identifiability.svg"
        draw(curvature, path)
        largest = number(curvature.eigenvalues[0], ".3g")
        smallest = number(curvature.eigenvalues[-1], ".3g")
        alt = f"Curvature of the loss per direction, from {largest} to {smallest}"
        caption = (
            "Left: curvature along each direction with its 95 % interval over lives; filled: told "
            f"from 0. At 1, a move of one unit raises the loss by {100 * RISE:g} %. Right: the "
            "unit of each number."
        )
        figures.append(Figure(path, alt, caption))
        words += _words_on_curvature(curvature)
        tables += [_directions(curvature), _numbers(curvature)]
    words += _words_on_terms(collinear)
    words += _words_on_starts(agreement)
    words += _words_on_bits(bits, learned)
    if agreement is not None:
        tables.append(_pairs(agreement))
    numbers = {
        "curvature": _plain_curvature(curvature),
        "terms": {entry: _plain_terms(each) for entry, each in collinear.items()},
        "starts": _plain_starts(agreement),
        "information": _plain_bits(bits, learned),
    }
    return PagePart(Section(_TITLE, words, figures=figures, tables=tables), numbers)


def draw(curvature: Curvature, path: Path) -> None:
    """Draw the cross-validated spectrum, and the unit of every number."""
    n = len(curvature.names)
    height = max(3.2, 0.17 * n + 1.0)
    figure, (left, right) = subplots(1, 2, figsize=(10.5, height), layout="constrained")
    means = np.asarray([estimate.mean for estimate in curvature.estimates])
    low = np.asarray([estimate.low for estimate in curvature.estimates])
    high = np.asarray([estimate.high for estimate in curvature.estimates])
    order = np.arange(1, n + 1)
    left.errorbar(order, means, yerr=[means - low, high - means], fmt="none", color=OTHERS)
    stiff = curvature.stiff
    left.plot(order[~stiff], means[~stiff], "o", color=OURS, markerfacecolor="white")
    left.plot(order[stiff], means[stiff], "o", color=OURS)
    left.axhline(0.0, color=OTHERS, lw=0.8)
    left.set_yscale("symlog", linthresh=0.1)
    left.set_xlabel("direction, the stiffest first", fontsize=9)
    left.set_ylabel("curvature of the loss", fontsize=9)
    places = np.arange(n)[::-1]
    right.plot(curvature.units, places, "o", color=OURS)
    right.set_xscale("log")
    right.set_yticks(places, curvature.names, fontsize=7)
    right.set_xlabel(f"move of one number that raises the loss by {100 * RISE:g} %", fontsize=9)
    save(figure, path)


def _words_on_curvature(curvature: Curvature) -> list[str]:
    n = len(curvature.names)
    n_stiff = int(curvature.stiff.sum())
    way = "differences of gradients"
    if curvature.by == "losses":
        way = "differences of losses on common lives"
    of_what = f"The loss of {curvature.n_lives} validation lives"
    if curvature.penalised:
        of_what += ", without the penalty of theta that its search had,"
    words = [
        f"{of_what} bends up along {n_stiff} of {n} "
        f"directions of the searched numbers: their 95 % intervals lie above 0. Along "
        f"{int(curvature.falling.sum())} it bends down, and along "
        f"{n - n_stiff - int(curvature.falling.sum())} its curvature is not told from 0 ({way}; "
        "the curvature of a life is taken along the direction of all others; by chance alone, one "
        "of 40 flat directions would seem to bend up)."
    ]
    stiffest = []
    for index in np.flatnonzero(curvature.stiff)[:_SHOWN]:
        stiffest.append(_direction(curvature, int(index)))
    if stiffest:
        words.append(f"Pinned down most: {'; '.join(stiffest[:3])}.")
    loosest = []
    for index in np.flatnonzero(~curvature.stiff):
        loosest.append((abs(curvature.eigenvalues[index]), int(index)))
    named = [_direction(curvature, index) for _, index in sorted(loosest)[:3]]
    if named:
        words.append(f"Flattest of those that are not told from 0: {'; '.join(named)}.")
    pinned = _listed(curvature.names, curvature.shares >= _PINNED)
    loose = _listed(curvature.names, (curvature.shares <= _LOOSE) | curvature.flat_alone)
    felt = _listed(curvature.names, curvature.felt)
    words.append(f"Numbers whose move alone raises the loss, by their intervals: {felt}.")
    words.append(
        f"Numbers that these lives pin down by themselves (at least {share(_PINNED)} of their "
        f"direction is stiff): {pinned}. Numbers that they leave open (at most {share(_LOOSE)} is "
        f"stiff, or doubling costs less than {100 * RISE:g} % of the loss): {loose}. The others "
        "are open in combination: one may make up for another."
    )
    asides = []
    if curvature.clipped:
        asides.append(
            f"{curvature.clipped} of {curvature.n_lives} lives bend so sharply that they count at "
            "ten medians"
        )
    if curvature.left_out:
        asides.append(f"left out as not finite: {curvature.left_out} lives")
    if curvature.pilots_left_out:
        asides.append(
            f"{curvature.pilots_left_out} of the lives that were to set the units are left out, as "
            "their loss is not finite"
        )
    if curvature.unmeasured:
        asides.append(
            f"no step of {len(curvature.unmeasured)} numbers keeps these lives finite "
            f"({', '.join(curvature.unmeasured[:_SHOWN])}); their unit is the shortest step"
        )
    if curvature.asymmetry > 0.1:
        asides.append(
            f"the differences are rough (asymmetry {number(curvature.asymmetry, '.2g')} of the "
            "largest entry): the loss is not smooth at this scale"
        )
    if asides:
        words.append(f"Note: {'; '.join(asides)}.")
    return words


def _listed(names: Sequence[str], marks: np.ndarray) -> str:
    chosen = [name for name, mark in zip(names, marks, strict=True) if mark]
    if not chosen:
        return "none"
    shown = ", ".join(chosen[:_SHOWN])
    if len(chosen) > _SHOWN:
        shown += f" and {len(chosen) - _SHOWN} more"
    return f"{len(chosen)} of {len(names)} ({shown})"


def _direction(curvature: Curvature, index: int) -> str:
    parts = []
    for name, weight in curvature.loadings(index).items():
        parts.append(f"{weight:+.2f} {name}")
    estimate = curvature.estimates[index]
    return f"{' '.join(parts)} (curvature {_estimate(estimate, '.2g')})"


def _words_on_terms(collinear: Mapping[str, Collinearity]) -> list[str]:
    words = []
    for entry, each in collinear.items():
        if each.null:
            words.append(f"{entry}: 0 at all {each.n} visits: {', '.join(each.null)}.")
        for pair in each.alike[:_SHOWN]:
            words.append(
                f"{entry}: {pair.first} and {pair.second} cannot be told apart here: correlation "
                f"{_close_to_one(pair.correlation)} over {each.n} visits."
            )
        for combination in each.combinations[:_SHOWN]:
            parts = [f"{weight:+.2f} {term}" for term, weight in combination.weights.items()]
            kind = "changes no weight"
            if np.isfinite(combination.condition):
                kind = (
                    f"changes weights {number(combination.condition, '.3g')} times less than others"
                )
            words.append(f"{entry}: the combination {' '.join(parts)} {kind}.")
        if not each.null and not each.alike and not each.combinations and each.terms:
            worst = max(each.inflation, key=lambda term: each.inflation[term])
            words.append(
                f"{entry}: the {len(each.terms)} terms differ over {each.n} visited signals: "
                f"largest condition index {number(each.condition, '.3g')} (30 is ill), largest "
                f"variance inflation {number(each.inflation[worst], '.3g')} ({worst})."
            )
        if each.unknown:
            words.append(f"{entry}: not compared, since no visit tells: {', '.join(each.unknown)}.")
    return words


def _close_to_one(correlation: float) -> str:
    """Three decimals, cut and not rounded: .9999 stays below 1."""
    if 1 - abs(correlation) < 1e-9:
        return f"{np.sign(correlation):.0f}"
    return f"{np.trunc(1000 * correlation) / 1000:.3f}"


def _words_on_starts(agreement: Agreement | None) -> list[str]:
    if agreement is None:
        return ["There is one start: it says nothing about what another start would have found."]
    cosines = agreement.cosine[np.triu_indices(agreement.n_starts, 1)]
    weights = [estimate.mean for estimate in agreement.weights.values()]
    outputs = [estimate.mean for estimate in agreement.outputs.values()]
    words = [
        f"{agreement.n_starts} starts were compared on the same lives from the same births. "
        f"Genome, feedback and neurons are those of the first run in all; only the rules differ. "
        f"The {len(agreement.names)} numbers of the rules have a cosine of {_range(cosines)}; the "
        f"changes of weights that they make "
        f"correlate by {_range(weights)}, their outputs by {_range(outputs)}. The first rule and "
        f"the rule before the search correlate by {_estimate(agreement.weights_at_start, '.3g')} "
        f"in weights and {_estimate(agreement.outputs_at_start, '.3g')} in outputs."
    ]
    apart = _apart(agreement)
    if apart:
        words.append(
            f"The score of the first start is not level with every other: {'; '.join(apart)}. "
            f"A rule that scores otherwise is no other solution of the same worth."
        )
    if np.isfinite(agreement.along_stiff):
        words.append(
            f"Of the squared distances between starts, {share(agreement.along_stiff)} lies in the "
            f"stiff directions; {share(agreement.stiff_share)} would by chance."
        )
    return words


def _apart(agreement: Agreement) -> list[str]:
    """The differences of score between the first start and others that are told from 0."""
    words = []
    for (first, other), difference in agreement.scores.items():
        if first == 0 and difference.low * difference.high > 0:
            words.append(f"first minus start {other + 1} {_estimate(difference, '+.3g')}")
    return words


def _range(values: Any) -> str:
    low = number(float(np.min(values)), ".3g")
    high = number(float(np.max(values)), ".3g")
    if low == high:
        return low
    return f"{low} to {high}"


def _words_on_bits(bits: RuleBits | None, learned: LearnedBits | None) -> list[str]:
    words = []
    if bits is not None:
        if bits.bits is None:
            words.append("The rule keeps its score within 1 % at no resolution up to 16 bits.")
        else:
            words.append(
                f"{bits.bits} bits for each of {bits.n_numbers} numbers, {bits.total} in all, keep "
                f"the score within 1 % of {_estimate(bits.score, '.4g')} ({bits.score.n} lives)."
            )
        if bits.tree_nodes:
            words.append(
                f"The form of its expression, {bits.tree_nodes} nodes, takes "
                f"{number(bits.form, '.0f')} bits more."
            )
    if learned is not None:
        words.append(_words_on_learned(learned))
    return words


def _words_on_learned(learned: LearnedBits) -> str:
    most = np.log2(learned.n_tasks)
    source = "the final weights"
    if learned.read == "products":
        source = "products of successive final weights"
    words = (
        f"From {source}, the task of a life among {learned.n_tasks} is decoded with an error of "
        f"{_estimate(learned.error, '.3g')} ({learned.n_lives} lives; from the weights at birth "
        f"{_estimate(learned.error_at_birth, '.3g')}, by chance {learned.error_by_chance:.3g})"
    )
    if learned.births_tell:
        return (
            f"{words}: the births tell of the task already, by the interval of their error, so "
            "this says nothing about learning."
        )
    if learned.low <= 0:
        return (
            f"{words}: no bits can be claimed, since the upper end of the error allows for none "
            f"({number(learned.bits, '.2g')} at the error itself)."
        )
    return (
        f"{words}: a life learns at least {number(learned.low, '.2g')} bits on its task, at the "
        f"upper end of the error ({number(learned.bits, '.2g')} at the error itself; {most:.2g} "
        "can be shown)."
    )


def _estimate(estimate: Estimate, form: str) -> str:
    bounds = interval([estimate.low, estimate.high], form)
    return f"{number(estimate.mean, form)} {bounds}"


def _directions(curvature: Curvature) -> Table:
    rows = []
    for index in range(len(curvature.names)):
        parts = []
        for name, weight in curvature.loadings(index).items():
            parts.append(f"{weight:+.2f} {name}")
        bend = "not told from 0"
        if curvature.stiff[index]:
            bend = "rises"
        elif curvature.falling[index]:
            bend = "falls"
        curved = _estimate(curvature.estimates[index], ".2g")
        rows.append((str(index + 1), curved, bend, ", ".join(parts)))
    head = ("direction", "curvature", "the loss", "largest weights, in units")
    return Table("Directions of the searched numbers, the stiffest first", head, rows)


def _numbers(curvature: Curvature) -> Table:
    rows = []
    for index, name in enumerate(curvature.names):
        rows.append(
            (
                name,
                number(curvature.values[index], ".3g"),
                number(curvature.units[index], ".2g"),
                _estimate(curvature.alone[index], ".2g"),
                share(float(curvature.shares[index])),
            )
        )
    head = ("number", "value, as it acts", "unit", "curvature alone", "in stiff directions")
    caption = (
        f"The searched numbers; the unit of a number alone raises the loss by {100 * RISE:g} %, "
        "and is never more than the number or 1"
    )
    return Table(caption, head, rows)


def _pairs(agreement: Agreement) -> Table:
    rows = []
    for (i, j), weights in agreement.weights.items():
        rows.append(
            (
                f"{i + 1} and {j + 1}",
                number(agreement.cosine[i, j], ".3g"),
                _estimate(weights, ".3g"),
                _estimate(agreement.outputs[i, j], ".3g"),
                _estimate(agreement.scores[i, j], ".2g"),
            )
        )
    head = (
        "starts",
        "cosine of the rules' numbers",
        "changes of weights",
        "outputs",
        "score of first - second",
    )
    return Table("Agreement of starts in the same lives; correlations", head, rows)


def _plain_curvature(curvature: Curvature | str) -> dict[str, Any]:
    if isinstance(curvature, str):
        return {"why_not": curvature}
    return {
        "names": list(curvature.names),
        "values": json_list(curvature.values),
        "units": json_list(curvature.units),
        "hessian": [json_list(row) for row in curvature.hessian],
        "eigenvalues": json_list(curvature.eigenvalues),
        "directions": [json_list(row) for row in curvature.directions],
        "cross_validated": [json_list(estimate) for estimate in curvature.estimates],
        "alone": [json_list(estimate) for estimate in curvature.alone],
        "by": curvature.by,
        "lives": curvature.n_lives,
        "left_out": curvature.left_out,
        "clipped": curvature.clipped,
        "asymmetry": json_number(curvature.asymmetry),
        "loss": json_number(curvature.loss),
        "loss_of": "lives, without a penalty of theta",
        "penalised_search": curvature.penalised,
        "stiff": int(curvature.stiff.sum()),
        "falling": int(curvature.falling.sum()),
        "pilots_left_out": curvature.pilots_left_out,
        "unmeasured": list(curvature.unmeasured),
    }


def _plain_terms(each: Collinearity) -> dict[str, Any]:
    combinations = []
    for combination in each.combinations:
        weights = {term: json_number(weight) for term, weight in combination.weights.items()}
        combinations.append({"weights": weights, "condition": json_number(combination.condition)})
    alike = []
    for pair in each.alike:
        alike.append([pair.first, pair.second, json_number(pair.correlation)])
    return {
        "visits": each.n,
        "sizes": {term: json_number(size) for term, size in each.sizes.items()},
        "contributions": {term: json_number(size) for term, size in each.contributions.items()},
        "inflation": {term: json_number(factor) for term, factor in each.inflation.items()},
        "null": list(each.null),
        "alike": alike,
        "combinations": combinations,
        "condition": json_number(each.condition),
        "unknown": list(each.unknown),
    }


def _plain_starts(agreement: Agreement | None) -> dict[str, Any]:
    if agreement is None:
        return {"starts": 1}
    of_pairs = []
    for (i, j), weights in agreement.weights.items():
        of_pairs.append(
            {
                "pair": [i, j],
                "cosine": json_number(float(agreement.cosine[i, j])),
                "weights": json_list(weights),
                "outputs": json_list(agreement.outputs[i, j]),
                "scores": json_list(agreement.scores[i, j]),
            }
        )
    return {
        "starts": agreement.n_starts,
        "compared": list(agreement.names),
        "values": {name: json_list(estimate) for name, estimate in agreement.values.items()},
        "pairs": of_pairs,
        "weights_at_start": json_list(agreement.weights_at_start),
        "outputs_at_start": json_list(agreement.outputs_at_start),
        "along_stiff": json_number(agreement.along_stiff),
        "stiff_share": json_number(agreement.stiff_share),
    }


def _plain_bits(bits: RuleBits | None, learned: LearnedBits | None) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    if bits is not None:
        plain["rule"] = {
            "numbers": bits.n_numbers,
            "bits": bits.bits,
            "total": bits.total,
            "tree_nodes": bits.tree_nodes,
            "form": json_number(bits.form),
            "score": json_list(bits.score),
            "worse": [json_list(coded.worse) for coded in bits.coded],
        }
    if learned is not None:
        plain["learned"] = {
            "tasks": learned.n_tasks,
            "read": learned.read,
            "error": json_list(learned.error),
            "bits": json_number(learned.bits),
            "low": json_number(learned.low),
            "error_at_birth": json_list(learned.error_at_birth),
            "error_by_chance": json_number(learned.error_by_chance),
            "births_tell": learned.births_tell,
            "lives": learned.n_lives,
        }
    return plain
