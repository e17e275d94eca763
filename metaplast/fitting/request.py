"""The request of a fit: the words of `metaplast fit` as a config.

The settings that a data file implies come before the words of the user.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pydantic

from metaplast.registry import BadInput
from metaplast.runs.config import Plain, Sources, compose, resolve
from metaplast.spec import decode, explain

WITHOUT_REWARDS = "recordings"  # experiments
WITH_REWARDS = "rewarded_recordings"
DATA_FILES = (".npz", ".nwb")


class FitRequest(NamedTuple):
    """A config, and the part of it that `--recover` replaces to simulate data (None: nothing)."""

    config: Plain
    recover: Plain | None


def request_of(words: Sequence[str], truth: Sequence[str], sources: Sources) -> FitRequest:
    """The request of a command line.

    Args:
        words: a data file, if any, and the words of the config, such as `outer.steps=20`.
        truth: the words of `--recover`.
        sources: the folders of config files.

    Raises: BadInput.
    """
    files = []
    settings = []
    for word in words:
        if _is_file(word):
            files.append(word)
        else:
            settings.append(word)
    if len(files) > 1:
        raise BadInput(
            f"{len(files)} data files", "one", "join the sessions of several files in one"
        )
    _check_order(settings)
    _check_order(truth)
    implied: list[str] = []
    if files:
        implied = _implied(files[0], settings, sources)
    elif "experiment" not in _keys(settings):
        implied = [f"experiment={WITH_REWARDS}"]
    config = compose([*implied, *settings], sources)
    if not truth:
        return FitRequest(config, None)
    _check_truth(truth)
    true = compose([*implied, *settings, "rules={}", "rule=null", *truth], sources)
    return FitRequest(config, {"rule": true.get("rule"), "rules": true.get("rules") or {}})


def _is_file(word: str) -> bool:
    """Whether a word names the data, also in a folder such as alpha=0.1."""
    return "=" not in word or (word.lower().endswith(DATA_FILES) and Path(word).is_file())


def _check_order(words: Sequence[str]) -> None:
    """Refuse a name that takes back a field said before it."""
    for index, word in enumerate(words):
        key, _, value = word.partition("=")
        fields = []
        for earlier in words[:index]:
            if earlier.startswith(f"{key}."):
                fields.append(earlier)
        if fields and not value.startswith("{"):
            raise BadInput(
                f"{word} after {fields[0]}, which it takes back",
                "a name before its fields",
                f"say {word} first",
            )


def _keys(settings: Sequence[str]) -> set[str]:
    """The keys of words such as `outer.steps=20`."""
    return {word.partition("=")[0] for word in settings}


def _check_truth(truth: Sequence[str]) -> None:
    """Refuse a word of `--recover` that is not about the rule."""
    for word in truth:
        key = word.partition("=")[0]
        if key.partition(".")[0] not in ("rule", "rules"):
            raise BadInput(
                f"--recover {word}",
                "rule=NAME or rule.FIELD=VALUE",
                "say everything else without --recover",
            )


def _implied(path: str, settings: Sequence[str], sources: Sources) -> list[str]:
    """The words that a data file stands for.

    They are its path and checksum, the experiment, the likelihood, given weights and dt. The words
    of the user come after them, and change them field by field.
    """
    keys = _keys(settings)
    words = ["task={name: recordings}", f"task.path={json.dumps(path)}"]
    experiment = [] if "experiment" in keys else [f"experiment={WITHOUT_REWARDS}"]
    task = resolve(compose([*experiment, *words, *settings], sources))["task"]
    if not isinstance(task, dict) or (task.get("name"), task.get("path")) != ("recordings", path):
        raise BadInput(
            f"task or task.path beside {path}",
            "the data file alone",
            "leave out the one or the other",
        )
    without_likelihood = {}
    for key, value in task.items():
        if key != "likelihood":
            without_likelihood[key] = value
    try:
        facts = decode("task", without_likelihood).implied()
    except pydantic.ValidationError as error:
        raise explain(error, "task") from None
    if experiment:
        name = WITHOUT_REWARDS
        if facts["rewards"]:
            name = WITH_REWARDS
        experiment = [f"experiment={name}"]
    words = [
        *experiment,
        *words,
        f"task.sha256={json.dumps(facts['sha256'])}",
        f"task.likelihood={json.dumps(facts['likelihood'])}",
    ]
    if facts["weights"] and "genome" not in keys:
        words.append("genome=given")
    if facts["dt"] and "dt" not in keys:
        words.append(f"dt={facts['dt']!r}")
    return words
