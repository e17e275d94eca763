"""Scores of k rules in place of one rule a synapse: the types behind merge.json, and its words."""

from dataclasses import asdict, dataclass
from typing import Any

from metaplast.results.numbers import RoundedEstimate, interval, number, table_form
from metaplast.results.table import INTERVAL
from metaplast.results.typed_json import Plain, of_schema

SCHEMA = "metaplast.merging/1"
SEARCHED = "as searched"
CLUSTERS = "clusters"
RANDOM = "random groups"


@dataclass(frozen=True, kw_only=True)
class MergedRule:
    """One of the merged rules.

    slot: of the rule.
    n_synapses: the synapses that have it.
    numbers: {name: number} of its theta.
    """

    slot: str
    n_synapses: int
    numbers: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class MergedScore:
    """The held-out lives of one set of rules. Means and intervals are over lives.

    k: rules that were asked for in every slot; of the searched rule the number of synapses.
    score: of a life.
    gain: how much better the score is than that of the same births without plasticity.
    share: mean gain / mean gain of the searched rule; None where that is not above 0.
    explained: the share of the variance between synapses that lies between the rules.
    not_finite: lives that are not finite, which no mean holds.
    rules: the rules, those of most synapses first; none of the searched rule and random groups.
    """

    k: int
    score: RoundedEstimate
    gain: RoundedEstimate
    share: RoundedEstimate
    explained: float
    not_finite: int
    rules: list[MergedRule]


@dataclass(frozen=True, kw_only=True)
class Merging:
    """A searched rule with k rules in place of one rule a synapse.

    metric: the name of the score.
    n_lives: held-out lives of every row; all rows live the same.
    n_synapses: the synapses whose numbers were merged.
    n_numbers: the numbers of a synapse; the largest of several slots.
    n_random: the draws of random groups, whose mean over draws is the score of a life.
    birth: the score without plasticity.
    searched: the rule as it was searched.
    clusters: of k rules, the fewest first.
    random: of random groups of the sizes of the clusters, for every k above 1.
    """

    metric: str
    n_lives: int
    n_synapses: int
    n_numbers: int
    n_random: int
    birth: RoundedEstimate
    searched: MergedScore
    clusters: list[MergedScore]
    random: list[MergedScore]


def to_json(merging: Merging) -> Plain:
    """The merging as merge.json holds it."""
    return {"schema": SCHEMA, **asdict(merging)}


def from_json(plain: Any, where: str) -> Merging:
    """The inverse of `to_json`. Raises: BadInput for data of another form."""
    return of_schema(Merging, SCHEMA, plain, where)


def head(merging: Merging) -> str:
    """The setting in words."""
    numbers = f"{merging.n_numbers} numbers"
    if merging.n_numbers == 1:
        numbers = "1 number"
    return (
        f"{merging.n_synapses} synapses with {numbers} each, {merging.n_lives} held-out lives; "
        f"{merging.metric} at birth {number(merging.birth.mean)} {interval(merging.birth.ci95)}."
    )


def sentence(merging: Merging) -> str:
    """What the most rules keep, beside one rule and random groups."""
    if merging.searched.share.mean is None:
        return (
            "No share is defined: the searched rule is not better than birth by its 95 % interval."
        )
    most = merging.clusters[-1]
    words = f"{_rules(most.k)} in place of {merging.n_synapses} keep {_share(most)} of the gain"
    controls = []
    if merging.random:
        controls.append(f"random groups of the same sizes keep {_share(merging.random[-1])}")
    if most.k > 1:
        controls.append(f"one rule keeps {_share(merging.clusters[0])}")
    return "; ".join([f"{words} over birth", *controls]) + "."


def lines(merging: Merging) -> list[tuple[str, ...]]:
    """The table: its head, then a line for every set of rules, that of the search first."""
    rows = [(SEARCHED, merging.searched)]
    rows += [(CLUSTERS, one) for one in reversed(merging.clusters)]
    rows += [(RANDOM, one) for one in reversed(merging.random)]
    form = table_form([one.score.mean for _, one in rows])
    gains = table_form([one.gain.mean for _, one in rows])
    names = ("rules", "k", merging.metric, INTERVAL, "share of gain", INTERVAL)
    table: list[tuple[str, ...]] = [
        (*names, "gain over birth", INTERVAL, "variance explained", "not finite")
    ]
    for name, one in rows:
        share = ("none", "")
        if one.share.mean is not None:
            share = (number(one.share.mean, ".3f"), interval(one.share.ci95, ".3f"))
        table.append(
            (
                name,
                str(one.k),
                number(one.score.mean, form),
                interval(one.score.ci95, form),
                *share,
                number(one.gain.mean, gains),
                interval(one.gain.ci95, gains),
                number(one.explained, ".3f"),
                str(one.not_finite),
            )
        )
    return table


def _rules(k: int) -> str:
    return "One rule" if k == 1 else f"{k} rules"


def _share(one: MergedScore) -> str:
    """The share in percent, with its interval."""
    percent = [None if end is None else 100.0 * end for end in one.share.ci95]
    mean = one.share.mean
    words = number(None if mean is None else 100.0 * mean, ".1f")
    return f"{words} % {interval(percent, '.1f')}"
