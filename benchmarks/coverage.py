"""Measure how often intervals of a fit's numbers hold the truth.

    python -m benchmarks.coverage [--sets N] [DESIGN ...]

Every design of coverage_designs.py has data sets by plain NumPy. Each is fitted as a member of one
compiled program, with the intervals of `fitting.intervals`. A measurement goes on where it stopped:
there is one file per design in benchmarks/results_coverage. At the end it prints a table with

- the coverage of every number that the data settle, with its 95 % Clopper-Pearson interval;
- the median width over the width of the Fisher information at the truth (with animals that differ,
  of the true sandwich);
- how often open numbers were named.
"""

import argparse
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.coverage_designs import DESIGNS, N_SETS, RATE, Arrays, Design, data_set
from metaplast.fitting.data import Data
from metaplast.fitting.engine import Member, fit
from metaplast.fitting.flat import flattened
from metaplast.fitting.geometry import Groups, Space
from metaplast.fitting.intervals import NumberIntervals, intervals, number_slopes
from metaplast.fitting.numbers import FittedRule, canonical, numbers
from metaplast.fitting.sensitivity import sensitivity
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import everything
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session
from metaplast.registry import register
from metaplast.results.statistics import binomial
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from metaplast.signals import Theta
from metaplast.spec import build, nested, plugin, spec
from outer_loops.lbfgs import Lbfgs

OUT = Path(__file__).parent / "results_coverage"
SETTINGS = Fit(starts=1, chunk=20)
OUTER = Lbfgs(steps=200)
TOGETHER = 20  # data sets that are fitted in one program
EDGE = "input_to_output"
CHANNELS = ("dopamine", "laser", "pupil")


@register("task", "coverage")
@spec
class Coverage(AbstractRecording):
    """The first data set of a design stands for the shapes of all."""

    design: str = "identified"
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Bernoulli()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut(subjects=0.0, trials=0.0)
    clamp: bool = False

    def recorded(self) -> Recorded:
        return _template(self.design)

    def truth(self) -> None:
        return None


@lru_cache(maxsize=16)
def _template(name: str) -> Recorded:
    """The recording of the first data set of a design."""
    design = DESIGNS[name]
    n = design.n_subjects
    shape = (design.n_subjects, design.n_steps)
    zeros = np.zeros(shape, np.float32)
    fields: dict[str, Any] = {"gate": zeros + 1.0, "reset": zeros, "weights": {}, "final": {}}
    fields |= {"subject": np.arange(n, dtype=np.int32)} | fields_of(data_set(design, 0))
    trial = np.broadcast_to(np.arange(design.n_steps), shape)
    return Recorded(Session(**fields), trial, np.arange(n), tuple(map(str, range(n))))


def fields_of(data: Arrays) -> dict[str, Any]:
    """The fields of a session that differ between data sets. Every recorded value counts alike."""
    single = {name: values.astype(np.float32) for name, values in data.items()}
    counts = single["observed"].sum(axis=(1, 2))
    return {
        "stimulus": single["stimulus"],
        "target": single["target"] * single["observed"],
        "observed": single["observed"],
        "modulators": {name: single[name] for name in CHANNELS},
        "share": counts * len(counts) / counts.sum(),
    }


def problem_of(name: str) -> MetaProblem:
    """The problem whose theta is fitted to the data sets of a design."""
    design = DESIGNS[name]
    likelihood = Bernoulli() if design.kind == "choice" else Gaussian(sd=design.noise)
    rule = Polynomial(terms=design.terms, rate=RATE)
    fields = {
        "task": Coverage(design=name, likelihood=likelihood),
        "network": {"name": "feedforward", "hidden": (), "output": "linear"},
        "feedback": "none",
        "genome": "direct",
        "slots": (Slot(rule=rule),),
    }
    return MetaProblem(
        build(Lifetime, fields), MeanLoss(), n_tasks=design.n_subjects, life_clip=0.0
    )


def true_theta(design: Design, like: Theta) -> Theta:
    """The theta of a design's true numbers, in which all other leaves are those of `like`."""
    coefficients = jnp.asarray(design.truth, float) / RATE
    return {
        **like,
        "rules": {"rule": {"coefficients": coefficients}},
        "genome": {EDGE: jnp.asarray([design.w0], float)},
    }


def run(name: str, n_sets: int) -> None:
    """Fit the data sets that were not fitted yet, TOGETHER at a time."""
    design = DESIGNS[name]
    problem = problem_of(name)
    path = OUT / f"{name}.json"
    done = json.loads(path.read_text())["sets"] if path.is_file() else []
    task = problem.lifetime.task
    assert isinstance(task, Coverage)
    sessions = task.whole("train")
    while len(done) < min(n_sets, N_SETS):
        which = range(len(done), min(len(done) + TOGETHER, N_SETS))
        fields = [fields_of(data_set(design, i)) for i in which]
        inits = [problem.init(jax.random.key(i)) for i in which]
        members = [Member(t, everything(t), 0.0, f) for t, f in zip(inits, fields, strict=True)]
        results = fit(problem, OUTER, sessions, members, SETTINGS, 0)
        for fitted, data in zip(results, fields, strict=True):
            judged = _judged(problem, design, fitted.theta, replace(sessions, **data))
            done.append({**judged, "stable": fitted.stable})
        OUT.mkdir(exist_ok=True)
        path.write_text(json.dumps({"design": design._asdict(), "sets": done}) + "\n")
        print(f"{name}: {len(done)} of {n_sets}", flush=True)


