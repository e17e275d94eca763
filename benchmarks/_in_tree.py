"""What a bench asks of the metaplast that its runs are made with; started with that source tree on
PYTHONPATH.

python -P _in_tree.py compose OUT ROWS WORD...
    writes the config of WORDs as YAML to OUT; with ROWS alone, if some are named
python -P _in_tree.py judge RUN OUT
    writes every row of a finished run, at its start and its end, as JSON to OUT
"""

import sys
from pathlib import Path
from typing import Any

from metaplast.cli import _setup

if __name__ == "__main__":
    _setup.prepare()  # before JAX: the programs that training compiled are found again

import jax

from metaplast import train
from metaplast.results import evaluate
from metaplast.runs import config, folder
from metaplast.runs.job import Config, parse
from metaplast.runs.metrics import plain_number
from metaplast.runs.row_files import theta_of

Plain = dict[str, Any]
UNTRAINED = ("prototype", "references")  # in older trees and in newer ones


def compose(words: list[str], rows: list[str]) -> Plain:
    """The config of some words. rows: those kept beside the discovered one, and no references;
    none: all.
    """
    plain = config.compose(words, config.Sources())
    if rows:
        given = plain.get("rows") or {}
        if unknown := [name for name in rows if name not in given]:
            raise SystemExit(f"rows {', '.join(unknown)} - expected some of {', '.join(given)}")
        plain["rows"] = {name: given[name] for name in rows}
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
    jax.config.update("jax_enable_x64", row.precision == "float64")
    problem = row.meta_problem()
    thetas = {
        "start": problem.init(train.stream(row.seed, "theta")),
        "end": theta_of(where, problem),
    }
    found: Plain = {}
    for moment, theta in thetas.items():
        lives = evaluate.lives(problem, theta, row.seed, "validation", row.evaluation.validation)
        found["metric"] = "accuracy" if "accuracy" in lives else "loss"
        found[moment] = [plain_number(float(f"{value:.6g}")) for value in lives[found["metric"]]]
    return found


if __name__ == "__main__":
    verb, first, *others = sys.argv[1:]
    if verb == "compose":
        chosen, *words = others
        folder.write_text(
            Path(first), config.to_yaml(compose(words, list(filter(None, chosen.split(",")))))
        )
    else:
        folder.write_json(Path(others[0]), judge(Path(first)))
