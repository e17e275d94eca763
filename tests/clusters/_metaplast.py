"""A program with the folders and the exit codes of metaplast, which trains nothing.

Run it without the site packages: `python -I -S _metaplast.py train ...`. A run takes STEPS steps.
The file FATE in the folder of FAKE_SLURM holds {name of a run: what becomes of it}:

    code, at: it ends with this exit code at this step.
    stuck: it ends with exit code 1 before its first step.
    deaf: signals do not end it.
"""

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

STEPS = 12
EVERY = 4
"""Steps between two checkpoints."""
PAUSE_S = 0.02
FATE = "fate.json"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 138}


def main() -> int:
    verb, *words = sys.argv[1:]
    heard: list[int] = []
    for number in CODES:
        signal.signal(number, lambda number, _: heard.append(number))
    if verb == "compare":
        print("the table of", words[0])
        return 0
    if verb == "resume" and (Path(words[0]) / "sweep.json").is_file():
        (Path(words[0]) / "table.csv").write_text("all\n")
        return 0
    run = Path(words[0] if verb == "resume" else words[words.index("--run-dir") + 1])
    is_begun = verb == "resume"
    if verb == "sweep":
        members = json.loads((run / "sweep.json").read_text())["members"]
        run /= members[int(words[words.index("--member") + 1])]["name"]
        is_begun = (run / "config.yaml").exists()
    is_distributed = "distributed=auto" in words
    is_first = os.environ.get("SLURM_PROCID", "0") == "0"
    if is_distributed and not is_first:
        return follow(run, heard)
    if verb == "train" and run.is_dir() and any(run.iterdir()):
        return 3
    run.mkdir(exist_ok=True)
    with (run / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 3
        if not is_begun:
            (run / "config.yaml").write_text("steps: 12\n")
        return train(run, heard)


def follow(run: Path, heard: list[int]) -> int:
    """A process that is not the first: it ends when the first one has ended."""
    while not (run / "summary.json").exists():
        if heard:
            return CODES[signal.Signals(heard[0])]
        time.sleep(PAUSE_S)
    return 0


def train(run: Path, heard: list[int]) -> int:
    fates = Path(os.environ["FAKE_SLURM"]) / FATE
    fate = json.loads(fates.read_text()).get(run.name, {}) if fates.exists() else {}
    checkpoint = run / "checkpoint"
    done = 0
    if checkpoint.exists():
        text = checkpoint.read_text()
        if not text.isdecimal():
            return 4
        done = int(text)
    log = run / "metrics.jsonl"
    lines = log.read_text().splitlines()[:done] if log.exists() else []
    log.write_text("".join(f"{line}\n" for line in lines))
    if fate.get("stuck"):
        return 1
    while done < STEPS:
        if done == fate.get("at"):
            return int(fate["code"])
        if heard and not fate.get("deaf"):
            checkpoint.write_text(str(done))
            return CODES[signal.Signals(heard[0])]
        time.sleep(PAUSE_S)
        done += 1
        with log.open("a") as file:
            file.write(f"{done}\n")
        if done % EVERY == 0:
            checkpoint.write_text(str(done))
    (run / "summary.json").write_text("{}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
