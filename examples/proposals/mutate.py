"""Answer a search with outer=proposals: random changes of the best expressions so far.

    python examples/proposals/mutate.py FOLDER [SEED]

FOLDER is `outer.folder` of the search. The program ends with the search.
"""

import json
import os
import random
import re
import sys
import time
from pathlib import Path

TOKEN = re.compile(r"[A-Za-z_][\w.]*|[-+*/()]|[\d.]+(?:e[-+]?\d+)?")


def changed(text, question, draw):
    """One random change: another signal, another operator, a longer tree, or a new scale."""
    tokens = TOKEN.findall(text)
    signals = [i for i, token in enumerate(tokens) if token in question["signals"]]
    operators = [i for i, token in enumerate(tokens) if token in question["operators"]]
    move = draw.choice(["signal", "operator", "longer", "part", "scale"])
    if move == "signal" and signals:
        tokens[draw.choice(signals)] = draw.choice(question["signals"])
    elif move == "operator" and operators:
        tokens[draw.choice(operators)] = draw.choice(question["operators"])
    elif move == "part" and signals:
        at = draw.choice(signals)
        operator = draw.choice(question["operators"])
        tokens[at] = f"({tokens[at]} {operator} {draw.choice(question['signals'])})"
    elif move == "scale":
        return f"{draw.uniform(0.5, 2.0):.3g}*({text})"
    else:
        operator = draw.choice(question["operators"])
        return f"({text}) {operator} {draw.choice(question['signals'])}"
    return " ".join(tokens)


def proposals(question, seed):
    """The lines of an answer: each is a change of one of the best, more often of the first."""
    lines = []
    best = [row["expression"] for row in question["best"]] or question["signals"]
    for member in range(question["lines"]):
        draw = random.Random(f"{seed} {question['generation']} {member}")
        text = best[min(draw.randrange(len(best)), draw.randrange(len(best)))]
        for _ in range(draw.choice([1, 1, 2, 3])):
            text = changed(text, question, draw)
        lines.append(text)
    return lines


def answered(folder, seed):
    """Answer the newest question once; whether the search is done."""
    asked = folder / "asked.json"
    if not asked.is_file():
        return False
    question = json.loads(asked.read_text())
    answer = folder / question["answer"]
    if not question["done"] and not answer.is_file():
        half = answer.with_suffix(".half")
        half.write_text("\n".join(proposals(question, seed)) + "\n")
        os.replace(half, answer)  # the search never sees half an answer
    return question["done"]


if __name__ == "__main__":
    while not answered(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0"):
        time.sleep(0.05)
