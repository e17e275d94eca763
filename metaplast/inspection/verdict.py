"""The verdict on a searched rule, in three sentences made from numbers.

The first sentence says what the rule does beyond the best tuned baseline, or that it does not. The
second says how sure that is. The third says what it does not do, and which control explains it.
A sentence that has no number behind it says that the number is missing.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from metaplast.inspection import worlds_in_words
from metaplast.inspection.gain import Gain, closest, gain_over
from metaplast.results.changed_world import Cell, better_by
from metaplast.results.numbers import interval, number
from metaplast.results.summary import Row, RowScore, TrainedRow
from metaplast.results.table import RowFacts

Standing = Literal["above", "level", "below", "alone", "failed"]
"""Of the rule against every tuned baseline: better than each, not told apart from one, worse than
one, without one in the table, or without a score that counts."""

NONE_FAILED = "No baseline's search failed."
_REACHES = ("-", "synapse", "neuron", "layer")
_CREDIT = ("post.feedback", "post.learning_signal")
_STEP_SIZES = {"error_tuned": ("error*pre", -1), "hebb_tuned": ("post*pre", 1)}
"""{row with its step size alone tuned: (term, its coefficient)}"""


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """Lives of another length than those of the search.

    factor: their length, as a multiple.
    score: mean of the metric; None where a life is not finite.
    diverging: share of lives that are not finite.
    saturating: share of weights that end at a bound.
    n: lives.
    """

    factor: float
    score: float | None
    diverging: float
    saturating: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a verdict rests on.

    runs: the folders of the runs, as a command names them.
    searched: the name of the searched row.
    scores: of all rows; differences are (row - searched), on the same lives.
    facts: {row: facts}.
    seeds: of the runs; one seed is one split.
    means: {row: its mean in each run}.
    outer_steps: of every trained row.
    controls: the rows that are known rules with their step size tuned, beside those whose family
        the searched rule contains.
    horizons: lives of other lengths; empty where none was tried.
    identifiability: a sentence on which parts of the rule the task pins down; "" if unknown.
    elsewhere: sentences on other widths; empty where none was tried.
    worlds: scores of all rows in changed worlds; empty where none was judged.
    other_world: the words that change the world for a next command; "" where none are known.
    imports: the words of a command that import the plug-ins of the runs.
    louder: the word of a config that makes the first weights larger; "" where none is known.
    has_rule: whether a synapse of the searched row is plastic.
    """

    runs: Sequence[str]
    searched: str
    scores: Sequence[RowScore]
    facts: Mapping[str, RowFacts]
    seeds: Sequence[int]
    means: Mapping[str, Sequence[float]]
    outer_steps: int
    controls: Sequence[str] = ()
    horizons: Sequence[Horizon] = ()
    identifiability: str = ""
    elsewhere: Sequence[str] = ()
    worlds: Sequence[Cell] = ()
    other_world: str = ""
    imports: Sequence[str] = ()
    louder: str = ""
    has_rule: bool = True

    @property
    def subject(self) -> str:
        """What was searched, in words."""
        return "the rule" if self.has_rule else "the network"


@dataclass(frozen=True)
class PageVerdict:
    """The verdict of a page.

    standing: of the rule against the tuned baselines.
    found: what the rule does beyond them, or that it does not.
    among_equals: the same against rows that read no more; "" where it says nothing else.
    sure: how sure that is.
    limits: what it does not do, and which control explains it.
    next_command: what to run next.
    """

    standing: Standing
    found: str
    among_equals: str
    sure: str
    limits: str
    next_command: str

    @property
    def sentences(self) -> list[str]:
        """The three or four, in the order of the page."""
        sentences = [self.found, self.among_equals, self.sure, self.limits]
        return [sentence for sentence in sentences if sentence]


def verdict(evidence: Evidence) -> PageVerdict:
    """The verdict, and the command to run next.

    A difference is paired on the same lives, and above 0 where the rule is better; brackets hold
    its 95 % interval. A tuned baseline is a row that learns numbers in the same outer loop, and is
    no reference. The rule is above only where the interval of its difference to every one of them
    leaves 0 out. A row of another feedback counts like any other; the best of the rows that read no
    more is named beside it.

    Args:
        evidence: scores, facts, and what else is known.
    """
    rule = _row(evidence)
    gains = _gains(evidence)
    tuned = {name: gains[name] for name in _tuned(evidence) if name in gains}
    standing = _standing(evidence, tuned)
    idle = _idle(evidence, gains)
    controls = _controls(evidence, rule, tuned, idle)
    among_equals = ""
    if standing in ("below", "level"):
        among_equals = _among_equals(evidence, tuned)
    return PageVerdict(
        standing,
        _found(evidence, standing, tuned),
        among_equals,
        _sure(evidence, standing, tuned),
        _limits(evidence, rule, gains, controls),
        _next(evidence, standing, controls),
    )


