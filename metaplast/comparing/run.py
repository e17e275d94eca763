"""Several outer loops on one problem, each tuned, under equal budgets: from the config to the
folder.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax

from metaplast import train
from metaplast.comparing.budget import warm
from metaplast.comparing.contestant import Entrant
from metaplast.figures import loop_curves
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import BadInput
from metaplast.results import loops
from metaplast.runs import folder, preflight
from metaplast.runs.config import Plain, read_file, to_yaml
from metaplast.runs.environment import environment, warn_of_other_versions
from metaplast.runs.job import Config, Job, parse
from metaplast.runs.spans import duration
from metaplast.runs.stopping import stoppable
from metaplast.settings.compare import Compare
from metaplast.settings.names import DISCOVERED
from metaplast.space import within
from metaplast.spec import encode

log = logging.getLogger(__name__)
REQUEST, RESULT = "compare_request.json", "compare.json"
TUNING = 10_000  # added to the seed of the trainings that are judged
Progress = Callable[[str, float, int], None]  # an outer loop, trainings done, of at most so many


def start(
    plain: Plain,
    path: Path | None,
    progress: Progress,
    only: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """A new comparison. only: names of the outer loops that take part; say: given a line on what it
    will cost at least, before anything is compiled. Nothing on disk changes unless it is valid.

    Raises: BadInput, folder.Busy, stopping.Interrupted, OSError.
    """
    config = _config(plain)
    accepted = [
        replace(config, outer=outer)
        for outer, refused in _entrants(config, only).values()
        if not refused
    ]
    preflight.check(Job(((DISCOVERED, accepted[0]),)), 1)
    run = folder.create(path or folder.fresh_path(f"compare-{config.experiment}", config.seed))
    with folder.locked(run), folder.logged(run):
        if config.compare.cpu_s and jax.default_backend() != "cpu":
            log.warning(
                "compare.cpu_s=%g counts no second of the accelerator: use compare.lives",
                config.compare.cpu_s,
            )
        folder.write_json(run / REQUEST, {"only": list(only), "config": _digest(to_yaml(plain))})
        folder.write_text(run / "config.yaml", to_yaml(plain))
        folder.write_json(run / "environment.json", environment())
        say(f"{run}: {budget_words(config.compare, len(accepted))}")
        _execute(run, config, only, progress)
    return run


def is_comparison(run: Path) -> bool:
    return (run / REQUEST).is_file()


def resume(run: Path, progress: Progress) -> Path:
    """Go on with a comparison: finished trainings are kept, the one that was interrupted begins
    again.

    Raises: BadInput where its config was changed; else as `start`.
    """
    folder.check_idle(run)
    request = json.loads((run / REQUEST).read_text())
    if request["config"] != _digest((run / "config.yaml").read_text()):
        raise BadInput(
            f"{run}/config.yaml, changed", "the config it began with", "start a new comparison"
        )
    config = _config(read_file(run / "config.yaml"))
    with folder.locked(run), folder.logged(run):
        warn_of_other_versions(run)
        if not (run / RESULT).is_file():
            _execute(run, config, request["only"], progress)
    return run


def render(run: Path) -> str:
    """What `metaplast compare` prints at the end. Raises: BadInput for a comparison that is not
    finished.
    """
    files = [("json", run / RESULT), ("figure", run / "figures" / "loops.png")]
    return "\n\n".join(
        [loops.render(read(run)), "\n".join(f"{kind:8} {path}" for kind, path in files)]
    )


def read(run: Path) -> Plain:
    """compare.json. Raises: BadInput for a comparison that is not finished."""
    if not (run / RESULT).is_file():
        raise BadInput(f"{run}", "a finished comparison", f"metaplast resume {run}")
    return json.loads((run / RESULT).read_text())


def budget_words(compare: Compare, n_loops: int) -> str:
    """What the budgets come to. Of a training with both budgets the one that ends later counts; the
    seeds of a loop have one setting or, where each budget prefers another, two."""
    trainings = n_loops * (compare.tries + compare.seeds)
    each = [f"{compare.lives:,.0f} lives"] if compare.lives else []
    each += [f"{duration(compare.cpu_s)} of CPU time"] if compare.cpu_s else []
    whole = (
        f": at least {duration(trainings * compare.cpu_s)} of CPU time in all"
        if compare.cpu_s
        else ""
    )
    return f"at least {trainings} trainings of {n_loops} outer loops, each with {' and '.join(each)}{whole}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _config(plain: Plain) -> Config:
    """Raises: BadInput."""
    for name in {"seeds", "vary"} & set(plain):
        raise BadInput(
            f"{name}={plain[name]}", "compare.seeds and compare.tries", f"leave out {name}"
        )
    config = parse({**plain, "rows": {}}).main
    config.compare.budgets()
    if config.problem.curriculum:
        fix = (
            "set problem.curriculum={}: its stages come after outer steps, and those are not equal"
        )
        raise BadInput("problem.curriculum in a comparison", "lives of one length", fix)
    return config


def _entrants(config: Config, only: Sequence[str]) -> dict[str, tuple[AbstractOuterLoop, str]]:
    """Who takes part, each with the reason why it cannot, if so. Raises: BadInput where nobody can."""
    found, problem, first = {}, config.meta_problem(), None
    for name, outer in config.compare.entrants(config.outer, config.problem.n_tasks, only).items():
        refused = ""
        try:
            state = jax.eval_shape(
                partial(train.begin, problem, within(outer, config.space), config.seed)
            )
            if len(outer.forms(state)) > 1:
                raise BadInput(
                    "restarts, which compile anew in the middle",
                    "a state of one shape",
                    "set restarts=0",
                )
        except BadInput as error:
            first = first or BadInput(f"{name}: {error.what}", error.expected, error.fix)
            refused = f"{error.what} - expected {error.expected}"
        found[name] = (outer, refused)
    if first and all(refused for _, refused in found.values()):
        raise first
    return found


def _execute(run: Path, config: Config, only: Sequence[str], progress: Progress) -> None:
    jax.config.update("jax_enable_x64", config.precision == "float64")
    seeds = range(config.seed, config.seed + config.compare.seeds)
    with stoppable(run, lambda: None) as stop:
        everybody = _entrants(config, only)
        going: dict[str, Entrant] = {}
        for name, (outer, refused) in everybody.items():
            if refused:
                continue

            def tick(done: float, total: int, name: str = name) -> None:
                progress(name, float(done), total)
                stop.check()

            going[name] = Entrant(run / "loops" / name, config, outer, tick)
            warm(going[name].problem, going[name].outer, config.seed + TUNING)
            stop.check()
        for entrant in going.values():
            entrant.tune(config.seed + TUNING)
        for seed in seeds:  # in turn, so that a change of the machine's load meets all of them
            for entrant in going.values():
                entrant.judge(seed)
        told = {
            name: {
                "outer": encode(outer),
                "refused": refused or None,
                **(going[name].told if name in going else {}),
            }
            for name, (outer, refused) in everybody.items()
        }
        result = loops.summed_up(told, list(config.compare.budgets()))
        settings = {key: value for key, value in encode(config.compare).items() if key != "loops"}
        head = {
            "schema": loops.SCHEMA,
            "experiment": config.experiment,
            "seed": config.seed,
            "compare": settings,
        }
        loop_curves.draw(result, run / "figures" / "loops.png")
        folder.write_json(run / RESULT, {**head, **result})
