"""Evolve whole programs on linear regression, beside a random search and the delta rule.

    python -m benchmarks.program_seeds [--seeds 100-107] [--searches evolution random]

One line of JSON per finished run goes to benchmarks/results_programs/SEARCH.jsonl. A run whose seed
stands there is not repeated. At the end it prints the table, and every program that was found.

A search begins with the empty program. At its end the best of theta and of all living members is
chosen on 512 validation lives, and judged on 512 held-out lives. The known answer is the delta rule
as a program, whose rate is chosen on the same validation lives. A program at its level is *found*:
its held-out loss is at most 1.1 times that of the known answer.

The random search is the same loop with neither selection nor inheritance: every offspring is a
program drawn anew. Seeds 100 to 199 are for development.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.program import Program
from metaplast.spec import decode
from outer_loops.program_evolution import ProgramEvolution

RULE = Program(setup=(), learn=(), n_setup=2, n_learn=6)
DELTA = ("s_2 = s_0 - s_1", "s_2 = s_3 * s_2", "v_2 = s_2 * v_0", "v_1 = v_1 + v_2")
RATES = (0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.25)
SEARCHES: dict[str, dict[str, Any]] = {
    "evolution": {},
    "random": {"fresh": 1.0},
}
STEPS = 1500
N_JUDGES = 512
LEVEL = 1.1
"""The largest ratio of the held-out losses of a found program and of the delta rule."""
OUT = Path(__file__).parent / "results_programs"


def problem_of(rule: Program) -> MetaProblem:
    """Lives of 40 shown and 10 asked examples with 4 inputs, 8 in an outer step."""
    task: Any = decode("task", {"name": "linear_regression", "shots": 40, "queries": 10})
    lifetime = Lifetime(task=task, network=Feedforward(hidden=()), slots=(Slot(rule=rule),))
    return MetaProblem(lifetime, n_tasks=8)


def judged(problem: MetaProblem, thetas: Any, split: Any) -> np.ndarray:
    """Losses on the lives of a split [n_members, N_JUDGES]; infinite where a life blew up."""
    key = search_loop.stream(0, split)
    batch = search_loop.sample(problem.lifetime.task, key, N_JUDGES, split)
    losses = jax.jit(problem.losses)(thetas, batch)[1]["life_loss"]
    return np.where(np.isfinite(losses), losses, np.inf)


def one(theta: Any) -> Any:
    """A theta as a population of one."""
    return jax.tree.map(lambda leaf: leaf[None], theta)


def known() -> tuple[float, float]:
    """(The rate of the delta rule, its mean held-out loss)."""
    by_loss = []
    for rate in RATES:
        rule = Program(setup=(f"s_3 = {rate}",), learn=DELTA)
        problem = problem_of(rule)
        theta = one(problem.init(jax.random.key(0)))
        by_loss.append((judged(problem, theta, "validation").mean(), rate, problem, theta))
    _, rate, problem, theta = min(by_loss, key=lambda entry: entry[0])
    return rate, float(judged(problem, theta, "heldout").mean())


def search(name: str, seed: int) -> dict[str, Any]:
    """The line of one run."""
    begun = time.process_time()
    problem = problem_of(RULE)
    outer = ProgramEvolution(steps=STEPS, **SEARCHES[name])
    state = search_loop.begin(problem, outer, seed)
    steps = search_loop.steps(problem, outer, seed, state, 0, STEPS)
    course = []
    for _, after, _ in steps:
        state = after
        course.append(float(state.loss))
    best, unravel = ravel_pytree(state.theta)
    members = jnp.concatenate([best[None], state.members])
    thetas = jax.vmap(unravel)(members)
    chosen = int(np.argmin(judged(problem, thetas, "validation").mean(axis=1)))
    theta = unravel(members[chosen])
    program: Any = RULE.settled(theta["rules"]["rule"])[0]
    return {
        "seed": seed,
        "loss": float(judged(problem, one(theta), "heldout").mean()),
        "setup": program.setup,
        "learn": program.learn,
        "below_0.1": next((t + 1 for t, loss in enumerate(course) if loss < 0.1), None),
        "evaluated": STEPS * outer.offspring,
        "cpu_s": round(time.process_time() - begun, 1),
    }


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES))
    parser.add_argument("--seeds", default="100-107", help="FIRST-LAST")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split("-"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rate, level = known()
    print(f"delta rule as a program, rate {rate}: held-out loss {level:.3g}", flush=True)
    for name in arguments.searches:
        path = arguments.out / f"{name}.jsonl"
        written = path.read_text().splitlines() if path.is_file() else []
        lines = {line["seed"]: line for line in map(json.loads, written)}
        for seed in range(first, last + 1):
            if seed not in lines:
                lines[seed] = search(name, seed)
                with path.open("a") as file:
                    file.write(json.dumps(lines[seed]) + "\n")
                print(json.dumps(lines[seed]), flush=True)
        runs = [lines[seed] for seed in range(first, last + 1)]
        n_found = sum(run["loss"] <= LEVEL * level for run in runs)
        print(f"{name}: found in {n_found} of {len(runs)} at {runs[0]['evaluated']} evaluations")
        for run in runs:
            words = [*run["setup"], "||", *run["learn"]]
            print(f"    {run['seed']}: {run['loss']:.3g}  {'; '.join(words)}")


if __name__ == "__main__":
    main()