def _row(evidence: Evidence) -> TrainedRow:
    row = evidence.facts[evidence.searched].row
    assert isinstance(row, TrainedRow)
    return row


def _score(evidence: Evidence) -> RowScore:
    return next(score for score in evidence.scores if score.name == evidence.searched)


def _gains(evidence: Evidence) -> dict[str, Gain]:
    """{row: gain over it} of every other row with a finite difference."""
    gains = {}
    for score in evidence.scores:
        if score.name != evidence.searched and score.difference.mean is not None:
            gains[score.name] = gain_over(score.name, better_by(score))
    return gains


def _tuned(evidence: Evidence) -> list[str]:
    """The rows that learn numbers in the same outer loop."""
    names = []
    for name, facts in evidence.facts.items():
        row = facts.row
        if name != evidence.searched and isinstance(row, TrainedRow) and row.learned > 0:
            names.append(name)
    return names


def _standing(evidence: Evidence, tuned: Mapping[str, Gain]) -> Standing:
    """The standing against the tuned baselines, each of which counts."""
    searched = evidence.facts[evidence.searched]
    if _score(evidence).mean is None or searched.failed or searched.dead:
        return "failed"
    if not tuned:
        return "alone"
    standings = [gain.relation for gain in tuned.values()]
    for standing in ("below", "level"):
        if standing in standings:
            return standing
    return "above"


def _found(evidence: Evidence, standing: Standing, tuned: Mapping[str, Gain]) -> str:
    """What the rule does beyond the best tuned baseline, or that it does not."""
    score = _score(evidence)
    where = f"In {score.metric} on {score.n} held-out lives {evidence.subject}"
    if score.mean is None:
        return (
            f"Nothing was found: {score.not_finite} of the {score.n} held-out lives of "
            f"{evidence.subject} are not finite, so it has no score."
        )
    dead = evidence.facts[evidence.searched].dead
    if dead:
        return (
            f"Nothing was found: all {score.n} held-out lives of {evidence.searched} are dead: "
            f"{_silent(dead)}. A cell fires where its drive reaches its threshold: make the first "
            f"weights larger{_by(evidence)} or the threshold of the cell lower."
        )
    if standing == "failed":
        reason = failure(evidence.facts[evidence.searched])
        return f"Nothing was found: the search of {evidence.subject} failed ({reason})."
    if standing == "alone":
        has = f"{number(score.mean)}, 95 % interval {interval(score.ci95)}"
        return (
            f"Nothing is shown: no tuned baseline of the table has a score. {where} has "
            f"{has}; to what that is due is not known."
        )
    if standing == "above":
        best = closest(tuned)
        return (
            f"{where} is better than the best tuned baseline, {_named(evidence, best.name)}, by "
            f"{best.amount(', 95 % interval')}."
        )
    rival = closest({name: gain for name, gain in tuned.items() if gain.relation == standing})
    name = _named(evidence, rival.name)
    if standing == "level":
        by = rival.amount(", 95 % interval")
        return f"{where} is not told apart from a tuned baseline, {name}: difference {by}."
    by = rival.turned.amount(", 95 % interval")
    return f"{where} is worse than a tuned baseline, {name}, by {by}."


def _silent(populations: Sequence[str]) -> str:
    """The populations that never fire, in words."""
    if len(populations) == 1:
        return f"population {populations[0]} is silent"
    return f"populations {', '.join(populations)} are silent"


def _by(evidence: Evidence) -> str:
    if evidence.louder:
        return f" ({evidence.louder})"
    return ""


def _among_equals(evidence: Evidence, tuned: Mapping[str, Gain]) -> str:
    """The standing among rows with the rule's own feedback, where other rows have another."""
    rule = _row(evidence)
    equals = {}
    for name, gain in tuned.items():
        if _reads_no_more(evidence.facts[name].row, rule):
            equals[name] = gain
    if not equals or len(equals) == len(tuned):
        return ""
    best = closest(equals)
    relation = {
        "above": f"better than the best, {best.name}, by {best.amount()}",
        "level": f"not told apart from the best, {best.name}: difference {best.amount()}",
        "below": f"worse than the best, {best.name}, by {best.turned.amount()}",
    }
    feedback = f"{rule.feedback} feedback"
    if rule.feedback == "none":
        feedback = "no feedback"
    return f"Among rows that read no more ({feedback}), it is {relation[best.relation]}."


