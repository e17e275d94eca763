"""What is said of a comparison of outer loops, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from metaplast.results import loops

T4 = 4.302653  # 97.5 % point of Student's t with 2 degrees of freedom


def _told(losses: dict[str, list[float]], blown: str = "") -> dict:
    """Comparisons of three seeds with one budget; `blown`: a loop whose last seed lost a life."""

    def run(name: str, seed: int, loss: float) -> dict:
        end = {
            "steps": 7,
            "lives": 8.0,
            "cpu_s": 1.0,
            "loss": loss,
            "n": 16,
            "not_finite": int(name == blown and seed == 2),
        }
        marks = {"lives": [{**end, "loss": 2 * loss, "not_finite": 0}, end]}
        spent = {
            "steps": 8,
            "lives": 9.0,
            "cpu_s": 1.5,
            "diverged": 1,
            "skipped": 0,
            "moved": name != "still",
        }
        return {
            "seed": seed,
            "hyper": {"rate": 0.1},
            **spent,
            "curve": marks,
            "heldout": {"lives": end},
        }

    def one(name: str, values: list[float]) -> dict:
        runs = [run(name, seed, loss) for seed, loss in enumerate(values)]
        tries = [{"hyper": {"rate": 0.1}, "curve": {"lives": [runs[0]["heldout"]["lives"]]}}]
        head = {"outer": {"name": name}, "refused": None}
        return {**head, "tries": tries, "chosen": {"lives": 0}, "runs": {"lives": runs}}

    return {name: one(name, values) for name, values in losses.items()}


def test_positive_losses_are_compared_by_paired_ratios():
    found = loops.summed_up(_told({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 16.0]}), ["lives"])
    assert (found["best"], found["scale"]) == ({"lives": "a"}, "ratio")
    score = found["loops"]["b"]["scores"]["lives"]
    logs = np.log([2.0, 2.0, 4.0])
    half = T4 * logs.std(ddof=1) / math.sqrt(3)
    assert score["to_best"]["mean"] == pytest.approx(math.exp(logs.mean()), rel=1e-5)
    assert score["to_best"]["ci95"] == pytest.approx(
        [math.exp(logs.mean() - half), math.exp(logs.mean() + half)], rel=1e-5
    )
    assert score["mean"] == pytest.approx(128 ** (1 / 3), rel=1e-5)
    assert found["loops"]["a"]["scores"]["lives"]["to_best"]["ci95"] == [1.0, 1.0]
    assert found["loops"]["a"]["curves"]["lives"][0]["mean"] == pytest.approx(4.0)
    assert found["loops"]["a"]["cpu_s_per_1000_lives"] == pytest.approx(1000 / 6)
    assert found["loops"]["a"]["diverged"] == 3


def test_losses_of_both_signs_are_compared_by_paired_differences():
    found = loops.summed_up(_told({"a": [-1.0, 0.0, 1.0], "b": [0.0, 1.0, 3.0]}), ["lives"])
    gap = found["loops"]["b"]["scores"]["lives"]["to_best"]
    assert found["scale"] == "difference"
    assert gap["mean"] == pytest.approx(4 / 3, rel=1e-5)
    half = T4 * math.sqrt(1 / 3) / math.sqrt(3)
    assert gap["ci95"] == pytest.approx([4 / 3 - half, 4 / 3 + half], rel=1e-4)
    head = {"compare": {"lives": 8, "seeds": 3, "tries": 1}}
    assert "minus a" in loops.render({**head, **found})


def test_a_loop_of_which_a_life_blew_up_ranks_last_and_has_no_mean():
    found = loops.summed_up(
        _told({"a": [1.0, 1.0, 1.0], "b": [0.1, 0.1, 0.1]}, blown="b"), ["lives"]
    )
    score = found["loops"]["b"]["scores"]["lives"]
    assert (found["best"]["lives"], score["mean"], score["not_finite"]) == ("a", None, 1)
    assert score["values"] == [0.1, 0.1, None]
    lines = loops.render({"compare": {"lives": 8, "seeds": 3, "tries": 1}, **found}).splitlines()
    assert lines[3].startswith("b ")
    assert "not finite" in lines[3]


def test_where_nobody_is_finite_nobody_is_best():
    told = _told({"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]})
    for name in ("a", "b"):
        for run in told[name]["runs"]["lives"]:
            run["heldout"]["lives"]["not_finite"] = 1
    found = loops.summed_up(told, ["lives"])
    assert found["best"] == {"lives": None}
    assert "nobody is finite" in loops.render(
        {"compare": {"lives": 8, "seeds": 3, "tries": 1}, **found}
    )
    told["a"]["runs"]["lives"][0]["heldout"]["lives"]["not_finite"] = (
        0  # one seed of a is finite, none of b
    )
    assert loops.summed_up(told, ["lives"])["best"] == {"lives": None}


def test_a_theta_that_never_moved_is_said_to_stand_still():
    found = loops.summed_up(_told({"a": [1.0, 1.0, 1.0], "still": [2.0, 2.0, 2.0]}), ["lives"])
    text = loops.render({"compare": {"lives": 8, "seeds": 3, "tries": 1}, **found})
    assert text.count("theta never moved") == 1


def test_the_setting_with_the_lowest_finite_loss_is_chosen():
    tries = [
        {"curve": {"lives": [{"loss": x, "not_finite": n}]}}
        for x, n in ((0.5, 0), (None, 4), (0.1, 1), (0.4, 0))
    ]
    assert loops.best_try(tries, "lives") == 3
    assert loops.best_try(tries[1:3], "lives") == 0
