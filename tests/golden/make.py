"""How the files of v0_1 were made, with the code of commit 66ff38f: `python -m tests.golden.make
FOLDER`.

They are not made again: what a later version would write proves nothing of what an earlier one
wrote.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from inner_tasks.teacher_student import TeacherStudent
from metaplast import registry
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.adam import Adam
from metaplast.rules.wrappers.clip import Clip
from metaplast.runs.config import read_file
from metaplast.spec import decode
from tests._runs import start_run
from tests.golden import _values

TERMS = ("error*pre", "post*pre - post*predicted", "0.01*weight", "post^2*weight")


class Halt(BaseException):
    """As a kill: nothing is tidied up."""


def _slots() -> dict[str, tuple[Slot, ...]]:
    """One file for every rule form with its defaults, and some with learnt constants, wrappers and
    several slots.
    """
    _values.plugins()
    slots = {}
    for name in registry.names("rule"):
        slots[name] = (
            Slot(rule=registry.find("rule", name)(), shared=name not in ("abcd", "mlp")),
        )
    learning = ("stdp", "bcm", "triplet", "sliding", "scaling", "vogels", "voltage")
    for name in learning:
        slots[f"{name}_learning"] = (Slot(rule=decode("rule", {"name": name, "learn": True})),)
    inner = Adam(rule=Polynomial(terms=TERMS, rate=0.05, learn="both"), rate=0.01)
    slots["wrapped_per_edge"] = (Slot(rule=Clip(rule=inner, limit=0.2), shared=False),)
    first = Slot(
        name="first", edges="input_*", rule=Polynomial(terms=TERMS[:3], initial=(-1.0, 0.0, 0.0))
    )
    slots["two_slots"] = (first, Slot(name="last", edges="*_output", rule=Polynomial()))
    symbolic = {"name": "symbolic", "expression": "error*pre - 0.5*post*weight", "size": 0}
    slots["symbolic_tree"] = (Slot(rule=decode("rule", symbolic)),)
    third = {"name": "three_factor", "modulator": "surprise"}
    slots["three_factor"] = (Slot(rule=decode("rule", third)),)
    return slots


def _rule(path: Path, slots: tuple[Slot, ...], seed: int) -> None:
    task = TeacherStudent(n_in=3, n_out=2, n_steps=3)
    lifetime = Lifetime(
        task=task, network=Feedforward(hidden=(2,)), feedback=Symmetric(), slots=slots
    )
    generator = np.random.default_rng(seed)
    theta = lifetime.init(jax.random.key(seed))
    theta = jax.tree.map(
        lambda x: jax.numpy.asarray(0.2 * generator.normal(size=x.shape), x.dtype), theta
    )
    score = {
        "name": "discovered",
        "split": "heldout",
        "metric": "loss",
        "mean": 0.5,
        "ci95": [0.4, 0.6],
        "n": 8,
    }
    document, tensors = describe_rule(lifetime, theta, provenance={"seed": seed}, scores=[score])
    save_rule(path, document, tensors)


def _halt(name: str, done: int, total: int) -> None:
    if name == "discovered" and done == 5:
        raise Halt


def main(folder: Path) -> None:
    told: dict[str, Any] = {"rules": {}}
    (folder / "rules").mkdir()
    for seed, (name, slots) in enumerate(sorted(_slots().items())):
        path = folder / "rules" / f"{name}.safetensors"
        try:
            _rule(path, slots, seed)
            told["rules"][name] = _values.of_rule(path)
        except BadInput as error:
            print(name, "left out:", error)
            path.unlink(missing_ok=True)
    plain = read_file(folder / "halted.yaml")
    alone = {key: value for key, value in plain.items() if key != "rows"}
    try:
        start_run(alone, folder / "halted", 1, _halt)
    except Halt:
        shutil.rmtree(folder / "halted" / "figures", ignore_errors=True)
    told["checkpoint"] = _values.of_checkpoint(folder / "halted")
    start_run(plain, folder / "run", 1)
    told["run"] = _values.of_run(folder / "run")
    told["plugins"] = _values.of_plugins()
    for path in [
        *folder.rglob(".lock"),
        *folder.rglob("log.txt"),
        *folder.glob("*/report.html"),
        *folder.glob("*/inspect.json"),
    ]:
        path.unlink()
    shutil.rmtree(folder / "run" / "figures")
    (folder / "values.json").write_text(json.dumps(told, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
