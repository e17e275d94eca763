"""A small comparison of two outer loops, with made-up losses."""

from metaplast.results.loop_comparison import (
    ContestSettings,
    CurvePoint,
    EnteredLoop,
    LoopComparison,
    LoopScore,
    RefusedLoop,
)
from metaplast.results.numbers import rounded
from metaplast.results.statistics import student


def compared(
    first: list[float],
    second: list[float],
    steps: tuple[int, int] = (5, 5),
    refused: str = "",
) -> LoopComparison:
    """Losses of seeds after 40 lives, by differences; the first loop is the best."""
    loops: dict[str, EnteredLoop | RefusedLoop] = {}
    for name, losses, made in zip(("first", "second"), (first, second), steps, strict=True):
        loss = rounded(student(losses))
        gaps = [x - y for x, y in zip(losses, first, strict=True)]
        score = LoopScore(
            hyper={},
            mean=loss.mean,
            ci95=loss.ci95,
            n=loss.n,
            values=list(losses),
            lives_judged=8,
            steps=made,
            not_finite=0,
            to_best=rounded(student(gaps)),
        )
        point = CurvePoint(40.0 if made else 0.0, 0.0, loss.mean, loss.ci95, loss.n)
        curves = {"lives": [point]}
        loops[name] = EnteredLoop({}, 0.1, 0, 0, bool(made), {"lives": score}, curves, [])
    if refused:
        loops["third"] = RefusedLoop({}, refused)
    settings = ContestSettings(len(first), 40.0, 0.0, 2, 3.0, [], 1)
    return LoopComparison("oja", 0, settings, loops, {"lives": "first"}, "difference")
