"""The verdict on outer loops: found, how sure, why not to believe it."""

from dataclasses import replace

from metaplast.results.loop_verdict import doubts, level_loops, verdict
from tests.results._loops import compared

NEAR = compared([1.0, 2.0, 3.0], [1.4, 1.9, 3.3])
APART = compared([1.0, 2.0, 3.0], [4.0, 5.1, 5.9])


def test_a_loop_that_is_not_told_apart_is_named_with_its_interval() -> None:
    found, sure, why = verdict(NEAR)
    assert found.startswith("first has the lowest held-out loss after 40 lives, 2 [")
    assert "not told apart from second (+0.2 [" in found
    assert sure.startswith("How sure: 3 training seeds")
    few = "3 seeds are few: an interval of Student's t over them is wide."
    assert why == f"Why not to believe it: {few} (1 more below)"
    assert level_loops(NEAR) == ["first", "second"]


def test_loops_that_are_apart_are_worse() -> None:
    assert verdict(APART)[0].endswith("; every other loop is worse.")
    assert level_loops(APART) == ["first"]


def test_no_finite_loop_finds_nothing() -> None:
    nobody = replace(APART, best={"lives": None})
    assert verdict(nobody)[0].startswith("Nothing was found after 40 lives")
    assert level_loops(nobody) == []


def test_what_went_wrong_stands_first() -> None:
    bad = compared([1.0, 2.0], [3.0, 4.0], steps=(5, 0), refused="a restart - expected none")
    reasons = doubts(bad)
    assert reasons[0] == "third took no part: a restart - expected none."
    assert reasons[1:3] == [
        "second, within 40 lives: no outer step was made.",
        "second: theta never moved.",
    ]
    assert verdict(bad)[2].startswith(f"Why not to believe it: {reasons[0]}")
