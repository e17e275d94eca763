"""From the words of `metaplast fit` to a config: what a data file implies is said before what the user says."""

import json
from collections.abc import Sequence
from typing import Any

from metaplast.launch.config import Plain, Sources, compose
from metaplast.registry import BadInput, find

EXPERIMENTS = {False: "recordings", True: "rewarded_recordings"}  # whether the data hold rewards


def composed(words: Sequence[str], truth: Sequence[str], sources: Sources) -> tuple[Plain, Plain | None]:
    """(config, what `--recover` replaces in it or None). Raises: BadInput."""
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise BadInput(f"{len(files)} data files", "one", "join the sessions of several files in one")
    said = [word for word in words if "=" in word]
    keys = {word.partition("=")[0] for word in said}
    implied: list[str] = []
    if files:
        implied = _implied(files[0], [w for w in said if w.startswith("task.")], keys)
    elif "experiment" not in keys:
        implied = [f"experiment={EXPERIMENTS[True]}"]
    plain = compose([*implied, *said], sources)
    if not truth:
        return plain, None
    wrong = [word for word in truth if word.partition("=")[0].partition(".")[0] not in ("rule", "rules")]
    if wrong:
        raise BadInput(
            f"--recover {wrong[0]}", "rule=NAME or rule.FIELD=VALUE", "say everything else without --recover"
        )
    true = compose([*implied, *said, "rules={}", "rule=null", *truth], sources)
    return plain, {"rule": true.get("rule"), "rules": true.get("rules") or {}}


def _implied(path: str, task_words: Sequence[str], keys: set[str]) -> list[str]:
    """The words that a data file stands for: its path and sum, the experiment, the likelihood, given weights."""
    cls: Any = find("task", "recordings")
    fields = {"path": path}
    for word in task_words:
        key, _, value = word.partition("=")
        if key == "task.target":
            fields["target"] = value
    facts = cls(**fields).implied()
    words = [f"experiment={EXPERIMENTS[facts['rewards']]}"] if "experiment" not in keys else []
    words += ["task={name: recordings}", f"task.path={json.dumps(path)}", f"task.sha256={json.dumps(facts['sha256'])}"]
    if not any(key == "task.likelihood" or key.startswith("task.likelihood.") for key in keys):
        words.append(f"task.likelihood={facts['likelihood']}")
    if facts["weights"] and "genome" not in keys:
        words.append("genome=given")
    return words
