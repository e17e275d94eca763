"""Every example of CONTRIBUTING.md keeps the contract of its kind."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaplast import testing
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import find
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.signals import feedback, neuron_view
from tests._seen import seen

TEXT = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    for index, text in enumerate(PYTHON):
        space: dict[str, Any] = {"__name__": f"contributed_{index}"}
        exec(compile(text, f"CONTRIBUTING.md, block {index}", "exec"), space)  # noqa: S102  (our own text)


def test_a_rule_of_terms_is_found_by_name(tmp_path):
    (tmp_path / "rule").mkdir()
    (tmp_path / "rule" / "my_rule.yaml").write_text(YAML[0])
    job = parse(compose(["experiment=oja", "rule=my_rule"], Sources(tmp_path)))
    rule: Any = job.main.rule
    assert rule.terms == ("post*pre", "post^2*weight")
    assert "`configs/rule/my_rule.yaml`" in TEXT


def test_the_rule_keeps_its_promises():
    testing.check_rule(find("rule", "my_rule")())


def test_the_neuron_keeps_its_promises():
    testing.check_neuron(
        find("neuron", "square")(),
        lambda neuron, drive, dt: (np.square(drive["soma"]), drive["soma"]),
    )


def test_the_feedback_tells_every_population_the_mean_error():
    wiring = Feedforward(hidden=(4,)).wiring({"input": 3}, 2)
    views = {p.name: neuron_view(*np.full((3, p.n), 0.5)) for p in wiring.populations}
    error = np.asarray([1.0, 3.0])
    rule = find("feedback", "broadcast")()
    told = rule.step({}, {}, seen(wiring, views, feedback(2, error=error)))[1].feedback
    np.testing.assert_allclose(told["output"], 0.5 * error)
    np.testing.assert_allclose(told["hidden_1"], np.full(4, 1.0))


def test_the_task_family_keeps_its_promises():
    testing.check_task_family(find("task", "echo")())


def test_the_outer_loop_keeps_its_promises():
    testing.check_outer_loop(find("outer", "climb")())


def test_each_kind_has_its_example():
    assert len(PYTHON) == 5
    assert len(YAML) == 1
