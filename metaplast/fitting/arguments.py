"""From the words of `metaplast fit` to a config: what a data file implies is said before what the
user says.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pydantic

from metaplast.registry import BadInput
from metaplast.runs.config import Plain, Sources, compose, resolve
from metaplast.spec import decode, explain

EXPERIMENTS = {False: "recordings", True: "rewarded_recordings"}  # whether the data hold rewards


def composed(
    words: Sequence[str], truth: Sequence[str], sources: Sources
) -> tuple[Plain, Plain | None]:
    """(config, what `--recover` replaces in it or None). Raises: BadInput."""
    files = [word for word in words if _is_file(word)]
    if len(files) > 1:
        raise BadInput(
            f"{len(files)} data files", "one", "join the sessions of several files in one"
        )
    said = [word for word in words if not _is_file(word)]
    for each in (said, truth):
        _demand_order(each)
    keys = {word.partition("=")[0] for word in said}
    implied: list[str] = []
    if files:
        implied = _implied(files[0], said, sources)
    elif "experiment" not in keys:
        implied = [f"experiment={EXPERIMENTS[True]}"]
    plain = compose([*implied, *said], sources)
    if not truth:
        return plain, None
    wrong = [
        word for word in truth if word.partition("=")[0].partition(".")[0] not in ("rule", "rules")
    ]
    if wrong:
        raise BadInput(
            f"--recover {wrong[0]}",
            "rule=NAME or rule.FIELD=VALUE",
            "say everything else without --recover",
        )
    true = compose([*implied, *said, "rules={}", "rule=null", *truth], sources)
    return plain, {"rule": true.get("rule"), "rules": true.get("rules") or {}}


def _is_file(word: str) -> bool:
    """Whether a word names the data, also in a folder such as alpha=0.1."""
    return "=" not in word or (word.lower().endswith((".npz", ".nwb")) and Path(word).is_file())


def _demand_order(words: Sequence[str]) -> None:
    """Raises: BadInput for a name that takes back a field said before it."""
    for index, word in enumerate(words):
        key, _, value = word.partition("=")
        before = [earlier for earlier in words[:index] if earlier.startswith(f"{key}.")]
        if before and not value.startswith("{"):
            raise BadInput(
                f"{word} after {before[0]}, which it takes back",
                "a name before its fields",
                f"say {word} first",
            )


def _implied(path: str, said: Sequence[str], sources: Sources) -> list[str]:
    """The words that a data file stands for: its path and sum, the experiment, the likelihood,
    given weights, dt. What the user says comes after them, and changes them field by field."""
    keys = {word.partition("=")[0] for word in said}
    file = ["task={name: recordings}", f"task.path={json.dumps(path)}"]
    experiment = [] if "experiment" in keys else [f"experiment={EXPERIMENTS[False]}"]
    task = resolve(compose([*experiment, *file, *said], sources))["task"]
    if not isinstance(task, dict) or (task.get("name"), task.get("path")) != ("recordings", path):
        raise BadInput(
            f"task or task.path beside {path}",
            "the data file alone",
            "leave out the one or the other",
        )
    try:
        facts = decode(
            "task", {key: value for key, value in task.items() if key != "likelihood"}
        ).implied()
    except pydantic.ValidationError as error:
        raise explain(error, "task") from None
    words = [f"experiment={EXPERIMENTS[facts['rewards']]}"] if experiment else []
    words += [
        *file,
        f"task.sha256={json.dumps(facts['sha256'])}",
        f"task.likelihood={json.dumps(facts['likelihood'])}",
    ]
    if facts["weights"] and "genome" not in keys:
        words.append("genome=given")
    if facts["dt"] and "dt" not in keys:
        words.append(f"dt={facts['dt']!r}")
    return words
