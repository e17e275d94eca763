"""The count of seeds goes on where it was, and mixes no settings."""

import pytest

from benchmarks import symbolic_seeds
from benchmarks.symbolic_seeds import Found, judge
from metaplast.rules.symbolic import Symbolic


def test_a_seed_is_searched_once_and_another_setting_is_refused(tmp_path, monkeypatch):
    searched = []

    def search(name, seed):
        searched.append(seed)
        expression = "post*(pre - weight*post)" if seed % 2 else "post*pre"
        rule = Symbolic(expression=expression, learn="none")
        return Found(rule, {}), {"evaluated": 12, "longest_plateau": 3}

    monkeypatch.setattr(symbolic_seeds, "search", search)
    judge("symbolic_oja", range(2), tmp_path)
    lines = judge("symbolic_oja", range(4), tmp_path)
    assert searched == [0, 1, 2, 3]
    assert [line["found"] for line in lines] == [False, True, False, True]
    monkeypatch.setattr(symbolic_seeds, "setting", lambda name, words: -1)
    with pytest.raises(SystemExit, match="another setting"):
        judge("symbolic_oja", range(4), tmp_path)
