"""k rules in place of one rule a synapse: clusters of the numbers of a searched rule.

Source: Pedersen & Risi 2021, who merge the rules of synapses while they search them; the rules of
    synapses are those of Najarro & Risi 2020. Here they are merged once, after the search.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.side_by_side import scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.synapse_numbers import SynapseNumbers, synapse_numbers, with_numbers
from metaplast.registry import BadInput
from metaplast.results.merging import MergedRule, MergedScore, Merging
from metaplast.results.numbers import json_number, rounded
from metaplast.results.statistics import Estimate, estimate, share
from metaplast.reuse.describe import ancestry_from, describe_rule
from metaplast.reuse.rule_file import RuleFile, checksum
from metaplast.signals import Theta

N_RANDOM = 4
"""Draws of random groups."""
N_STARTS = 10
"""Starts of k-means, of which the best is kept."""


class Merged(NamedTuple):
    """A searched rule with k rules in place of one rule a synapse.

    k: rules that were asked for in every slot.
    theta: of the whole problem.
    labels: {slot: index of the rule of every synapse [n_synapses]}, 0 for the rule of most.
    rules: the rules.
    explained: the share of the variance between synapses that lies between the rules.
    """

    k: int
    theta: Theta
    labels: dict[str, np.ndarray]
    rules: list[MergedRule]
    explained: float


def numbers_of(subject: Subject, ks: Sequence[int]) -> list[SynapseNumbers]:
    """The numbers of the synapses of a rule that is to be merged.

    Args:
        subject: the rule in its task.
        ks: the numbers of rules that are asked for.

    Raises: BadInput for a rule without numbers per synapse, and for more rules than synapses.
    """
    numbers = synapse_numbers(subject.problem.lifetime, subject.theta)
    if not numbers:
        raise BadInput(
            "a rule without numbers at every synapse",
            "rule abcd with shared: false, or rule per_synapse",
            "search one, such as rule={name: per_synapse, rule: {name: polynomial}}",
        )
    for of_slot in numbers:
        n = len(of_slot.vectors)
        if max(ks) > n:
            what = f"k = {max(ks)} rules for the {n} synapses of slot {of_slot.slot}"
            raise BadInput(what, f"1 to {n}", "choose a smaller k")
    return numbers


def merged(subject: Subject, numbers: Sequence[SynapseNumbers], k: int) -> Merged:
    """The rule whose synapses have the centre of their cluster in place of their own numbers.

    The clusters are those of k-means, of all synapses of a slot together. A number counts in units
    of its standard deviation over synapses. A centre is the mean of the numbers as theta holds
    them, so a rate becomes a geometric mean.

    Args:
        subject: the rule in its task.
        numbers: of its synapses.
        k: the number of clusters in every slot; fewer where fewer synapses differ.
    """
    labels = {}
    for of_slot in numbers:
        labels[of_slot.slot] = clusters(of_slot.vectors, k, subject.seed)
    return _with_labels(subject, numbers, k, labels)


def at_random(
    subject: Subject, numbers: Sequence[SynapseNumbers], clustered: Merged, draw: int
) -> Merged:
    """The same with random groups of the sizes of the clusters: a control.

    Args:
        subject: the rule in its task.
        numbers: of its synapses.
        clustered: the rule with clusters.
        draw: the index of the draw.
    """
    labels = {}
    for index, of_slot in enumerate(numbers):
        generator = np.random.default_rng((subject.seed, clustered.k, draw, index))
        labels[of_slot.slot] = generator.permutation(clustered.labels[of_slot.slot])
    return _with_labels(subject, numbers, clustered.k, labels)


def clusters(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The cluster of every vector by k-means, 0 for the largest [n].

    Args:
        vectors: [n, n_numbers].
        k: the number of clusters; where fewer vectors differ, each of these is a cluster.
        seed: of the starts.
    """
    different, labels = np.unique(vectors, axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    if len(different) > k:
        from sklearn.cluster import KMeans  # 1 s, and few runs need it

        start = int(np.random.SeedSequence((seed, k)).generate_state(1)[0])
        # Its signature names the default of n_init alone, which is a word.
        options: dict[str, Any] = {"n_init": N_STARTS, "random_state": start}
        means = KMeans(k, **options)
        labels = means.fit_predict(standardised(vectors))
    _, labels, counts = np.unique(labels, return_inverse=True, return_counts=True)
    places = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    return places[labels.reshape(-1)]


def standardised(vectors: np.ndarray) -> np.ndarray:
    """Numbers with mean 0 and standard deviation 1 over vectors; one that is constant is 0."""
    vectors = np.asarray(vectors, np.float64)
    deviation = vectors.std(axis=0)
    # The mean of equal numbers differs from them by rounding, and their deviation from 0.
    is_constant = np.ptp(vectors, axis=0) == 0.0
    apart = np.where(is_constant, 0.0, vectors - vectors.mean(axis=0))
    return apart / np.where(is_constant, 1.0, deviation)


def centres(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean of the vectors of every label [n_labels, n_numbers]."""
    means = []
    for label in range(labels.max() + 1):
        means.append(np.asarray(vectors[labels == label], np.float64).mean(axis=0))
    return np.stack(means)


def merging(subject: Subject, ks: Sequence[int], n_lives: int) -> tuple[Merging, list[Merged]]:
    """The scores of k rules on held-out lives, beside the searched rule and two controls.

        share(k) = (score_k - score_0) / (score_all - score_0)

    score_0: of the same births without plasticity. The gain and the share are paired over lives. A
        loss holds no penalty of theta, since births pay none.

    Beside the values of k that are asked for, all powers of two below the largest are tried. The
    controls are k = 1 and random groups of the sizes of the clusters.

    Args:
        subject: the rule in its task.
        ks: the numbers of rules.
        n_lives: held-out lives.

    Returns: the scores, and the merged rule of every k, the fewest rules first.
    Raises: BadInput as `numbers_of` does.
    """
    subject = replace(subject, problem=unpenalised(subject.problem))
    numbers = numbers_of(subject, ks)
    sets = [merged(subject, numbers, k) for k in tried(ks)]
    thetas = [subject.theta, *(one.theta for one in sets)]
    draws = []
    for one in sets:
        if one.k > 1:
            draws.append([at_random(subject, numbers, one, draw) for draw in range(N_RANDOM)])
    for drawn in draws:
        thetas += [one.theta for one in drawn]
    lived = scores(subject, thetas, "heldout", n_lives)
    birth = _at_birth(subject, n_lives)
    judged = _Judged(subject, birth, lived[0])
    n_synapses = sum(len(of_slot.vectors) for of_slot in numbers)
    of_clusters = []
    for one, values in zip(sets, lived[1:], strict=False):
        of_clusters.append(judged.score(one.k, values, one.explained, one.rules))
    of_random = []
    first = 1 + len(sets)
    for index, drawn in enumerate(draws):
        start = first + index * N_RANDOM
        values = lived[start : start + N_RANDOM].mean(axis=0)
        explained = float(np.mean([one.explained for one in drawn]))
        of_random.append(judged.score(drawn[0].k, values, explained, []))
    result = Merging(
        metric=subject.metric,
        n_lives=lived.shape[1],
        n_synapses=n_synapses,
        n_numbers=max(len(of_slot.names) for of_slot in numbers),
        n_random=N_RANDOM,
        birth=rounded(_mean(birth)),
        searched=judged.score(n_synapses, lived[0], 1.0, []),
        clusters=of_clusters,
        random=of_random,
    )
    return result, sets


def tried(ks: Sequence[int]) -> list[int]:
    """The values of k: those that are asked for, and the powers of two below the largest."""
    values = {*ks, 1}
    power = 1
    while power < max(ks):
        values.add(power)
        power *= 2
    return sorted(values)


def merged_file(subject: Subject, one: Merged) -> RuleFile:
    """The content of the rule file of merged rules.

    The provenance is that of the searched rule, with an entry `merged`:

        from: the checksum of the file of the searched rule.
        k: the rules that were asked for in every slot.
        rules, of: the number of different rules, and of synapses.

    Args:
        subject: the rule in its task.
        one: the merged rules.
    """
    document = subject.file.document
    provenance = dict(document.get("provenance", {}))
    provenance.pop("versions", None)
    provenance["merged"] = {
        "from": checksum(document, subject.file.tensors),
        "k": one.k,
        "rules": len(one.rules),
        "of": sum(len(labels) for labels in one.labels.values()),
    }
    described = describe_rule(
        subject.problem.lifetime,
        one.theta,
        provenance=provenance,
        activity_reference=document.get("activity_reference", 1.0),
        ancestry=ancestry_from(subject.file, f"merged into {len(one.rules)} rules"),
    )
    return RuleFile(*described)


class _Judged(NamedTuple):
    """What every set of rules is held against.

    birth: scores without plasticity [n_lives].
    searched: scores of the searched rule [n_lives].
    """

    subject: Subject
    birth: np.ndarray
    searched: np.ndarray

    def score(
        self, k: int, values: np.ndarray, explained: float, rules: list[MergedRule]
    ) -> MergedScore:
        """The scores of one set of rules; see `MergedScore`."""
        finite = np.isfinite(values) & np.isfinite(self.birth) & np.isfinite(self.searched)
        gain = self.subject.better_by(values[finite], self.birth[finite])
        whole = self.subject.better_by(self.searched[finite], self.birth[finite])
        return MergedScore(
            k=k,
            score=rounded(_mean(values)),
            gain=rounded(_mean(gain)),
            share=rounded(share(gain, whole, self.subject.seed)),
            explained=json_number(explained) or 0.0,
            not_finite=int((~np.isfinite(values)).sum()),
            rules=rules,
        )


def _mean(values: np.ndarray) -> Estimate:
    """The mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return estimate([finite])


def _at_birth(subject: Subject, n_lives: int) -> np.ndarray:
    """The scores of the same births with no rule at work [n_lives]."""
    problem = subject.problem
    still = replace(problem, lifetime=replace(problem.lifetime, slots=()))
    born = {**subject.theta, "rules": {}}
    return scores(replace(subject, problem=still), [born], "heldout", n_lives)[0]


def _with_labels(
    subject: Subject, numbers: Sequence[SynapseNumbers], k: int, labels: dict[str, np.ndarray]
) -> Merged:
    """The rule whose synapses have the mean of the numbers of their label."""
    theta = subject.theta
    rules = []
    within = 0.0
    total = 0.0
    for of_slot in numbers:
        label = labels[of_slot.slot]
        means = centres(of_slot.vectors, label)
        theta = with_numbers(theta, of_slot, means[label])
        for index, mean in enumerate(means):
            values = dict(zip(of_slot.names, map(float, mean), strict=True))
            n = int((label == index).sum())
            rules.append(MergedRule(slot=of_slot.slot, n_synapses=n, numbers=values))
        units = standardised(of_slot.vectors)
        within += float(((units - centres(units, label)[label]) ** 2).sum())
        total += float((units**2).sum())
    explained = 1.0
    if total > 0.0:
        explained = 1.0 - within / total
    return Merged(k, theta, labels, rules, explained)