def _judged(
    problem: MetaProblem, design: Design, theta: Theta, sessions: Session
) -> dict[str, Any]:
    """The numbers of one fit, their intervals, and the numbers that it named as open."""
    subject = np.asarray(sessions.subject)
    data = Data({"train": sessions}, {}, {"train": subject}, tuple(map(str, subject)), None)
    known = intervals(problem.lifetime, data, FittedRule(theta, everything(theta)), 0)
    assert known is not None
    value = numbers(problem.lifetime, jax.tree.map(np.asarray, theta))
    names = [canonical(term) for term in design.terms]
    ends = {name: _plain(known.interval.get(name, (np.nan, np.nan))) for name in names}
    width = _reference(problem, design, theta, sessions) if not design.open else {}
    fitted = {n: _short(value[n]) for n in names}
    return {"fitted": fitted, "ci95": ends, "named": _named(known), "reference": width}


def _plain(ends: tuple[float, float]) -> list[float] | None:
    return [_short(end) for end in ends] if np.isfinite(ends).all() else None


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _named(known: NumberIntervals) -> list[str]:
    return sorted({*known.separated, *(name for weights in known.open for name in weights)})


def _reference(
    problem: MetaProblem, design: Design, theta: Theta, sessions: Session
) -> dict[str, float]:
    """1.96 standard deviations of every number at the truth.

        variance = F^-1 (F + sum_s F_s B F_s) F^-1

    F_s: the Fisher information of animal s.
    F: the sum of all F_s.
    B: the variance of the numbers between animals.
    """
    true = true_theta(design, theta)
    moved = sensitivity(problem.lifetime, true, everything(true), sessions, 0)
    space = Space(moved, Groups(np.zeros(len(moved.score), int), "values"))
    names, _, slopes = number_slopes(problem.lifetime, true, moved.free)
    between = np.zeros(len(flattened(true)))
    is_rule = []
    for name in sorted(true):
        for leaf in jax.tree.leaves(true[name]):
            is_rule.append(np.full(np.size(leaf), name == "rules"))
    rules = np.concatenate(is_rule)
    between[rules] = (design.differ / RATE) ** 2
    total = moved.fisher.sum(axis=0)
    middle = total + sum(f @ np.diag(between[moved.free]) @ f for f in moved.fisher)
    inverse = np.linalg.inv(total)
    sd = np.sqrt(np.einsum("ki,ij,kj->k", slopes, inverse @ middle @ inverse, slopes))
    assert space.flat.size == 0
    return {name: _short(1.96 * float(x)) for name, x in zip(names, sd, strict=True)}


def table() -> None:
    """Print a line for every number of every design."""
    print(
        f"{'design':20} {'number':26} {'sets':>4} {'covered':>8} {'95 %':>14} "
        f"{'width':>6} {'named':>6} {'at rest':>7}"
    )
    for name, design in DESIGNS.items():
        path = OUT / f"{name}.json"
        sets = json.loads(path.read_text())["sets"] if path.is_file() else []
        for term, truth in zip(design.terms, design.truth, strict=True):
            print(_line(name, term, truth, term in design.open, sets))


def _line(name: str, term: str, truth: float, is_open: bool, sets: list[dict[str, Any]]) -> str:
    """The line of one number."""
    number = canonical(term)
    line = f"{name:20} {number:26} {len(sets):4}"
    if sets and not is_open:
        hits = 0
        ratios = []
        for one in sets:
            ends = one["ci95"][number]
            if ends is None:
                continue
            hits += ends[0] <= truth <= ends[1]
            if one["reference"]:
                ratios.append((ends[1] - ends[0]) / 2 / one["reference"][number])
        covered = binomial(hits, len(sets))
        width = f"{np.median(ratios):6.2f}" if ratios else f"{'-':>6}"
        line += f" {covered.mean:8.3f} [{covered.low:.3f}, {covered.high:.3f}] {width}"
    else:
        line += f" {'open':>8} {'':14} {'':6}"
    if sets:
        named = [number in one["named"] and one["ci95"][number] is None for one in sets]
        line += f" {np.mean(named):6.3f} {sum(one['stable'] for one in sets):7}"
    return line


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("designs", nargs="*", default=list(DESIGNS))
    parser.add_argument("--sets", type=int, default=N_SETS)
    arguments = parser.parse_args()
    for design_name in arguments.designs:
        run(design_name, arguments.sets)
    table()
