"""The steps of a bench that run with the metaplast of another source tree, which is on PYTHONPATH.

python -P _in_tree.py compose OUT ROWS WORD...
    writes the config of WORDs as YAML to OUT; with ROWS alone, if some are named
python -P _in_tree.py judge RUN OUT
    writes every row of a finished run, at its start and its end, as JSON to OUT
"""

import sys
from pathlib import Path

from metaplast.registry import Plain

try:
    from metaplast.runs.start_up import prepare
except ImportError:  # an older tree
    from metaplast.cli._setup import prepare

if __name__ == "__main__":
    prepare()  # before JAX: the programs that training compiled are found again

import jax

try:
    from metaplast import search_loop
except ImportError:  # an older tree
    from metaplast import train as search_loop
from metaplast.results import evaluate
from metaplast.runs import config, folder
from metaplast.runs.job import Config, parse
from metaplast.runs.metrics import plain_number
from metaplast.runs.row_files import theta_of

UNTRAINED = ("prototype", "references")  # in older trees and in newer ones


def compose(words: list[str], rows: list[str]) -> Plain:
    """The config of some words.

    Args:
        words: the words of the command line.
        rows: the rows that are kept beside the discovered one, without references. Empty keeps all
            rows and all references.
    """
    plain = config.compose(words, config.Sources())
    if rows:
        all_rows = plain.get("rows") or {}
        unknown = [name for name in rows if name not in all_rows]
        if unknown:
            raise SystemExit(f"rows {', '.join(unknown)} - expected some of {', '.join(all_rows)}")
        plain["rows"] = {name: all_rows[name] for name in rows}
        judged = plain.get("evaluation", {})
        plain["evaluation"] = {key: value for key, value in judged.items() if key not in UNTRAINED}
    return plain


def judge(run: Path) -> Plain:
    """{row: its metric and the value of every validation life at its start and at its end}."""
    plain = config.read_file(run / "config.yaml")
    return {
        name: judge_row(folder.row_folder(run, name), row)
        for name, row in parse(plain, check=False).rows
    }


def judge_row(where: Path, row: Config) -> Plain:
    """The metric of a row, and its value for every validation life at the start and at the end."""
    jax.config.update("jax_enable_x64", row.precision == "float64")
    problem = row.meta_problem()
    thetas = {
        "start": problem.init(search_loop.stream(row.seed, "theta")),
        "end": theta_of(where, problem),
    }
    result: Plain = {}
    for moment, theta in thetas.items():
        lives = evaluate.lives(problem, theta, row.seed, "validation", row.evaluation.validation)
        metric = "accuracy" if "accuracy" in lives else "loss"
        result["metric"] = metric
        result[moment] = [plain_number(float(f"{value:.6g}")) for value in lives[metric]]
    return result


if __name__ == "__main__":
    verb, first, *others = sys.argv[1:]
    if verb == "compose":
        chosen, *words = others
        plain = compose(words, list(filter(None, chosen.split(","))))
        folder.write_text(Path(first), config.to_yaml(plain))
    else:
        folder.write_json(Path(others[0]), judge(Path(first)))
