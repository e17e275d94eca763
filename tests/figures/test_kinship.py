"""The words, tables and numbers on the kin of a rule, its field and its locality."""

import json
import math
from pathlib import Path

import pytest

from metaplast.figures.kinship import gradient, part
from metaplast.inspection.certificate import Locality
from metaplast.inspection.gradient_field import Alignment, GradientField
from metaplast.inspection.kinship import Kinship, Likeness, Relative
from metaplast.results.statistics import Estimate

EDGES = ("a_to_b", "b_to_c")
NOTHING = Estimate(math.nan, math.nan, math.nan, 0)


def like(cosine: float) -> dict[str, Likeness]:
    estimate = Estimate(cosine, cosine - 0.1, cosine + 0.1, 16)
    return {edge: Likeness(estimate, math.sqrt(1 - cosine**2), 2.0) for edge in EDGES}


KIN = Kinship(
    {"oja": like(0.8), "hebb": like(-0.3)},
    {"anti_hebb": "hebb"},
    {"stdp": "no spikes"},
    [
        Relative("oja", 1, 0.5, Estimate(2.0, 1.0, 3.0, 64), Estimate(-1.0, -1.5, -0.5, 60), 4),
        Relative("hebb", -1, 1.0, NOTHING, NOTHING, 64),
    ],
    {"bcm": "reversed"},
    {"c_to_d": "the rule changes nothing there"},
)
FIELD = GradientField(
    {"a_to_b": Estimate(1e-6, 1e-7, 2e-6, 100), "b_to_c": Estimate(0.2, 0.1, 0.3, 100)},
    NOTHING,
    {"a_to_b": 8, "b_to_c": 8},
    4,
    25,
    True,
)
ALIGNED = {"b": Alignment(Estimate(89.0, 85.0, 93.0, 32), Estimate(40.0, 35.0, 45.0, 32))}
LOCAL = {"a_to_b": Locality("layer", ("pre", "predicted"), ("random numbers",), "neuron", True)}


def test_the_part_says_what_is_nearest_with_its_numbers(tmp_path: Path) -> None:
    made = part(KIN, FIELD, ALIGNED, LOCAL, "loss", tmp_path)
    text = " ".join(made.section.paragraphs)
    assert "Of 2 known rules" in text
    assert "oja is the nearest: cosine 0.800 [0.700, 0.900] at a_to_b" in text
    assert "0.6 of the change is left" in text
    assert "oja, run in place of the rule" in text
    assert "it is worse than the rule" in text
    assert "In 4 more lives its score is not finite" in text
    assert (
        "hebb, reversed, run in place of the rule, gives no finite loss "
        "(64 held-out lives are not finite)"
    ) in text
    assert "c_to_d is left out of the comparison: the rule changes nothing there." in text
    assert "ranked by the size of the mean of their signed cosines" in text
    assert "anti-rule" not in text
    assert "89 degrees [85, 93]" in text
    assert "40 degrees [35, 45]" in text
    assert "carried back through the forward weights" in text
    assert made.section.figures[0].path.is_file()
    tables = {table.caption: table.rows for table in made.section.tables}
    assert ("stdp", "no spikes") in tables["Known rules left out"]
    assert ("bcm", "reversed") in tables["Known rules left out"]
    assert tables["Locality certificate"] == [
        ("a_to_b", "layer", "pre, predicted, random numbers", "neuron")
    ]
    numbers = json.loads(json.dumps(made.numbers, allow_nan=False))
    assert numbers["likeness"]["hebb"]["b_to_c"]["cosine"]["mean"] == -0.3
    assert numbers["gradient"]["together"]["mean"] is None
    assert [each["not_finite"] for each in numbers["in_task"]] == [4, 64]
    assert numbers["edges_left_out"] == KIN.still


def test_a_rule_without_kin_is_said_to_have_none(tmp_path: Path) -> None:
    far = KIN._replace(likeness={"hebb": like(-0.3)})
    text = " ".join(part(far, FIELD, {}, LOCAL, "loss", tmp_path).section.paragraphs)
    assert "hebb reversed (its anti-rule) is the nearest" in text
    assert "None is near" in text
    near = " ".join(part(KIN, FIELD, {}, LOCAL, "loss", tmp_path).section.paragraphs)
    assert "None is near" not in near


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    nothing = Kinship({}, {}, {"oja": "reason"}, [], {}, {})
    made = part(nothing, FIELD, {}, LOCAL, "loss", tmp_path)
    assert "No known rule could be compared" in made.section.paragraphs[0]
    assert made.section.figures == []


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate(1e-6, 1e-7, 2e-6, 9), "a gradient, up to rounding"),
        (Estimate(5e-3, 1e-3, 8e-3, 9), "a gradient, to within 0.01"),
        (Estimate(0.2, 0.1, 0.3, 9), "no gradient"),
        (Estimate(0.02, 0.005, 0.3, 9), "undecided"),
        (NOTHING, "does not depend"),
    ],
)
def test_the_verdict_on_the_field_follows_its_interval(estimate: Estimate, verdict: str) -> None:
    text = gradient(FIELD._replace(one_neuron={"a": estimate}))[1]
    assert text.startswith("a, the weights of one neuron:")
    assert verdict in text
