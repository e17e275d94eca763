"""The command to run after a fit."""

import json
import shlex
from pathlib import Path

from metaplast.fitting.result import FitResult
from metaplast.fitting.verdict import OWN_RECORDINGS, RECOVER, next_step
from metaplast.language.grammar import is_term
from metaplast.runs import provenance
from metaplast.settings.names import RULE_FILE

OWN_DATA = "DATA.npz"
"""Where a reader's own recordings go."""


def next_command(run: Path, fit: FitResult) -> str:
    """The command of the step that the verdict names; "" where no command takes it.

    A rule whose numbers are no terms cannot be given as words of `--recover`; then the command
    shows it.

    Args:
        run: the folder of the fit.
        fit: its result.
    """
    words = _words(run, fit)
    step = next_step(fit)
    if step.change and not set(step.change) <= set(words):
        return shlex.join([*words, *step.change])
    if step.kind == OWN_RECORDINGS:
        if fit.recover is not None:
            return shlex.join(words)
        return shlex.join([*words[:2], OWN_DATA, *words[2:]])
    if step.kind != RECOVER:
        return ""
    truth = _truth(fit)
    if truth is None:
        rule = f"{provenance.as_given(run)}/{RULE_FILE}"
        return shlex.join(["metaplast", "show", *provenance.imports([run]), rule])
    for word in truth:
        words += ["--recover", word]
    return shlex.join(words)


def _words(run: Path, fit: FitResult) -> list[str]:
    """The command of the fit without its folder and its truth; made anew where it is unknown."""
    origin = provenance.read(run)
    if origin is None or not origin.command:
        words = [f"experiment={fit.experiment or 'NAME'}"]
        return ["metaplast", "fit", *provenance.imports([run]), *words]
    return provenance.without(provenance.words_again(origin.command), "--recover")


def _truth(fit: FitResult) -> list[str] | None:
    """The fitted rule as words of `--recover`; None where its numbers are not all terms."""
    values = {}
    for name, value in fit.discovered.numbers.items():
        if value is None or not is_term(name):
            return None
        values[name] = value
    if not values:
        return None
    initial = [float(f"{value:.4g}") for value in values.values()]
    return [
        "rule=polynomial",
        f"rule.terms=[{','.join(values)}]",
        f"rule.initial={json.dumps(initial, separators=(',', ':'))}",
        "rule.rate=1.0",
        "rule.learn=none",
    ]
