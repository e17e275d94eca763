"""The card of a rule: a Markdown page with the fields of a Hugging Face model card.

Every fact is computed from the rule file. The words on source, range and limits of a rule of the
zoo come from its shelf. No text of a file acts as Markdown or HTML.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from metaplast.language.grammar import reach
from metaplast.registry import Plain
from metaplast.reuse import facts, shelf, signal_words
from metaplast.reuse.document import entries
from metaplast.reuse.formula import fields, formula
from metaplast.reuse.node import nodes
from metaplast.reuse.rule_file import RuleFile
from metaplast.reuse.text import printable

LIBRARY = "metaplast"
_LICENSES = {True: "the license of metaplast", False: "to be chosen by the author of the rule"}
"""{whether the rule is of the zoo: license}"""
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&:$@]|(?<=www)\.)")


def card(file: RuleFile, name: str, shelved: shelf.Shelved | None = None) -> str:
    """The model card of a rule file.

    Args:
        file: the content of the rule file.
        name: the name that a reader gives to load the rule: a path, or `zoo/oja`.
        shelved: the facts on a rule of the zoo; None for any other file.

    Returns: Markdown. Its first lines are the metadata that the Hugging Face hub reads.
    """
    document = file.document
    title = _title(name, shelved)
    lines = ["---", _metadata(file, title, shelved), "---", "", f"# {_plain(title)}", ""]
    lines += ["```", formula(document, file.tensors), "```", ""]
    lines += ["## Model details", ""]
    for slot_name, slot in document["slots"].items():
        lines += [f"- Edges of slot {_plain(slot_name)}: {_plain(facts.edges_text(slot))}"]
        lines += [f"- Form: {_plain(facts.forms_text(slot['rule']))}"]
        lines += [f"- Clock of its updates: {slot['clock']}"]
    numbers = sum(value.size for value in file.tensors.values())
    lines += [f"- Numbers that were learned: {numbers}"]
    lines += [f"- Step: {document['dt']:g} s"]
    lines += [f"- An activity of 1 stands for {document['activity_reference']:g} Hz"]
    lines += [f"- License: {_LICENSES[shelved is not None]}", ""]
    lines += ["## Signals and reach", "", *_signals(file), ""]
    lines += ["## Uses", "", *_uses(name, document), ""]
    lines += ["## Valid range, and limits", "", *_limits(shelved), ""]
    lines += ["## Training", "", *_training(document, shelved), ""]
    lines += ["## Evaluation", "", *_scores(document["scores"]), ""]
    source = "None given."
    if shelved is not None:
        source = _plain(shelved.source)
    lines += ["## Citation", "", source, ""]
    return "\n".join(lines)


def _title(name: str, shelved: shelf.Shelved | None) -> str:
    if shelved is not None:
        return shelved.title
    return f"A local plasticity rule, {name}"


def _metadata(file: RuleFile, title: str, shelved: shelf.Shelved | None) -> str:
    """The metadata as YAML, whose values JSON can write."""
    license_name = "other"
    if shelved is not None:
        license_name = "apache-2.0"
    tags = ["synaptic-plasticity", "local-learning-rule"]
    for slot in file.document["slots"].values():
        tags.append(printable(facts.forms_text(slot["rule"])))
        tags.append(f"reach-{slot['reach']}")
    metadata: dict[str, Any] = {
        "library_name": LIBRARY,
        "license": license_name,
        "tags": list(dict.fromkeys(tags)),
    }
    results = _results(file.document)
    if results:
        metadata["model-index"] = [{"name": printable(title), "results": results}]
    lines = []
    for key, value in metadata.items():
        lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines)


def _results(document: Plain) -> list[Plain]:
    """The scores of the searched rule, in the form of the hub's model index."""
    experiment = printable(str(document["provenance"].get("experiment") or "unknown"))
    results = []
    for score in document["scores"]:
        value = score.get("mean")
        if score.get("name") != "discovered" or not isinstance(value, int | float):
            continue
        metric = printable(str(score.get("metric", "score")))
        results.append(
            {
                "task": {"type": "meta-learning"},
                "dataset": {"type": experiment, "name": experiment},
                "metrics": [{"type": metric, "value": _yaml_number(value)}],
            }
        )
    return results


def _yaml_number(value: float) -> float | str:
    """A number as YAML 1.1 reads it: an exponent without a point would be text to it anyway."""
    number = float(value)
    if "e" in repr(number):
        return f"{number:.6e}"
    return number


def _signals(file: RuleFile) -> list[str]:
    """The table of the signals that the rule reads, and its reach."""
    by_entry = nodes(file.document, file.tensors)
    read: set[str] = set()
    note = ""
    for entry, node in by_entry.items():
        shown = fields(node)
        if shown is None:
            # Only a run of the rule shows the fields that it reads, and a card runs no rule.
            shown = frozenset(file.document["slots"][entry.partition("/")[0]]["reads"])
            note = " (as written in the file)"
        read |= shown
    lines = [f"Reach: **{reach(read)}**{note}.", ""]
    if not read:
        return lines
    lines += ["| signal | meaning | unit |", "|---|---|---|"]
    for field in sorted(read):
        meaning, unit = signal_words.of_field(field)
        lines.append(f"| `view.{_code(field)}` | {_plain(meaning)} | {_plain(unit)} |")
    return lines


def _uses(name: str, document: Plain) -> list[str]:
    """Python that loads the rule, or the first of several rules."""
    by_key = entries(document)
    argument = ""
    if len(by_key) > 1:
        first = next(iter(by_key.values()))
        argument = f", edge={first.edges[0]!r}"
    return [
        "```python",
        "import metaplast as mp",
        "",
        f"rule = mp.load_rule({printable(name)!r}{argument})",
        "print(rule)",
        "```",
    ]


def _limits(shelved: shelf.Shelved | None) -> list[str]:
    if shelved is None:
        return [
            "Not given. The command `metaplast inspect` measures how the rule does at other "
            "lengths of life and other widths."
        ]
    return [f"- Range: {_plain(shelved.range)}", f"- Limits: {_plain(shelved.limits)}"]


def _training(document: Plain, shelved: shelf.Shelved | None) -> list[str]:
    """The origin of the numbers."""
    lines = []
    if shelved is not None and shelved.trained:
        lines += [f"- Source: {_plain(shelved.source)}"]
        lines += [f"- Words of the training: `metaplast train {_code(' '.join(shelved.trained))}`"]
    if shelved is not None and not shelved.trained:
        lines += ["- Nothing was trained. Constants are those of the source where it has them."]
        lines += ["- Rates that the source leaves open are plain numbers."]
    for key, value in document["provenance"].items():
        lines.append(f"- {_plain(key)}: {_plain(facts.value_text(value))}")
    return lines


def _scores(scores: Iterable[Plain]) -> list[str]:
    """The scores of all rows of the table in which the rule was judged."""
    lines = [f"- {_plain(facts.score_text(score))}" for score in scores]
    return lines or ["No score is stored with the rule."]


def _plain(value: Any) -> str:
    """Words in which nothing acts as Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", printable(str(value)))


def _code(value: str) -> str:
    """Words for the inside of code, which no backtick ends."""
    return printable(value).replace("`", "'")