def _sure(evidence: Evidence, standing: Standing, tuned: Mapping[str, Gain]) -> str:
    """How sure the first sentence is: splits, failed rows, identifiability."""
    words = [splits_in_words(evidence.seeds, evidence.subject)]
    if len(evidence.seeds) > 1 and tuned:
        words.append(_in_how_many(evidence, closest(tuned).name))
    failed = [
        _named(evidence, name) for name in failed_baselines(evidence.facts, evidence.searched)
    ]
    if failed:
        words.append(failed_in_words(failed))
    elif tuned:
        words.append(NONE_FAILED)
    for name, facts in evidence.facts.items():
        if facts.dead and name != evidence.searched:
            words.append(
                f"All lives of {name} are dead ({_silent(facts.dead)}); to be better than it shows "
                "little."
            )
        if facts.silent:
            words.append(
                f"In all lives of {name} {_silent(facts.silent)}; its score came about without a "
                "spike there."
            )
    unknown = [name for name in _tuned(evidence) if name not in tuned]
    if unknown:
        words.append(
            f"No difference is known to {', '.join(unknown)}: some of its lives are not finite."
        )
    changed = evidence.facts[evidence.searched].too_long
    if changed:
        words.append(f"Half of dt changes {', '.join(changed)}: dt is too long for that.")
    if evidence.has_rule:
        unknown_terms = "Which of its terms the task pins down is not known."
        words.append(evidence.identifiability or unknown_terms)
    return " ".join(words)


def splits_in_words(seeds: Sequence[int], subject: str = "the rule") -> str:
    """How sure an interval over runs of these seeds is.

    Args:
        seeds: of the runs.
        subject: what was searched, with its article.
    """
    n = len(seeds)
    if n == 1:
        return (
            f"How sure: one seed ({seeds[0]}); the interval covers lives of one split, and another "
            f"seed may give another {subject.removeprefix('the ')}."
        )
    return f"How sure: {n} seeds; the interval is Student's t over {n} splits."


def failed_baselines(facts: Mapping[str, RowFacts], searched: str) -> list[str]:
    """The rows beside the searched one whose search failed."""
    return [name for name, of_row in facts.items() if of_row.failed and name != searched]


def failed_in_words(rows: Sequence[str]) -> str:
    """The rows whose search failed, and what follows.

    Args:
        rows: at least one, each with its failure.
    """
    return (
        f"A search failed: {', '.join(rows)}; to be better than a row that was not well tuned "
        "shows little."
    )


def _in_how_many(evidence: Evidence, name: str) -> str:
    """In how many splits the rule's mean is better than that of a row."""
    larger_is_better = _score(evidence).metric == "accuracy"
    wins = 0
    pairs = list(zip(evidence.means[evidence.searched], evidence.means[name], strict=True))
    for mine, other in pairs:
        if (mine > other) if larger_is_better else (mine < other):
            wins += 1
    return f"Its mean is better than that of {name} in {wins} of {len(pairs)} splits."


def _controls(
    evidence: Evidence, rule: TrainedRow, tuned: Mapping[str, Gain], idle: Gain | None
) -> dict[str, Gain]:
    """{row: gain} of the rows that may explain the score without what the rule adds.

    These are the named controls, the tuned rows whose family the rule contains, and tuned rows with
    no more reach or feedback than the rule. A row with more numbers counts only where the rule is
    not better than it. A row that is no better than no plasticity explains nothing.
    """
    controls = {}
    for name, gain in tuned.items():
        row = evidence.facts[name].row
        assert isinstance(row, TrainedRow)
        is_small = row.learned <= rule.learned or gain.relation in ("level", "below")
        is_simpler = is_small and _reads_no_more(row, rule)
        is_control = name in evidence.controls or name in rule.contains or is_simpler
        if is_control and (idle is None or gain.mean < idle.mean):
            controls[name] = gain
    return controls


