"""A finished run with k rules in place of one rule a synapse: merge.json, a figure, rule files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.figures.merging import FIGURE, draw
from metaplast.inspection.merging import merged_file, merging
from metaplast.registry import BadInput
from metaplast.results.merging import Merging, head, lines, sentence, to_json
from metaplast.results.table import aligned
from metaplast.reuse.rule_file import save_rule
from metaplast.runs import folder
from metaplast.runs.folder import row_folder
from metaplast.settings.names import DISCOVERED, FIGURES
from metaplast.training.finished_run import read_finished
from metaplast.training.inspected import of_run
from metaplast.training.kept_merging import RESULT
from metaplast.training.pool import pool


class MergedRun(NamedTuple):
    """The result of a merge.

    merging: the scores.
    rules: {k: the path of its rule file} of every k that was asked for.
    files: the paths of all files.
    """

    merging: Merging
    rules: dict[int, Path]
    files: list[Path]


def merge(run: Path, ks: Sequence[int], n_lives: int) -> MergedRun:
    """Merge the rules of the synapses of a finished run, and write the result into its folder.

    See `metaplast.inspection.merging.merging`. The page of `metaplast inspect` shows the result.
    Files of an earlier merge are replaced where they have the same name.

    Args:
        run: the folder of the run.
        ks: the numbers of rules, each at least 1.
        n_lives: held-out lives.

    Raises: BadInput for an unfinished run, a group, a rule without numbers per synapse, and more
        rules than synapses.
    """
    finished = read_finished(run)
    if finished.rule is None:
        raise BadInput(f"{run}, in which nothing was plastic", "a run with a rule", "train one")
    row = row_folder(run, DISCOVERED)
    subject = of_run(finished.job, finished.rule, row, pool([run]).metric)
    result, sets = merging(subject, ks, n_lives)
    rules = {}
    for one in sets:
        if one.k in ks:
            rules[one.k] = run / rule_name(one.k)
            file = merged_file(subject, one)
            save_rule(rules[one.k], file.document, file.tensors)
    folder.write_json(run / RESULT, to_json(result))
    picture = run / FIGURES / FIGURE
    draw(result, picture)
    return MergedRun(result, rules, [run / RESULT, picture, *rules.values()])


def rule_name(k: int) -> str:
    """The name of the file of k merged rules."""
    return f"rule.merged-{k}.safetensors"


def text_of(merging: Merging) -> str:
    """The text of a merge: what was found, the setting, and the table."""
    return f"{sentence(merging)}\n\n{head(merging)}\n\n{aligned(lines(merging))}"
