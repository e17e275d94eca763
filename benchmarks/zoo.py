"""Write the rule files of the zoo.

    python -m benchmarks.zoo
    python -m benchmarks.zoo --from-runs FOLDER
    python -m benchmarks.zoo --table

The first line writes every rule of the literature (`made` in metaplast/reuse/zoo/cards.yaml). The
second one takes the trained rules (`trained`) from the run folders FOLDER/<name>. The third one
prints the table of docs/guides/zoo.md.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from metaplast.registry import Plain
from metaplast.reuse import shelf
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import read_rule, save_rule
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.settings.names import RULE_FILE


def described(name: str) -> tuple[Plain, dict[str, np.ndarray]]:
    """The document and the tensors of a rule of the literature.

    It has no bounds of weights: those here are of the network that only carries the rule.
    """
    facts = shelf.shelved(name)
    job = parse(compose(facts.made, Sources(), None))
    lifetime = job.main.meta_problem().lifetime
    theta: Any = lifetime.init(jax.random.key(0))
    provenance = {"zoo": name, "source": facts.source}
    document, tensors = describe_rule(lifetime, theta, provenance=provenance)
    del document["provenance"]["bounds"]
    return document, tensors


def table() -> str:
    """The rules of the zoo as a Markdown table: name, title, reach, source."""
    lines = ["| name | rule | reach | source |", "|---|---|---|---|"]
    for name in shelf.names():
        facts = shelf.shelved(name)
        reaches = set()
        for slot in read_rule(shelf.PREFIX + name).document["slots"].values():
            reaches.add(slot["reach"])
        cells = (f"`zoo/{name}`", facts.title, ", ".join(sorted(reaches)), facts.source)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Write the files that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-runs", type=Path)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print(table())
        return
    runs = arguments.from_runs
    for name in shelf.names():
        facts = shelf.shelved(name)
        if runs is None and facts.made:
            save_rule(shelf.file_of(name), *described(name))
        if runs is not None and facts.trained:
            file = runs / name / RULE_FILE
            read_rule(file)
            shutil.copyfile(file, shelf.file_of(name))


if __name__ == "__main__":
    main()