def _idle(evidence: Evidence, gains: Mapping[str, Gain]) -> Gain | None:
    """The gain over the best row whose weights stay as they are born; None without one."""
    idle = {}
    for name, gain in gains.items():
        row = evidence.facts[name].row
        if isinstance(row, TrainedRow) and row.learned == 0 and not row.reads:
            idle[name] = gain
    if not idle:
        return None
    return closest(idle)


def _limits(
    evidence: Evidence,
    rule: TrainedRow,
    gains: Mapping[str, Gain],
    controls: Mapping[str, Gain],
) -> str:
    """What the rule does not do: controls, references, reach, horizons, widths, other worlds."""
    words = [_control_words(evidence, rule, controls)]
    ahead = []
    for name, gain in gains.items():
        is_reference = not isinstance(evidence.facts[name].row, TrainedRow)
        if is_reference and gain.relation == "below":
            ahead.append(f"{name} by {gain.turned.amount()}")
    if ahead:
        words.append(f"References outside its kind are better: {', '.join(ahead)}.")
    feedback = ""
    if rule.feedback != "none":
        feedback = f", with {rule.feedback} feedback"
    carried = ""
    if any("returned" in field for field in rule.reads):
        carried = ", and activity carried back through the forward weights"
    if evidence.has_rule:
        words.append(f"It reads no further than its {rule.reach}{feedback}{carried}.")
    else:
        words.append("No synapse changes within a life.")
    untried = []
    if evidence.horizons:
        words.append(_horizon_words(evidence))
    else:
        untried.append("lives of another length")
    words += evidence.elsewhere
    if not evidence.elsewhere:
        untried.append("other widths")
    if evidence.worlds:
        words.append(
            worlds_in_words.counted(
                f"In changed worlds ({len(evidence.worlds)}) it", evidence.worlds, evidence.searched
            )
        )
    if not _has_other_task(evidence):
        untried.append("other tasks")
    if untried:
        words.append(f"Not tried: {', '.join(untried)}.")
    return f"What it does not do: {' '.join(words)}"


def _control_words(evidence: Evidence, rule: TrainedRow, controls: Mapping[str, Gain]) -> str:
    """Which control explains the score, by name."""
    if evidence.facts[evidence.searched].dead:
        return f"lives without a spike show nothing of {evidence.subject}."
    if not controls and not evidence.has_rule:
        return "the table has no other tuned row of as few numbers that could explain the score."
    if not controls:
        return (
            "the table has no simpler row with its step size tuned, so a better step size alone "
            "may explain the score."
        )
    explaining = []
    for name, gain in controls.items():
        learned = f"{name} (learned numbers: {evidence.facts[name].row.learned})"
        if gain.relation == "level":
            explaining.append(f"{learned} is not told apart from it, difference {gain.amount()}")
        if gain.relation == "below":
            explaining.append(f"{learned} is better by {gain.turned.amount()}")
    if explaining:
        return (
            f"a control explains the score of its {rule.learned} learned numbers: "
            f"{'; '.join(explaining)}."
        )
    best = closest(controls)
    return (
        f"no simpler row of the table explains its score; the best of them, {best.name}, is worse "
        f"by {best.amount()}."
    )


def _horizon_words(evidence: Evidence) -> str:
    """The score at other lengths of a life."""
    metric = _score(evidence).metric
    each = []
    for horizon in evidence.horizons:
        words = f"{number(horizon.score, '.3g')} at x {horizon.factor:g}"
        if horizon.diverging > 0:
            words += f", {100 * horizon.diverging:.0f} % of lives diverge"
        if horizon.saturating > 0:
            words += f", {100 * horizon.saturating:.0f} % of weights at a bound"
        each.append(words)
    n = min(horizon.n for horizon in evidence.horizons)
    return f"In validation lives of another length it has {metric} {'; '.join(each)} (n {n})."


def _has_other_task(evidence: Evidence) -> bool:
    """Whether a changed world has another task family than the search."""
    for world in evidence.worlds:
        for word in world.changes:
            if word.startswith(("task=", "task.name=")):
                return True
    return False


def _next(evidence: Evidence, standing: Standing, controls: Mapping[str, Gain]) -> str:
    """The command that would change the verdict most."""
    run = evidence.runs[0]
    imports = evidence.imports
    if evidence.facts[evidence.searched].dead and evidence.louder:
        return f"{_train_again(run, imports)} {shlex.quote(evidence.louder)}"
    any_failed = any(facts.failed for facts in evidence.facts.values())
    if standing == "failed" or any_failed:
        return with_more_steps(run, evidence.outer_steps, imports)
    if evidence.has_rule and (standing == "alone" or not controls):
        tuned = with_a_baseline(run, evidence.facts, evidence.searched, imports)
        if tuned:
            return tuned
    if len(evidence.seeds) == 1:
        return with_more_seeds(run, evidence.seeds[0], imports)
    if evidence.has_rule and not evidence.identifiability:
        return _command(evidence, "inspect", "--thorough", *evidence.runs)
    if evidence.other_world and not evidence.worlds:
        return _command(evidence, "eval", *evidence.runs, evidence.other_world)
    return _command(evidence, "compare", *evidence.runs)


def _command(evidence: Evidence, verb: str, *words: str) -> str:
    """A command that finds the plug-ins of the runs."""
    return shlex.join(["metaplast", verb, *evidence.imports, *words])


def _train_again(run: str, imports: Sequence[str]) -> str:
    """The command that trains the rows of a run anew.

    Args:
        run: its folder, as a command names it.
        imports: see `Evidence`.
    """
    return shlex.join(["metaplast", "train", *imports, "--config", f"{run}/config.yaml"])


def with_more_steps(run: str, outer_steps: int, imports: Sequence[str] = ()) -> str:
    """The same with twice the outer steps."""
    return f"{_train_again(run, imports)} outer.steps={2 * outer_steps}"


def with_more_seeds(run: str, seed: int, imports: Sequence[str] = ()) -> str:
    """The same with the four seeds behind its own."""
    return f"{_train_again(run, imports)} seed={seed + 1} seeds=4"


def with_a_baseline(
    run: str, facts: Mapping[str, RowFacts], searched: str, imports: Sequence[str] = ()
) -> str:
    """The same with a row beside them whose step size alone is tuned; "" where they have it.

    The row descends the error where the searched rule reads errors, else it is Hebb's rule, with a
    term for each modulator that the searched rule reads.

    Args:
        run: its folder, as a command names it.
        facts: {row: facts}.
        searched: the name of the searched row.
        imports: see `Evidence`.
    """
    row = facts[searched].row
    name = "hebb_tuned"
    if isinstance(row, TrainedRow) and any(field in _CREDIT for field in row.reads):
        name = "error_tuned"
    if name in facts:
        return ""
    term, start = _STEP_SIZES[name]
    terms = [term]
    if isinstance(row, TrainedRow) and name == "hebb_tuned":
        terms = [f"{modulator}*{term}" for modulator in _modulators(row)] or terms
    shown = f"terms: [{', '.join(terms)}], initial: [{', '.join([str(start)] * len(terms))}]"
    rule = f"{{name: polynomial, {shown}, learn: rate}}"
    words = f"rows={{{name}: {{rule: {rule}}}}}"
    return f"{_train_again(run, imports)} {shlex.quote(words)}"


def _modulators(row: TrainedRow) -> list[str]:
    """The modulators that a row reads, as a term names them."""
    names = []
    for field in row.reads:
        kind, _, channel = field.partition(".")
        if kind == "modulators":
            names.append(f"modulator.{channel}")
    return names


def failure(facts: RowFacts) -> str:
    """The failure of a search in words."""
    verdict_of_row = facts.verdict
    if verdict_of_row is None:
        return "not trained"
    other = verdict_of_row.against or "another row"
    if other == "start":
        other = "its own start"
    return f"{verdict_of_row.state}: it ended below {other}, which its family contains"


def _named(evidence: Evidence, name: str) -> str:
    """The name of a row with its feedback, where the rule has another, and its failure."""
    facts = evidence.facts[name]
    remarks = []
    if facts.row.feedback != _row(evidence).feedback and facts.row.feedback != "none":
        remarks.append(f"{facts.row.feedback} feedback")
    if facts.verdict is not None and facts.failed:
        remarks.append(facts.verdict.state)
    if remarks:
        return f"{name} ({', '.join(remarks)})"
    return name


def _reads_no_more(row: Row, rule: TrainedRow) -> bool:
    """Whether a row has no other feedback than the rule, and no wider reach."""
    no_other_feedback = row.feedback in ("none", rule.feedback)
    return no_other_feedback and _reach(row.reach) <= _reach(rule.reach)


def _reach(reach: str) -> int:
    """The rank of a reach; one of another name is the widest."""
    if reach in _REACHES:
        return _REACHES.index(reach)
    return len(_REACHES)
